//! The superblock and the journal's, in bytes.

use super::format::{
    BLOCK, BLOCKS_PER_GROUP, COMPAT_DIR_INDEX, COMPAT_EXT_ATTR, COMPAT_HAS_JOURNAL, COMPAT_RESIZE_INODE,
    DESCRIPTOR, FIRST, Fields, I_BLOCK, INCOMPAT_64BIT, INCOMPAT_EXTENTS, INCOMPAT_FILETYPE,
    INCOMPAT_FLEX_BG, INODE, INODE_EXTRA, JOURNAL, LABEL, MAGIC, RO_COMPAT_DIR_NLINK, RO_COMPAT_EXTRA_ISIZE,
    RO_COMPAT_HUGE_FILE, RO_COMPAT_LARGE_FILE, RO_COMPAT_METADATA_CSUM, RO_COMPAT_SPARSE_SUPER,
    SUPERBLOCK_SIZE,
};
use super::geometry::Geometry;
use crate::crc32c;

/// `s_log_block_size`: the logarithm of a block's size in KiB.
const LOG_BLOCK: u32 = 2;
/// `s_default_mount_opts`: extended attributes of users, and access control lists.
const MOUNT_OPTIONS: u32 = 0xc;
/// `s_flags`: names in indices are hashed as signed bytes, whatever the machine.
const SIGNED_HASH: u32 = 1;
/// `s_def_hash_version`: half of MD4.
const HASH_VERSION: u8 = 1;
/// `s_checksum_type`: CRC-32C.
const CHECKSUM_TYPE: u8 = 1;
/// Begins blocks of a journal, and the type of its superblock.
const JOURNAL_MAGIC: u32 = 0xc03b_3998;
const JOURNAL_SUPERBLOCK: u32 = 4;

/// What a superblock says that is not the same in all volumes.
pub(super) struct Superblock<'a> {
    pub geometry: &'a Geometry,
    pub uuid: [u8; 16],
    pub label: [u8; LABEL],
    pub time: i64,
    pub free_blocks: u64,
    pub free_inodes: u64,
    /// Address and size of the journal's content.
    pub journal: ([u8; I_BLOCK], u64),
}

impl Superblock<'_> {
    /// Its bytes in the copy at the beginning of `group`.
    pub fn encode(&self, group: u64) -> [u8; SUPERBLOCK_SIZE] {
        let geometry = self.geometry;
        let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let short = |value: u64| u16::try_from(value).unwrap_or(u16::MAX);
        let time = number(u64::try_from(self.time).unwrap_or(0));
        let mut bytes = [0; SUPERBLOCK_SIZE];
        let mut fields = Fields(&mut bytes);
        for (offset, value) in [
            (0, number(geometry.groups * geometry.inodes_per_group)),
            (16, number(self.free_inodes)),
            (24, LOG_BLOCK),
            (28, LOG_BLOCK),
            (32, number(BLOCKS_PER_GROUP)),
            (36, number(BLOCKS_PER_GROUP)),
            (40, number(geometry.inodes_per_group)),
            (48, time),
            (64, time),
            // The revision with inodes of any size.
            (76, 1),
            (84, FIRST),
            (
                92,
                COMPAT_HAS_JOURNAL | COMPAT_EXT_ATTR | COMPAT_RESIZE_INODE | COMPAT_DIR_INDEX,
            ),
            (
                96,
                INCOMPAT_FILETYPE | INCOMPAT_EXTENTS | INCOMPAT_64BIT | INCOMPAT_FLEX_BG,
            ),
            (
                100,
                RO_COMPAT_SPARSE_SUPER
                    | RO_COMPAT_LARGE_FILE
                    | RO_COMPAT_HUGE_FILE
                    | RO_COMPAT_DIR_NLINK
                    | RO_COMPAT_EXTRA_ISIZE
                    | RO_COMPAT_METADATA_CSUM,
            ),
            (224, JOURNAL),
            (256, MOUNT_OPTIONS),
            (264, time),
            (352, SIGNED_HASH),
        ] {
            fields.u32(offset, value);
        }
        for (offset, value) in [
            // Never checked because of the number of mounts; clean; errors are logged.
            (54, u16::MAX),
            (56, MAGIC),
            (58, 1),
            (60, 1),
            (88, short(INODE as u64)),
            (90, short(group)),
            (206, short(geometry.reserved)),
            (254, short(DESCRIPTOR as u64)),
            (348, INODE_EXTRA),
            (350, INODE_EXTRA),
        ] {
            fields.u16(offset, value);
        }
        fields.halves(4, 336, geometry.blocks);
        fields.halves(12, 344, self.free_blocks);
        fields.put(104, &self.uuid);
        fields.put(120, &self.label);
        fields.put(236, &self.uuid);
        // The second byte: where the journal is stands below too.
        fields.put(252, &[HASH_VERSION, 1]);
        let (address, size) = &self.journal;
        fields.put(268, address);
        fields.halves(268 + I_BLOCK + 4, 268 + I_BLOCK, *size);
        fields.put(372, &[geometry.flex_log, CHECKSUM_TYPE]);
        let end = SUPERBLOCK_SIZE - 4;
        let checksum = crc32c::update(u32::MAX, &fields.0[..end]);
        fields.u32(end, checksum);
        bytes
    }
}

/// The first block of a journal of so many blocks, in which nothing is. Its numbers are big-endian.
pub(super) fn journal(blocks: u64) -> Vec<u8> {
    let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
    let block = u32::try_from(BLOCK).unwrap_or(u32::MAX);
    let mut bytes = vec![0; SUPERBLOCK_SIZE];
    for (offset, number) in [
        (0, JOURNAL_MAGIC),
        (4, JOURNAL_SUPERBLOCK),
        (12, block),
        (16, blocks),
        // The first block, the first transaction, one user.
        (20, 1),
        (24, 1),
        (64, 1),
    ] {
        bytes[offset..offset + 4].copy_from_slice(&number.to_be_bytes());
    }
    bytes
}
