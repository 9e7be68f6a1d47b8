//! The output formats by name.

use std::str::FromStr;

use crate::{Arch, Error};

/// An output format. Those of LinuxKit have its names, and write files of the same names.
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
    /// `NAME-kernel`, `NAME-cmdline`, and the root file system in `NAME-squashfs.img`.
    KernelSquashfs,
    /// `NAME-kernel`, `NAME-cmdline`, and the root file system in `NAME-erofs.img`.
    KernelErofs,
    /// `NAME-kernel`, `NAME-cmdline`, and the root file system in `NAME.iso`.
    KernelIso,
    /// The root file system on a CD that a BIOS boots: `NAME.iso`.
    IsoBios,
    /// The same for UEFI: `NAME-efi.iso`.
    IsoEfi,
    /// Kernel and initrd on a CD for UEFI: `NAME-efi-initrd.iso`.
    IsoEfiInitrd,
    /// A CD or USB stick that BIOS and UEFI boot: `NAME-hybrid.iso`.
    Iso,
    /// A disk for BIOS: `NAME-bios.img`.
    RawBios,
    /// A disk for UEFI: `NAME-efi.img`.
    RawEfi,
    /// A disk for both: `NAME.img`.
    Raw,
    /// A disk for BIOS: `NAME.qcow2`.
    Qcow2Bios,
    /// A disk for UEFI: `NAME-efi.qcow2`.
    Qcow2Efi,
    /// A disk for Amazon EC2: `NAME.raw`.
    Aws,
    /// A disk for Google Compute Engine: `NAME.img.tar.gz`.
    Gcp,
    /// A disk for Azure: `NAME-azure.vhd`.
    Azure,
    /// A disk of fixed size for Hyper-V and others: `NAME.vhd`.
    Vhd,
    /// The same, of which only what is used takes space.
    DynamicVhd,
    /// A disk for Hyper-V: `NAME.vhdx`.
    Vhdx,
    /// A disk for VMware: `NAME.vmdk`.
    Vmdk,
    /// A virtual machine for VMware and VirtualBox: `NAME.ova`.
    Ova,
    /// The files for a Raspberry Pi's card: `NAME.tar`.
    Rpi3,
    /// One file that UEFI boots: `NAME.efi`.
    Uki,
    /// `NAME-kernel`, `NAME-initrd.img`, `NAME-cmdline` and the iPXE script `NAME.ipxe`, for machines that boot from the
    /// network.
    Netboot,
    /// Kernel and initrd in an image layout, for registries: `NAME-oci.tar`.
    Oci,
}

const NAMES: [(&str, Format); 28] = [
    ("kernel+initrd", Format::KernelInitrd),
    ("tar-kernel-initrd", Format::TarKernelInitrd),
    ("tar", Format::Tar),
    ("docker", Format::Docker),
    ("kernel+squashfs", Format::KernelSquashfs),
    ("kernel+erofs", Format::KernelErofs),
    ("kernel+iso", Format::KernelIso),
    ("iso-bios", Format::IsoBios),
    ("iso-efi", Format::IsoEfi),
    ("iso-efi-initrd", Format::IsoEfiInitrd),
    ("iso", Format::Iso),
    ("raw-bios", Format::RawBios),
    ("raw-efi", Format::RawEfi),
    ("raw", Format::Raw),
    ("qcow2-bios", Format::Qcow2Bios),
    ("qcow2-efi", Format::Qcow2Efi),
    ("aws", Format::Aws),
    ("gcp", Format::Gcp),
    ("azure", Format::Azure),
    ("vhd", Format::Vhd),
    ("dynamic-vhd", Format::DynamicVhd),
    ("vhdx", Format::Vhdx),
    ("vmdk", Format::Vmdk),
    ("ova", Format::Ova),
    ("rpi3", Format::Rpi3),
    ("uki", Format::Uki),
    ("netboot", Format::Netboot),
    ("oci", Format::Oci),
];

impl Format {
    /// Whether it is a single file. Each of these can be written from front to back.
    pub fn is_one_file(self) -> bool {
        use Format::{KernelErofs, KernelInitrd, KernelIso, KernelSquashfs, Netboot};
        !matches!(
            self,
            KernelInitrd | KernelSquashfs | KernelErofs | KernelIso | Netboot
        )
    }

    /// Whether it is linked with a boot loader for a BIOS, where the machine can have one.
    pub(crate) fn boots_by_bios(self) -> bool {
        matches!(self, Format::IsoBios | Format::RawBios | Format::Qcow2Bios) || self.boots_by_both()
    }

    /// Whether it is linked with what UEFI starts.
    pub(crate) fn boots_by_uefi(self) -> bool {
        matches!(
            self,
            Format::IsoEfi | Format::IsoEfiInitrd | Format::RawEfi | Format::Qcow2Efi | Format::Uki
        ) || self.boots_by_both()
    }

    fn boots_by_both(self) -> bool {
        use Format::{Aws, Azure, DynamicVhd, Gcp, Iso, Ova, Raw, Vhd, Vhdx, Vmdk};
        matches!(
            self,
            Iso | Raw | Aws | Gcp | Azure | Vhd | DynamicVhd | Vhdx | Vmdk | Ova
        )
    }

    /// The file that is of this format alone, by what follows NAME. What is the same in several formats is not here.
    pub fn file(self) -> &'static str {
        match self {
            Format::KernelInitrd => "-initrd.img",
            Format::TarKernelInitrd => "-initrd.tar",
            Format::Tar | Format::Rpi3 => ".tar",
            Format::Docker => ".docker",
            Format::KernelSquashfs => "-squashfs.img",
            Format::KernelErofs => "-erofs.img",
            Format::KernelIso | Format::IsoBios => ".iso",
            Format::IsoEfi => "-efi.iso",
            Format::IsoEfiInitrd => "-efi-initrd.iso",
            Format::Iso => "-hybrid.iso",
            Format::RawBios => "-bios.img",
            Format::RawEfi => "-efi.img",
            Format::Raw => ".img",
            Format::Qcow2Bios => ".qcow2",
            Format::Qcow2Efi => "-efi.qcow2",
            Format::Aws => ".raw",
            Format::Gcp => ".img.tar.gz",
            Format::Azure => "-azure.vhd",
            Format::Vhd | Format::DynamicVhd => ".vhd",
            Format::Vhdx => ".vhdx",
            Format::Vmdk => ".vmdk",
            Format::Ova => ".ova",
            Format::Uki => ".efi",
            Format::Netboot => ".ipxe",
            Format::Oci => "-oci.tar",
        }
    }

    /// Refuses formats of one build that would be written to the same file, and those of another architecture's machines.
    ///
    /// # Errors
    /// [`Error::SameFile`], [`Error::Unsuitable`].
    pub fn check(formats: &[Format], arch: Arch) -> Result<(), Error> {
        if formats.contains(&Format::Rpi3) && arch != Arch::Arm64 {
            return Err(Error::Unsuitable {
                format: Format::Rpi3.name(),
                reason: "a Raspberry Pi 3 is an arm64 machine".to_owned(),
                hint: Some("build it with --arch arm64".to_owned()),
            });
        }
        for (index, other) in formats.iter().enumerate() {
            let before = formats[..index].iter();
            if let Some(one) = before
                .rev()
                .find(|one| *one != other && one.file() == other.file())
            {
                return Err(Error::SameFile {
                    one: one.name(),
                    other: other.name(),
                    file: other.file(),
                });
            }
        }
        Ok(())
    }

    /// Its name: LinuxKit's, where it has that format.
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, format)| *format == self)
            .map_or("", |(name, _)| name)
    }

    /// The names of all formats that can be written.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Format, Error> {
        match NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, format)) => Ok(*format),
            None => Err(Error::UnknownFormat(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_with_the_same_file_are_not_built_together() {
        for (names, expect) in [
            ("tar-kernel-initrd,raw,vhd,azure,vhd", ""),
            (
                "aws,vhd,dynamic-vhd",
                "`vhd` and `dynamic-vhd` are both written to NAME.vhd",
            ),
            (
                "kernel+iso,iso-bios",
                "`kernel+iso` and `iso-bios` are both written to NAME.iso",
            ),
            ("tar,rpi3", "`tar` and `rpi3` are both written to NAME.tar"),
        ] {
            let formats: Vec<Format> = names.split(',').map(|name| name.parse().unwrap()).collect();
            let said = |arch| {
                Format::check(&formats, arch).map_or_else(|error| error.to_string(), |()| String::new())
            };
            assert_eq!(said(Arch::Arm64), expect);
            let for_arm64 = names
                .contains("rpi3")
                .then_some("`rpi3`: a Raspberry Pi 3 is an arm64 machine");
            assert_eq!(said(Arch::Amd64), for_arm64.unwrap_or(expect));
        }
    }
}
