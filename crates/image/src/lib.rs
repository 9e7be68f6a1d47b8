//! A tree → the files of an output: which bytes go where, and how a boot loader will read them.
//!
//! Outputs are linked, not built: neighbouring parts of a tree are pieces that are kept in a [`Cache`] under the key of
//! their content, so a rebuild copies what did not change. Pieces of parts that changed are made in parallel.

mod boot;
mod cache;
mod disk;
mod erofs;
mod error;
mod format;
pub mod initrd;
pub mod inspect;
mod iso;
mod kernel;
mod loaders;
mod metadata;
mod netboot;
mod oci;
mod outputs;
pub mod read;
mod root;
mod rpi3;
mod squashfs;
mod stage;
mod tar;
mod uki;
mod wrap;
mod xattrs;

use std::cell::OnceCell;
use std::num::NonZeroUsize;

use ironkit_formats::extents::Extents;
use ironkit_tree::{Resolution, Source, Tree};

pub use cache::{Cache, Damaged, Out};
pub use disk::{Arch, DiskOptions, Root};
pub use error::{Error, Result};
pub use format::Format;
pub use ironkit_formats::extents::Sink;
pub use ironkit_formats::read_at::ReadAt;
pub use loaders::{Loader, Loaders};
pub use metadata::metadata;
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
    /// What the machine's processor is.
    pub arch: Arch,
    /// What disks are like.
    pub disk: DiskOptions,
    /// The boot loaders that the formats need.
    pub loaders: &'a Loaders,
}

/// How often a format is written again when a piece in the cache turns out damaged.
const ATTEMPTS: usize = 3;

/// Writes an image in all of `formats`, and tells what each part takes in the initrd if one of them has an initrd.
/// Work that several formats need is done once.
///
/// # Errors
/// [`Error`]: those of the tree's contents, of the cache and the outputs, and what a format cannot hold.
pub fn write(formats: &[Format], image: &Image, outputs: &mut dyn Outputs) -> Result<Vec<initrd::Piece>> {
    let mut parts = Parts {
        image,
        boot: boot::Boot::of(image)?,
        initrd: OnceCell::new(),
        stage: OnceCell::new(),
        erofs: OnceCell::new(),
        squashfs: OnceCell::new(),
    };
    for format in formats {
        for left in (0..ATTEMPTS).rev() {
            match parts.write(*format, outputs) {
                Err(error) if error.is_damaged() && left > 0 => {
                    (parts.initrd, parts.stage) = (OnceCell::new(), OnceCell::new());
                    parts.squashfs = OnceCell::new();
                }
                written => {
                    written?;
                    break;
                }
            }
        }
    }
    let linked = parts.initrd.into_inner();
    Ok(linked.map(|initrd| initrd.pieces).unwrap_or_default())
}

/// What the formats have in common, made when the first of them wants it.
struct Parts<'a> {
    image: &'a Image<'a>,
    boot: boot::Boot,
    initrd: OnceCell<initrd::Initrd>,
    stage: OnceCell<Option<stage::Stage>>,
    erofs: OnceCell<Extents<'a>>,
    squashfs: OnceCell<squashfs::Squashfs>,
}

impl Parts<'_> {
    fn initrd(&self) -> Result<&initrd::Initrd> {
        if let Some(initrd) = self.initrd.get() {
            return Ok(initrd);
        }
        let made = initrd::Initrd::link(self.image, self.boot.kernel.as_ref())?;
        Ok(self.initrd.get_or_init(|| made))
    }

    /// The root file system as EROFS.
    fn erofs(&self) -> Result<&Extents<'_>> {
        if let Some(root) = self.erofs.get() {
            return Ok(root);
        }
        let laid_out = erofs::root(self.image)?;
        Ok(self.erofs.get_or_init(|| laid_out))
    }

    /// The root file system as squashfs.
    fn squashfs(&self) -> Result<Extents<'_>> {
        let linked = match self.squashfs.get() {
            Some(linked) => linked,
            None => {
                let made = squashfs::Squashfs::link(self.image, &self.boot)?;
                self.squashfs.get_or_init(|| made)
            }
        };
        Ok(linked.extents(self.image))
    }

    /// The initrd that mounts a root file system of this kind, which is outside of it; `None` when the kernel can do that
    /// itself. The microcode is in it.
    fn first_stage(&self, filesystem: stage::FileSystem, format: Format) -> Result<Option<Extents<'_>>> {
        let made = match self.stage.get() {
            Some(made) => made,
            None => {
                let made = stage::Stage::make(self.image, &self.boot)?;
                self.stage.get_or_init(|| made)
            }
        };
        match made {
            Some(stage) if stage.serves(filesystem, format.name())? => {
                Ok(Some(stage.extents(self.image, &self.boot)))
            }
            _ => Ok(None),
        }
    }

    fn write(&self, format: Format, outputs: &mut dyn Outputs) -> Result<()> {
        let image = self.image;
        match format {
            Format::Tar => outputs.create(".tar", &mut |out| tar::write(image, &[], out)),
            Format::Docker => outputs.create(".docker", &mut |out| {
                tar::write(image, &[tar::dockerfile(image)], out)
            }),
            Format::KernelInitrd => boot::kernel_initrd(image, &self.boot, self.initrd()?, outputs),
            Format::TarKernelInitrd => boot::tar_kernel_initrd(image, &self.boot, self.initrd()?, outputs),
            Format::KernelErofs => {
                let first = self.first_stage(stage::FileSystem::Erofs, format)?;
                boot::kernel_root(image, &self.boot, "-erofs.img", self.erofs()?, outputs)?;
                stage::beside(first, outputs)
            }
            Format::KernelSquashfs => {
                let first = self.first_stage(stage::FileSystem::Squashfs, format)?;
                boot::kernel_root(image, &self.boot, "-squashfs.img", &self.squashfs()?, outputs)?;
                stage::beside(first, outputs)
            }
            Format::RawBios | Format::RawEfi | Format::Raw => disk::raw(self, format, outputs),
            Format::Uki => uki::write(self, outputs),
            Format::Qcow2Bios
            | Format::Qcow2Efi
            | Format::Aws
            | Format::Gcp
            | Format::Azure
            | Format::Vhd
            | Format::DynamicVhd
            | Format::Vhdx
            | Format::Vmdk
            | Format::Ova => wrap::write(self, format, outputs),
            Format::KernelIso => iso::kernel_iso(self, outputs),
            Format::IsoBios | Format::IsoEfi | Format::IsoEfiInitrd | Format::Iso => {
                iso::bootable(self, format, outputs)
            }
            Format::Netboot => netboot::write(self, outputs),
            Format::Oci => oci::write(self, outputs),
            Format::Rpi3 => rpi3::write(self, outputs),
        }
    }
}
