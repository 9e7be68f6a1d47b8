//! A file → what it is for who wants to start a machine from it: for which firmware and processor.
//!
//! Input may be hostile: some sectors are read, whatever they say, and names of FAT file systems.

use std::io::Read;

use ironkit_formats::disk;
use ironkit_formats::filesystem::{Entry, fat, iso9660};
use ironkit_formats::partition::{SECTOR, gpt, mbr};
use ironkit_formats::read_at::{ReadAt, Slice};
use ironkit_tree::BoxError;

use super::kind;
pub use super::kind::Kind;
use crate::Arch;

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
    /// Whether some of it is in other files, which it names.
    pub elsewhere: bool,
}

/// Platforms of a boot catalog.
const BIOS: u8 = 0;
const UEFI: u8 = 0xef;

/// Looks at a file. What cannot be read is taken as not being there.
pub fn look(image: &dyn ReadAt) -> Medium {
    let (kind, head) = (Kind::of(image), kind::head(image));
    let (disk, on_disk) = match kind {
        Kind::Raw | Kind::Iso | Kind::Fat | Kind::Ext4 | Kind::Unknown => of_disk(image),
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
        arch: kind::arch(&head)
            .or(on_disk)
            .or(on_cd)
            .or((disk.bios || cd.bios).then_some(Arch::Amd64)),
        cd,
        disk,
        missing: match kind {
            Kind::Iso => of_volume(&head),
            Kind::Raw => of_partitions(&head),
            // The others say themselves how large they are.
            _ => 0,
        }
        .saturating_sub(image.size()),
        elsewhere: is_elsewhere(&head),
    }
}

/// Whether a disk that begins so names other files: a qcow2 disk one that it is based on or that has its data (QEMU's
/// docs/interop/qcow2.txt), a descriptor of a VMware disk all of them.
fn is_elsewhere(head: &[u8]) -> bool {
    const EXTERNAL_DATA: u8 = 1 << 2;
    let qcow2 = head
        .strip_prefix(b"QFI\xfb")
        .and_then(|rest| rest.first_chunk::<76>());
    let based_or_external = |header: &[u8; 76]| {
        let version = &header[..4];
        let features = header[75];
        header[4..12] != [0; 8] || version != [0, 0, 0, 2] && features & EXTERNAL_DATA != 0
    };
    qcow2.is_some_and(based_or_external) || head.starts_with(b"# Disk DescriptorFile")
}

/// The bytes of an ISO 9660 volume (ECMA-119, 8.4.8).
fn of_volume(head: &[u8]) -> u64 {
    const BLOCK: u64 = 2048;
    number(head, 16 * 2048 + 80).saturating_mul(BLOCK)
}

/// The end of the last partition of an MBR, or the copy of the GPT's header (UEFI 2.10, 5.2.1, 5.3.2). Tables are not held
/// against the disk's size, as readers of them do.
fn of_partitions(head: &[u8]) -> u64 {
    if head.get(512..).is_some_and(|gpt| gpt.starts_with(b"EFI PART")) {
        let copy = number(head, 512 + 32) | number(head, 512 + 36) << 32;
        return copy.saturating_add(1).saturating_mul(SECTOR);
    }
    let entries = head.get(446..510).unwrap_or_default().chunks_exact(16);
    // Without partitions, there is something else in that place.
    if entries.clone().any(|entry| entry[0] & 0x7f != 0) {
        return 0;
    }
    let used = entries.filter(|entry| entry[4] != 0);
    let ends = used.map(|entry| number(entry, 8) + number(entry, 12));
    ends.max().unwrap_or_default() * SECTOR
}

/// The number of 32 bits at an offset; 0 where there is none.
fn number(bytes: &[u8], at: usize) -> u64 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    field.map_or(0, |field| u32::from_le_bytes(*field).into())
}

/// Who starts from a disk: a BIOS where there is boot code, UEFI where there is an EFI system partition, or a FAT file
/// system instead of partitions. And which processor UEFI's program is for.
fn of_disk(disk: &dyn ReadAt) -> (Firmwares, Option<Arch>) {
    let Ok(record) = mbr::read(disk) else {
        return Default::default();
    };
    let esp = match Kind::of(disk) {
        Kind::Fat => Some((0, disk.size())),
        _ => esp(disk, &record),
    };
    let firmwares = Firmwares {
        bios: !record.boot_code.is_empty(),
        uefi: esp.is_some(),
    };
    let esp = esp.and_then(|(start, size)| Slice::new(disk, start, size));
    (firmwares, esp.and_then(|esp| arch_of_fat(&esp)))
}

/// Where the EFI system partition begins, and its size, in bytes.
fn esp(disk: &dyn ReadAt, record: &mbr::Table) -> Option<(u64, u64)> {
    let in_bytes =
        |(start, sectors): (u64, u64)| Some((start.checked_mul(SECTOR)?, sectors.checked_mul(SECTOR)?));
    let found = record.partitions.iter().find(|it| it.kind == mbr::ESP);
    if let Some(partition) = found {
        return in_bytes((partition.start.into(), partition.sectors.into()));
    }
    let table = gpt::read(disk).ok()?;
    let found = table.partitions.iter().find(|it| it.kind == gpt::ESP);
    found.and_then(|partition| in_bytes((partition.start, partition.sectors)))
}

/// Who starts from a CD: what its boot catalog says.
fn of_cd(cd: &dyn ReadAt) -> (Firmwares, Option<Arch>) {
    let (mut found, mut arch) = (Firmwares::default(), None);
    let Ok(info) = iso9660::info(cd) else {
        return (found, arch);
    };
    for (platform, start, _) in info.boot {
        match platform {
            BIOS => found.bios = true,
            UEFI => {
                found.uefi = true;
                // How long the image is does not always fit into its field: the file system knows it.
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

#[cfg(test)]
mod tests {
    use ironkit_formats::extents::{Data, Extents};
    use ironkit_formats::partition::Guid;

    use super::*;
    use crate::read::kind::tests::image;

    /// A disk with a GPT, whose one partition is of that kind.
    fn disk(kind: Guid, boot_code: &[u8]) -> Vec<u8> {
        let partition = gpt::Partition {
            kind,
            guid: kind,
            name: String::new(),
            attributes: 0,
            start: 40,
            sectors: 8,
        };
        let table = gpt::Table {
            sectors: 128,
            partitions: vec![partition],
            boot_code: boot_code.to_vec(),
            ..gpt::Table::default()
        };
        let mut bytes = Vec::new();
        let disk = gpt::layout(&table, vec![Extents::new()]).unwrap();
        disk.write_to(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn disks_that_name_others() {
        let qcow2 = |version: u8, backing: u8, features: u8| {
            let mut head = vec![0; 80];
            head[..4].copy_from_slice(b"QFI\xfb");
            (head[7], head[15], head[79]) = (version, backing, features);
            head
        };
        for (head, expect) in [
            (qcow2(3, 0, 0), false),
            (qcow2(3, 0, 1), false),
            (qcow2(2, 0, 4), false),
            (qcow2(2, 104, 0), true),
            (qcow2(3, 104, 0), true),
            (qcow2(3, 0, 4), true),
            (b"QFI\xfb".to_vec(), false),
            (b"# Disk DescriptorFile\n".to_vec(), true),
            (Vec::new(), false),
        ] {
            assert_eq!(is_elsewhere(&head), expect, "{head:?}");
        }
    }

    #[test]
    fn firmwares_of_disks() {
        let signature: (usize, &[u8]) = (510, b"\x55\xaa");
        let sectors: (usize, &[u8]) = (458, b"\x01");
        let volume: (usize, &[u8]) = (0, b"\xeb\x3c\x90mkfs.fat\0\x02\x04\x01\0\x02");
        let plain = |pieces: &[(usize, &[u8])]| image(0x1_0000, pieces);
        let mut damaged = disk(gpt::ESP, b"");
        damaged[512 + 20] ^= 1;
        damaged.truncate(100 * 512);
        for (name, image, bios, uefi) in [
            ("nothing", plain(&[]), false, false),
            ("boot code", plain(&[signature, (0, b"\xeb")]), true, false),
            (
                "an ESP",
                plain(&[signature, sectors, (450, b"\xef")]),
                false,
                true,
            ),
            ("a GPT", disk(gpt::ESP, b""), false, true),
            ("a GPT and boot code", disk(gpt::ESP, b"\xeb"), true, true),
            ("a GPT without an ESP", disk(gpt::LINUX, b""), false, false),
            ("a GPT that is broken", damaged, false, false),
            (
                "a volume",
                plain(&[volume, signature, (82, b"FAT32")]),
                true,
                true,
            ),
        ] {
            let disk = look(&image).disk;
            assert_eq!((disk.bios, disk.uefi), (bios, uefi), "{name}");
        }
        assert_eq!(look(&disk(gpt::ESP, b"\xeb")).arch, Some(Arch::Amd64));
        assert_eq!(look(&Vec::new()).kind, Kind::Unknown);
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
        let volume: (usize, &[u8]) = (16 * 2048, b"\x01CD001");
        let blocks: (usize, &[u8]) = (16 * 2048 + 128, b"\0\x08");
        let end: (usize, &[u8]) = (18 * 2048, b"\xffCD001");
        let record: (usize, &[u8]) = (17 * 2048, b"\0CD001\x01EL TORITO SPECIFICATION");
        let place: (usize, &[u8]) = (17 * 2048 + 71, &[20, 0, 0, 0]);
        let entry =
            |index: usize, bytes: &'static [u8]| -> (usize, &[u8]) { (20 * 2048 + index * 32, bytes) };
        for (pieces, bios, uefi) in [
            (&[][..], false, false),
            (&[entry(0, b"\x01\0"), entry(1, b"\x88")], true, false),
            (&[entry(0, b"\x01\xef"), entry(1, b"\x88")], false, true),
            (
                &[
                    entry(0, b"\x01\0"),
                    entry(1, b"\x88"),
                    entry(2, b"\x91\xef"),
                    entry(3, b"\x88"),
                ],
                true,
                true,
            ),
            // One that nothing is started from comes first.
            (
                &[entry(0, b"\x01\0"), entry(2, b"\x91\xef"), entry(3, b"\x88")],
                false,
                true,
            ),
            (&[entry(1, b"\x88")], false, false),
            (&[(17 * 2048 + 71, &[0xff; 4])], false, false),
        ] {
            let pieces = [&[volume, blocks, record, place, end], pieces].concat();
            let cd = look(&image(0x1_0000, &pieces)).cd;
            assert_eq!((cd.bios, cd.uefi), (bios, uefi), "{pieces:?}");
        }
    }
}
