//! The disk in a VHDX.

use std::io;

use super::format::{
    BAT_REGION, BLOCK_MAX, BLOCK_MIN, DISK_MAX, DISK_SIZE, FILE_PARAMETERS, FULLY_PRESENT, HAS_PARENT,
    HEADER, HEADER_SIGNATURE, HEADERS, IDENTIFIER, LOGICAL_SECTOR, METADATA_REGION, METADATA_SIGNATURE,
    METADATA_TABLE, NAME, PARTIALLY_PRESENT, REGION_SIGNATURE, REGION_TABLE, REGIONS, SECTORS_OF_BITMAP,
    STATE, VERSION, is_whole,
};
use crate::disk::blocks::{self, Place, SECTOR};
use crate::read_at::{ReadAt, ReadError, broken, bytes, le16, le32, le64};

/// The disk in an image, which is read when the disk is.
pub struct Vhdx<'a> {
    image: &'a dyn ReadAt,
    size: u64,
    block: u64,
    table: u64,
    /// Blocks between two entries for bitmaps.
    chunk: u64,
}

/// Most entries that a region table or a table of metadata has.
const ENTRIES_MAX: usize = 2047;

impl<'a> Vhdx<'a> {
    /// Whether `image` begins as such a file.
    pub fn is(image: &dyn ReadAt) -> bool {
        bytes(image, NAME, 0, IDENTIFIER.len()).is_ok_and(|begins| begins == IDENTIFIER)
    }

    /// Reads headers, regions and metadata.
    ///
    /// # Errors
    /// [`ReadError`] for what is no such image, or one of a kind that is not read.
    pub fn open(image: &'a dyn ReadAt) -> Result<Vhdx<'a>, ReadError> {
        if !Vhdx::is(image) {
            return Err(broken(NAME, 0, "there is no file identifier"));
        }
        check_header(image)?;
        let (bat, bat_length) = region(image, &BAT_REGION)?;
        let (metadata, length) = region(image, &METADATA_REGION)?;
        let item = |guid: &[u8; 16], size: usize| item(image, (metadata, length), guid, size);
        let parameters = item(&FILE_PARAMETERS, 8)?;
        let (block, flags) = (u64::from(le32(&parameters, 0)), le32(&parameters, 4));
        if !block.is_power_of_two() || !(BLOCK_MIN..=BLOCK_MAX).contains(&block) {
            return Err(broken(NAME, metadata, format!("blocks have {block} bytes")));
        }
        if flags & HAS_PARENT != 0 {
            let what = "the disk is a difference to another one, which is not read";
            return Err(broken(NAME, metadata, what));
        }
        let size = le64(&item(&DISK_SIZE, 8)?, 0);
        let sector = u64::from(le32(&item(&LOGICAL_SECTOR, 4)?, 0));
        if !matches!(sector, 512 | 4096) || !size.is_multiple_of(SECTOR) || size > DISK_MAX {
            let what = format!("the disk has {size} bytes in sectors of {sector}");
            return Err(broken(NAME, metadata, what));
        }
        let chunk = SECTORS_OF_BITMAP * sector / block;
        let count = size.div_ceil(block);
        let entries = count + count.saturating_sub(1) / chunk;
        if entries * 8 > bat_length {
            let what = format!("there are {entries} blocks, but not their table");
            return Err(broken(NAME, bat, what));
        }
        Ok(Vhdx {
            image,
            size,
            block,
            table: bat,
            chunk,
        })
    }
}

/// The header that counts says that the log is empty.
fn check_header(image: &dyn ReadAt) -> Result<(), ReadError> {
    let mut newest: Option<(u64, Vec<u8>)> = None;
    for place in HEADERS {
        let header = bytes(image, NAME, place, HEADER)?;
        let sequence = le64(&header, 8);
        let newer = newest.as_ref().is_none_or(|(known, _)| sequence > *known);
        if header.starts_with(HEADER_SIGNATURE) && is_whole(&header) && newer {
            newest = Some((sequence, header));
        }
    }
    let (_, header) = newest.ok_or_else(|| broken(NAME, HEADERS[0], "both headers are damaged"))?;
    if le16(&header, 66) != VERSION {
        return Err(broken(NAME, HEADERS[0], "it is of another version"));
    }
    match header[48..64] == [0; 16] {
        true => Ok(()),
        false => Err(broken(
            NAME,
            HEADERS[0],
            "the log is not empty: it was not closed properly",
        )),
    }
}

/// Offset and length of a region.
fn region(image: &dyn ReadAt, guid: &[u8; 16]) -> Result<(u64, u64), ReadError> {
    for place in REGIONS {
        let table = bytes(image, NAME, place, REGION_TABLE)?;
        if !table.starts_with(REGION_SIGNATURE) || !is_whole(&table) {
            continue;
        }
        let count = usize::try_from(le32(&table, 8)).unwrap_or(usize::MAX);
        let entries = table[16..].chunks_exact(32).take(count.min(ENTRIES_MAX));
        let found = entries
            .filter(|entry| entry.starts_with(guid))
            .map(|entry| (le64(entry, 16), u64::from(le32(entry, 24))))
            .next();
        let inside = |(offset, length): &(u64, u64)| {
            offset.checked_add(*length).is_some_and(|end| end <= image.size())
        };
        return found
            .filter(inside)
            .ok_or_else(|| broken(NAME, place, "a region is missing"));
    }
    Err(broken(NAME, REGIONS[0], "both region tables are damaged"))
}

/// The `size` bytes of an item of the metadata.
fn item(
    image: &dyn ReadAt,
    (metadata, length): (u64, u64),
    guid: &[u8; 16],
    size: usize,
) -> Result<Vec<u8>, ReadError> {
    let table = bytes(image, NAME, metadata, METADATA_TABLE)?;
    if !table.starts_with(METADATA_SIGNATURE) {
        return Err(broken(NAME, metadata, "there is no metadata"));
    }
    let count = usize::from(le16(&table, 10)).min(ENTRIES_MAX);
    let mut entries = table[32..].chunks_exact(32).take(count);
    let entry = entries.find(|entry| entry.starts_with(guid));
    let place = entry.map(|entry| (u64::from(le32(entry, 16)), le32(entry, 20)));
    match place {
        Some((offset, _)) if offset + size as u64 <= length => bytes(image, NAME, metadata + offset, size),
        _ => Err(broken(NAME, metadata, "an item of the metadata is missing")),
    }
}

impl ReadAt for Vhdx<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let find = |block: u64| {
            let mut entry = [0; 8];
            let place = self.table + (block + block / self.chunk) * 8;
            self.image.read_exact_at(&mut entry, place)?;
            let entry = u64::from_le_bytes(entry);
            match entry & STATE {
                FULLY_PRESENT => Ok(Place::At(entry >> 20 << 20)),
                PARTIALLY_PRESENT => Err(blocks::invalid(broken(
                    NAME,
                    place,
                    "only some of a block is there, in a disk without a parent",
                ))),
                _ => Ok(Place::Zeros),
            }
        };
        blocks::read(self.image, (self.size, self.block), buffer, offset, find)
    }
}
