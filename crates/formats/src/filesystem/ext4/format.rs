//! Numbers of the format, as fs/ext4/ext4.h has them. All numbers are little-endian, but those of the journal.

/// What errors call it.
pub(super) const FORMAT: &str = "ext4";
/// Bytes of a block, as it is written.
pub(super) const BLOCK: u64 = 4096;
/// The same, for slices.
pub(super) const BLOCK_SIZE: usize = 4096;
/// Blocks of a group: as many as a block has bits.
pub(super) const BLOCKS_PER_GROUP: u64 = 32_768;
/// Offset of the superblock in bytes.
pub(super) const SUPERBLOCK_OFFSET: usize = 1024;
/// Length of the superblock in bytes.
pub(super) const SUPERBLOCK_SIZE: usize = 1024;
/// `s_magic`.
pub(super) const MAGIC: u16 = 0xef53;
/// Length of a group's descriptor.
pub(super) const DESCRIPTOR: usize = 64;
/// Length of an inode.
pub(super) const INODE: usize = 256;
/// Bytes of an inode that all kernels know.
pub(super) const INODE_BASE: usize = 128;
/// `i_extra_isize`: bytes that are used of the rest.
pub(super) const INODE_EXTRA: u16 = 32;
/// Inodes in a block.
pub(super) const INODES_PER_BLOCK: u64 = BLOCK / INODE as u64;
/// Most links to an inode that is no directory. Directories with more have the number 1.
pub(super) const LINKS_MAX: u32 = 65_000;
/// Bytes of the volume's name.
pub(super) const LABEL: usize = 16;
/// Most blocks of a file.
pub(super) const FILE_BLOCKS_MAX: u64 = u32::MAX as u64;
/// Most blocks that are written: those that a number of 32 bits can name, since inode 7 has such.
pub(super) const BLOCKS_MAX: u64 = u32::MAX as u64;

/// The root directory.
pub(super) const ROOT: u32 = 2;
/// What holds the blocks for more groups.
pub(super) const RESIZE: u32 = 7;
/// The journal.
pub(super) const JOURNAL: u32 = 8;
/// The first one that is nothing special: `lost+found`.
pub(super) const FIRST: u32 = 11;
/// Where `e2fsck` puts what it finds.
pub(super) const LOST_AND_FOUND: &[u8] = b"lost+found";

pub(super) const COMPAT_HAS_JOURNAL: u32 = 0x4;
pub(super) const COMPAT_EXT_ATTR: u32 = 0x8;
pub(super) const COMPAT_RESIZE_INODE: u32 = 0x10;
pub(super) const COMPAT_DIR_INDEX: u32 = 0x20;
pub(super) const INCOMPAT_FILETYPE: u32 = 0x2;
pub(super) const INCOMPAT_RECOVER: u32 = 0x4;
pub(super) const INCOMPAT_META_BG: u32 = 0x10;
pub(super) const INCOMPAT_EXTENTS: u32 = 0x40;
pub(super) const INCOMPAT_64BIT: u32 = 0x80;
pub(super) const INCOMPAT_FLEX_BG: u32 = 0x200;
pub(super) const INCOMPAT_CSUM_SEED: u32 = 0x2000;
pub(super) const INCOMPAT_LARGEDIR: u32 = 0x4000;
pub(super) const RO_COMPAT_SPARSE_SUPER: u32 = 0x1;
pub(super) const RO_COMPAT_LARGE_FILE: u32 = 0x2;
pub(super) const RO_COMPAT_HUGE_FILE: u32 = 0x8;
pub(super) const RO_COMPAT_DIR_NLINK: u32 = 0x20;
pub(super) const RO_COMPAT_EXTRA_ISIZE: u32 = 0x40;
/// Blocks are given out in clusters.
pub(super) const RO_COMPAT_BIGALLOC: u32 = 0x200;
pub(super) const RO_COMPAT_METADATA_CSUM: u32 = 0x400;

/// `bg_flags`: no inode of the group is used.
pub(super) const INODE_UNINIT: u16 = 1;
/// `bg_flags`: no block is used but for copies of the superblock and of descriptors; the bitmap is not written.
pub(super) const BLOCK_UNINIT: u16 = 2;
/// `bg_flags`: the inodes are zeros.
pub(super) const INODE_ZEROED: u16 = 4;

/// `i_flags`: the content is found by extents.
pub(super) const FLAG_EXTENTS: u32 = 0x8_0000;
/// `i_flags`: the content is in the inode.
pub(super) const FLAG_INLINE_DATA: u32 = 0x1000_0000;
/// Begins a node of extents.
pub(super) const EXTENT_MAGIC: u16 = 0xf30a;
/// Length of a node's header, and of each of its entries.
pub(super) const EXTENT: usize = 12;
/// Most blocks of an extent that is not preallocated.
pub(super) const EXTENT_MAX: u64 = 32_768;
/// Bytes of an inode for the address of its content.
pub(super) const I_BLOCK: usize = 60;
/// Where they are.
pub(super) const I_BLOCK_OFFSET: usize = 40;

/// Begins extended attributes.
pub(super) const XATTR_MAGIC: u32 = 0xea02_0000;
/// `file_type` of what ends a block of a directory.
pub(super) const DIRECTORY_TAIL: u8 = 0xde;
/// Its length.
pub(super) const DIRECTORY_TAIL_SIZE: usize = 12;

/// The type in `st_mode` (stat(2)), and `file_type` in directories.
pub(super) const FILE_TYPES: [(u32, u8); 7] = [
    (0o100_000, 1),
    (0o040_000, 2),
    (0o020_000, 3),
    (0o060_000, 4),
    (0o010_000, 5),
    (0o140_000, 6),
    (0o120_000, 7),
];
/// The bits of that type.
pub(super) const S_IFMT: u32 = 0o170_000;

/// Bytes at offsets: how structures are put together here.
pub(super) struct Fields<'a>(pub &'a mut [u8]);

impl Fields<'_> {
    /// Puts bytes at an offset.
    pub fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// Puts 16 bits.
    pub fn u16(&mut self, offset: usize, number: u16) {
        self.put(offset, &number.to_le_bytes());
    }

    /// Puts 32 bits.
    pub fn u32(&mut self, offset: usize, number: u32) {
        self.put(offset, &number.to_le_bytes());
    }

    /// Puts the lower 32 bits here and what is above them there.
    pub fn halves(&mut self, low: usize, high: usize, number: u64) {
        let bytes = number.to_le_bytes();
        self.put(low, &bytes[..4]);
        self.put(high, &bytes[4..]);
    }

    /// The same with 16 bits each.
    pub fn quarters(&mut self, low: usize, high: usize, number: u32) {
        let bytes = number.to_le_bytes();
        self.put(low, &bytes[..2]);
        self.put(high, &bytes[2..]);
    }
}
