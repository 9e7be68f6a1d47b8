//! Lays out both kinds around a disk.

use std::sync::Arc;

use super::format::{BITMAP, BLOCK, DISK_MAX, FOOTER, Footer, HEADER, Kind, NAME, UNUSED, header};
use crate::FormatError;
use crate::disk::blocks::{self, Present, SECTOR};
use crate::extents::{Data, Extents};

/// A disk of fixed size: all of it, then the footer.
///
/// # Errors
/// [`FormatError::Image`] for a size that it cannot have.
pub fn fixed<'a>(disk: Arc<dyn Data + 'a>) -> Result<Extents<'a>, FormatError> {
    let footer = footer(&*disk, Kind::Fixed)?;
    let mut extents = Extents::new();
    extents.data(disk);
    extents.bytes(footer.encode());
    Ok(extents)
}

/// A dynamic disk, of which the blocks that are more than a hole are there.
///
/// # Errors
/// [`FormatError::Image`] for a size that it cannot have.
pub fn dynamic<'a>(disk: Arc<dyn Data + 'a>) -> Result<Extents<'a>, FormatError> {
    let footer = footer(&*disk, Kind::Dynamic)?.encode();
    let too_large = |_| FormatError::Image {
        format: NAME,
        what: format!("a disk of {} bytes", disk.size()),
    };
    let entries = u32::try_from(disk.size().div_ceil(BLOCK)).map_err(too_large)?;
    let table = (FOOTER + HEADER) as u64;
    let present = blocks::present(&*disk, BLOCK);
    let mut next = (table + u64::from(entries) * 4).next_multiple_of(SECTOR);
    let mut bat = Vec::new();
    let mut ranges = present.iter().peekable();
    for block in 0..u64::from(entries) {
        ranges.next_if(|range| range.end <= block);
        let entry = match ranges.peek() {
            Some(range) if range.contains(&block) => {
                let sector = u32::try_from(next / SECTOR).map_err(too_large)?;
                next += BITMAP as u64 + BLOCK;
                sector
            }
            _ => UNUSED,
        };
        bat.extend(entry.to_be_bytes());
    }
    let mut extents = Extents::new();
    extents.bytes(footer);
    extents.bytes(header(table, entries));
    extents.bytes(bat);
    extents.align(SECTOR);
    extents.data(Arc::new(Present {
        disk,
        block: BLOCK,
        present,
        // Every sector of a block that is there is there.
        front: vec![0xff; BITMAP],
    }));
    extents.bytes(footer);
    Ok(extents)
}

fn footer(disk: &dyn Data, kind: Kind) -> Result<Footer, FormatError> {
    blocks::check_size(disk.size(), DISK_MAX, NAME)?;
    Ok(Footer {
        size: disk.size(),
        kind,
        uuid: blocks::uuid(&disk.key(), "VHD disk"),
    })
}
