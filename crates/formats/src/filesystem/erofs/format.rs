//! Structures and numbers of the format, as fs/erofs/erofs_fs.h has them. All numbers are little-endian.

/// What errors call it.
pub(super) const FORMAT: &str = "EROFS";
/// Offset of the superblock in bytes.
pub(super) const SUPERBLOCK_OFFSET: u64 = 1024;
/// Length of the superblock in bytes.
pub(super) const SUPERBLOCK_SIZE: usize = 128;
/// `magic`.
pub(super) const MAGIC: u32 = 0xe0f5_e1e2;
/// Bytes of a block, as it is written.
pub(super) const BLOCK: u64 = 1 << BLOCK_BITS;
/// Its logarithm.
pub(super) const BLOCK_BITS: u8 = 12;
/// Inodes begin at multiples of this many bytes.
pub(super) const SLOT: u64 = 32;
/// Length of a compact inode.
pub(super) const COMPACT: u64 = 32;
/// Length of an extended inode.
pub(super) const EXTENDED: u64 = 64;
/// Length of an entry of a directory, without its name.
pub(super) const DIRENT: usize = 12;
/// Length of what comes before the attributes of an inode.
pub(super) const XATTR_HEADER: usize = 12;
/// Length of what comes before the name of an attribute; attributes are aligned to it.
pub(super) const XATTR_ENTRY: usize = 4;
/// Most attributes that an inode shares with others.
pub(super) const SHARED_MAX: usize = 255;
/// Bytes of the volume name, of which the last one is NUL.
pub(super) const LABEL: usize = 16;

/// `feature_compat`: the superblock has a checksum.
pub(super) const COMPAT_CHECKSUM: u32 = 1;
/// `feature_compat`: times are those of modification.
pub(super) const COMPAT_MTIME: u32 = 2;
/// `feature_incompat`: names of attributes may begin with a long prefix.
pub(super) const INCOMPAT_XATTR_PREFIXES: u32 = 0x40;
/// `feature_incompat`: all that Linux 6.12 knows. Each concerns only some of the files.
pub(super) const INCOMPAT_KNOWN: u32 = 0x7f;

/// `i_format`: the inode is an extended one.
pub(super) const FORMAT_EXTENDED: u16 = 1;
/// `i_format`: where the data layout is.
pub(super) const FORMAT_LAYOUT_SHIFT: u16 = 1;
/// The content is in whole blocks, one after the other.
pub(super) const FLAT_PLAIN: u16 = 0;
/// The same, but for the last part, which follows the inode.
pub(super) const FLAT_INLINE: u16 = 2;
/// The content is in chunks, whose addresses follow the inode.
pub(super) const CHUNK_BASED: u16 = 4;
/// Chunks: logarithm of the number of blocks of one.
pub(super) const CHUNK_BITS: u16 = 0x1f;
/// Chunks: addresses have 8 bytes, with the number of a device.
pub(super) const CHUNK_INDEXES: u16 = 0x20;
/// Chunks: the address of one that is all zeros.
pub(super) const CHUNK_HOLE: u32 = u32::MAX;

/// `file_type` of entries, by the type in `st_mode`.
pub(super) const FILE_TYPES: [(u32, u8); 7] = [
    (S_IFREG, 1),
    (S_IFDIR, 2),
    (S_IFCHR, 3),
    (S_IFBLK, 4),
    (S_IFIFO, 5),
    (S_IFSOCK, 6),
    (S_IFLNK, 7),
];
/// The type in `st_mode` (stat(2)).
pub(super) const S_IFMT: u32 = 0o170_000;
pub(super) const S_IFSOCK: u32 = 0o140_000;
pub(super) const S_IFLNK: u32 = 0o120_000;
pub(super) const S_IFREG: u32 = 0o100_000;
pub(super) const S_IFBLK: u32 = 0o060_000;
pub(super) const S_IFDIR: u32 = 0o040_000;
pub(super) const S_IFCHR: u32 = 0o020_000;
pub(super) const S_IFIFO: u32 = 0o010_000;

/// Beginnings of names of attributes, and the `e_name_index` that stands for each. The longer ones come first.
pub(super) const XATTR_PREFIXES: [(&[u8], u8); 6] = [
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"user.", 1),
    (b"trusted.", 4),
    (b"lustre.", 5),
    (b"security.", 6),
];
/// Which of these are whole names.
pub(super) const XATTR_WHOLE: [u8; 2] = [2, 3];

/// A device's number as the kernel has it (`new_encode_dev`), if it fits: 12 bits for the major, 20 for the minor number.
pub(super) fn encode_device(major: u32, minor: u32) -> Option<u32> {
    let fits = major < 1 << 12 && minor < 1 << 20;
    fits.then_some(minor & 0xff | major << 8 | (minor & !0xff) << 12)
}

/// Major and minor number of such a number.
pub(super) fn decode_device(number: u32) -> (u32, u32) {
    (number >> 8 & 0xfff, number & 0xff | number >> 12 & 0xfff00)
}

/// The superblock. What is not here is zero.
pub(super) struct RawSuperblock {
    pub checksum: u32,
    pub root_nid: u16,
    pub inos: u64,
    pub build_time: u64,
    pub blocks: u32,
    pub xattr_blkaddr: u32,
    pub uuid: [u8; 16],
    pub volume_name: [u8; LABEL],
}

impl RawSuperblock {
    /// Its bytes.
    pub fn encode(&self) -> [u8; SUPERBLOCK_SIZE] {
        let mut bytes = [0; SUPERBLOCK_SIZE];
        for (offset, field) in [
            (0, &MAGIC.to_le_bytes()[..]),
            (4, &self.checksum.to_le_bytes()),
            (8, &(COMPAT_CHECKSUM | COMPAT_MTIME).to_le_bytes()),
            (12, &[BLOCK_BITS]),
            (14, &self.root_nid.to_le_bytes()),
            (16, &self.inos.to_le_bytes()),
            (24, &self.build_time.to_le_bytes()),
            (36, &self.blocks.to_le_bytes()),
            (44, &self.xattr_blkaddr.to_le_bytes()),
            (48, &self.uuid),
            (64, &self.volume_name),
        ] {
            bytes[offset..offset + field.len()].copy_from_slice(field);
        }
        bytes
    }
}

/// An inode. Which of the two forms it takes is in `format`.
pub(super) struct RawInode {
    pub format: u16,
    pub xattr_icount: u16,
    pub mode: u16,
    pub size: u64,
    /// `i_u`: the first block, or a device's number.
    pub u: u32,
    pub ino: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: u64,
    pub nlink: u32,
}

impl RawInode {
    /// Appends its bytes. Whoever chose the compact form has seen to it that everything fits.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let low = |number: u32| number.to_le_bytes()[..2].to_vec();
        let size = self.size.to_le_bytes();
        out.extend(self.format.to_le_bytes());
        out.extend(self.xattr_icount.to_le_bytes());
        out.extend(self.mode.to_le_bytes());
        if self.format & FORMAT_EXTENDED == 0 {
            out.extend(low(self.nlink));
            out.extend(&size[..4]);
            out.extend([0; 4]);
            out.extend(self.u.to_le_bytes());
            out.extend(self.ino.to_le_bytes());
            out.extend(low(self.uid));
            out.extend(low(self.gid));
            out.extend([0; 4]);
        } else {
            out.extend([0; 2]);
            out.extend(size);
            out.extend(self.u.to_le_bytes());
            out.extend(self.ino.to_le_bytes());
            out.extend(self.uid.to_le_bytes());
            out.extend(self.gid.to_le_bytes());
            out.extend(self.mtime.to_le_bytes());
            out.extend([0; 4]);
            out.extend(self.nlink.to_le_bytes());
            out.extend([0; 16]);
        }
    }
}
