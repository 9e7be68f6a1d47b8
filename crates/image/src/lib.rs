//! A tree → the files of an output: which bytes go where, and how a boot loader will read them.
//!
//! Outputs are linked, not built: neighbouring parts of a tree are pieces that are kept in a [`Cache`] under the key of
//! their content, so a rebuild copies what did not change. Pieces of parts that changed are made in parallel.

mod boot;
mod cache;
mod error;
mod format;
pub mod initrd;
mod kernel;
mod outputs;
pub mod read;
mod tar;
mod xattrs;

use std::cell::OnceCell;
use std::num::NonZeroUsize;

use ironkit_tree::{Resolution, Source, Tree};

pub use cache::{Cache, Out};
pub use error::{Error, Result};
pub use format::Format;
pub use outputs::Outputs;

/// What every format is written from.
pub struct Image<'a> {
    /// The root file system and the kernel.
    pub tree: &'a Tree,
    /// Which part has which path.
    pub resolution: &'a Resolution,
    /// The contents of the tree.
    pub source: &'a dyn Source,
    /// Where pieces are kept.
    pub cache: &'a dyn Cache,
    /// The time of what is a file of no image, in seconds since 1970.
    pub time: i64,
    /// Threads that may work at once.
    pub threads: NonZeroUsize,
}

/// Writes an image in all of `formats`, and tells what each part takes in the initrd if one of them has an initrd.
/// Work that several formats need is done once.
///
/// # Errors
/// [`Error`]: those of the tree's contents, of the cache and the outputs, and what a format cannot hold.
pub fn write(formats: &[Format], image: &Image, outputs: &mut dyn Outputs) -> Result<Vec<initrd::Piece>> {
    let boot = boot::Boot::of(image)?;
    let linked = OnceCell::new();
    let initrd = || match linked.get() {
        Some(initrd) => Ok(initrd),
        None => {
            let made = initrd::Initrd::link(image, boot.kernel.as_ref())?;
            Ok::<_, Error>(linked.get_or_init(|| made))
        }
    };
    for format in formats {
        match format {
            Format::Tar => outputs.create(".tar", &mut |out| tar::write(image, &[], out))?,
            Format::Docker => outputs.create(".docker", &mut |out| {
                tar::write(image, &[tar::dockerfile(image)], out)
            })?,
            Format::KernelInitrd => boot::kernel_initrd(image, &boot, initrd()?, outputs)?,
            Format::TarKernelInitrd => boot::tar_kernel_initrd(image, &boot, initrd()?, outputs)?,
        }
    }
    Ok(linked
        .into_inner()
        .map(|initrd| initrd.pieces)
        .unwrap_or_default())
}
