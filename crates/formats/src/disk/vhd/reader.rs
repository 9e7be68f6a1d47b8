//! The disk in a VHD.

use std::io;

use super::format::{
    BITMAP, BLOCK, COOKIE, DISK_MAX, FOOTER, FOOTER_CHECKSUM, HEADER, HEADER_CHECKSUM, Kind, NAME, SPARSE,
    UNUSED, checksum,
};
use crate::disk::blocks::{self, Place, SECTOR};
use crate::read_at::{ReadAt, ReadError, be32, be64, broken, bytes};

/// The disk in an image, which is read when the disk is.
pub struct Vhd<'a> {
    image: &'a dyn ReadAt,
    size: u64,
    blocks: Option<Blocks>,
}

/// Where a dynamic disk has its blocks.
#[derive(Debug, Clone, Copy)]
struct Blocks {
    table: u64,
    entries: u32,
    size: u64,
    bitmap: u64,
}

impl<'a> Vhd<'a> {
    /// Whether there is a footer at the end of `image`.
    pub fn is(image: &dyn ReadAt) -> bool {
        let place = image.size().checked_sub(FOOTER as u64);
        let begins = place.and_then(|place| bytes(image, NAME, place, COOKIE.len()).ok());
        begins.is_some_and(|begins| begins == COOKIE)
    }

    /// Reads footer and header.
    ///
    /// # Errors
    /// [`ReadError`] for what is no such image, or one of a kind that is not read.
    pub fn open(image: &'a dyn ReadAt) -> Result<Vhd<'a>, ReadError> {
        let place = image.size().saturating_sub(FOOTER as u64);
        let footer = bytes(image, NAME, place, FOOTER)?;
        if !footer.starts_with(COOKIE) {
            return Err(broken(NAME, place, "there is no footer"));
        }
        if be32(&footer, FOOTER_CHECKSUM) != checksum(&footer, FOOTER_CHECKSUM) {
            return Err(broken(NAME, place, "the footer's checksum is wrong"));
        }
        let size = be64(&footer, 48);
        if size > DISK_MAX || !size.is_multiple_of(SECTOR) {
            return Err(broken(NAME, place, format!("the disk has {size} bytes")));
        }
        let blocks = match be32(&footer, 60) {
            kind if kind == Kind::Fixed as u32 => {
                if size > place {
                    let what = format!("the disk has {size} bytes, and {place} are there");
                    return Err(broken(NAME, place, what));
                }
                None
            }
            kind if kind == Kind::Dynamic as u32 => Some(blocks_of(image, be64(&footer, 16), size)?),
            kind => return Err(broken(NAME, place, format!("disk type {kind} is not read"))),
        };
        Ok(Vhd { image, size, blocks })
    }

    /// Whether only some blocks of the disk are there.
    pub fn is_dynamic(&self) -> bool {
        self.blocks.is_some()
    }
}

fn blocks_of(image: &dyn ReadAt, place: u64, size: u64) -> Result<Blocks, ReadError> {
    let header = bytes(image, NAME, place, HEADER)?;
    if !header.starts_with(SPARSE) {
        return Err(broken(NAME, place, "there is no header of a dynamic disk"));
    }
    if be32(&header, HEADER_CHECKSUM) != checksum(&header, HEADER_CHECKSUM) {
        return Err(broken(NAME, place, "the header's checksum is wrong"));
    }
    let (table, entries) = (be64(&header, 16), be32(&header, 28));
    let block = u64::from(be32(&header, 32));
    if !block.is_power_of_two() || !(4096..=BLOCK << 7).contains(&block) {
        return Err(broken(NAME, place, format!("blocks have {block} bytes")));
    }
    let end = table.checked_add(u64::from(entries) * 4);
    if u64::from(entries) * block < size || end.is_none_or(|end| end > image.size()) {
        return Err(broken(
            NAME,
            place,
            format!("a table of {entries} blocks does not fit"),
        ));
    }
    Ok(Blocks {
        table,
        entries,
        size: block,
        // A bit for each sector, in whole sectors.
        bitmap: (block / SECTOR / 8).next_multiple_of(BITMAP as u64),
    })
}

impl ReadAt for Vhd<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    /// Sectors that a bitmap says are not there are read as what they are in the block, which is zeros in all images that
    /// are no difference to another one.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let Some(table) = self.blocks else {
            return blocks::read(self.image, (self.size, BLOCK), buffer, offset, |block| {
                Ok(Place::At(block * BLOCK))
            });
        };
        let find = |block: u64| {
            if block >= u64::from(table.entries) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut entry = [0; 4];
            self.image.read_exact_at(&mut entry, table.table + block * 4)?;
            Ok(match u32::from_be_bytes(entry) {
                UNUSED => Place::Zeros,
                sector => Place::At(u64::from(sector) * SECTOR + table.bitmap),
            })
        };
        blocks::read(self.image, (self.size, table.size), buffer, offset, find)
    }
}
