//! The content of an inode: in blocks, in chunks, or beside it.

use super::super::format::{CHUNK_BASED, CHUNK_BITS, CHUNK_HOLE, CHUNK_INDEXES, FLAT_INLINE, FORMAT};
use super::inode::Inode;
use super::{Volume, broken, u16_at, u32_at};
use crate::filesystem::walk::Run;
use crate::read_at::{ReadError, bytes};

/// Where the content is from `offset` on, which is inside of it, and for how many bytes. No place is a hole.
pub(super) fn find(volume: &Volume, inode: &Inode, offset: u64) -> Result<Run, ReadError> {
    let block = volume.superblock.block_size;
    if inode.layout == CHUNK_BASED {
        return find_chunk(volume, inode, offset);
    }
    let whole = match inode.layout {
        // As the kernel sees it: if there are only whole blocks, the last one of them is beside the inode.
        FLAT_INLINE => (inode.size - 1) / block * block,
        _ => inode.size,
    };
    let (start, inside, count) = match offset < whole {
        true => (u64::from(inode.u) * block, offset, whole - offset),
        false => (inode.after(), offset - whole, inode.size - offset),
    };
    let place = start.checked_add(inside);
    let nowhere = || {
        broken(
            inode.offset,
            format!("a content of {} bytes is nowhere", inode.size),
        )
    };
    Ok((Some(place.ok_or_else(nowhere)?), count))
}

fn find_chunk(volume: &Volume, inode: &Inode, offset: u64) -> Result<Run, ReadError> {
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

/// A content has to be inside of the image, all of it but for holes.
pub(super) fn check(volume: &Volume, inode: &Inode) -> Result<(), ReadError> {
    if inode.size == 0 || inode.layout == CHUNK_BASED {
        return Ok(());
    }
    for offset in [0, inode.size - 1] {
        let (place, count) = find(volume, inode, offset)?;
        let end = place.and_then(|place| place.checked_add(count));
        if end.is_none_or(|end| end > volume.image.size()) {
            let what = format!("a content of {} bytes is not all there", inode.size);
            return Err(broken(inode.offset, what));
        }
    }
    Ok(())
}
