//! Reads the table, or its copy when it is damaged.

use super::format::{
    ENTRIES_BYTES_MAX, ENTRY, ENTRY_MAX, HEADER, HEADER_CRC, HYBRID_MAX, NAME, REVISION, SIGNATURE,
};
use super::writer::crc;
use super::{Partition, Table};
use crate::partition::{Guid, SECTOR, mbr, sectors};
use crate::read_at::{ReadAt, ReadError, bytes};

const FORMAT: &str = "GUID partition table";

/// The table of a disk. What it says of partitions is inside the disk.
///
/// # Errors
/// [`ReadError`], when there is none, or neither of the two copies is whole: that of the first one.
pub fn read(disk: &dyn ReadAt) -> Result<Table, ReadError> {
    let last = (disk.size() / SECTOR).saturating_sub(1);
    let mut table = copy(disk, 1).or_else(|error| copy(disk, last).map_err(|_| error))?;
    if let Ok(record) = mbr::read(disk) {
        table.boot_code = record.boot_code;
        let others = record
            .partitions
            .into_iter()
            .filter(|partition| partition.kind != mbr::PROTECTIVE);
        table.hybrid = others.take(HYBRID_MAX).collect();
    }
    Ok(table)
}

/// The table whose header is in sector `at`.
fn copy(disk: &dyn ReadAt, at: u64) -> Result<Table, ReadError> {
    let offset = at * SECTOR;
    let broken = |within: usize, what: &str| ReadError::Broken {
        format: FORMAT,
        offset: offset + within as u64,
        what: what.to_owned(),
    };
    let header = bytes(disk, FORMAT, offset, 512)?;
    if header[..8] != SIGNATURE {
        return Err(broken(0, "no signature `EFI PART`"));
    }
    if number(&header, 8) != REVISION {
        return Err(broken(8, "a revision other than 1.0"));
    }
    let size = usize::try_from(number(&header, 12)).unwrap_or(usize::MAX);
    if !(HEADER..=header.len()).contains(&size) {
        return Err(broken(12, "a header of a size that none has"));
    }
    let mut zeroed = header[..size].to_vec();
    zeroed[HEADER_CRC..][..4].fill(0);
    if crc(&zeroed) != number(&header, HEADER_CRC) {
        return Err(broken(HEADER_CRC, "a wrong checksum of the header"));
    }
    if long(&header, 24) != at {
        return Err(broken(24, "a header that belongs elsewhere"));
    }
    let entry = usize::try_from(number(&header, 84)).unwrap_or(usize::MAX);
    let count = usize::try_from(number(&header, 80)).unwrap_or(usize::MAX);
    let length = count.saturating_mul(entry);
    if !(ENTRY..=ENTRY_MAX).contains(&entry) || length > ENTRIES_BYTES_MAX {
        return Err(broken(80, "more entries than a table has"));
    }
    let entries_at = long(&header, 72).saturating_mul(SECTOR);
    let entries = bytes(disk, FORMAT, entries_at, length)?;
    if crc(&entries) != number(&header, 88) {
        return Err(broken(88, "a wrong checksum of the entries"));
    }
    let mut table = Table {
        guid: guid(&header, 56),
        sectors: sectors(disk.size()),
        ..Table::default()
    };
    for (index, entry) in entries.chunks_exact(entry).enumerate() {
        if guid(entry, 0) == Guid::default() {
            continue;
        }
        let (start, last) = (long(entry, 32), long(entry, 40));
        if start == 0 || last < start || last >= disk.size() / SECTOR {
            return Err(ReadError::Broken {
                format: FORMAT,
                offset: entries_at + (index * entry.len()) as u64,
                what: format!("a partition at sectors {start} to {last}"),
            });
        }
        let name = entry[56..][..NAME].chunks_exact(2);
        let name = name.map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        let name: Vec<u16> = name.take_while(|&unit| unit != 0).collect();
        table.partitions.push(Partition {
            kind: guid(entry, 0),
            guid: guid(entry, 16),
            name: String::from_utf16_lossy(&name),
            attributes: long(entry, 48),
            start,
            sectors: last - start + 1,
        });
    }
    Ok(table)
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

fn guid(bytes: &[u8], at: usize) -> Guid {
    std::array::from_fn(|index| bytes[at + index]).into()
}
