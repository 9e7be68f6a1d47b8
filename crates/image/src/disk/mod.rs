//! Disks: what partitions they have, and what is in these.

mod contents;
pub(crate) mod grub;
mod layout;

use std::str::FromStr;

pub(crate) use layout::{Size, bios, both, uefi, volume};

use ironkit_formats::extents::Data;

use crate::{Error, Format, Outputs, Parts, Result};

/// A machine's processor, by its OCI name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// Intel and AMD, 64 bits.
    Amd64,
    /// Arm, 64 bits.
    Arm64,
    /// Another one, for which there are no boot loaders here.
    Other,
}

/// What disks are like, in all formats that are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskOptions {
    /// Size in bytes; as LinuxKit's if there is none, or else as small as can be.
    pub size: Option<u64>,
    /// Where the root file system is.
    pub root: Root,
    /// Size in bytes of a partition for data, which grows with the disk; none for none.
    pub data: Option<u64>,
}

/// `NAME-bios.img`, `NAME-efi.img` or `NAME.img`: the disk's bytes as they are.
pub(crate) fn raw(parts: &Parts, format: Format, outputs: &mut dyn Outputs) -> Result<()> {
    let size = Size::of(parts, 0);
    let (suffix, disk) = match format {
        Format::RawBios => ("-bios.img", bios(parts, format, size)?),
        Format::RawEfi => ("-efi.img", uefi(parts, format, size)?),
        _ => (".img", both(parts, format, size)?),
    };
    outputs.create(suffix, &mut |out| disk.write_to(out).map_err(Error::Contents))
}

/// Where the root file system of a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// In the initrd, so all of it is in memory.
    Initrd,
    /// In a partition, as squashfs.
    Squashfs,
    /// In a partition, as EROFS.
    Erofs,
}

impl Root {
    /// Its name in arguments.
    pub fn name(self) -> &'static str {
        match self {
            Root::Initrd => "initrd",
            Root::Squashfs => "squashfs",
            Root::Erofs => "erofs",
        }
    }
}

impl FromStr for Root {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Root, String> {
        let known = [Root::Initrd, Root::Squashfs, Root::Erofs];
        let root = known.into_iter().find(|root| root.name() == name);
        root.ok_or_else(|| "it is initrd, squashfs or erofs".to_owned())
    }
}
