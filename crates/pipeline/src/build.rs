//! `build`: manifests in, bootable files out.

use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;

use ironkit_image::initrd;
use ironkit_manifest::{Diagnostic, SourceFile};
use ironkit_oci::Platform;
use ironkit_rootfs::{Contents, Host};
use ironkit_tree::{Resolution, Tree};

use crate::lock::LockFile;
use crate::output::Output;
use crate::packages::{Named, PackageOptions};
use crate::pieces::Pieces;
use crate::provenance::{self, ProvenanceOptions, Used};
use crate::resolve::{self, ResolveOptions};
use crate::sbom::{self, SbomOptions};
use crate::{Context, Error, Result, Watcher};

/// What is built.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Base name of the outputs.
    pub name: String,
    /// Directory of the outputs.
    pub directory: PathBuf,
    /// Output formats, at least one.
    pub formats: Vec<Format>,
    /// What the image is for.
    pub platform: Platform,
    /// Ask registries also for what the store has.
    pub pull: bool,
    /// How components that the store lacks are built.
    pub packages: PackageOptions,
    /// Which SBOMs the image has; none for none.
    pub sbom: Option<SbomOptions>,
    /// Where the build's provenance goes; none for none.
    pub provenance: Option<ProvenanceOptions>,
    /// Use the images of this lock file, and nothing but the store.
    pub lock: Option<LockFile>,
}

/// An output format, by LinuxKit's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `NAME-kernel`, `NAME-initrd.img` and `NAME-cmdline`.
    KernelInitrd,
}

/// LinuxKit's formats that this version does not write.
const PLANNED: [&str; 19] = [
    "tar",
    "docker",
    "tar-kernel-initrd",
    "kernel+squashfs",
    "kernel+erofs",
    "kernel+iso",
    "iso-bios",
    "iso-efi",
    "iso-efi-initrd",
    "raw-bios",
    "raw-efi",
    "qcow2-bios",
    "qcow2-efi",
    "aws",
    "gcp",
    "vhd",
    "dynamic-vhd",
    "vmdk",
    "rpi3",
];

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Format> {
        match name {
            "kernel+initrd" => Ok(Format::KernelInitrd),
            planned if PLANNED.contains(&planned) => {
                Err(Error::NotSupported(format!("the output format `{planned}`")))
            }
            _ => Err(Error::Usage {
                message: format!("`{name}` is not an output format"),
                hint: "this version writes kernel+initrd".to_owned(),
            }),
        }
    }
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
/// [`Error`]; no output is touched then.
pub fn build(
    context: &Context,
    sources: &[SourceFile],
    options: &BuildOptions,
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

    let host = Host {
        working_directory: context.working_directory.clone(),
        home: context.home.clone(),
    };
    let mut contents = Contents::new(&store);
    let mut tree = ironkit_rootfs::assemble(&manifest, &images, &layouts, &host, &mut contents)?;
    if let Some(sbom) = &options.sbom {
        tree.parts
            .push(sbom::part(sbom, &tree, &images, &contents, &store, watcher)?);
    }
    let resolution = ironkit_tree::resolve(&tree, &contents).map_err(Error::Tree)?;

    let mut report = BuildReport {
        warnings,
        overridden: overridden(&tree, &resolution),
        ..BuildReport::default()
    };
    let mut outputs = Vec::new();
    for format in &options.formats {
        match format {
            Format::KernelInitrd => {
                outputs.extend(kernel_initrd(
                    context,
                    options,
                    &tree,
                    &resolution,
                    &contents,
                    &store,
                    &mut report,
                )?);
            }
        }
    }
    for output in outputs {
        let size = output.size();
        report.outputs.push((output.publish()?, size));
    }
    if let Some(provenance) = &options.provenance {
        let used = Used {
            images: &images,
            layouts: &layouts,
            platform: &options.platform,
            sbom: options.sbom.as_ref(),
        };
        provenance::write(provenance, &report.outputs, sources, used)?;
    }
    Ok(report)
}

/// `NAME-kernel`, `NAME-initrd.img`, `NAME-cmdline`. A file that would be empty is not written, and an old one of that
/// name, which would not belong to the others, is removed.
fn kernel_initrd(
    context: &Context,
    options: &BuildOptions,
    tree: &Tree,
    resolution: &Resolution,
    contents: &Contents,
    store: &ironkit_oci::Store,
    report: &mut BuildReport,
) -> Result<Vec<Output>> {
    let path = |suffix: &str| options.directory.join(format!("{}-{suffix}", options.name));
    let cache = Pieces(store);
    let mut outputs = Vec::new();
    let kernel = tree.kernel.as_ref();
    if let Some(kernel) = kernel {
        let mut output = Output::create(path("kernel"))?;
        kernel.image.copy_to(contents, &mut output).map_err(Error::Tree)?;
        outputs.push(output);
    }

    let mut output = Output::create(path("initrd.img"))?;
    let codec = ironkit_image::kernel::initrd_codec(kernel.map(|kernel| &kernel.image), contents, &cache)?;
    let written = initrd::Options {
        codec,
        threads: context.threads,
    };
    let pieces = initrd::write(tree, resolution, written, contents, &cache, &mut output)?;
    report.components = components(tree, &pieces);
    outputs.push(output);

    let cmdline = kernel.map_or("", |kernel| &kernel.cmdline);
    let cmdline_path = path("cmdline");
    if cmdline.is_empty() {
        match std::fs::remove_file(&cmdline_path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Write {
                    path: cmdline_path,
                    source,
                });
            }
            _ => {}
        }
    } else {
        let mut output = Output::create(cmdline_path.clone())?;
        let written = output.write_all(cmdline.as_bytes());
        written.map_err(|source| Error::Write {
            path: cmdline_path,
            source,
        })?;
        outputs.push(output);
    }
    Ok(outputs)
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
