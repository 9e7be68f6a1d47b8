//! `build`: manifests in, bootable files out.

use std::io::Write;
use std::path::PathBuf;

use ironkit_image::{Format, Image, initrd};
use ironkit_manifest::{Diagnostic, SourceFile};
use ironkit_oci::Platform;
use ironkit_rootfs::{Contents, Host};
use ironkit_tree::{Resolution, Tree};

use crate::lock::LockFile;
use crate::output::{Files, Stream};
use crate::packages::{Named, PackageOptions};
use crate::pieces::Pieces;
use crate::provenance::{self, ProvenanceOptions, Used};
use crate::resolve::{self, ResolveOptions};
use crate::sbom::{self, SbomOptions};
use crate::{Context, Error, Result, Watcher};

/// What is built.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Output formats, at least one.
    pub formats: Vec<Format>,
    /// What the image is for.
    pub platform: Platform,
    /// Ask registries also for what the store has.
    pub pull: bool,
    /// Take the kernel proper out of a kernel that unpacks itself.
    pub decompress_kernel: bool,
    /// How components that the store lacks are built.
    pub packages: PackageOptions,
    /// Which SBOMs the image has; none for none.
    pub sbom: Option<SbomOptions>,
    /// Where the build's provenance goes; none for none.
    pub provenance: Option<ProvenanceOptions>,
    /// Use the images of this lock file, and nothing but the store.
    pub lock: Option<LockFile>,
}

/// Where outputs go.
pub enum Destination<'a> {
    /// Into files of this directory, which are called NAME and what their format adds.
    Named {
        /// The directory.
        directory: PathBuf,
        /// The base name.
        name: String,
    },
    /// Into one file, in a format that is one file.
    File(PathBuf),
    /// Into a stream, in a format that is written from front to back.
    Stream(&'a mut dyn Write),
}

/// What a build did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BuildReport {
    /// The files that were written, with their sizes in bytes.
    pub outputs: Vec<(PathBuf, u64)>,
    /// What each part of the manifest takes in the initrd, in the manifest's order.
    pub components: Vec<Component>,
    /// Warnings about the manifest.
    pub warnings: Vec<Diagnostic>,
    /// Files that are not in the image because a later part has the same path: `path: loser → winner`.
    pub overridden: Vec<String>,
}

/// What one part of the manifest takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its place: `services[0]`.
    pub location: String,
    /// Its name: `nginx`.
    pub name: String,
    /// Compressed size in bytes.
    pub size: u64,
    /// Whether all of it was in the cache.
    pub cached: bool,
}

/// Builds the outputs of merged manifests.
///
/// # Errors
/// [`Error`]; no file is touched then.
pub fn build(
    context: &Context,
    sources: &[SourceFile],
    options: &BuildOptions,
    destination: Destination,
    watcher: &dyn Watcher,
) -> Result<BuildReport> {
    let named = Named::default();
    let resolve = |path: &str, file: &SourceFile| named.resolve(path, file);
    let (manifest, warnings) = ironkit_manifest::parse(sources, &resolve).map_err(Error::Manifest)?;

    let store = context.store()?;
    let wanted = ResolveOptions {
        platform: options.platform.clone(),
        pull: options.pull,
        packages: options.packages,
        lock: options.lock.clone(),
    };
    let images = resolve::images(context, &store, &manifest, &named, &wanted, watcher)?;
    let layouts = resolve::layouts(context, &store, &manifest, &named, &wanted, watcher)?;

    let root = ironkit_rootfs::Options {
        host: Host {
            working_directory: context.working_directory.clone(),
            home: context.home.clone(),
        },
        decompress_kernel: options.decompress_kernel,
    };
    let mut contents = Contents::new(&store);
    let mut tree = ironkit_rootfs::assemble(&manifest, &images, &layouts, &root, &mut contents)?;
    if let Some(sbom) = &options.sbom {
        tree.parts
            .push(sbom::part(sbom, &tree, &images, &contents, &store, watcher)?);
    }
    let resolution = ironkit_tree::resolve(&tree, &contents).map_err(Error::Tree)?;

    let cache = Pieces(&store);
    let image = Image {
        tree: &tree,
        resolution: &resolution,
        source: &contents,
        cache: &cache,
        threads: context.threads,
    };
    let (outputs, pieces) = write(&options.formats, &image, destination)?;
    if let Some(provenance) = &options.provenance {
        let used = Used {
            images: &images,
            layouts: &layouts,
            platform: &options.platform,
            sbom: options.sbom.as_ref(),
        };
        provenance::write(provenance, &outputs, sources, used)?;
    }
    Ok(BuildReport {
        outputs,
        components: components(&tree, &pieces),
        warnings,
        overridden: overridden(&tree, &resolution),
    })
}

/// The files that were written, with their sizes, and what each part takes in the initrd.
fn write(
    formats: &[Format],
    image: &Image,
    destination: Destination,
) -> Result<(Vec<(PathBuf, u64)>, Vec<initrd::Piece>)> {
    let mut files = match destination {
        Destination::Named { directory, name } => Files::named(directory, name),
        // A pipe or a device is written to, not replaced.
        Destination::File(path) if std::fs::metadata(&path).is_ok_and(|it| !it.is_file() && !it.is_dir()) => {
            let mut file = std::fs::File::options()
                .write(true)
                .open(&path)
                .map_err(|source| Error::Write { path, source })?;
            return write(formats, image, Destination::Stream(&mut file));
        }
        Destination::File(path) => Files::one(path),
        Destination::Stream(stream) => {
            let pieces = ironkit_image::write(formats, image, &mut Stream::new(stream))?;
            return Ok((Vec::new(), pieces));
        }
    };
    let pieces = ironkit_image::write(formats, image, &mut files)?;
    Ok((files.publish()?, pieces))
}

/// The pieces of one place of the manifest, added up.
fn components(tree: &Tree, pieces: &[initrd::Piece]) -> Vec<Component> {
    let mut components: Vec<Component> = Vec::new();
    for piece in pieces {
        let part = &tree.parts[piece.part];
        match components
            .iter_mut()
            .find(|component| component.location == part.location)
        {
            Some(component) => {
                component.size += piece.size;
                component.cached &= piece.cached;
            }
            None => components.push(Component {
                location: part.location.clone(),
                name: part.name.clone(),
                size: piece.size,
                cached: piece.cached,
            }),
        }
    }
    components
}

fn overridden(tree: &Tree, resolution: &Resolution) -> Vec<String> {
    let place = |index: usize| format!("{} ({})", tree.parts[index].location, tree.parts[index].name);
    let text =
        |o: &ironkit_tree::Override| format!("{}: from {}, not {}", o.path, place(o.winner), place(o.loser));
    resolution.overrides.iter().map(text).collect()
}
