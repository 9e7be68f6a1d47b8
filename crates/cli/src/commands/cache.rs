//! `ironkit cache`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use ironkit_oci::{ArchiveFormat, Clean, ImportOptions, Platform, Reference, Removed, Store};
use ironkit_pipeline::{Context, Error};

use super::Outcome;
use crate::args::{CacheCommand, Global};
use crate::console::{Console, size, table};
use crate::environment;

/// Dispatches.
pub fn run(global: &Global, command: &CacheCommand, console: &Console) -> Outcome {
    let context = environment::context(global)?;
    let store = context.store()?;
    match command {
        CacheCommand::Ls => list(&store, console),
        CacheCommand::Pull { references, platform } => {
            pull(&context, &store, references, platform.as_ref(), console)
        }
        CacheCommand::Import { files, name } => import(&store, files, name.as_deref(), console),
        CacheCommand::Export {
            reference,
            outfile,
            format,
            platform,
        } => export(&store, reference, outfile, format, platform.as_ref()),
        CacheCommand::Rm { references } => remove(&store, references, console),
        CacheCommand::Clean { unneeded } => {
            let removed = store.clean(if *unneeded {
                Clean::Unneeded
            } else {
                Clean::Everything
            })?;
            console.inform(&summary(&removed));
            Ok(())
        }
    }
}

fn list(store: &Store, console: &Console) -> Outcome {
    let mut images = store.images()?;
    images.sort_by(|a, b| a.name.cmp(&b.name));
    if images.is_empty() {
        console.inform(&format!("{} has no images", store.root().display()));
        return Ok(());
    }
    let mut rows = vec![
        ["NAME", "PLATFORMS", "SIZE", "DIGEST"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for image in images {
        let platforms: Vec<String> = image.platforms.iter().map(ToString::to_string).collect();
        rows.push(vec![
            image.name,
            platforms.join(","),
            size(image.size),
            image.digest.to_string(),
        ]);
    }
    console.print(&table(&rows));
    Ok(())
}

fn pull(
    context: &Context,
    store: &Store,
    references: &[String],
    platform: Option<&Platform>,
    console: &Console,
) -> Outcome {
    let platform = platform
        .cloned()
        .map_or_else(|| environment::platform(None), Ok)?;
    let registry = context.registry()?;
    for reference in references {
        let reference = reference.parse::<Reference>()?.or_latest();
        let image = registry.pull(store, &reference, &platform, console)?;
        console.print(&format!("{reference}@{}", image.digest));
    }
    Ok(())
}

fn import(store: &Store, files: &[String], name: Option<&str>, console: &Console) -> Outcome {
    let name = name.map(str::parse).transpose()?;
    for file in files {
        let archive: Box<dyn Read> = match file.as_str() {
            "-" => Box::new(io::stdin()),
            path => Box::new(File::open(path).map_err(|source| Error::Read {
                path: path.into(),
                source,
            })?),
        };
        for reference in ironkit_oci::import(store, archive, &ImportOptions { name: name.clone() })? {
            console.print(&reference.to_string());
        }
    }
    Ok(())
}

fn export(
    store: &Store,
    reference: &str,
    outfile: &str,
    format: &str,
    platform: Option<&Platform>,
) -> Outcome {
    let format = match format {
        "oci" => ArchiveFormat::Oci,
        "docker" => ArchiveFormat::Docker,
        "filesystem" => return Err(Error::NotSupported("exporting a file system".to_owned()).into()),
        other => {
            return Err(Error::Usage {
                message: format!("`{other}` is not an archive format"),
                hint: "oci and docker are".to_owned(),
            }
            .into());
        }
    };
    let reference: Reference = reference.parse()?;
    let platform = platform
        .cloned()
        .map_or_else(|| environment::platform(None), Ok)?;
    if outfile == "-" {
        let mut out = io::stdout().lock();
        ironkit_oci::export(store, &reference, &platform, format, &mut out)?;
        return Ok(out.flush().map_err(|source| Error::Write {
            path: "-".into(),
            source,
        })?);
    }
    ironkit_pipeline::write_output(PathBuf::from(outfile), |out| {
        Ok(ironkit_oci::export(store, &reference, &platform, format, out)?)
    })?;
    Ok(())
}

fn remove(store: &Store, references: &[String], console: &Console) -> Outcome {
    for reference in references {
        let reference: Reference = reference.parse()?;
        let removed = store.remove(&reference)?;
        console.inform(&format!("{reference}: {}", summary(&removed)));
    }
    Ok(())
}

fn summary(removed: &Removed) -> String {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let mut text = format!(
        "removed {}, {}, {} of derived data, {}",
        count(removed.images, "image"),
        count(removed.blobs, "blob"),
        count(removed.derived, "file"),
        size(removed.bytes)
    );
    if removed.postponed {
        text.push_str("; blobs were left because another process is using the cache");
    }
    text
}
