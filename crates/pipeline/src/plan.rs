//! Manifests → a resolved tree: everything short of bytes.

use ironkit_manifest::{Diagnostic, SourceFile};
use ironkit_oci::Store;
use ironkit_rootfs::{Contents, Host, Images, Layouts};
use ironkit_tree::{Resolution, Tree};

use crate::packages::Named;
use crate::resolve::{self, ResolveOptions};
use crate::sbom::{self, SbomOptions};
use crate::{Context, Error, Result, Watcher};

/// What becomes part of an image.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// How images are looked for.
    pub resolve: ResolveOptions,
    /// Take the kernel proper out of a kernel that unpacks itself.
    pub decompress_kernel: bool,
    /// Which SBOMs the image has; none for none.
    pub sbom: Option<SbomOptions>,
}

/// All that becomes of manifests short of bytes.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Warnings about the manifests.
    pub warnings: Vec<Diagnostic>,
    /// The images.
    pub images: Images,
    /// The images that volumes hold as they are.
    pub layouts: Layouts,
    /// The root file system.
    pub tree: Tree,
    /// Which part wins each path.
    pub resolution: Resolution,
}

/// Resolves the images of merged manifests and puts their tree together.
///
/// # Errors
/// As for a build.
pub(crate) fn plan(
    context: &Context,
    store: &Store,
    sources: &[SourceFile],
    options: &PlanOptions,
    contents: &mut Contents,
    watcher: &dyn Watcher,
) -> Result<Plan> {
    let named = Named::default();
    let resolve = |path: &str, file: &SourceFile| named.resolve(path, file);
    let (manifest, warnings) = ironkit_manifest::parse(sources, &resolve).map_err(Error::Manifest)?;
    let images = resolve::images(context, store, &manifest, &named, &options.resolve, watcher)?;
    let layouts = resolve::layouts(context, store, &manifest, &named, &options.resolve, watcher)?;
    let root = ironkit_rootfs::Options {
        host: Host {
            working_directory: context.working_directory.clone(),
            home: context.home.clone(),
        },
        decompress_kernel: options.decompress_kernel,
    };
    let mut tree = ironkit_rootfs::assemble(&manifest, &images, &layouts, &root, contents)?;
    if let Some(sbom) = &options.sbom {
        let part = sbom::part(sbom, &tree, &images, contents, store, watcher)?;
        tree.parts.push(part);
    }
    let resolution = ironkit_tree::resolve(&tree, contents).map_err(Error::Tree)?;
    Ok(Plan {
        warnings,
        images,
        layouts,
        tree,
        resolution,
    })
}

/// The merged manifest as YAML, with `@pkg:` resolved and image names as they were written.
///
/// # Errors
/// [`Error::Manifest`].
pub fn merged(sources: &[SourceFile]) -> Result<(String, Vec<Diagnostic>)> {
    let named = Named::default();
    let resolve = |path: &str, file: &SourceFile| named.resolve(path, file);
    let (manifest, warnings) = ironkit_manifest::parse(sources, &resolve).map_err(Error::Manifest)?;
    let text = ironkit_manifest::dump::yaml(&manifest, &ironkit_manifest::dump::as_written);
    Ok((text, warnings))
}
