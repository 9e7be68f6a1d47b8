//! Partition tables: what they say of a partition, and how one is rewritten when its disk has grown. Pure: bytes in,
//! bytes to write out.
//!
//! ```text
//! ┌─────┬────────┬─────────┬──────────────┬───────────────┬─────────┬────────┐
//! │ MBR │ header │ entries │ partitions … │ the last one  │ entries │ header │   GPT (UEFI 2.10, 5.3)
//! └─────┴────────┴─────────┴──────────────┴───────────────┴─────────┴────────┘
//!   0     1        2                                        the backup
//! ```

use super::ReadAt;

/// A partition as its table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `PARTUUID`: the GPT's identifier, or the MBR's signature and the number.
    pub uuid: String,
    /// `PARTLABEL`; an MBR has none.
    pub name: String,
}

/// Bytes and where they go on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// In bytes.
    pub offset: u64,
    /// A whole number of sectors.
    pub bytes: Vec<u8>,
}

/// What makes a partition reach to the end of its disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// To be on the disk one before the other: whenever the power goes, one header and its entries are right.
    pub writes: Vec<Write>,
    /// The partition's first byte.
    pub start: u64,
    /// Its bytes from now on.
    pub length: u64,
}

/// Partitions end at multiples of this, as they begin.
const ALIGNMENT: u64 = 1 << 20;
/// The largest table that is read, in bytes. Real ones have 16 KiB.
const TABLE_MAX: u64 = 1 << 20;
/// Types of MBR partitions that hold others.
const EXTENDED: [u8; 3] = [0x05, 0x0F, 0x85];
/// The type of what an MBR has in the place of a GPT's partitions.
const PROTECTIVE: u8 = 0xEE;

/// What the table of a disk with sectors of `sector` bytes says of partition `number`, which counts from 1.
pub fn entry(read: ReadAt<'_>, sector: u64, number: u32) -> Option<Entry> {
    if let Ok(Some(gpt)) = Gpt::read(read, sector) {
        let entry = gpt.entry(number)?;
        let name: Vec<u16> = entry[56..128]
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .take_while(|unit| *unit != 0)
            .collect();
        return Some(Entry {
            uuid: guid(&entry[16..32]),
            name: String::from_utf16_lossy(&name),
        });
    }
    let mbr = mbr(read, sector)?;
    let signature = u32_at(&mbr, 440);
    (signature != 0).then(|| Entry {
        uuid: format!("{signature:08x}-{number:02x}"),
        name: String::new(),
    })
}

/// How partition `number` comes to reach to the end of a disk of `size` bytes. `None` when it does, or is not the last one.
///
/// # Errors
/// In words, when the table is damaged.
pub fn grow(read: ReadAt<'_>, size: u64, sector: u64, number: u32) -> Result<Option<Growth>, String> {
    if !matches!(sector, 512 | 1024 | 2048 | 4096) {
        return Err(format!("the disk has sectors of {sector} bytes"));
    }
    let mbr = mbr(read, sector).ok_or("the disk has no partition table")?;
    match Gpt::read(read, sector)? {
        Some(gpt) => gpt.grow(mbr, size, sector, number),
        None => Ok(grow_mbr(mbr, size, sector, number)),
    }
}

/// The first sector of a disk, if it is a master boot record.
fn mbr(read: ReadAt<'_>, sector: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(sector).ok()?];
    read(0, &mut bytes).ok()?;
    (bytes[510..512] == [0x55, 0xAA]).then_some(bytes)
}

/// The partitions of an MBR: byte offset of the entry, type, first sector, sectors.
fn mbr_entries(mbr: &[u8]) -> impl Iterator<Item = (usize, u8, u64, u64)> {
    let entry = |at: usize| {
        let (first, count) = (u32_at(mbr, at + 8), u32_at(mbr, at + 12));
        (at, mbr[at + 4], u64::from(first), u64::from(count))
    };
    (446..510).step_by(16).map(entry)
}

/// Changes one sector, which is there whole or not at all.
fn grow_mbr(mut mbr: Vec<u8>, size: u64, sector: u64, number: u32) -> Option<Growth> {
    let index = usize::try_from(number.checked_sub(1)?).ok()?;
    let (at, kind, first, count) = mbr_entries(&mbr).nth(index)?;
    let used = |(_, kind, _, count): &(usize, u8, u64, u64)| *kind != 0 && *count != 0;
    let in_the_way = mbr_entries(&mbr)
        .filter(used)
        .any(|(_, kind, start, _)| start > first || EXTENDED.contains(&kind) || kind == PROTECTIVE);
    let end = (size / ALIGNMENT * ALIGNMENT) / sector;
    let sectors = u32::try_from(end.checked_sub(first)?).unwrap_or(u32::MAX);
    if kind == 0 || in_the_way || u64::from(sectors) <= count {
        return None;
    }
    // Cylinders, heads and sectors that say: look at the numbers of sectors.
    mbr[at + 5..at + 8].copy_from_slice(&[0xFE, 0xFF, 0xFF]);
    mbr[at + 12..at + 16].copy_from_slice(&sectors.to_le_bytes());
    Some(Growth {
        writes: vec![Write {
            offset: 0,
            bytes: mbr,
        }],
        start: first * sector,
        length: u64::from(sectors) * sector,
    })
}

/// A GUID partition table that is right.
struct Gpt {
    /// The header's whole sector.
    header: Vec<u8>,
    /// The entries, in whole sectors.
    entries: Vec<u8>,
}

/// Offsets of the header's fields (UEFI 2.10, table 5.5).
mod field {
    pub const SIZE: usize = 12;
    pub const CRC: usize = 16;
    pub const MY_LBA: usize = 24;
    pub const ALTERNATE: usize = 32;
    pub const LAST_USABLE: usize = 48;
    pub const ENTRIES: usize = 72;
    pub const COUNT: usize = 80;
    pub const ENTRY_SIZE: usize = 84;
    pub const ENTRIES_CRC: usize = 88;
    pub const END: usize = 92;
}

impl Gpt {
    /// Reads the table; `None` when there is none.
    fn read(read: ReadAt<'_>, sector: u64) -> Result<Option<Gpt>, String> {
        let io = |error: std::io::Error| format!("the partition table cannot be read: {error}");
        let mut header = vec![0; usize::try_from(sector).unwrap_or(512)];
        read(sector, &mut header).map_err(io)?;
        if header[..8] != *b"EFI PART" {
            return Ok(None);
        }
        let size = usize::try_from(u32_at(&header, field::SIZE)).unwrap_or(usize::MAX);
        if !(field::END..=header.len()).contains(&size) || header_crc(&header) != u32_at(&header, field::CRC)
        {
            return Err("the partition table's header is damaged".to_owned());
        }
        let entry_size = u32_at(&header, field::ENTRY_SIZE);
        let length = u64::from(u32_at(&header, field::COUNT)) * u64::from(entry_size);
        if !(128..=4096).contains(&entry_size) || length > TABLE_MAX || u64_at(&header, field::MY_LBA) != 1 {
            return Err("the partition table's header makes no sense".to_owned());
        }
        let at = u64_at(&header, field::ENTRIES).checked_mul(sector);
        let whole = length.next_multiple_of(sector);
        let mut entries = vec![0; usize::try_from(whole).unwrap_or(0)];
        read(at.unwrap_or(u64::MAX / 2), &mut entries).map_err(io)?;
        let gpt = Gpt { header, entries };
        if gpt.entries_crc() != u32_at(&gpt.header, field::ENTRIES_CRC) {
            return Err("the partition table's entries are damaged".to_owned());
        }
        Ok(Some(gpt))
    }

    fn entries_crc(&self) -> u32 {
        let length = u32_at(&self.header, field::COUNT) * u32_at(&self.header, field::ENTRY_SIZE);
        crc32(&self.entries[..usize::try_from(length).unwrap_or(0)])
    }

    fn entry_size(&self) -> usize {
        usize::try_from(u32_at(&self.header, field::ENTRY_SIZE)).unwrap_or(128)
    }

    /// The entries that are in use, with their numbers.
    fn used(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let all = (1..).zip(self.entries.chunks_exact(self.entry_size()));
        all.filter(|(_, entry)| entry[..16].iter().any(|byte| *byte != 0))
    }

    fn entry(&self, number: u32) -> Option<&[u8]> {
        self.used()
            .find(|(used, _)| *used == number)
            .map(|(_, entry)| entry)
    }

    fn grow(mut self, mbr: Vec<u8>, size: u64, sector: u64, number: u32) -> Result<Option<Growth>, String> {
        let Some(entry) = self.entry(number) else {
            return Err(format!("the partition table has no partition {number}"));
        };
        let (first, last) = (u64_at(entry, 32), u64_at(entry, 40));
        if first > last {
            return Err(format!("partition {number} ends before it begins"));
        }
        let last_lba = (size / sector).checked_sub(1).ok_or("the disk is empty")?;
        let table = self.entries.len() as u64 / sector;
        let backup = last_lba.saturating_sub(table);
        // The sector behind the partition's last.
        let end = (backup * sector / ALIGNMENT * ALIGNMENT) / sector;
        let is_last = self.used().all(|(_, other)| u64_at(other, 32) <= first);
        if !is_last || end <= last.saturating_add(1) {
            return Ok(None);
        }
        let old_end = u64_at(&self.header, field::ALTERNATE);
        let at = usize::try_from(number - 1).unwrap_or(0) * self.entry_size();
        self.entries[at + 40..at + 48].copy_from_slice(&(end - 1).to_le_bytes());
        let crc = self.entries_crc();
        self.header[field::ENTRIES_CRC..field::END].copy_from_slice(&crc.to_le_bytes());
        put(&mut self.header, field::LAST_USABLE, backup - 1);
        let primary_entries = u64_at(&self.header, field::ENTRIES);

        // The backup first, behind everything that the old table knows of.
        let mut header = self.header.clone();
        put(&mut header, field::MY_LBA, last_lba);
        put(&mut header, field::ALTERNATE, 1);
        put(&mut header, field::ENTRIES, backup);
        seal(&mut header);
        let mut writes = vec![Write {
            offset: backup * sector,
            bytes: [&self.entries[..], &header].concat(),
        }];
        put(&mut self.header, field::ALTERNATE, last_lba);
        seal(&mut self.header);
        let mbr = protect(mbr, old_end, last_lba);
        if primary_entries == 2 {
            // One request to the disk, which most do as a whole.
            writes.push(Write {
                offset: 0,
                bytes: [&mbr[..], &self.header, &self.entries].concat(),
            });
        } else {
            writes.push(Write {
                offset: primary_entries * sector,
                bytes: self.entries,
            });
            writes.push(Write {
                offset: 0,
                bytes: [mbr, self.header].concat(),
            });
        }
        Ok(Some(Growth {
            writes,
            start: first * sector,
            length: (end - first) * sector,
        }))
    }
}

/// An MBR whose protective partition reached to the disk's old end covers the new one.
fn protect(mut mbr: Vec<u8>, old_end: u64, last_lba: u64) -> Vec<u8> {
    let covers = |(_, kind, first, count): &(usize, u8, u64, u64)| {
        *kind == PROTECTIVE && *first == 1 && *count >= old_end
    };
    let found = mbr_entries(&mbr).find(covers);
    if let Some((at, ..)) = found {
        let count = u32::try_from(last_lba).unwrap_or(u32::MAX);
        mbr[at + 12..at + 16].copy_from_slice(&count.to_le_bytes());
    }
    mbr
}

fn seal(header: &mut [u8]) {
    let crc = header_crc(header);
    header[field::CRC..field::CRC + 4].copy_from_slice(&crc.to_le_bytes());
}

/// The checksum of a header, in which the checksum itself counts as zeros.
fn header_crc(header: &[u8]) -> u32 {
    let size = usize::try_from(u32_at(header, field::SIZE)).unwrap_or(usize::MAX);
    let mut plain = header[..size.min(header.len())].to_vec();
    plain[field::CRC..field::CRC + 4].fill(0);
    crc32(&plain)
}

/// CRC-32 of IEEE 802.3, bit by bit: tables are small and this is done once.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// A GUID's text: its first three parts are little-endian numbers.
fn guid(bytes: &[u8]) -> String {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::new();
    for (index, at) in ORDER.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{:02x}", bytes[at]));
    }
    text
}

fn put(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests;
