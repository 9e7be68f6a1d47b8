//! Tables made by hand, and disks that grow.

use super::*;

const SECTOR: usize = 512;
const MIB: u64 = 1 << 20;

/// A GPT for a disk of `size` MiB with these partitions: number, first MiB, MiB behind it.
fn gpt(size: u64, partitions: &[(u32, u64, u64)]) -> Vec<u8> {
    let length = usize::try_from(size * MIB).unwrap();
    let last_lba = size * MIB / 512 - 1;
    let mut entries = vec![0; 128 * 128];
    for (number, first, end) in partitions {
        let at = usize::try_from(number - 1).unwrap() * 128;
        entries[at..at + 16].fill(0x0F);
        entries[at + 16..at + 32].fill(u8::try_from(*number).unwrap());
        entries[at + 16..at + 20].copy_from_slice(&[1, 2, 3, 4]);
        put(&mut entries, at + 32, first * MIB / 512);
        put(&mut entries, at + 40, end * MIB / 512 - 1);
        for (index, unit) in "dåta".encode_utf16().enumerate() {
            entries[at + 56 + 2 * index..at + 58 + 2 * index].copy_from_slice(&unit.to_le_bytes());
        }
    }
    let mut header = vec![0; SECTOR];
    header[..8].copy_from_slice(b"EFI PART");
    header[8..16].copy_from_slice(&[0, 0, 1, 0, 92, 0, 0, 0]);
    put(&mut header, field::MY_LBA, 1);
    put(&mut header, field::ALTERNATE, last_lba);
    put(&mut header, 40, 34);
    put(&mut header, field::LAST_USABLE, last_lba - 33);
    header[56..72].fill(0xAB);
    put(&mut header, field::ENTRIES, 2);
    header[field::COUNT..field::COUNT + 8].copy_from_slice(&[128, 0, 0, 0, 128, 0, 0, 0]);
    header[field::ENTRIES_CRC..field::END].copy_from_slice(&crc32(&entries).to_le_bytes());
    seal(&mut header);

    let mut disk = vec![0; length];
    disk[446 + 4] = PROTECTIVE;
    disk[446 + 8..446 + 12].copy_from_slice(&1_u32.to_le_bytes());
    disk[446 + 12..446 + 16].copy_from_slice(&u32::try_from(last_lba).unwrap().to_le_bytes());
    disk[510..512].copy_from_slice(&[0x55, 0xAA]);
    disk[512..1024].copy_from_slice(&header);
    disk[1024..1024 + entries.len()].copy_from_slice(&entries);
    let mut backup = header.clone();
    put(&mut backup, field::MY_LBA, last_lba);
    put(&mut backup, field::ALTERNATE, 1);
    put(&mut backup, field::ENTRIES, last_lba - 32);
    seal(&mut backup);
    disk[length - 33 * SECTOR..length - SECTOR].copy_from_slice(&entries);
    disk[length - SECTOR..].copy_from_slice(&backup);
    disk
}

fn reader(disk: &[u8]) -> impl Fn(u64, &mut [u8]) -> std::io::Result<()> {
    move |offset, buffer| {
        let start = usize::try_from(offset).unwrap();
        let bytes = disk.get(start..start + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

fn apply(disk: &mut [u8], write: &Write) {
    let start = usize::try_from(write.offset).unwrap();
    disk[start..start + write.bytes.len()].copy_from_slice(&write.bytes);
}

/// Whether the header at `lba` and its entries are right.
fn is_right(disk: &[u8], lba: u64) -> bool {
    let at = |lba: u64| usize::try_from(lba).unwrap() * SECTOR;
    let header = &disk[at(lba)..at(lba) + SECTOR];
    let table = at(u64_at(header, field::ENTRIES));
    header[..8] == *b"EFI PART"
        && u64_at(header, field::MY_LBA) == lba
        && header_crc(header) == u32_at(header, field::CRC)
        && crc32(&disk[table..table + 128 * 128]) == u32_at(header, field::ENTRIES_CRC)
}

#[test]
fn partitions_are_told_from_their_table() {
    let disk = gpt(16, &[(1, 1, 2), (3, 4, 15)]);
    let found = entry(&reader(&disk), 512, 3).unwrap();
    assert_eq!(found.uuid, "04030201-0303-0303-0303-030303030303");
    assert_eq!(found.name, "dåta");
    assert_eq!(entry(&reader(&disk), 512, 2), None);
    assert_eq!(entry(&reader(&disk), 512, 0), None);
    assert_eq!(entry(&reader(&[0; 4096]), 512, 1), None);

    let mut mbr = vec![0; 4096];
    mbr[440..444].copy_from_slice(&0xDEAD_0001_u32.to_le_bytes());
    mbr[510..512].copy_from_slice(&[0x55, 0xAA]);
    let found = entry(&reader(&mbr), 512, 2).unwrap();
    assert_eq!((found.uuid.as_str(), found.name.as_str()), ("dead0001-02", ""));
}

#[test]
fn a_gpt_grows_with_its_disk_and_is_whole_at_every_step() {
    let mut disk = gpt(16, &[(1, 1, 2), (2, 4, 15)]);
    let old = grow(&reader(&disk), 16 * MIB, 512, 2);
    assert_eq!(old, Ok(None), "it reaches to the end already");
    disk.resize(usize::try_from(64 * MIB).unwrap(), 0);
    let growth = grow(&reader(&disk), 64 * MIB, 512, 2).unwrap().unwrap();
    assert_eq!((growth.start, growth.length), (4 * MIB, 59 * MIB));
    let last_lba = 64 * MIB / 512 - 1;
    let [backup, primary] = &growth.writes[..] else {
        panic!("{} writes", growth.writes.len());
    };
    apply(&mut disk, backup);
    assert!(is_right(&disk, 1) && is_right(&disk, last_lba));
    // The power goes in the middle of the second: the backup is right, and where firmware looks for it.
    let mut torn = disk.clone();
    torn[512..1024].copy_from_slice(&primary.bytes[512..1024]);
    assert!(!is_right(&torn, 1) && is_right(&torn, last_lba));
    apply(&mut disk, primary);
    assert!(is_right(&disk, 1) && is_right(&disk, last_lba));
    assert_eq!(u32_at(&disk, 446 + 12), u32::try_from(last_lba).unwrap());
    assert_eq!(entry(&reader(&disk), 512, 2).unwrap().name, "dåta");
    assert_eq!(grow(&reader(&disk), 64 * MIB, 512, 2), Ok(None), "once is enough");
}

#[test]
fn what_cannot_grow_stays() {
    let bigger = |partitions| {
        let mut disk = gpt(16, partitions);
        disk.resize(usize::try_from(64 * MIB).unwrap(), 0);
        disk
    };
    let first = bigger(&[(1, 1, 2), (2, 4, 15)]);
    assert_eq!(
        grow(&reader(&first), 64 * MIB, 512, 1),
        Ok(None),
        "another one follows"
    );
    assert!(grow(&reader(&first), 64 * MIB, 512, 5).is_err());
    assert!(grow(&reader(&[0; 4096]), 4096, 512, 1).is_err());
    let mut odd = gpt(64, &[(1, 9, 8)]);
    odd.resize(usize::try_from(80 * MIB).unwrap(), 0);
    assert!(
        grow(&reader(&odd), 80 * MIB, 512, 1).is_err(),
        "it ends before it begins"
    );
    for at in [512 + 60, 1024 + 40] {
        let mut damaged = bigger(&[(1, 1, 15)]);
        damaged[at] ^= 1;
        assert!(grow(&reader(&damaged), 64 * MIB, 512, 1).is_err(), "byte {at}");
    }
}

#[test]
fn an_mbr_grows_by_one_sector() {
    let mut mbr = vec![0; 4096];
    mbr[510..512].copy_from_slice(&[0x55, 0xAA]);
    let mut partition = |index: usize, kind: u8, first: u32, count: u32| {
        let at = 446 + 16 * index;
        mbr[at + 4] = kind;
        mbr[at + 8..at + 12].copy_from_slice(&first.to_le_bytes());
        mbr[at + 12..at + 16].copy_from_slice(&count.to_le_bytes());
    };
    partition(0, 0x0C, 2048, 2048);
    partition(1, 0x83, 4096, 4096);
    let growth = grow(&reader(&mbr), 64 * MIB, 512, 2).unwrap().unwrap();
    assert_eq!((growth.start, growth.length), (2 * MIB, 62 * MIB));
    assert_eq!(growth.writes.len(), 1);
    assert_eq!((growth.writes[0].offset, growth.writes[0].bytes.len()), (0, 512));
    assert_eq!(grow(&reader(&mbr), 64 * MIB, 512, 1), Ok(None));
    assert_eq!(grow(&reader(&mbr), 64 * MIB, 512, 3), Ok(None));
    let huge = grow(&reader(&mbr), 1 << 50, 512, 2).unwrap().unwrap();
    assert_eq!(huge.length, u64::from(u32::MAX) * 512);
}
