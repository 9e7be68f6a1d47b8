//! The content of an inode, which extents tell where it is.

use super::super::format::{EXTENT, EXTENT_MAGIC, EXTENT_MAX, FORMAT};
use super::inode::Inode;
use super::{Volume, broken, u16_at, u32_at};
use crate::filesystem::walk::Run;
use crate::read_at::{ReadError, bytes};

/// Most levels of nodes below an inode.
const DEPTH_MAX: u16 = 5;

/// Where the content is from `offset` on, which is inside of it, and for how many bytes. No place is a hole.
pub(super) fn find(volume: &Volume, inode: &Inode, offset: u64) -> Result<Run, ReadError> {
    let size = volume.superblock.block_size;
    let (wanted, inside) = (offset / size, offset % size);
    let wrong = |what: &str| broken(inode.offset, format!("the inode's extents: {what}"));
    let mut node = inode.i_block.to_vec();
    let mut depth = None;
    // Until where nothing is said of the blocks from `wanted` on.
    let mut until = inode.size.div_ceil(size);
    loop {
        let (count, found) = (usize::from(u16_at(&node, 2)), u16_at(&node, 6));
        let expected = depth.unwrap_or(found);
        if u16_at(&node, 0) != EXTENT_MAGIC || found != expected || found > DEPTH_MAX {
            return Err(wrong("a node is none"));
        }
        let entries = node[EXTENT..].chunks_exact(EXTENT).take(count);
        if entries.len() < count {
            return Err(wrong("a node has too many entries"));
        }
        let first = |entry: &[u8]| u64::from(u32_at(entry, 0));
        let index = entries.clone().take_while(|entry| first(entry) <= wanted).count();
        if let Some(next) = entries.clone().nth(index) {
            until = until.min(first(next));
        }
        let hole = |until: u64| Ok((None, (until - wanted).saturating_mul(size) - inside));
        let Some(entry) = index.checked_sub(1).and_then(|index| entries.clone().nth(index)) else {
            return hole(until);
        };
        if found > 0 {
            let block = u64::from(u32_at(entry, 4)) | u64::from(u16_at(entry, 8)) << 32;
            let length = usize::try_from(size).unwrap_or(usize::MAX);
            let offset = block
                .checked_mul(size)
                .ok_or_else(|| wrong("a node is nowhere"))?;
            node = bytes(volume.image, FORMAT, offset, length)?;
            depth = Some(found - 1);
            continue;
        }
        let (length, is_written) = match u64::from(u16_at(entry, 4)) {
            length if length > EXTENT_MAX => (length - EXTENT_MAX, false),
            length => (length, true),
        };
        let end = first(entry) + length;
        if wanted >= end {
            return hole(until);
        }
        let count = (end.min(until) - wanted) * size - inside;
        let start = u64::from(u32_at(entry, 8)) | u64::from(u16_at(entry, 6)) << 32;
        let place = (start + (wanted - first(entry)))
            .checked_mul(size)
            .and_then(|place| place.checked_add(inside));
        return match is_written {
            true => Ok((Some(place.ok_or_else(|| wrong("a block is nowhere"))?), count)),
            false => Ok((None, count)),
        };
    }
}
