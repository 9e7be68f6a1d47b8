//! Manifests → a resolved tree: what commands that look at an image, but do not write one, have in common.

use ironkit_manifest::SourceFile;
use ironkit_oci::Store;
use ironkit_rootfs::{Contents, Host, Images, Layouts};
use ironkit_tree::{Resolution, Tree};

use crate::packages::Named;
use crate::resolve::{self, ResolveOptions};
use crate::{Context, Error, Result, Watcher};

/// All that becomes of manifests short of bytes.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The images.
    pub images: Images,
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
    options: &ResolveOptions,
    contents: &mut Contents,
    watcher: &dyn Watcher,
) -> Result<Plan> {
    let named = Named::default();
    let resolve = |path: &str, file: &SourceFile| named.resolve(path, file);
    let (manifest, _) = ironkit_manifest::parse(sources, &resolve).map_err(Error::Manifest)?;
    let images = resolve::images(context, store, &manifest, &named, options, watcher)?;
    let layouts: Layouts = resolve::layouts(context, store, &manifest, &named, options, watcher)?;
    let root = ironkit_rootfs::Options {
        host: Host {
            working_directory: context.working_directory.clone(),
            home: context.home.clone(),
        },
        decompress_kernel: false,
    };
    let tree = ironkit_rootfs::assemble(&manifest, &images, &layouts, &root, contents)?;
    let resolution = ironkit_tree::resolve(&tree, contents).map_err(Error::Tree)?;
    Ok(Plan {
        images,
        tree,
        resolution,
    })
}
