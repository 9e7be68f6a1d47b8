//! The structures on disk, as fs/squashfs/squashfs_fs.h has them. All numbers are little-endian.

/// Name of the format in messages.
pub const NAME: &str = "squashfs";

/// The superblock's magic: `hsqs`.
pub(super) const MAGIC: u32 = 0x7371_7368;
/// Version, major and minor.
pub(super) const VERSION: (u16, u16) = (4, 0);
/// Length of the superblock in bytes.
pub(super) const SUPERBLOCK_SIZE: usize = 96;
/// Bytes in a block of data: `mksquashfs`'s, and the limits of the kernel.
pub(super) const BLOCK_SIZE: u32 = 128 * 1024;
pub(super) const BLOCK_SIZE_MIN: u32 = 4096;
pub(super) const BLOCK_SIZE_MAX: u32 = 1024 * 1024;
/// Bytes in a block of metadata, before it is compressed.
pub(super) const METADATA_SIZE: usize = 8192;
/// A file system fills a whole number of these: what a loop device or a partition wants.
pub(super) const PADDING: usize = 4096;
/// What is not there: a table's offset, the number of a fragment, of an attribute set.
pub(super) const NO_TABLE: u64 = u64::MAX;
pub(super) const NONE: u32 = u32::MAX;

/// Flags of the superblock.
pub(super) mod flag {
    /// Equal contents are there once.
    pub const DUPLICATES: u16 = 0x40;
    /// No inode has extended attributes.
    pub const NO_XATTRS: u16 = 0x200;
    /// The compressor's options follow the superblock.
    pub const COMPRESSOR_OPTIONS: u16 = 0x400;
}

/// In the length of a block of metadata: it is not compressed.
pub(super) const METADATA_PLAIN: u16 = 0x8000;
/// In the length of a block of data: it is not compressed. A length of 0 is a block of zeros that is not there.
pub(super) const DATA_PLAIN: u32 = 1 << 24;

/// Types of inodes. Extended ones are these and [`EXTENDED`] more.
pub(super) mod kind {
    pub const DIRECTORY: u16 = 1;
    pub const FILE: u16 = 2;
    pub const SYMLINK: u16 = 3;
    pub const BLOCK_DEVICE: u16 = 4;
    pub const CHAR_DEVICE: u16 = 5;
    pub const FIFO: u16 = 6;
    pub const SOCKET: u16 = 7;
}
/// What the type of an extended inode is above that of a basic one.
pub(super) const EXTENDED: u16 = 7;

/// Most entries behind one header of a directory.
pub(super) const RUN_MAX: usize = 256;
/// What a directory's size is above the length of its listing: room for the names `.` and `..`, which are not in it.
pub(super) const DIRECTORY_EXTRA: u32 = 3;
/// Longest name that the kernel takes.
pub(super) const NAME_MAX: usize = 255;
/// Longest target of a symbolic link: PATH_MAX without the end.
pub(super) const TARGET_MAX: u64 = 4095;
/// Most user and group numbers.
pub(super) const IDS_MAX: usize = 65535;
/// Length of an entry of the table of fragments, and of that of attribute sets.
pub(super) const FRAGMENT_SIZE: usize = 16;
pub(super) const XATTR_ID_SIZE: usize = 16;
/// Length of an id.
pub(super) const ID_SIZE: usize = 4;
/// Largest numbers of a device (new_encode_dev of include/linux/kdev_t.h).
pub(super) const MAJOR_MAX: u32 = 0xfff;
pub(super) const MINOR_MAX: u32 = 0xf_ffff;

/// Spaces of extended attributes, by the number that stands for them.
pub(super) const XATTR_PREFIXES: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];
/// In an attribute's type: its value is elsewhere, and what is here says where.
pub(super) const XATTR_ELSEWHERE: u16 = 0x100;
/// Longest attribute value, and longest name with its space, that Linux takes (include/uapi/linux/limits.h).
pub(super) const XATTR_VALUE_MAX: usize = 65536;
pub(super) const XATTR_NAME_MAX: usize = 255;
