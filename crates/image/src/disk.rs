//! Disks: what partitions they have, and what is in these.

use std::str::FromStr;

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

impl FromStr for Root {
    type Err = String;

    fn from_str(name: &str) -> Result<Root, String> {
        match name {
            "initrd" => Ok(Root::Initrd),
            "squashfs" => Ok(Root::Squashfs),
            "erofs" => Ok(Root::Erofs),
            _ => Err("it is initrd, squashfs or erofs".to_owned()),
        }
    }
}
