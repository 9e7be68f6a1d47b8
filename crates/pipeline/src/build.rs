//! `build`: manifests in, bootable files out.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use ironkit_image::{Arch, DiskOptions, Format, Image, Loader, Outputs, initrd};
use ironkit_manifest::{Diagnostic, SourceFile};
use ironkit_oci::{Platform, Store};
use ironkit_rootfs::Contents;
use ironkit_tree::Tree;

use crate::check::Compared;
use crate::output::{Files, Stream};
use crate::overridden::overridden;
use crate::pieces::Pieces;
use crate::plan::{Plan, PlanOptions, plan};
use crate::provenance::{self, ProvenanceOptions, Used};
use crate::{Context, Error, Result, Watcher};

/// What is built.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Output formats, at least one.
    pub formats: Vec<Format>,
    /// What the image is made of.
    pub plan: PlanOptions,
    /// What disks are like.
    pub disk: DiskOptions,
    /// Images whose boot loaders are taken instead of ours: names, or `@pkg:` and a folder.
    pub loaders: Vec<String>,
    /// Where the build's provenance goes; none for none.
    pub provenance: Option<ProvenanceOptions>,
    /// Make everything again from the images alone, and compare.
    pub check: bool,
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
    /// Files that are not in the image because a later part has the same path, a line each.
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
/// [`Error`]; no file is touched then, but for [`Error::Different`], which comes after.
pub fn build(
    context: &Context,
    sources: &[SourceFile],
    options: &BuildOptions,
    destination: Destination,
    watcher: &dyn Watcher,
) -> Result<BuildReport> {
    Format::check(&options.formats, arch(&options.plan.resolve.platform))?;
    let build = Build {
        context,
        sources,
        options,
        watcher,
    };
    let store = context.store()?;
    let mut files = match destination {
        Destination::Named { directory, name } => Files::named(directory, name),
        Destination::File(path) if is_device(&path) => {
            let file = std::fs::File::options().write(true).open(&path);
            let mut file = file.map_err(|source| Error::Write { path, source })?;
            return build.stream(&store, &mut file);
        }
        Destination::File(path) => Files::one(path),
        Destination::Stream(stream) => return build.stream(&store, stream),
    };
    let compared = options.check.then(|| Compared::with(&files));
    let (Made { plan, loaders }, mut report) = build.write(&store, context.threads, &mut files)?;
    report.outputs = files.publish()?;
    if let Some(provenance) = &options.provenance {
        let used = Used {
            images: &plan.images,
            layouts: &plan.layouts,
            loaders: &loaders,
            disk: &options.disk,
            platform: &options.plan.resolve.platform,
            sbom: options.plan.sbom.as_ref(),
        };
        provenance::write(provenance, &report.outputs, sources, used)?;
    }
    if let Some(mut compared) = compared {
        watcher.step("building again, to compare");
        build.write(&store.apart()?, NonZeroUsize::MIN, &mut compared)?;
        compared.verdict()?;
    }
    Ok(report)
}

/// A pipe or a device is written to, not replaced.
fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir())
}

/// What outputs were made of.
struct Made {
    plan: Plan,
    /// The images with boot loaders.
    loaders: Vec<ironkit_oci::Image>,
}

/// One call of [`build`].
struct Build<'a> {
    context: &'a Context,
    sources: &'a [SourceFile],
    options: &'a BuildOptions,
    watcher: &'a dyn Watcher,
}

impl Build<'_> {
    fn stream(&self, store: &Store, stream: &mut dyn Write) -> Result<BuildReport> {
        let needs_files = [
            ("--check", self.options.check),
            ("--provenance", self.options.provenance.is_some()),
        ];
        if let Some((option, _)) = needs_files.iter().find(|(_, given)| *given) {
            return Err(Error::Usage {
                message: format!("`{option}` is about files, and this build writes into a stream"),
                hint: "give the output a name: --o FILE".to_owned(),
            });
        }
        let (_, report) = self.write(store, self.context.threads, &mut Stream::new(stream))?;
        Ok(report)
    }

    /// Writes all formats with what `store` has. The report does not know yet what the files will be called.
    fn write(
        &self,
        store: &Store,
        threads: NonZeroUsize,
        outputs: &mut dyn Outputs,
    ) -> Result<(Made, BuildReport)> {
        let mut contents = Contents::at(store, self.context.time);
        let plan = plan(
            self.context,
            store,
            self.sources,
            &self.options.plan,
            &mut contents,
            self.watcher,
        )?;
        let arch = arch(&self.options.plan.resolve.platform);
        let (files, loaders) = crate::loaders::load(
            self.context,
            store,
            &Loader::needed(&self.options.formats, arch),
            &self.options.loaders,
            &self.options.plan.resolve,
            self.watcher,
        )?;
        let image = Image {
            tree: &plan.tree,
            resolution: &plan.resolution,
            source: &contents,
            cache: &Pieces(store),
            time: self.context.time,
            threads,
            arch,
            disk: self.options.disk,
            loaders: &files,
        };
        let pieces = ironkit_image::write(&self.options.formats, &image, outputs)?;
        let report = BuildReport {
            outputs: Vec::new(),
            components: components(&plan.tree, &pieces),
            warnings: plan.warnings.clone(),
            overridden: overridden(&plan.tree, &plan.resolution),
        };
        Ok((Made { plan, loaders }, report))
    }
}

fn arch(platform: &Platform) -> Arch {
    match platform.architecture.as_str() {
        "amd64" => Arch::Amd64,
        "arm64" => Arch::Arm64,
        _ => Arch::Other,
    }
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
