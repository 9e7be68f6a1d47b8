//! Lays out a VHDX around a disk.

use std::ops::Range;
use std::sync::Arc;

use super::format::{
    ALIGNMENT, BAT, BAT_REGION, BLOCK_MIN, CREATOR, DISK_ID, DISK_MAX, DISK_SIZE, FILE_PARAMETERS,
    FULLY_PRESENT, HEADER, HEADER_SIGNATURE, HEADERS, IDENTIFIER, ITEM_OF_DISK, ITEM_REQUIRED, LOG,
    LOGICAL_SECTOR, METADATA, METADATA_REGION, METADATA_SIGNATURE, METADATA_TABLE, NAME, PHYSICAL_SECTOR,
    REGION_REQUIRED, REGION_SIGNATURE, REGION_TABLE, REGIONS, SECTORS_OF_BITMAP, VERSION, put_checksum,
};
use crate::FormatError;
use crate::disk::blocks::{self, Present, SECTOR};
use crate::extents::{Data, Extents};

/// Disks of up to this many bytes have the smallest blocks: little is written that nobody needs, and the BAT stays below
/// 1 MiB.
const SMALL_DISK: u64 = 64 << 30;
/// Size of the blocks of larger ones, in bytes: Windows' default.
const BLOCK_OF_LARGE: u64 = 32 << 20;
/// What the specification asks of a log, in bytes: a multiple of 1 MiB.
const LOG_LENGTH: u32 = 1 << 20;
/// What today's disks have, and what the guest should align to.
const PHYSICAL_SECTOR_SIZE: u32 = 4096;

/// A disk of which the blocks that are more than a hole are there.
///
/// # Errors
/// [`FormatError::Image`] for a size that it cannot have.
pub fn dynamic<'a>(disk: Arc<dyn Data + 'a>) -> Result<Extents<'a>, FormatError> {
    let size = disk.size();
    blocks::check_size(size, DISK_MAX, NAME)?;
    let block = match size <= SMALL_DISK {
        true => BLOCK_MIN,
        false => BLOCK_OF_LARGE,
    };
    let key = disk.key();
    let id = |what| blocks::uuid(&key, what);
    let present = blocks::present(&*disk, block);
    let chunk = SECTORS_OF_BITMAP * SECTOR / block;
    let count = size.div_ceil(block);
    let entries = count + (count - 1) / chunk;
    let table = (entries * 8).next_multiple_of(ALIGNMENT);

    let mut extents = Extents::new();
    let creator = CREATOR.encode_utf16().flat_map(u16::to_le_bytes);
    extents.bytes(IDENTIFIER.iter().copied().chain(creator).collect::<Vec<u8>>());
    for (sequence, place) in (0..).zip(HEADERS) {
        extents.zeros_to(place);
        extents.bytes(header(sequence, id("VHDX file"), id("VHDX data")));
    }
    for place in REGIONS {
        extents.zeros_to(place);
        extents.bytes(region_table(table)?);
    }
    extents.zeros_to(METADATA);
    extents.bytes(metadata(size, block, id("VHDX disk")));
    extents.zeros_to(BAT);
    put_table(&mut extents, &present, BAT + table, block, chunk);
    extents.zeros_to(BAT + table);
    extents.data(Arc::new(Present {
        disk,
        block,
        present,
        front: Vec::new(),
    }));
    Ok(extents)
}

/// An empty log, so no GUID of one.
fn header(sequence: u64, file: [u8; 16], data: [u8; 16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER);
    bytes.extend(HEADER_SIGNATURE);
    bytes.extend([0; 4]); // the checksum
    bytes.extend(sequence.to_le_bytes());
    bytes.extend(file);
    bytes.extend(data);
    bytes.extend([0; 16]); // the log's GUID
    bytes.extend(0_u16.to_le_bytes()); // the log's version
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(LOG_LENGTH.to_le_bytes()); // the log's length
    bytes.extend(LOG.to_le_bytes());
    bytes.resize(HEADER, 0);
    put_checksum(&mut bytes);
    bytes
}

fn region_table(table: u64) -> Result<Vec<u8>, FormatError> {
    let mut bytes = Vec::with_capacity(REGION_TABLE);
    bytes.extend(REGION_SIGNATURE);
    bytes.extend([0; 4]); // the checksum
    bytes.extend(2_u32.to_le_bytes()); // entries
    bytes.extend([0; 4]);
    for (guid, place, length) in [
        (BAT_REGION, BAT, table),
        (METADATA_REGION, METADATA, BAT - METADATA),
    ] {
        let length = u32::try_from(length).map_err(|_| FormatError::Image {
            format: NAME,
            what: format!("a table of {length} bytes"),
        })?;
        bytes.extend(guid);
        bytes.extend(place.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(REGION_REQUIRED.to_le_bytes());
    }
    bytes.resize(REGION_TABLE, 0);
    put_checksum(&mut bytes);
    Ok(bytes)
}

fn metadata(size: u64, block: u64, id: [u8; 16]) -> Vec<u8> {
    let sector = u32::try_from(SECTOR).unwrap_or(0);
    // A block's size fits into four bytes, and flags follow, of which there are none.
    let parameters = block.to_le_bytes();
    let items: [([u8; 16], u32, &[u8]); 5] = [
        (FILE_PARAMETERS, 0, &parameters),
        (DISK_SIZE, ITEM_OF_DISK, &size.to_le_bytes()),
        (DISK_ID, ITEM_OF_DISK, &id),
        (LOGICAL_SECTOR, ITEM_OF_DISK, &sector.to_le_bytes()),
        (PHYSICAL_SECTOR, ITEM_OF_DISK, &PHYSICAL_SECTOR_SIZE.to_le_bytes()),
    ];
    let mut table = METADATA_SIGNATURE.to_vec();
    table.extend([0; 2]);
    table.extend((5_u16).to_le_bytes());
    table.extend([0; 20]);
    let mut values: Vec<u8> = Vec::new();
    let (mut place, mut length) = (u32::try_from(METADATA_TABLE).unwrap_or(0), 0);
    for (guid, flags, value) in items {
        place += length;
        length = u32::try_from(value.len()).unwrap_or(0);
        table.extend(guid);
        table.extend(place.to_le_bytes());
        table.extend(length.to_le_bytes());
        table.extend((flags | ITEM_REQUIRED).to_le_bytes());
        table.extend([0; 4]);
        values.extend(value);
    }
    table.resize(METADATA_TABLE, 0);
    table.extend(values);
    table
}

/// The entries of blocks that are there, the first of them at `place`, and zeros for all others. After each chunk of blocks
/// there is an entry for a bitmap of their sectors, of which there is none.
fn put_table(extents: &mut Extents, present: &[Range<u64>], mut place: u64, block: u64, chunk: u64) {
    for range in present {
        extents.zeros_to(BAT + (range.start + range.start / chunk) * 8);
        let mut bytes = Vec::new();
        for number in range.clone() {
            if number % chunk == 0 && number > range.start {
                bytes.extend([0; 8]);
            }
            // A multiple of 1 MiB, so the lower bits are free.
            bytes.extend((place | FULLY_PRESENT).to_le_bytes());
            place += block;
        }
        extents.bytes(bytes);
    }
}
