//! Recipe → image: from the lock file if it will do, else from the newest packages.

use std::fs;
use std::io::Write;
use std::path::Path;

use ironkit_oci::http::Client;
use ironkit_oci::{Digest, Platform, Reference, Store};
use ironkit_tree::FileSet;

use crate::assemble::assemble;
use crate::debian::fetch::new_file;
use crate::debian::{Downloads, Machine, multiarch};
use crate::error::{Error, io_at};
use crate::lock::{Change, Lock, Locked};
use crate::recipe::{Item, Recipe};
use crate::sources::{Choice, Layers, Packages};
use crate::tag;
use crate::{attestation, image};

/// How a component is built.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What the image is for.
    pub platform: Platform,
    /// Fail rather than change the lock file.
    pub locked: bool,
    /// Build even what the store has.
    pub force: bool,
    /// Where packages come from.
    pub machine: Machine,
}

/// What was built.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// The image's name.
    pub reference: Reference,
    /// Digest of its manifest.
    pub digest: Digest,
    /// Length of its layer in bytes, compressed.
    pub layer_size: u64,
    /// Whether the store had it already.
    pub cached: bool,
    /// The packages that it is made from.
    pub packages: Vec<Locked>,
    /// What changed in the lock file, which then was written.
    pub changes: Vec<Change>,
}

/// Builds the component and names it in `store`, unless it is there. `progress` hears of each step in a few words.
///
/// # Errors
/// See [`Error`]; nothing is named and the lock file is untouched then.
pub fn build(
    recipe: &Recipe,
    store: &Store,
    http: &Client,
    options: &Options,
    progress: &dyn Fn(&str),
) -> Result<Built, Error> {
    if recipe.definition.dockerfile.is_some() {
        return Err(Error::Dockerfile {
            directory: recipe.directory.clone(),
        });
    }
    let platform = &options.platform;
    if platform.os != "linux" || multiarch(&platform.architecture).is_none() {
        return Err(Error::Unsupported(format!("building for {platform}")));
    }
    let reference = tag::reference(recipe, &recipe.lock)?;
    if !options.force
        && let Some(image) = store.find(&reference, platform)?
    {
        let packages = recipe.lock.packages.clone();
        let layer_size = image.layers.iter().map(|layer| layer.size).sum();
        let digest = image.digest;
        return Ok(Built {
            reference,
            digest,
            layer_size,
            cached: true,
            packages,
            changes: Vec::new(),
        });
    }
    let downloads = Downloads::new(http, &options.machine, &store.root().join("debian"))?;
    let layers = Layers::default();
    let (files, packages) = contents(recipe, &downloads, options, &layers, progress)?;
    let lock = recipe.lock.after(&platform.architecture, packages.clone());
    let changes = recipe.lock.changes(&lock);
    if options.locked && lock != recipe.lock {
        let reason = changes
            .iter()
            .map(Change::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        return Err(Error::Locked {
            lock: recipe.lock_file(),
            reason,
        });
    }
    let definition = &recipe.definition;
    let reference = tag::reference(recipe, &lock)?;
    let described = attestation::packages(recipe, &packages, platform);
    let written = image::write(
        store,
        &files,
        &layers,
        platform,
        &image::Description {
            title: &definition.image,
            name: &reference,
            config: definition.config.as_ref(),
            packages: &described,
        },
    )?;
    let digest = written.manifest;
    store.add_image(&reference, written.index)?;
    if lock != recipe.lock && !recipe.embedded {
        write_lock(&recipe.lock_file(), &lock)?;
    }
    Ok(Built {
        reference,
        digest,
        layer_size: written.layer_size,
        cached: false,
        packages,
        changes,
    })
}

/// The files of the image and the packages that they are from.
fn contents(
    recipe: &Recipe,
    downloads: &Downloads<'_>,
    options: &Options,
    layers: &Layers,
    progress: &dyn Fn(&str),
) -> Result<(FileSet, Vec<Locked>), Error> {
    let attempt = |choice| {
        let mut packages = Packages::new(
            downloads,
            (&options.platform.architecture, &recipe.definition.areas),
            choice,
            layers,
            progress,
        );
        assemble(recipe, &mut packages).map(|files| (files, packages.used()))
    };
    let error = match attempt(Choice::Locked(&recipe.lock)) {
        Err(error) if error.is_about_the_lock() => error,
        result => return result,
    };
    if options.locked {
        return Err(Error::Locked {
            lock: recipe.lock_file(),
            reason: chain(&error),
        });
    }
    if !recipe.lock.packages.is_empty() {
        progress(&format!("the lock file does not do: {}", chain(&error)));
    }
    attempt(Choice::Newest).map_err(|newer| {
        match newer.is_about_the_network() && is_locked(recipe, &options.platform.architecture) {
            // Everything that is asked for is locked, so what was wrong is more to the point.
            true => error,
            false => newer,
        }
    })
}

/// Whether every package that the recipe names is in the lock file.
fn is_locked(recipe: &Recipe, architecture: &str) -> bool {
    let mut wanted = recipe
        .definition
        .contents
        .iter()
        .filter(|entry| entry.is_for(architecture));
    wanted.all(|entry| match &entry.item {
        Item::Package { suite, package, .. } | Item::Kernel { suite, package, .. } => recipe
            .lock
            .packages
            .iter()
            .any(|locked| locked.suite == *suite && locked.package == *package),
        _ => true,
    })
}

/// Puts the lock file in place at once; there is none for a component without packages.
fn write_lock(path: &Path, lock: &Lock) -> Result<(), Error> {
    if lock.packages.is_empty() {
        return fs::remove_file(path).map_err(io_at("remove", path));
    }
    let (temporary, mut file) =
        new_file(path.parent().unwrap_or(Path::new("."))).map_err(io_at("write", path))?;
    let written = file
        .write_all(lock.to_string().as_bytes())
        .and_then(|()| file.sync_all());
    written
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|source| {
            // The first error counts; a file that cannot be removed either adds nothing to it.
            let _ = fs::remove_file(&temporary);
            io_at("write", path)(source)
        })
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(&format!(": {error}"));
        next = error.source();
    }
    text
}
