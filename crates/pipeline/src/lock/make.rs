//! Manifests → lock file.

use ironkit_manifest::{Manifest, SourceFile};
use ironkit_oci::{Digest, LayoutLookup, Lookup, Platform, Reference, Registry, Store};

use super::pinned::pinned;
use super::{LockFile, LockOptions, LockReport, read};
use crate::packages::{self, Named, PackageOptions};
use crate::{Context, Error, Result, Watcher, loaders, resolve};

/// Pins every image of merged manifests.
///
/// # Errors
/// Those of the manifests and of images whose digest cannot be had; with `check`, a lock file that is out of date.
pub fn lock(
    context: &Context,
    sources: &[SourceFile],
    options: &LockOptions,
    watcher: &dyn Watcher,
) -> Result<LockReport> {
    let named = Named::default();
    let resolve = |path: &str, file: &SourceFile| named.resolve(path, file);
    let (manifest, _) = ironkit_manifest::parse(sources, &resolve).map_err(Error::Manifest)?;
    let old = read(&options.path)?;
    let is_there = old.is_some();
    let old = old.unwrap_or_default();
    let store = context.store()?;
    let mut locking = Locking {
        context,
        store: &store,
        options,
        named: &named,
        watcher,
        registry: None,
        old: &old,
        new: LockFile::default(),
        missing: Vec::new(),
    };
    locking.all(&manifest)?;
    let (new, missing) = (locking.new, locking.missing);
    let mut changes = old.changes(&new);
    changes.extend(missing.iter().map(|name| format!("+ {name}")));
    let report = LockReport {
        pins: new.len(),
        changes,
    };
    if options.check && !report.changes.is_empty() {
        return Err(Error::Usage {
            message: format!(
                "{} is out of date:\n  {}",
                options.path.display(),
                report.changes.join("\n  ")
            ),
            hint: "`ironkit lock` without --check brings it up to date".to_owned(),
        });
    }
    if !options.check && (old != new || !is_there) {
        let path = options.path.clone();
        crate::write_output(path.clone(), |out| {
            let written = out.write_all(new.to_string().as_bytes());
            written.map_err(|source| Error::Write { path, source })
        })?;
    }
    Ok(report)
}

struct Locking<'a> {
    context: &'a Context,
    store: &'a Store,
    options: &'a LockOptions,
    named: &'a Named,
    watcher: &'a dyn Watcher,
    registry: Option<Registry>,
    old: &'a LockFile,
    new: LockFile,
    /// Images that a check found no pin for.
    missing: Vec<String>,
}

impl Locking<'_> {
    fn all(&mut self, manifest: &Manifest) -> Result<()> {
        let mut mistakes = Vec::new();
        let mut failed = false;
        let layouts = ironkit_rootfs::layouts(manifest).map_err(Error::Manifest)?;
        let files = ironkit_rootfs::references(manifest).into_iter();
        let files = files.map(|reference| (reference, None));
        let whole = layouts
            .iter()
            .map(|layout| (layout.image, Some(layout.platforms.as_slice())));
        for (name, platforms) in files.chain(whole) {
            if let Err(error) = self.one(name, platforms) {
                failed |= !resolve::is_wish(&error);
                let problem = format!("cannot pin the image `{}`", name.value);
                mistakes.push(resolve::diagnostic(manifest, name, self.named, problem, &error));
            }
        }
        match (mistakes.is_empty(), failed) {
            (true, _) => self.loaders(),
            (false, true) => Err(Error::Images(mistakes)),
            (false, false) => Err(Error::Manifest(mistakes)),
        }
    }

    /// Pins the images that a build takes boot loaders from.
    fn loaders(&mut self) -> Result<()> {
        for given in &self.options.loaders {
            let name = loaders::reference(given, self.named)?;
            self.one(&name, None)?;
        }
        Ok(())
    }

    /// Pins one image; `platforms` are those of a volume that holds the image itself.
    fn one(&mut self, name: &str, platforms: Option<&[Platform]>) -> Result<()> {
        let reference: Reference = name.parse()?;
        let platform = &self.options.platform;
        let recipe = self.named.recipe(name);
        let component = recipe.filter(|recipe| recipe.definition.dockerfile.is_none());
        let old = self.old.digest(&reference, platform);
        // Components keep the pins of other platforms.
        if component.is_some() || !self.options.update {
            self.new.keep(self.old, &reference);
        }
        match (old, reference.digest()) {
            (_, Some(digest)) => self.new.pin(&reference, None, *digest),
            (Some(_), None) if !self.options.update => {}
            (None, None) if self.options.check => {
                self.missing.push(reference.to_string());
                return Ok(());
            }
            _ => match &component {
                Some(recipe) => {
                    let digest = self.component(&reference, recipe)?;
                    self.new.pin(&reference, Some(platform.clone()), digest);
                }
                None => {
                    let digest = self.digest(&reference)?;
                    self.new.pin(&reference, None, digest);
                }
            },
        }
        if self.options.fetch && component.is_none() {
            self.fetch(&reference, platforms)?;
        }
        Ok(())
    }

    /// The digest of a component's manifest, which is made for that if need be.
    fn component(&self, reference: &Reference, recipe: &ironkit_package::Recipe) -> Result<Digest> {
        let platform = &self.options.platform;
        if let Lookup::Found(image) = self.store.lookup(reference, platform)? {
            return Ok(image.digest);
        }
        self.watcher
            .step(&format!("building {}", recipe.directory.display()));
        let options = PackageOptions {
            locked: true,
            force: false,
        };
        let built = packages::build(self.context, self.store, recipe, platform, options, self.watcher)?;
        Ok(built.digest)
    }

    /// The digest of a name: the store's, unless a newer one is asked for, else the registry's.
    fn digest(&mut self, reference: &Reference) -> Result<Digest> {
        let stored = self.store.digest_of(reference)?;
        if let Some(digest) = stored.filter(|_| !self.options.update) {
            return Ok(digest);
        }
        self.watcher.step(&format!("asking for {reference}"));
        let watcher = self.watcher;
        match (self.registry()?.digest_of(reference, watcher), stored) {
            (Ok(digest), _) => Ok(digest),
            // It came out of an archive, and no registry has it.
            (Err(ironkit_oci::Error::NotFound { .. }), Some(digest)) => Ok(digest),
            (Err(error), _) => Err(error.into()),
        }
    }

    /// Fetches what an image is pinned to, unless the store has it.
    fn fetch(&mut self, reference: &Reference, platforms: Option<&[Platform]>) -> Result<()> {
        let platform = self.options.platform.clone();
        let Some(digest) = self.new.digest(reference, &platform) else {
            return Ok(());
        };
        let wanted = pinned(reference, digest)?;
        let (store, watcher) = (self.store, self.watcher);
        watcher.step(&format!("pulling {wanted}"));
        match platforms {
            None if matches!(store.lookup(&wanted, &platform)?, Lookup::Found(_)) => {}
            None => drop(self.registry()?.pull(store, &wanted, &platform, watcher)?),
            Some(platforms) if matches!(store.layout(&wanted, platforms)?, LayoutLookup::Found(_)) => {}
            Some(platforms) => {
                drop(self.registry()?.pull_layout(store, &wanted, platforms, watcher)?);
            }
        }
        Ok(())
    }

    fn registry(&mut self) -> Result<&Registry> {
        let registry = match self.registry.take() {
            Some(registry) => registry,
            None => self.context.registry()?,
        };
        Ok(self.registry.insert(registry))
    }
}
