//! Where inodes are: each in the block of metadata in which it leaves the least space.

use super::format::{BLOCK, SLOT, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE};

/// Slots of a block.
const SLOTS: u64 = BLOCK / SLOT;
/// The first offset after the superblock at which an inode can be.
const FIRST: u64 = (SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE as u64).next_multiple_of(SLOT);

/// Blocks of metadata that are being filled.
pub(super) struct Placement {
    /// Blocks with so many free slots, by where the free ones begin. All of a block's used slots come first.
    open: Vec<Vec<u64>>,
    /// The first free byte of block 0, where only what is known without reading a content can be.
    first: u64,
    /// Blocks so far.
    blocks: u64,
}

impl Placement {
    pub fn new() -> Placement {
        Placement {
            open: (0..=SLOTS).map(|_| Vec::new()).collect(),
            first: FIRST,
            blocks: 1,
        }
    }

    /// How many blocks there are.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The offset of something of `size` bytes, which is inside of one block unless it is longer than one. What is not
    /// `known` has bytes of a file's content.
    pub fn place(&mut self, size: u64, known: bool) -> u64 {
        let size = size.next_multiple_of(SLOT);
        if known && self.first + size <= BLOCK {
            let offset = self.first;
            self.first += size;
            return offset;
        }
        // As many slots as a block has at most, or none of the open blocks will do.
        let slots = size / SLOT;
        let fitting = (slots..=SLOTS).find_map(|free| Some((free, self.free(free)?)));
        let (free, offset) = fitting.unwrap_or_else(|| {
            let offset = self.blocks * BLOCK;
            let blocks = size.div_ceil(BLOCK).max(1);
            self.blocks += blocks;
            (blocks * SLOTS, offset)
        });
        let left = usize::try_from(free - slots).unwrap_or(0);
        if left > 0 {
            self.open[left].push(offset + size);
        }
        offset
    }

    fn free(&mut self, slots: u64) -> Option<u64> {
        self.open[usize::try_from(slots).ok()?].pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_place_wins() {
        let mut placement = Placement::new();
        for (size, known, expect) in [
            (33, true, 1152),
            (32, false, 4096),
            (4065, false, 8192),
            (4000, false, 4128),
            (64, false, 8128),
            (3000, true, 12_288),
            (2848, true, 1216),
            (5000, false, 16_384),
            (1000, false, 15_296),
            (3000, true, 21_408),
        ] {
            assert_eq!(placement.place(size, known), expect, "{size}");
        }
        assert_eq!(placement.blocks(), 6);
    }
}
