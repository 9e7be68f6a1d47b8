//! Extents: where the blocks of a content are.

use std::ops::Range;

use super::format::{BLOCK_SIZE, EXTENT, EXTENT_MAGIC, Fields, I_BLOCK};
use crate::crc32c;

/// Entries of a node in a block, which ends with a checksum.
const IN_BLOCK: usize = (BLOCK_SIZE - EXTENT - 4) / EXTENT;
/// Entries of the node in the inode.
const IN_INODE: usize = I_BLOCK / EXTENT - 1;

/// How many blocks the nodes take that do not fit into the inode, for so many extents.
pub(super) fn blocks(extents: usize) -> usize {
    let (mut entries, mut blocks) = (extents, 0);
    while entries > IN_INODE {
        entries = entries.div_ceil(IN_BLOCK);
        blocks += entries;
    }
    blocks
}

/// What is in the inode, and the nodes that are in blocks of their own: at `places`, as many as [`blocks`] says.
/// `seed` begins checksums of the inode.
pub(super) fn encode(runs: &[Range<u64>], places: &[u64], seed: u32) -> ([u8; I_BLOCK], Vec<(u64, Vec<u8>)>) {
    let (mut logical, mut entries) = (0, Vec::new());
    for run in runs {
        let length = run.end - run.start;
        entries.push((logical, leaf(logical, length, run.start)));
        logical += length;
    }
    let (mut nodes, mut places) = (Vec::new(), places.iter());
    let mut depth = 0;
    while entries.len() > IN_INODE {
        let chunks = entries.chunks(IN_BLOCK).zip(places.by_ref());
        let above: Vec<_> = chunks
            .map(|(chunk, &place)| {
                let mut block = vec![0; BLOCK_SIZE];
                node(&mut block, chunk, depth, IN_BLOCK);
                let end = EXTENT * (IN_BLOCK + 1);
                let checksum = crc32c::update(seed, &block[..end]);
                Fields(&mut block).u32(end, checksum);
                nodes.push((place, block));
                (chunk[0].0, index(chunk[0].0, place))
            })
            .collect();
        entries = above;
        depth += 1;
    }
    let mut inode = [0; I_BLOCK];
    node(&mut inode, &entries, depth, IN_INODE);
    (inode, nodes)
}

/// A node with its header.
fn node(out: &mut [u8], entries: &[(u64, [u8; EXTENT])], depth: u16, limit: usize) {
    let number = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    let mut fields = Fields(out);
    fields.u16(0, EXTENT_MAGIC);
    fields.u16(2, number(entries.len()));
    fields.u16(4, number(limit));
    fields.u16(6, depth);
    for (at, (_, entry)) in entries.iter().enumerate() {
        fields.put(EXTENT * (at + 1), entry);
    }
}

/// An entry that says where blocks are. Numbers of blocks have 32 bits in all volumes that are written.
fn leaf(logical: u64, length: u64, start: u64) -> [u8; EXTENT] {
    let mut entry = [0; EXTENT];
    let mut fields = Fields(&mut entry);
    fields.put(0, &logical.to_le_bytes()[..4]);
    fields.put(4, &length.to_le_bytes()[..2]);
    fields.put(8, &start.to_le_bytes()[..4]);
    entry
}

/// An entry that says where more entries are.
fn index(logical: u64, block: u64) -> [u8; EXTENT] {
    let mut entry = [0; EXTENT];
    let mut fields = Fields(&mut entry);
    fields.put(0, &logical.to_le_bytes()[..4]);
    fields.put(4, &block.to_le_bytes()[..4]);
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_for_many_extents() {
        for (extents, expect) in [
            (0, 0),
            (4, 0),
            (5, 1),
            (340, 1),
            (341, 2),
            (4 * 340, 4),
            (4 * 340 + 1, 6),
        ] {
            assert_eq!(blocks(extents), expect, "{extents}");
            let runs: Vec<_> = (0..extents as u64).map(|at| 2 * at..2 * at + 1).collect();
            let places: Vec<u64> = (0..expect as u64).collect();
            assert_eq!(encode(&runs, &places, 0).1.len(), expect, "{extents}");
        }
    }
}
