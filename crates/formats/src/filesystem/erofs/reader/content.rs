//! The content of an inode: in blocks, in chunks, or beside it.

use std::io;

use super::super::format::{CHUNK_BASED, CHUNK_BITS, CHUNK_HOLE, CHUNK_INDEXES, FLAT_INLINE, FORMAT};
use super::inode::Inode;
use super::{Volume, broken, u16_at, u32_at};
use crate::read_at::{ReadError, bytes};

/// So many bytes of a content, which are not many.
pub(super) fn read(volume: &Volume, inode: &Inode, offset: u64, length: u64) -> Result<Vec<u8>, ReadError> {
    let (end, mut offset) = (offset + length, offset);
    let mut read = Vec::new();
    while offset < end {
        let (place, count) = find(volume, inode, offset)?;
        let count = usize::try_from(count.min(end - offset)).unwrap_or(usize::MAX);
        match place {
            Some(place) => read.extend(bytes(volume.image, FORMAT, place, count)?),
            None => read.resize(read.len() + count, 0),
        }
        offset += count as u64;
    }
    Ok(read)
}

/// Where the content is from `offset` on, which is inside of it, and for how many bytes. No place is a hole.
fn find(volume: &Volume, inode: &Inode, offset: u64) -> Result<(Option<u64>, u64), ReadError> {
    let block = volume.superblock.block_size;
    if inode.layout == CHUNK_BASED {
        return find_chunk(volume, inode, offset);
    }
    let whole = match inode.layout {
        // As the kernel sees it: if there are only whole blocks, the last one of them is beside the inode.
        FLAT_INLINE => (inode.size - 1) / block * block,
        _ => inode.size,
    };
    match offset < whole {
        true => Ok((Some(u64::from(inode.u) * block + offset), whole - offset)),
        false => Ok((Some(inode.after() + offset - whole), inode.size - offset)),
    }
}

fn find_chunk(volume: &Volume, inode: &Inode, offset: u64) -> Result<(Option<u64>, u64), ReadError> {
    let format = u16_at(&inode.u.to_le_bytes(), 0);
    let block = volume.superblock.block_size;
    let too_large = || broken(inode.offset, format!("chunks of the unknown format {format:#x}"));
    let chunk = block
        .checked_mul(1 << (format & CHUNK_BITS))
        .filter(|_| format & !(CHUNK_BITS | CHUNK_INDEXES) == 0)
        .ok_or_else(too_large)?;
    let (number, inside) = (offset / chunk, offset % chunk);
    let width: usize = if format & CHUNK_INDEXES == 0 { 4 } else { 8 };
    let place = number
        .checked_mul(width as u64)
        .and_then(|place| place.checked_add(inode.after().next_multiple_of(width as u64)))
        .ok_or_else(too_large)?;
    let address = bytes(volume.image, FORMAT, place, width)?;
    if width == 8 && u16_at(&address, 2) != 0 {
        return Err(broken(place, "a chunk is on another device".to_owned()));
    }
    let first = u32_at(&address, width - 4);
    let count = (chunk - inside).min(inode.size - offset);
    let place = u64::from(first) * block + inside;
    Ok(((first != CHUNK_HOLE).then_some(place), count))
}

/// A content from its beginning to its end.
pub(super) struct Reader<'v, 'a> {
    volume: &'v Volume<'a>,
    inode: &'v Inode,
    at: u64,
}

impl<'v, 'a> Reader<'v, 'a> {
    /// Of a content all of which is inside of the image, but for holes.
    pub fn new(volume: &'v Volume<'a>, inode: &'v Inode) -> Result<Reader<'v, 'a>, ReadError> {
        if inode.size > 0 && inode.layout != CHUNK_BASED {
            for offset in [0, inode.size - 1] {
                let (place, count) = find(volume, inode, offset)?;
                let end = place.and_then(|place| place.checked_add(count));
                if end.is_none_or(|end| end > volume.image.size()) {
                    let what = format!("a content of {} bytes is not all there", inode.size);
                    return Err(broken(inode.offset, what));
                }
            }
        }
        Ok(Reader { volume, inode, at: 0 })
    }
}

impl io::Read for Reader<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.inode.size || buffer.is_empty() {
            return Ok(0);
        }
        let (place, count) = find(self.volume, self.inode, self.at).map_err(io::Error::other)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(buffer.len());
        match place {
            Some(place) => self.volume.image.read_exact_at(&mut buffer[..count], place)?,
            None => buffer[..count].fill(0),
        }
        self.at += count as u64;
        Ok(count)
    }
}
