//! `ironkit cache`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use ironkit_oci::{ArchiveFormat, Clean, ImportOptions, Platform, PushOptions, Reference, Removed, Store};
use ironkit_pipeline::{Context, Error, Watcher};

use super::Outcome;
use crate::args::{CacheCommand, CacheExportArguments, CachePushArguments, Global};
use crate::console::{Console, size, table};
use crate::environment;

/// Dispatches.
pub fn run(global: &Global, command: &CacheCommand, console: &Console) -> Outcome {
    let context = environment::context(global)?;
    let store = context.store()?;
    match command {
        CacheCommand::Ls => list(&store, console),
        CacheCommand::Pull {
            references,
            platform,
            arch,
        } => {
            let platforms = match platform.as_slice() {
                [] => vec![environment::platform(arch.as_deref())?],
                platforms => platforms.to_vec(),
            };
            pull(&context, &store, references, &platforms, console)
        }
        CacheCommand::Push(options) => push(&context, &store, options, console),
        CacheCommand::Import { files, name } => import(&store, files, name.as_deref(), console),
        CacheCommand::Export(options) => export(&store, options),
        CacheCommand::Rm {
            references,
            published_only,
        } => remove(&context, &store, references, *published_only, console),
        CacheCommand::Clean {
            published_only: true, ..
        } => clean_published(&context, &store, console),
        CacheCommand::Clean { unneeded, .. } => {
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
    platforms: &[Platform],
    console: &Console,
) -> Outcome {
    let registry = context.registry()?;
    for reference in references {
        let reference = reference.parse::<Reference>()?.or_latest();
        console.step(&format!("pulling {reference}"));
        for platform in platforms {
            registry.pull(store, &reference, platform, console)?;
        }
        // What the name points to, as `cache ls` prints it.
        let digest = store.digest(&reference)?.map(|digest| format!("@{digest}"));
        let name = reference.to_string();
        let digest = digest
            .filter(|_| reference.digest().is_none())
            .unwrap_or_default();
        console.print(&format!("{name}{digest}"));
    }
    Ok(())
}

fn push(context: &Context, store: &Store, options: &CachePushArguments, console: &Console) -> Outcome {
    let remote_name = options
        .remote_name
        .as_deref()
        .map(str::parse::<Reference>)
        .transpose()?;
    if remote_name.is_some() && options.references.len() > 1 {
        return Err(Error::Usage {
            message: format!(
                "one --remote-name cannot be given to {} images",
                options.references.len()
            ),
            hint: "push them one by one".to_owned(),
        }
        .into());
    }
    let registry = context.registry()?;
    for reference in &options.references {
        let reference: Reference = reference.parse()?;
        console.step(&format!("pushing {reference}"));
        let options = PushOptions {
            remote_name: remote_name.clone(),
            replace: options.replace,
            arch_tags: options.with_arch_tags,
        };
        let pushed = registry.push(store, &reference, &options, console)?;
        console.print(&format!("{}@{}", pushed.name, pushed.digest));
        for name in pushed.arch_names {
            console.print(&name.to_string());
        }
        if pushed.blobs > 0 {
            console.inform(&format!("{}: {} sent", pushed.name, count(pushed.blobs, "blob")));
        }
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

fn export(store: &Store, options: &CacheExportArguments) -> Outcome {
    let reference: Reference = options.reference.parse()?;
    let platform = options
        .platform
        .clone()
        .map_or_else(|| environment::platform(None), Ok)?;
    let name = options.name.as_deref().map(str::parse::<Reference>).transpose()?;
    let archive = |format| ironkit_oci::ExportOptions {
        format,
        name: name.clone(),
    };
    let write = |out: &mut dyn Write| -> ironkit_pipeline::Result<()> {
        let options = match options.format.as_str() {
            "oci" => archive(ArchiveFormat::Oci),
            "docker" => archive(ArchiveFormat::Docker),
            "filesystem" => {
                let image = ironkit_oci::image(store, &reference, &platform)?;
                return Ok(ironkit_rootfs::write_flat(store, &image, out)?);
            }
            other => {
                return Err(Error::Usage {
                    message: format!("`{other}` is not an archive format"),
                    hint: "oci, docker and filesystem are".to_owned(),
                });
            }
        };
        Ok(ironkit_oci::export(store, &reference, &platform, &options, out)?)
    };
    if options.outfile == "-" {
        let mut out = io::BufWriter::with_capacity(128 * 1024, io::stdout().lock());
        write(&mut out)?;
        return Ok(out.flush().map_err(|source| Error::Write {
            path: "-".into(),
            source,
        })?);
    }
    ironkit_pipeline::write_output(PathBuf::from(&options.outfile), write)?;
    Ok(())
}

fn remove(
    context: &Context,
    store: &Store,
    references: &[String],
    published_only: bool,
    console: &Console,
) -> Outcome {
    let registry = published_only.then(|| context.registry()).transpose()?;
    for text in references {
        let (name, digest) = store.named(text)?;
        if let Some(registry) = &registry {
            let reference: Reference = name.parse()?;
            if !registry.has(&reference, &digest, console)? {
                console.inform(&format!(
                    "{name}: its registry does not have {digest}, so it is kept"
                ));
                continue;
            }
        }
        let removed = store.remove(&name)?;
        console.inform(&format!("{name}: {}", summary(&removed)));
    }
    Ok(())
}

/// Removes the images that can be pulled again.
fn clean_published(context: &Context, store: &Store, console: &Console) -> Outcome {
    let registry = context.registry()?;
    let mut total = Removed::default();
    for image in store.images()? {
        let Ok(reference) = image.name.parse::<Reference>() else {
            continue;
        };
        if registry.has(&reference, &image.digest, console)? {
            let removed = store.remove(&image.name)?;
            total.images += removed.images;
            total.blobs += removed.blobs;
            total.bytes += removed.bytes;
            total.postponed |= removed.postponed;
        }
    }
    console.inform(&summary(&total));
    Ok(())
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn summary(removed: &Removed) -> String {
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
