//! The output formats by name.

use std::str::FromStr;

use crate::Error;

/// An output format, by LinuxKit's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `NAME-kernel`, `NAME-initrd.img` and `NAME-cmdline`.
    KernelInitrd,
    /// These and the microcode in `NAME-initrd.tar`.
    TarKernelInitrd,
    /// The root file system and `boot/` in `NAME.tar`.
    Tar,
    /// The same with a `Dockerfile`, in `NAME.docker`.
    Docker,
}

const NAMES: [(&str, Format); 4] = [
    ("kernel+initrd", Format::KernelInitrd),
    ("tar-kernel-initrd", Format::TarKernelInitrd),
    ("tar", Format::Tar),
    ("docker", Format::Docker),
];

/// LinuxKit's formats that this version does not write.
const PLANNED: [&str; 16] = [
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

impl Format {
    /// Whether it is a single file that is written from front to back.
    pub fn streams(self) -> bool {
        matches!(self, Format::Tar | Format::Docker)
    }

    /// LinuxKit's name.
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, format)| *format == self)
            .map_or("", |(name, _)| name)
    }

    /// The names of all formats.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Format, Error> {
        match NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, format)) => Ok(*format),
            None if PLANNED.contains(&name) => Err(Error::PlannedFormat(name.to_owned())),
            None => Err(Error::UnknownFormat(name.to_owned())),
        }
    }
}
