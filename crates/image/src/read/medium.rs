//! A file → what it is for who wants to start a machine from it: which kind of image, for which firmware and processor.
//!
//! Contents decide, names do not. Input may be hostile: some sectors are read, whatever they say.

use std::io::Read;

use ironkit_formats::disk;
use ironkit_formats::filesystem::{Entry, fat};
use ironkit_formats::read_at::{ReadAt, Slice};
use ironkit_tree::BoxError;

use crate::Arch;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Linux kernel.
    Kernel,
    /// A program for UEFI: a unified kernel image, for one.
    Efi,
    /// An ISO 9660 image.
    Iso,
    /// A disk, byte by byte.
    Raw,
    /// A disk for QEMU.
    Qcow2,
    /// A disk for Virtual PC and Hyper-V.
    Vhd,
    /// A disk for Hyper-V.
    Vhdx,
    /// A disk for VMware.
    Vmdk,
    /// A file system without a kernel.
    Squashfs,
    /// A file system without a kernel.
    Erofs,
    /// Something that is compressed with gzip.
    Gzip,
    /// A tar archive.
    Tar,
    /// One with a virtual machine (OVA).
    Ova,
    /// One with the files of a Raspberry Pi's card.
    Card,
    /// A script for iPXE.
    Ipxe,
    /// Nothing that is known here.
    Unknown,
}

/// Which firmware can start from a medium, as far as can be seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Firmwares {
    /// A BIOS.
    pub bios: bool,
    /// UEFI.
    pub uefi: bool,
}

/// What was found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Medium {
    /// What it is.
    pub kind: Kind,
    /// For which processor, if it says.
    pub arch: Option<Arch>,
    /// Who starts from it when it is a CD.
    pub cd: Firmwares,
    /// Who starts from it when it is a disk.
    pub disk: Firmwares,
    /// How many bytes are missing from its end, going by its partition table or its file system.
    pub missing: u64,
}

/// Sector of a disk.
const SECTOR: u64 = 512;
/// Sector of a CD.
const CD_SECTOR: u64 = 2048;
/// Partition table entries that are looked at: the usual number is 128.
const GPT_ENTRIES_MAX: u64 = 256;
/// The EFI system partition's type, C12A7328-F81F-11D2-BA4B-00A0C93EC93B, as it is stored (UEFI 2.10, 5.3.3).
const ESP: [u8; 16] = [
    0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b,
];
/// The same in an MBR.
const ESP_MBR: u8 = 0xef;
/// Boot code ends where the disk's signature begins.
const BOOT_CODE: usize = 440;

/// Looks at a file. What cannot be read is taken as not being there.
pub fn look(image: &dyn ReadAt) -> Medium {
    let (kind, arch) = kind(image);
    let (disk, on_disk) = match kind {
        Kind::Raw | Kind::Iso | Kind::Unknown => of_disk(image),
        Kind::Qcow2 | Kind::Vhd | Kind::Vhdx | Kind::Vmdk => match disk::open(image) {
            Ok(Some(disk)) => of_disk(&disk),
            _ => Default::default(),
        },
        _ => Default::default(),
    };
    let (cd, on_cd) = match kind {
        Kind::Iso => of_cd(image),
        _ => Default::default(),
    };
    Medium {
        kind,
        // Only PCs have a BIOS.
        arch: arch
            .or(on_disk)
            .or(on_cd)
            .or((disk.bios || cd.bios).then_some(Arch::Amd64)),
        cd,
        disk,
        missing: match kind {
            Kind::Iso => missing(image, of_volume(image)),
            Kind::Raw => missing(image, of_partitions(image)),
            // The others say themselves how large they are.
            _ => 0,
        },
    }
}

fn missing(image: &dyn ReadAt, expected: u64) -> u64 {
    expected.saturating_sub(image.size())
}

/// The bytes of an ISO 9660 volume (ECMA-119, 8.4.8).
fn of_volume(cd: &dyn ReadAt) -> u64 {
    let size = at::<4>(cd, 16 * CD_SECTOR + 80);
    u64::from(u32::from_le_bytes(size)) * CD_SECTOR
}

/// The end of the last partition of an MBR, or the copy of the GPT's header (UEFI 2.10, 5.2.1, 5.3.2).
fn of_partitions(disk: &dyn ReadAt) -> u64 {
    let (mbr, gpt) = (at::<512>(disk, 0), at::<92>(disk, SECTOR));
    if gpt[..8] == *b"EFI PART" {
        let copy = u64::from(word(&gpt, 32)) | u64::from(word(&gpt, 36)) << 32;
        return copy.saturating_add(1).saturating_mul(SECTOR);
    }
    let entries = mbr[446..510].chunks_exact(16);
    // Without partitions, there is something else in that place.
    if entries.clone().any(|entry| entry[0] & 0x7f != 0) {
        return 0;
    }
    let used = entries.filter(|entry| entry[4] != 0);
    let ends = used.map(|entry| u64::from(word(entry, 8)) + u64::from(word(entry, 12)));
    ends.max().unwrap_or_default() * SECTOR
}

fn kind(image: &dyn ReadAt) -> (Kind, Option<Arch>) {
    let head = at::<1024>(image, 0);
    let starts = |magic: &[u8]| head.starts_with(magic);
    let simple = if starts(b"QFI\xfb") {
        Kind::Qcow2
    } else if starts(b"vhdxfile") {
        Kind::Vhdx
    } else if starts(b"KDMV") || starts(b"# Disk DescriptorFile") {
        Kind::Vmdk
    } else if starts(b"conectix") || at::<8>(image, image.size().saturating_sub(SECTOR)) == *b"conectix" {
        Kind::Vhd
    } else if at::<5>(image, 16 * CD_SECTOR + 1) == *b"CD001" {
        Kind::Iso
    } else if starts(b"hsqs") {
        Kind::Squashfs
    } else if at::<4>(image, 1024) == 0xe0f5_e1e2_u32.to_le_bytes() {
        Kind::Erofs
    } else if starts(&[0x1f, 0x8b]) {
        Kind::Gzip
    } else if head[257..262] == *b"ustar" {
        let name = head[..100].split(|byte| *byte == 0).next().unwrap_or_default();
        match name {
            name if name.ends_with(b".ovf") => Kind::Ova,
            b"bootcode.bin" => Kind::Card,
            _ => Kind::Tar,
        }
    } else if starts(b"#!ipxe") {
        Kind::Ipxe
    } else {
        return program(image, &head);
    };
    (simple, None)
}

/// Kernels and other programs, or a disk.
fn program(image: &dyn ReadAt, head: &[u8; 1024]) -> (Kind, Option<Arch>) {
    let word = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    // Linux: Documentation/arch/x86/boot.rst, arm64/booting.rst, riscv/boot-image-header.rst.
    if head[0x202..0x206] == *b"HdrS" && word(0x1fe) == 0xaa55 {
        return (Kind::Kernel, Some(Arch::Amd64));
    }
    if head[0x38..0x3c] == *b"ARM\x64" {
        return (Kind::Kernel, Some(Arch::Arm64));
    }
    if head[0x38..0x3c] == *b"RSC\x05" {
        return (Kind::Kernel, Some(Arch::Other));
    }
    if head.starts_with(b"\x7fELF") {
        let arch = match word(18) {
            62 => Arch::Amd64,
            183 => Arch::Arm64,
            _ => Arch::Other,
        };
        return (Kind::Kernel, Some(arch));
    }
    if head.starts_with(b"MZ") {
        let offset = u32::from_le_bytes([head[0x3c], head[0x3d], head[0x3e], head[0x3f]]);
        let header = at::<6>(image, offset.into());
        if header[..4] == *b"PE\0\0" {
            let arch = match u16::from_le_bytes([header[4], header[5]]) {
                0x8664 => Arch::Amd64,
                0xaa64 => Arch::Arm64,
                _ => Arch::Other,
            };
            return (Kind::Efi, Some(arch));
        }
    }
    match word(510) {
        0xaa55 => (Kind::Raw, None),
        _ => (Kind::Unknown, None),
    }
}

/// Who starts from a disk: a BIOS where there is boot code, UEFI where there is an EFI system partition, or a FAT file
/// system instead of partitions. And which processor UEFI's program is for.
fn of_disk(disk: &dyn ReadAt) -> (Firmwares, Option<Arch>) {
    let head = at::<512>(disk, 0);
    if head[510..] != [0x55, 0xaa] {
        return Default::default();
    }
    let fat = head[54..57] == *b"FAT" || head[82..85] == *b"FAT";
    let esp = match fat {
        true => Some((0, disk.size())),
        false => esp_of_mbr(&head).or_else(|| esp_of_gpt(disk)),
    };
    let firmwares = Firmwares {
        bios: head[..BOOT_CODE].iter().any(|byte| *byte != 0),
        uefi: esp.is_some(),
    };
    let esp = esp.and_then(|(start, size)| Slice::new(disk, start, size));
    (firmwares, esp.and_then(|esp| arch_of_fat(&esp)))
}

/// Where the EFI system partition begins, and its size, in bytes.
fn esp_of_mbr(head: &[u8; 512]) -> Option<(u64, u64)> {
    let entries = head[446..510].chunks_exact(16);
    let entry = entries.into_iter().find(|entry| entry[4] == ESP_MBR)?;
    Some((
        u64::from(word(entry, 8)) * SECTOR,
        u64::from(word(entry, 12)) * SECTOR,
    ))
}

fn esp_of_gpt(disk: &dyn ReadAt) -> Option<(u64, u64)> {
    let header = at::<92>(disk, SECTOR);
    if header[..8] != *b"EFI PART" {
        return None;
    }
    let number = |offset| u64::from(word(&header, offset));
    let (table, count, size) = (number(72), number(80), number(84));
    (0..count.min(GPT_ENTRIES_MAX)).find_map(|index| {
        let entry = at::<48>(disk, table * SECTOR + index * size);
        let long = |offset| u64::from(word(&entry, offset)) | u64::from(word(&entry, offset + 4)) << 32;
        let (first, last) = (long(32), long(40));
        let start = first.checked_mul(SECTOR)?;
        let size = last.checked_sub(first)?.checked_add(1)?.checked_mul(SECTOR)?;
        (entry[..16] == ESP).then_some((start, size))
    })
}

/// Who starts from a CD: what its boot catalog says (El Torito 1.0, 2.0 to 2.4; UEFI 2.10, 13.3.2.1).
fn of_cd(cd: &dyn ReadAt) -> (Firmwares, Option<Arch>) {
    const ENTRY: usize = 32;
    let record = at::<75>(cd, 17 * CD_SECTOR);
    if record[..6] != *b"\0CD001" || record[7..30] != *b"EL TORITO SPECIFICATION" {
        return Default::default();
    }
    let catalog = at::<2048>(cd, u64::from(word(&record, 71)) * CD_SECTOR);
    let mut entries = catalog.chunks_exact(ENTRY);
    let Some([1, first, ..]) = entries.next() else {
        return Default::default();
    };
    let (mut found, mut arch) = (Firmwares::default(), None);
    let mut platform = *first;
    for entry in entries {
        match entry {
            // A header of a section, the last one or not.
            [0x90 | 0x91, of_section, ..] => platform = *of_section,
            [0x88, ..] if platform == 0 => found.bios = true,
            [0x88, ..] if platform == 0xef => {
                found.uefi = true;
                // How long the image is does not always fit into its field: the file system knows it.
                let start = u64::from(word(entry, 8)) * CD_SECTOR;
                let image = Slice::new(cd, start, cd.size().saturating_sub(start));
                arch = arch.or(image.and_then(|image| arch_of_fat(&image)));
            }
            _ => {}
        }
    }
    (found, arch)
}

/// Which processor the program is for that UEFI starts from a FAT file system (UEFI 2.10, 3.5.1.1).
fn arch_of_fat(image: &dyn ReadAt) -> Option<Arch> {
    let mut found = None;
    let mut visit = |entry: &Entry, _: &mut dyn Read| -> Result<(), BoxError> {
        let path = entry.path.to_string().to_ascii_uppercase();
        found = match path.trim_start_matches('/').strip_prefix("EFI/BOOT/BOOT") {
            Some("X64.EFI") => Some(Arch::Amd64),
            Some("AA64.EFI") => Some(Arch::Arm64),
            Some("RISCV64.EFI") => Some(Arch::Other),
            _ => return Ok(()),
        };
        // Enough was seen.
        Err("found".into())
    };
    let _ = fat::read(image, &mut visit);
    found
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The bytes at `offset`; zeros from where there are none.
fn at<const COUNT: usize>(image: &dyn ReadAt, offset: u64) -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    let left = image.size().saturating_sub(offset);
    let count = usize::try_from(left).unwrap_or(COUNT).min(COUNT);
    if image.read_exact_at(&mut bytes[..count], offset).is_err() {
        return [0; COUNT];
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zeros with these bytes at these places.
    fn image(size: usize, pieces: &[(usize, &[u8])]) -> Vec<u8> {
        let mut image = vec![0; size];
        for (at, bytes) in pieces {
            image[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        image
    }

    #[test]
    fn kinds() {
        use Arch::{Amd64, Arm64, Other};
        let signature: (usize, &[u8]) = (510, b"\x55\xaa");
        for (pieces, kind, arch) in [
            (&[][..], Kind::Unknown, None),
            (&[signature][..], Kind::Raw, None),
            (&[(0, b"\xeb"), signature], Kind::Raw, Some(Amd64)),
            (&[signature, (0x202, b"HdrS")], Kind::Kernel, Some(Amd64)),
            (&[(0, b"MZ"), (0x38, b"ARM\x64")], Kind::Kernel, Some(Arm64)),
            (&[(0x38, b"RSC\x05")], Kind::Kernel, Some(Other)),
            (&[(0, b"\x7fELF"), (18, b"\x3e")], Kind::Kernel, Some(Amd64)),
            (
                &[(0, b"MZ"), (0x3c, b"\x80"), (0x80, b"PE\0\0\x64\x86")],
                Kind::Efi,
                Some(Amd64),
            ),
            (
                &[(0, b"MZ"), (0x3c, b"\x80"), (0x80, b"PE\0\0\x64\xaa")],
                Kind::Efi,
                Some(Arm64),
            ),
            (&[(0, b"MZ"), (0x3c, b"\xff\xff\xff\xff")], Kind::Unknown, None),
            (&[(0, b"QFI\xfb")], Kind::Qcow2, None),
            (&[(0, b"vhdxfile")], Kind::Vhdx, None),
            (&[(0, b"KDMV")], Kind::Vmdk, None),
            (&[(0, b"# Disk DescriptorFile\n")], Kind::Vmdk, None),
            (&[(0, b"conectix")], Kind::Vhd, None),
            (&[(0x1_0000 - 512, b"conectix"), signature], Kind::Vhd, None),
            (&[(32769, b"CD001")], Kind::Iso, None),
            (&[(0, b"hsqs")], Kind::Squashfs, None),
            (&[(1024, b"\xe2\xe1\xf5\xe0")], Kind::Erofs, None),
            (&[(0, b"\x1f\x8b")], Kind::Gzip, None),
            (&[(0, b"a.ovf"), (257, b"ustar")], Kind::Ova, None),
            (&[(0, b"kernel"), (257, b"ustar")], Kind::Tar, None),
            (&[(0, b"bootcode.bin"), (257, b"ustar")], Kind::Card, None),
            (&[(0, b"#!ipxe\n")], Kind::Ipxe, None),
        ] {
            let medium = look(&image(0x1_0000, pieces));
            assert_eq!((medium.kind, medium.arch), (kind, arch), "{pieces:?}");
        }
        assert_eq!(look(&Vec::new()).kind, Kind::Unknown);
    }

    #[test]
    fn firmwares_of_disks() {
        let signature: (usize, &[u8]) = (510, b"\x55\xaa");
        let gpt: (usize, &[u8]) = (512, b"EFI PART");
        let table: (usize, &[u8]) = (512 + 72, b"\x02\0\0\0\0\0\0\0\x80\0\0\0\x80\0\0\0");
        let esp: (usize, &[u8]) = (1024 + 128, &ESP);
        for (pieces, bios, uefi) in [
            (&[][..], false, false),
            (&[signature, (0, b"\xeb")][..], true, false),
            (&[signature, (450, b"\xef")], false, true),
            (&[signature, (450, b"\xee"), gpt, table, esp], false, true),
            (&[signature, (0, b"\xeb"), gpt, table, esp], true, true),
            (&[signature, gpt, table], false, false),
            // A table that is nowhere.
            (&[signature, gpt, (512 + 72, &[0xff; 16])], false, false),
            (&[signature, (82, b"FAT32")], true, true),
        ] {
            let disk = look(&image(0x1_0000, pieces)).disk;
            assert_eq!((disk.bios, disk.uefi), (bios, uefi), "{pieces:?}");
        }
    }

    #[test]
    fn what_is_cut_off() {
        let signature: (usize, &[u8]) = (510, b"\x55\xaa");
        let cd: (usize, &[u8]) = (16 * 2048, b"\x01CD001");
        for (pieces, missing) in [
            (&[signature][..], 0),
            // A partition of 0x70 sectors at 0x10, and one sector more.
            (&[signature, (450, b"\x83\0\0\0\x10\0\0\0\x70\0\0\0")], 0),
            (&[signature, (450, b"\x83\0\0\0\x10\0\0\0\x71\0\0\0")], 512),
            // A file system's code where a table would be.
            (&[signature, (446, &[0x12; 64])], 0),
            (&[signature, (512, b"EFI PART"), (544, b"\x7f")], 0),
            (&[signature, (512, b"EFI PART"), (544, b"\x81")], 1024),
            (
                &[signature, (512, b"EFI PART"), (544, &[0xff; 8])],
                u64::MAX - 0x1_0000,
            ),
            (&[cd, (16 * 2048 + 80, b"\x20")], 0),
            (&[cd, (16 * 2048 + 80, b"\x21")], 2048),
        ] {
            assert_eq!(look(&image(0x1_0000, pieces)).missing, missing, "{pieces:?}");
        }
    }

    #[test]
    fn firmwares_of_cds() {
        let cd: (usize, &[u8]) = (16 * 2048, b"\x01CD001");
        let record: (usize, &[u8]) = (17 * 2048, b"\0CD001\x01EL TORITO SPECIFICATION");
        let place: (usize, &[u8]) = (17 * 2048 + 71, &[20, 0, 0, 0]);
        let entry = |index: usize| 20 * 2048 + index * 32;
        for (pieces, bios, uefi) in [
            (&[cd][..], false, false),
            (&[cd, record, place], false, false),
            (
                &[cd, record, place, (entry(0), b"\x01\0"), (entry(1), b"\x88")],
                true,
                false,
            ),
            (
                &[cd, record, place, (entry(0), b"\x01\xef"), (entry(1), b"\x88")],
                false,
                true,
            ),
            (
                &[
                    cd,
                    record,
                    place,
                    (entry(0), b"\x01\0"),
                    (entry(1), b"\x88"),
                    (entry(2), b"\x91\xef"),
                    (entry(3), b"\x88"),
                ],
                true,
                true,
            ),
            (&[cd, record, (17 * 2048 + 71, &[0xff; 4])], false, false),
        ] {
            let cd = look(&image(0x1_0000, pieces)).cd;
            assert_eq!((cd.bios, cd.uefi), (bios, uefi), "{pieces:?}");
        }
    }
}
