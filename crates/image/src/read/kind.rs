//! A file → what it is: the one place where magic numbers of whole files are looked for. Contents decide, names do not.

use ironkit_formats::archive::tar;
use ironkit_formats::pe;

use super::ReadAt;
use crate::Arch;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A disk for QEMU.
    Qcow2,
    /// A disk for Virtual PC and Hyper-V.
    Vhd,
    /// A disk for Hyper-V.
    Vhdx,
    /// A disk for VMware.
    Vmdk,
    /// An archive of a virtual machine.
    Ova,
    /// An ISO 9660 image.
    Iso,
    /// A file system.
    Squashfs,
    /// A file system.
    Erofs,
    /// A file system.
    Ext4,
    /// A file system, which firmware reads.
    Fat,
    /// A Linux kernel.
    Kernel,
    /// A program in ELF: a kernel that does not unpack itself, for one.
    Elf,
    /// A program for UEFI: a unified kernel image, for one.
    Efi,
    /// A disk, byte by byte.
    Raw,
    /// Something that is compressed with gzip.
    Gzip,
    /// cpio archives, or something that is compressed as they are.
    Initrd,
    /// A tar archive: of a root file system, for one.
    Tar,
    /// One whose files are what this is about: kernel and initrd, a disk for Google, an OCI image layout.
    Bundle,
    /// One with the files of a Raspberry Pi's card.
    Card,
    /// An image that U-Boot loads.
    Uimage,
    /// A script for iPXE.
    Ipxe,
    /// Nothing that is known here.
    Unknown,
}

/// What there is, for messages.
pub const KNOWN: &str = "disks (raw, qcow2, VHD, VHDX, VMDK, OVA), ISO images, file systems (squashfs, EROFS, ext4, FAT), kernels, \
                         programs for UEFI, U-Boot's images, initrds (cpio) and tar archives, the latter plain or compressed with gzip, zstd or xz";

/// How much of a file is looked at: all magic numbers are here, and headers of programs end long before.
pub(crate) const HEAD: usize = 64 << 10;
/// First bytes of a gzip member.
pub(super) const GZIP: &[u8] = &[0x1f, 0x8b];
/// First bytes of a zstd frame.
pub(super) const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// First bytes of an xz stream.
pub(super) const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
/// First bytes that all archives of the `newc` family share.
pub(super) const CPIO: &[u8] = b"07070";
/// Where POSIX and GNU archives have their magic.
const TAR: (usize, &[u8]) = (257, b"ustar");
/// How the first names of such archives begin, as we and other tools write them.
const BUNDLES: [&[u8]; 5] = [
    b"disk.raw\0",
    b"kernel\0",
    b"oci-layout\0",
    b"index.json\0",
    b"blobs/",
];
/// What only cards of a Raspberry Pi have.
const CARD: [&[u8]; 2] = [b"bootcode.bin", b"kernel.uimg"];
/// What a VHD begins with unless all of the disk is in it, and what its last sector begins with.
const VHD: &[u8] = b"conectix";
/// What ends a sector that a BIOS starts.
const BOOT_SIGNATURE: (usize, &[u8]) = (510, &[0x55, 0xaa]);
/// Where a FAT volume says its type: as FAT12 and 16 do, and as FAT32 does.
const FAT_TYPES: [(usize, &[u8]); 2] = [(54, b"FAT"), (82, b"FAT32")];
/// Where ext4 has the logarithm of its blocks' size, whose largest value is this.
const EXT4_LOG_BLOCK: (usize, u8) = (1048, 6);

/// Kinds with their magic numbers, the strong ones first: a CD can be a disk too, a kernel begins as a boot sector does, and a
/// file system leaves the first sector to whoever wants it.
const MAGICS: [(Kind, usize, &[u8]); 21] = [
    (Kind::Qcow2, 0, b"QFI\xfb"),
    (Kind::Vhdx, 0, b"vhdxfile"),
    (Kind::Vmdk, 0, b"KDMV"),
    (Kind::Vmdk, 0, b"# Disk DescriptorFile"),
    (Kind::Vhd, 0, VHD),
    (Kind::Iso, 32769, b"CD001"),
    (Kind::Squashfs, 0, b"hsqs"),
    (Kind::Erofs, 1024, &[0xe2, 0xe1, 0xf5, 0xe0]),
    (Kind::Gzip, 0, GZIP),
    (Kind::Initrd, 0, ZSTD),
    (Kind::Initrd, 0, XZ),
    (Kind::Initrd, 0, CPIO),
    (Kind::Tar, TAR.0, TAR.1),
    (Kind::Ipxe, 0, b"#!ipxe"),
    (Kind::Uimage, 0, &[0x27, 0x05, 0x19, 0x56]),
    // Documentation/arch/x86/boot.rst, arm64/booting.rst, riscv/boot-image-header.rst.
    (Kind::Kernel, 0x202, b"HdrS"),
    (Kind::Kernel, 0x38, b"ARM\x64"),
    (Kind::Kernel, 0x38, b"RSC\x05"),
    (Kind::Elf, 0, b"\x7fELF"),
    (Kind::Raw, 512, b"EFI PART"),
    (Kind::Ext4, 1080, &[0x53, 0xef]),
];

impl Kind {
    /// What `file` is.
    pub fn of(file: &dyn ReadAt) -> Kind {
        let kind = Kind::of_head(&head(file));
        match kind {
            Kind::Qcow2 | Kind::Vhdx | Kind::Vmdk | Kind::Ova => kind,
            _ if is_vhd(file) => Kind::Vhd,
            _ => kind,
        }
    }

    /// What a file is that begins so, with [`HEAD`] bytes or all that there are.
    pub(crate) fn of_head(head: &[u8]) -> Kind {
        let has =
            |(offset, magic): (usize, &[u8])| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        let is_boot_sector = has(BOOT_SIGNATURE);
        let found = MAGICS.into_iter().find(|(kind, offset, magic)| {
            has((*offset, magic)) && (*kind != Kind::Ext4 || head[EXT4_LOG_BLOCK.0] <= EXT4_LOG_BLOCK.1)
        });
        match found {
            Some((Kind::Tar, ..)) if until_nul(&head[..100]).ends_with(b".ovf") => Kind::Ova,
            Some((Kind::Tar, ..)) if is_card(head) => Kind::Card,
            Some((Kind::Tar, ..)) if BUNDLES.into_iter().any(|name| undotted(head).starts_with(name)) => {
                Kind::Bundle
            }
            Some((kind, ..)) => kind,
            None if machine(head).is_some() => Kind::Efi,
            None if is_boot_sector && starts_volume(head) && FAT_TYPES.into_iter().any(has) => Kind::Fat,
            None if is_boot_sector => Kind::Raw,
            None => Kind::Unknown,
        }
    }
}

/// Which processor a program or a kernel is for that begins so.
pub(crate) fn arch(head: &[u8]) -> Option<Arch> {
    let of = |number: u16, amd64: u16, arm64: u16| match number {
        _ if number == amd64 => Arch::Amd64,
        _ if number == arm64 => Arch::Arm64,
        _ => Arch::Other,
    };
    match Kind::of_head(head) {
        Kind::Kernel if head[0x38..].starts_with(b"ARM\x64") => Some(Arch::Arm64),
        Kind::Kernel if head[0x38..].starts_with(b"RSC\x05") => Some(Arch::Other),
        Kind::Kernel => Some(Arch::Amd64),
        Kind::Elf => Some(of(u16::from_le_bytes([*head.get(18)?, *head.get(19)?]), 62, 183)),
        Kind::Efi => Some(of(machine(head)?, pe::AMD64, pe::ARM64)),
        _ => None,
    }
}

/// Whether a stream that begins so is a tar.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    head.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1))
}

/// Whether a tar that begins so has the files of a Raspberry Pi's card. LinuxKit's names begin with a dot.
fn is_card(head: &[u8]) -> bool {
    let is = |name: &[u8]| CARD.contains(&undotted(name));
    let mut reader = tar::Reader::new(head);
    let mut next = || reader.next_entry().ok().flatten();
    is(until_nul(&head[..100])) || std::iter::from_fn(&mut next).any(|entry| is(&entry.name))
}

/// A name in a tar without the dot that some tools begin it with.
pub(crate) fn undotted(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"./").unwrap_or(name)
}

/// The beginning of a file.
pub(crate) fn head(file: &dyn ReadAt) -> Vec<u8> {
    let mut head = vec![0; usize::try_from(file.size()).unwrap_or(HEAD).min(HEAD)];
    match file.read_exact_at(&mut head, 0) {
        Ok(()) => head,
        Err(_) => Vec::new(),
    }
}

/// Whether the last sector is what ends a VHD.
fn is_vhd(file: &dyn ReadAt) -> bool {
    let mut cookie = [0; VHD.len()];
    let place = file.size().checked_sub(512);
    place.is_some_and(|place| file.read_exact_at(&mut cookie, place).is_ok() && cookie == *VHD)
}

/// The machine that a PE file is for that begins so.
fn machine(head: &[u8]) -> Option<u16> {
    let number = |at: usize| Some(u16::from_le_bytes([*head.get(at)?, *head.get(at + 1)?]));
    let start = usize::from(number(0x3c)?) | usize::from(number(0x3e)?) << 16;
    let is_pe = head.starts_with(b"MZ") && head.get(start..)?.starts_with(b"PE\0\0");
    number(start + 4).filter(|_| is_pe)
}

/// Whether this is the first sector of a FAT volume, or of one that is like it: it begins with a jump, and has sectors of a
/// sensible size. What other boot sectors have as a partition table is its code or text.
pub(crate) fn starts_volume(head: &[u8]) -> bool {
    let [first, _, third, _, _, _, _, _, _, _, _, low, high, ..] = *head else {
        return false;
    };
    let jump = first == 0xeb && third == 0x90 || first == 0xe9;
    jump && matches!(u16::from_le_bytes([low, high]), 512 | 1024 | 2048 | 4096) && head.get(16) != Some(&0)
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Zeros with these bytes at these places.
    pub fn image(size: usize, pieces: &[(usize, &[u8])]) -> Vec<u8> {
        let mut image = vec![0; size];
        for (at, bytes) in pieces {
            image[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        image
    }

    #[test]
    fn kinds_and_processors() {
        use Arch::{Amd64, Arm64, Other};
        let signature: (usize, &[u8]) = BOOT_SIGNATURE;
        let pe = |machine: &'static [u8]| -> [(usize, &'static [u8]); 4] {
            [(0, b"MZ"), (0x3c, b"\x80"), (0x80, b"PE\0\0"), (0x84, machine)]
        };
        let jump: (usize, &[u8]) = (0, b"\xeb\x3c\x90mkfs.fat\0\x02\x04\x01\0\x02");
        for (pieces, kind, arch) in [
            (&[][..], Kind::Unknown, None),
            (&[signature][..], Kind::Raw, None),
            (&[(0, b"\xeb"), signature], Kind::Raw, None),
            (&[(512, b"EFI PART")], Kind::Raw, None),
            (&[signature, (0x202, b"HdrS")], Kind::Kernel, Some(Amd64)),
            (&[(0x202, b"HdrS")], Kind::Kernel, Some(Amd64)),
            (&[(0, b"MZ"), (0x38, b"ARM\x64")], Kind::Kernel, Some(Arm64)),
            (&[(0x38, b"RSC\x05")], Kind::Kernel, Some(Other)),
            (&[(0, b"\x7fELF"), (18, b"\x3e")], Kind::Elf, Some(Amd64)),
            (&pe(b"\x64\x86"), Kind::Efi, Some(Amd64)),
            (&pe(b"\x64\xaa"), Kind::Efi, Some(Arm64)),
            (&pe(b"\x4c\x01"), Kind::Efi, Some(Other)),
            (&[(0, b"MZ"), (0x3c, b"\xff\xff\xff\xff")], Kind::Unknown, None),
            (&[(0, b"QFI\xfb")], Kind::Qcow2, None),
            (&[(0, b"vhdxfile")], Kind::Vhdx, None),
            (&[(0, b"KDMV")], Kind::Vmdk, None),
            (&[(0, b"# Disk DescriptorFile\n")], Kind::Vmdk, None),
            (&[(0, VHD)], Kind::Vhd, None),
            (&[(0x1_0000 - 512, VHD), signature], Kind::Vhd, None),
            (
                &[(32769, b"CD001"), signature, (512, b"EFI PART")],
                Kind::Iso,
                None,
            ),
            (&[(0, b"hsqs"), signature], Kind::Squashfs, None),
            (&[(1024, b"\xe2\xe1\xf5\xe0")], Kind::Erofs, None),
            (&[(1080, b"\x53\xef"), (1048, b"\x02")], Kind::Ext4, None),
            (&[(1080, b"\x53\xef"), (1048, b"\x07")], Kind::Unknown, None),
            (&[jump, signature, (54, b"FAT16")], Kind::Fat, None),
            (&[jump, signature, (82, b"FAT32")], Kind::Fat, None),
            (&[jump, signature], Kind::Raw, None),
            (&[(0, GZIP)], Kind::Gzip, None),
            (&[(0, ZSTD)], Kind::Initrd, None),
            (&[(0, XZ)], Kind::Initrd, None),
            (&[(0, b"070701")], Kind::Initrd, None),
            (&[(0, b"a.ovf"), (257, b"ustar")], Kind::Ova, None),
            (&[(0, b"kernels"), (257, b"ustar")], Kind::Tar, None),
            (&[(0, b"kernel"), (257, b"ustar")], Kind::Bundle, None),
            (&[(0, b"./blobs/sha256"), (257, b"ustar")], Kind::Bundle, None),
            (&[(0, b"./bootcode.bin"), (257, b"ustar")], Kind::Card, None),
            (&[(0, b"\x27\x05\x19\x56")], Kind::Uimage, None),
            (&[(0, b"#!ipxe\n")], Kind::Ipxe, None),
        ] {
            let image = image(0x1_0000, pieces);
            assert_eq!(
                (Kind::of(&image), super::arch(&image)),
                (kind, arch),
                "{pieces:?}"
            );
        }
    }

    #[test]
    fn short_files_are_nothing_and_no_panic() {
        let whole = image(
            2048,
            &[(0, b"MZ"), BOOT_SIGNATURE, (1080, b"\x53\xef"), (257, b"ustar")],
        );
        for length in [0, 1, 2, 17, 60, 64, 257, 260] {
            assert_eq!(Kind::of(&whole[..length].to_vec()), Kind::Unknown, "{length}");
        }
    }
}
