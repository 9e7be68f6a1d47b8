//! Writes both copies of the table.

use super::format::{
    ENTRIES, ENTRIES_SECTORS, ENTRY, FIRST_USABLE, HEADER, HEADER_CRC, HYBRID_MAX, NAME, RESERVED_END,
    REVISION, SIGNATURE,
};
use super::{Partition, Table};
use crate::FormatError;
use crate::extents::Extents;
use crate::partition::{SECTOR, fill, mbr, overlap};

const FORMAT: &str = "a GUID partition table";

impl Table {
    /// The sectors in front of the partitions: master boot record, header, entries.
    ///
    /// # Errors
    /// [`FormatError::Image`] for what has no place in it.
    pub fn primary(&self) -> Result<Vec<u8>, FormatError> {
        self.check()?;
        let entries = self.entries()?;
        let mut bytes = self.record()?.sector()?.to_vec();
        bytes.extend(self.header(&entries, 1, self.sectors - 1, 2));
        bytes.extend(entries);
        Ok(bytes)
    }

    /// The last [`RESERVED_END`] sectors of the disk: entries, header.
    ///
    /// # Errors
    /// As [`primary`](Table::primary).
    pub fn backup(&self) -> Result<Vec<u8>, FormatError> {
        self.check()?;
        let mut bytes = self.entries()?;
        let header = self.header(&bytes, self.sectors - 1, 1, self.sectors - RESERVED_END);
        bytes.extend(header);
        Ok(bytes)
    }

    /// The master boot record.
    ///
    /// # Errors
    /// [`FormatError::Image`], for too many partitions.
    pub(super) fn record(&self) -> Result<mbr::Table, FormatError> {
        if self.hybrid.len() > HYBRID_MAX {
            return Err(refused(format!("{} hybrid partitions", self.hybrid.len())));
        }
        let first = self.hybrid.iter().map(|partition| partition.start).min();
        let until = first.map_or(self.sectors, u64::from).saturating_sub(1);
        let protective = mbr::Partition {
            active: false,
            kind: mbr::PROTECTIVE,
            start: 1,
            sectors: u32::try_from(until).unwrap_or(u32::MAX),
        };
        Ok(mbr::Table {
            boot_code: self.boot_code.clone(),
            signature: 0,
            partitions: [&[protective], self.hybrid.as_slice()].concat(),
        })
    }

    fn check(&self) -> Result<(), FormatError> {
        let usable = FIRST_USABLE..self.sectors.saturating_sub(RESERVED_END);
        if usable.is_empty() {
            return Err(refused(format!("a disk of {} sectors", self.sectors)));
        }
        if self.partitions.len() > ENTRIES {
            return Err(refused(format!("{} partitions", self.partitions.len())));
        }
        let ranges: Vec<_> = self.partitions.iter().map(Partition::range).collect();
        for (index, range) in ranges.iter().enumerate() {
            if range.is_empty() || range.start < usable.start || range.end > usable.end {
                let number = index + 1;
                return Err(refused(format!(
                    "partition {number} at sectors {range:?} in {usable:?}"
                )));
            }
        }
        match overlap(&ranges) {
            Some((one, other)) => Err(refused(format!(
                "partitions {} and {}, which overlap",
                one + 1,
                other + 1
            ))),
            None => Ok(()),
        }
    }

    fn entries(&self) -> Result<Vec<u8>, FormatError> {
        let mut bytes = Vec::with_capacity(ENTRIES * ENTRY);
        for partition in &self.partitions {
            bytes.extend(partition.kind.bytes());
            bytes.extend(partition.guid.bytes());
            bytes.extend(partition.start.to_le_bytes());
            bytes.extend((partition.range().end - 1).to_le_bytes());
            bytes.extend(partition.attributes.to_le_bytes());
            let mut name: Vec<u8> = partition.name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            if name.len() > NAME {
                return Err(refused(format!("the name `{}`", partition.name)));
            }
            name.resize(NAME, 0);
            bytes.extend(name);
        }
        bytes.resize(ENTRIES * ENTRY, 0);
        Ok(bytes)
    }

    /// The sector of the header at `here`, with the other at `other` and its entries from `at`.
    fn header(&self, entries: &[u8], here: u64, other: u64, at: u64) -> [u8; 512] {
        let mut header = Vec::with_capacity(HEADER);
        header.extend(SIGNATURE);
        header.extend(REVISION.to_le_bytes());
        header.extend(number(HEADER).to_le_bytes());
        header.extend([0; 4]);
        header.extend([0; 4]);
        header.extend(here.to_le_bytes());
        header.extend(other.to_le_bytes());
        header.extend(FIRST_USABLE.to_le_bytes());
        header.extend((self.sectors - RESERVED_END - 1).to_le_bytes());
        header.extend(self.guid.bytes());
        header.extend(at.to_le_bytes());
        header.extend(number(ENTRIES).to_le_bytes());
        header.extend(number(ENTRY).to_le_bytes());
        header.extend(crc(entries).to_le_bytes());
        let own = crc(&header);
        header[HEADER_CRC..][..4].copy_from_slice(&own.to_le_bytes());
        let mut sector = [0; 512];
        sector[..header.len()].copy_from_slice(&header);
        sector
    }
}

/// A disk with this table and the partitions' contents, in the order of `table.partitions`.
///
/// # Errors
/// [`FormatError::Image`] for what has no place in it.
pub fn layout<'a>(table: &Table, contents: Vec<Extents<'a>>) -> Result<Extents<'a>, FormatError> {
    let mut disk = Extents::new();
    disk.bytes(table.primary()?);
    let ranges: Vec<_> = table.partitions.iter().map(Partition::range).collect();
    fill(&mut disk, &ranges, contents, FORMAT)?;
    let end = table.sectors.checked_mul(SECTOR);
    let end = end.ok_or_else(|| refused(format!("a disk of {} sectors", table.sectors)))?;
    disk.zeros_to(end - RESERVED_END * SECTOR);
    disk.bytes(table.backup()?);
    Ok(disk)
}

fn refused(what: String) -> FormatError {
    FormatError::Image { format: FORMAT, what }
}

pub(super) fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

const _: () = assert!(ENTRIES_SECTORS * SECTOR == (ENTRIES * ENTRY) as u64);
const _: () = assert!(RESERVED_END == ENTRIES_SECTORS + 1 && FIRST_USABLE == ENTRIES_SECTORS + 2);

/// A size of the table's own, all of which are small.
fn number(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
