//! How large everything is, and where groups have their tables.

use std::ops::Range;

use super::format::{BLOCK, BLOCKS_MAX, BLOCKS_PER_GROUP, DESCRIPTOR, FIRST, FORMAT, INODES_PER_BLOCK};
use crate::FormatError;

/// Blocks that a last group must have beside its tables, or there is none: as `mkfs.ext4` has it.
const SPARE: u64 = 50;
/// The smallest volume in blocks: smaller ones have no journal by custom.
const SMALLEST: u64 = 2048;
/// Inodes of a group, one for 16 KiB; and in volumes of less than half a group, which are grown.
const INODES: u64 = 8192;
const INODES_SMALL: u64 = 2048;
/// Most inodes of a group: as many as a block has bits.
const INODES_MAX: u64 = 32_768;
/// By which factor a volume can grow without changes of its structure, and most blocks that are kept for it.
const GROWTH: u64 = 1024;
const RESERVED_MAX: u64 = 1024;
/// Groups that have their tables together, at most.
const FLEX_LOG: u8 = 4;
/// Blocks of the journal, by the blocks of the volume, as `mkfs.ext4` has it.
const JOURNALS: [(u64, u64); 7] = [
    (32_768, 1024),
    (256 << 10, 4096),
    (512 << 10, 8192),
    (4096 << 10, 16_384),
    (8192 << 10, 32_768),
    (16_384 << 10, 65_536),
    (32_768 << 10, 131_072),
];
const JOURNAL_MAX: u64 = 262_144;

/// The numbers of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Geometry {
    pub blocks: u64,
    pub groups: u64,
    pub inodes_per_group: u64,
    /// Blocks of descriptors.
    pub descriptors: u64,
    /// Blocks that can become descriptors.
    pub reserved: u64,
    /// Logarithm of the number of groups whose tables are together.
    pub flex_log: u8,
    pub journal: u64,
}

impl Geometry {
    /// Of a volume of `size` bytes with at least `inodes` inodes.
    pub fn new(size: u64, inodes: u64) -> Result<Geometry, FormatError> {
        let error = |what: String| FormatError::Image { format: FORMAT, what };
        let mut blocks = size / BLOCK;
        if blocks > BLOCKS_MAX {
            return Err(error(format!("{size} bytes: 16 TiB are the limit")));
        }
        if blocks < SMALLEST {
            let smallest = SMALLEST * BLOCK;
            return Err(error(format!(
                "a volume of {size} bytes: {smallest} are the least"
            )));
        }
        loop {
            let geometry = Geometry::of(blocks, inodes);
            if inodes + u64::from(FIRST) > geometry.groups * geometry.inodes_per_group {
                return Err(error(format!("{inodes} inodes in {size} bytes")));
            }
            let rest = blocks % BLOCKS_PER_GROUP;
            let last = geometry.groups - 1;
            let least = geometry.copies(last) + geometry.table() + 2 + SPARE;
            // What is too little for a group is left out.
            if rest == 0 || rest >= least {
                return Ok(geometry);
            }
            if last == 0 {
                return Err(error(format!("{inodes} inodes in {size} bytes")));
            }
            blocks -= rest;
        }
    }

    fn of(blocks: u64, inodes: u64) -> Geometry {
        let groups = blocks.div_ceil(BLOCKS_PER_GROUP);
        let usual = if blocks < BLOCKS_PER_GROUP / 2 {
            INODES_SMALL
        } else {
            INODES
        };
        let needed = (inodes + u64::from(FIRST)).div_ceil(groups);
        let inodes_per_group = needed
            .max(usual)
            .next_multiple_of(INODES_PER_BLOCK)
            .min(INODES_MAX);
        let descriptors = |blocks: u64| {
            let groups = blocks.div_ceil(BLOCKS_PER_GROUP);
            (groups * DESCRIPTOR as u64).div_ceil(BLOCK)
        };
        let grown = descriptors(blocks.saturating_mul(GROWTH).min(BLOCKS_MAX));
        let journal = JOURNALS.iter().find(|(limit, _)| blocks < *limit);
        let mut geometry = Geometry {
            blocks,
            groups,
            inodes_per_group,
            descriptors: descriptors(blocks),
            reserved: (grown - descriptors(blocks)).clamp(1, RESERVED_MAX),
            flex_log: FLEX_LOG,
            journal: journal.map_or(JOURNAL_MAX, |(_, journal)| *journal),
        };
        // All tables of some groups fit into the first of them.
        while geometry.flex_log > 0 && geometry.tables(0).end > BLOCKS_PER_GROUP {
            geometry.flex_log -= 1;
        }
        geometry
    }

    /// Blocks of a group's inodes.
    pub fn table(&self) -> u64 {
        self.inodes_per_group / INODES_PER_BLOCK
    }

    /// The blocks of a group.
    pub fn group(&self, group: u64) -> Range<u64> {
        let start = group * BLOCKS_PER_GROUP;
        start..(start + BLOCKS_PER_GROUP).min(self.blocks)
    }

    /// Blocks at the beginning of a group for superblock, descriptors and what can become descriptors.
    pub fn copies(&self, group: u64) -> u64 {
        match has_copies(group) {
            true => 1 + self.descriptors + self.reserved,
            false => 0,
        }
    }

    /// The groups that have their tables where `group` has them.
    pub fn flex(&self, group: u64) -> Range<u64> {
        let first = group >> self.flex_log << self.flex_log;
        first..(first + (1 << self.flex_log)).min(self.groups)
    }

    /// The tables of these groups: block bitmaps, inode bitmaps, inodes.
    pub fn tables(&self, group: u64) -> Range<u64> {
        let flex = self.flex(group);
        let start = self.group(flex.start).start + self.copies(flex.start);
        let count = flex.end - flex.start;
        start..start + count * (2 + self.table())
    }

    /// The block of a group's block bitmap, that of its inode bitmap, and the first one of its inodes.
    pub fn places(&self, group: u64) -> (u64, u64, u64) {
        let (flex, tables) = (self.flex(group), self.tables(group));
        let (index, count) = (group - flex.start, flex.end - flex.start);
        (
            tables.start + index,
            tables.start + count + index,
            tables.start + 2 * count + index * self.table(),
        )
    }

    /// All blocks that have their place, in order.
    pub fn fixed(&self) -> Vec<Range<u64>> {
        let mut fixed = Vec::new();
        for group in 0..self.groups {
            let start = self.group(group).start;
            let mut end = start + self.copies(group);
            if self.flex(group).start == group {
                end = self.tables(group).end;
            }
            if end > start {
                fixed.push(start..end);
            }
        }
        fixed
    }
}

/// Whether a group has a superblock and descriptors (`sparse_super`).
pub(super) fn has_copies(group: u64) -> bool {
    let power = |base: u64| {
        let mut power = base;
        while power < group {
            power *= base;
        }
        power == group
    };
    group <= 1 || [3, 5, 7].into_iter().any(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_in_few_groups() {
        let groups: Vec<u64> = (0..130).filter(|&group| has_copies(group)).collect();
        assert_eq!(groups, [0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125]);
    }

    #[test]
    fn sizes() {
        const MIB: u64 = 1 << 20;
        for (size, groups, inodes, reserved, journal) in [
            (8 * MIB, 1, 2048, 1, 1024),
            (64 * MIB, 1, 8192, 7, 1024),
            (256 * MIB, 2, 8192, 31, 4096),
            // The last megabyte is too little for a group.
            (1025 * MIB, 8, 8192, 127, 8192),
            (1 << 40, 8192, 8192, 1024, 262_144),
        ] {
            let found = Geometry::new(size, 10).unwrap();
            let found = (
                found.groups,
                found.inodes_per_group,
                found.reserved,
                found.journal,
            );
            assert_eq!(found, (groups, inodes, reserved, journal), "{size}");
        }
        for (size, inodes, expect) in [
            (
                MIB,
                0,
                "ext4 cannot hold a volume of 1048576 bytes: 8388608 are the least",
            ),
            (8 * MIB, 33_000, "ext4 cannot hold 33000 inodes in 8388608 bytes"),
            (
                17 << 40,
                0,
                "ext4 cannot hold 18691697672192 bytes: 16 TiB are the limit",
            ),
        ] {
            let error = Geometry::new(size, inodes).unwrap_err();
            assert_eq!(error.to_string(), expect);
        }
    }

    #[test]
    fn tables_are_where_nothing_else_is() {
        for (size, inodes) in [(8 << 20, 0), (1 << 30, 0), (40 << 30, 0), (40 << 30, 9_000_000)] {
            let geometry = Geometry::new(size, inodes).unwrap();
            let fixed = geometry.fixed();
            for pair in fixed.windows(2) {
                assert!(pair[0].end <= pair[1].start, "{size}: {pair:?}");
            }
            assert!(fixed.last().unwrap().end <= geometry.blocks);
        }
    }
}
