//! The tables of groups: copies of the superblock, descriptors, bitmaps, inodes; and what lets a volume grow.

use std::sync::Arc;

use ironkit_tree::{Kind, Node};

use super::attributes::Attributes;
use super::blocks::{Blocks, set};
use super::format::{
    BLOCK, BLOCK_SIZE, BLOCK_UNINIT, BLOCKS_PER_GROUP, DESCRIPTOR, Fields, INODE, INODE_UNINIT, INODE_ZEROED,
    SUPERBLOCK_OFFSET,
};
use super::geometry::{Geometry, has_copies};
use super::inodes::Inode;
use super::superblock::Superblock;
use crate::crc32c;

/// Numbers of blocks in a block.
const NUMBERS: u64 = BLOCK / 4;
/// Of the 15 numbers in an inode, the one of the block with numbers of blocks with numbers of blocks; and how many
/// are before all of these.
const DOUBLE: usize = 13;
const DIRECT: u64 = 12;

/// What is used of a volume.
pub(super) struct Used<'u> {
    pub blocks: &'u Blocks,
    /// Bytes of inodes up to the last one.
    pub inodes: &'u [u8],
    pub directories: &'u [u32],
}

/// The tables of all groups, each with its block. The superblock's free numbers are filled in.
pub(super) fn tables(mut superblock: Superblock, used: &Used, seed: u32) -> Vec<(u64, Arc<[u8]>)> {
    let geometry = superblock.geometry;
    let mut out: Vec<(u64, Arc<[u8]>)> = Vec::new();
    let mut descriptors = Vec::new();
    for group in 0..geometry.groups {
        let table = Table::of(geometry, used, group);
        let (block_bitmap, inode_bitmap, inodes) = geometry.places(group);
        descriptors.extend(table.descriptor(geometry, group, seed));
        superblock.free_blocks += table.free_blocks;
        superblock.free_inodes += table.free_inodes;
        for (place, bytes) in [
            (block_bitmap, table.block_bitmap),
            (inode_bitmap, table.inode_bitmap),
        ] {
            if let Some(bytes) = bytes {
                out.push((place, bytes.into()));
            }
        }
        if !table.inodes.is_empty() {
            out.push((inodes, table.inodes.into()));
        }
    }
    let descriptors: Arc<[u8]> = descriptors.into();
    for group in (0..geometry.groups).filter(|group| has_copies(*group)) {
        let start = geometry.group(group).start;
        let copy = superblock.encode(group);
        let copy = match group {
            0 => [&[0; SUPERBLOCK_OFFSET], copy.as_slice()].concat(),
            _ => copy.to_vec(),
        };
        out.push((start, copy.into()));
        out.push((start + 1, Arc::clone(&descriptors)));
    }
    out
}

/// What a group has.
struct Table<'u> {
    /// None for one that the kernel makes when it needs it.
    block_bitmap: Option<Vec<u8>>,
    inode_bitmap: Option<Vec<u8>>,
    inodes: &'u [u8],
    free_blocks: u64,
    free_inodes: u64,
    directories: u64,
}

impl<'u> Table<'u> {
    fn of(geometry: &Geometry, used: &Used<'u>, group: u64) -> Table<'u> {
        let range = geometry.group(group);
        let taken = used.blocks.used(range.clone());
        let count: u64 = taken.iter().map(|run| run.end - run.start).sum();
        let start = usize::try_from(group * geometry.inodes_per_group * INODE as u64).unwrap_or(usize::MAX);
        let length = usize::try_from(geometry.inodes_per_group).unwrap_or(usize::MAX) * INODE;
        let inodes = used.inodes.get(start..).unwrap_or_default();
        let inodes = &inodes[..length.min(inodes.len())];
        let inodes_used = (inodes.len() / INODE) as u64;
        let own =
            |number: &&u32| inodes_used > 0 && u64::from(**number - 1) / geometry.inodes_per_group == group;
        let written = count > geometry.copies(group) || group + 1 == geometry.groups;
        Table {
            block_bitmap: written.then(|| {
                let mut bitmap = vec![0; BLOCK_SIZE];
                for run in taken {
                    set(&mut bitmap, run.start - range.start..run.end - range.start);
                }
                set(&mut bitmap, range.end - range.start..BLOCKS_PER_GROUP);
                bitmap
            }),
            inode_bitmap: (inodes_used > 0).then(|| {
                let mut bitmap = vec![0; BLOCK_SIZE];
                set(&mut bitmap, 0..inodes_used);
                set(&mut bitmap, geometry.inodes_per_group..BLOCKS_PER_GROUP);
                bitmap
            }),
            inodes,
            free_blocks: range.end - range.start - count,
            free_inodes: geometry.inodes_per_group - inodes_used,
            directories: used.directories.iter().filter(own).count() as u64,
        }
    }

    fn descriptor(&self, geometry: &Geometry, group: u64, seed: u32) -> [u8; DESCRIPTOR] {
        let (block_bitmap, inode_bitmap, inodes) = geometry.places(group);
        let checksum = |bitmap: &Option<Vec<u8>>, length: u64| {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            bitmap
                .as_ref()
                .map_or(0, |bitmap| crc32c::update(seed, &bitmap[..length]))
        };
        // Counts inside of a group.
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let mut bytes = [0; DESCRIPTOR];
        let mut fields = Fields(&mut bytes);
        fields.halves(0, 32, block_bitmap);
        fields.halves(4, 36, inode_bitmap);
        fields.halves(8, 40, inodes);
        fields.quarters(12, 44, count(self.free_blocks));
        fields.quarters(14, 46, count(self.free_inodes));
        fields.quarters(16, 48, count(self.directories));
        let mut flags = INODE_ZEROED;
        for (unwritten, flag) in [
            (self.inode_bitmap.is_none(), INODE_UNINIT),
            (self.block_bitmap.is_none(), BLOCK_UNINIT),
        ] {
            flags |= if unwritten { flag } else { 0 };
        }
        fields.u16(18, flags);
        fields.quarters(24, 56, checksum(&self.block_bitmap, BLOCK));
        fields.quarters(
            26,
            58,
            checksum(&self.inode_bitmap, geometry.inodes_per_group / 8),
        );
        // Inodes are used from the first one on, so those behind the last are those that are free.
        fields.quarters(28, 50, count(self.free_inodes));
        let seed = crc32c::update(seed, &count(group).to_le_bytes());
        let own = crc32c::update(seed, fields.0).to_le_bytes();
        fields.put(30, &own[..2]);
        bytes
    }
}

/// The inode that holds what can become descriptors; `place` is the block with their numbers.
pub(super) fn resize_inode(geometry: &Geometry, place: u64, time: i64) -> Inode {
    let node = Node::new(Kind::File(Vec::new().into()), 0o600).at(time);
    let mut inode = Inode::of(&node, 1, &Attributes::None);
    Fields(&mut inode.i_block).put(DOUBLE * 4, &place.to_le_bytes()[..4]);
    // As large as it can be with such a block, whatever is in it.
    inode.size = (NUMBERS * NUMBERS + NUMBERS + DIRECT) * BLOCK;
    let copies = (0..geometry.groups).filter(|group| has_copies(*group)).count() as u64;
    inode.blocks = 1 + geometry.reserved * copies;
    inode
}

/// The blocks with numbers of that inode: one with those of the blocks behind the descriptors, and each of these has the numbers
/// of its copies.
pub(super) fn resize_blocks(geometry: &Geometry, place: u64, mut put: impl FnMut(u64, Vec<u8>)) {
    let number = |block: u64| u32::try_from(block).unwrap_or(u32::MAX);
    let mut all = vec![0; BLOCK_SIZE];
    for index in geometry.descriptors..geometry.descriptors + geometry.reserved {
        let block = 1 + index;
        let at = usize::try_from(index % NUMBERS * 4).unwrap_or(usize::MAX);
        Fields(&mut all).u32(at, number(block));
        let mut copies = Vec::new();
        for group in (1..geometry.groups).filter(|group| has_copies(*group)) {
            copies.extend(number(group * BLOCKS_PER_GROUP + block).to_le_bytes());
        }
        if !copies.is_empty() {
            put(block, copies);
        }
    }
    put(place, all);
}
