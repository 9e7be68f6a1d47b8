//! Reads an ext4 volume: its superblock, and every name with what it names.
//!
//! What the journal has and the volume has not yet is not seen.

mod attributes;
mod content;
mod inode;

use ironkit_tree::Path;

use super::format::{
    FORMAT, INCOMPAT_64BIT, INCOMPAT_CSUM_SEED, INCOMPAT_EXTENTS, INCOMPAT_FILETYPE, INCOMPAT_FLEX_BG,
    INCOMPAT_LARGEDIR, INCOMPAT_META_BG, INCOMPAT_RECOVER, LABEL, MAGIC, RO_COMPAT_BIGALLOC,
    RO_COMPAT_METADATA_CSUM, ROOT, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE,
};
use crate::crc32c;
use crate::filesystem::walk::{self, Inodes, Run};
use crate::filesystem::{Entry, Visitor};
use crate::read_at::{ReadAt, ReadError, bytes};
use inode::Inode;

/// Features that change what is read, and that this reader knows.
const KNOWN: u32 = INCOMPAT_FILETYPE
    | INCOMPAT_RECOVER
    | INCOMPAT_META_BG
    | INCOMPAT_EXTENTS
    | INCOMPAT_64BIT
    | INCOMPAT_FLEX_BG
    | INCOMPAT_CSUM_SEED
    | INCOMPAT_LARGEDIR;
/// Length of an entry of a directory without its name.
const DIRENT: usize = 8;

/// What the superblock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// Bytes of a block.
    pub block_size: u64,
    /// Blocks of the volume.
    pub blocks: u64,
    /// How many of these are free.
    pub free_blocks: u64,
    /// Number of inodes that the volume has place for.
    pub inodes: u32,
    /// How many of these are free.
    pub free_inodes: u32,
    /// Identifies the volume.
    pub uuid: [u8; 16],
    /// Name of the volume.
    pub label: Vec<u8>,
    /// Whether the journal has what the volume has not yet.
    pub needs_recovery: bool,
    first_block: u64,
    blocks_per_group: u64,
    inodes_per_group: u32,
    inode_size: usize,
    descriptor_size: u64,
    /// First block of descriptors that is where its groups are, if any are.
    first_meta_group: Option<u64>,
}

/// An image that has a superblock.
#[derive(Clone)]
pub struct Volume<'a> {
    image: &'a dyn ReadAt,
    /// The superblock.
    pub superblock: Superblock,
}

impl<'a> Volume<'a> {
    /// Reads the superblock. `None` when the image is no ext4, nor one of those before it.
    ///
    /// # Errors
    /// [`ReadError`]: a superblock that is broken, or needs what this reader does not know.
    pub fn open(image: &'a dyn ReadAt) -> Result<Option<Volume<'a>>, ReadError> {
        let offset = SUPERBLOCK_OFFSET as u64;
        if image.size() < offset + SUPERBLOCK_SIZE as u64 {
            return Ok(None);
        }
        let raw = bytes(image, FORMAT, offset, SUPERBLOCK_SIZE)?;
        if u16_at(&raw, 56) != MAGIC {
            return Ok(None);
        }
        let wrong = |what: String| broken(offset, what);
        let (incompat, ro_compat) = (u32_at(&raw, 96), u32_at(&raw, 100));
        let checksum = crc32c::update(u32::MAX, &raw[..SUPERBLOCK_SIZE - 4]);
        if ro_compat & RO_COMPAT_METADATA_CSUM != 0 && checksum != u32_at(&raw, SUPERBLOCK_SIZE - 4) {
            return Err(wrong(format!(
                "the superblock has another checksum than {checksum:#010x}"
            )));
        }
        if incompat & !KNOWN != 0 {
            return Err(wrong(format!("unknown features {:#x}", incompat & !KNOWN)));
        }
        if ro_compat & RO_COMPAT_BIGALLOC != 0 {
            return Err(wrong("clusters of blocks are not read".to_owned()));
        }
        let log_block = u32_at(&raw, 24);
        let inode_size = match u32_at(&raw, 76) {
            0 => 128,
            _ => usize::from(u16_at(&raw, 88)),
        };
        let is_64bit = incompat & INCOMPAT_64BIT != 0;
        let descriptor_size = if is_64bit {
            u64::from(u16_at(&raw, 254))
        } else {
            32
        };
        let superblock = Superblock {
            block_size: 1024 << log_block.min(6),
            blocks: joined(&raw, 4, 336, is_64bit),
            free_blocks: joined(&raw, 12, 344, is_64bit),
            inodes: u32_at(&raw, 0),
            free_inodes: u32_at(&raw, 16),
            uuid: raw[104..120].try_into().unwrap_or_default(),
            label: trimmed(&raw[120..120 + LABEL]),
            needs_recovery: incompat & INCOMPAT_RECOVER != 0,
            first_block: u64::from(u32_at(&raw, 20)),
            blocks_per_group: u64::from(u32_at(&raw, 32)),
            inodes_per_group: u32_at(&raw, 40),
            inode_size,
            descriptor_size,
            first_meta_group: (incompat & INCOMPAT_META_BG != 0).then(|| u64::from(u32_at(&raw, 260))),
        };
        let sizes = log_block <= 6
            && (128..=1024).contains(&inode_size)
            && inode_size.is_power_of_two()
            && (32..=1024).contains(&descriptor_size)
            && descriptor_size.is_power_of_two()
            && superblock.blocks_per_group > 0
            && superblock.inodes_per_group > 0;
        match sizes {
            true => Ok(Some(Volume { image, superblock })),
            false => Err(wrong("the superblock has sizes that cannot be".to_owned())),
        }
    }

    /// Shows every name, a directory before what is in it, and names of a directory in its order.
    ///
    /// # Errors
    /// [`ReadError`], also those of `visitor`.
    pub fn visit(&self, visitor: &mut Visitor) -> Result<(), ReadError> {
        walk::visit(self, ROOT.into(), visitor)
    }
}

impl Inodes for Volume<'_> {
    type Inode = Inode;
    const FORMAT: &'static str = FORMAT;

    fn image(&self) -> &dyn ReadAt {
        self.image
    }

    fn block_size(&self) -> u64 {
        self.superblock.block_size
    }

    fn inode(&self, number: u64) -> Result<Inode, ReadError> {
        match u32::try_from(number) {
            Ok(number) => Inode::read(self, number),
            Err(_) => Err(broken(0, format!("there is no inode {number}"))),
        }
    }

    fn entry(&self, inode: &Inode, path: Path) -> Result<Entry, ReadError> {
        let kind = inode.kind(self)?;
        Ok(Entry {
            path,
            mode: inode.mode & 0o7777,
            uid: u64::from(inode.uid),
            gid: u64::from(inode.gid),
            mtime: inode.mtime,
            xattrs: attributes::of(self, inode)?,
            kind,
        })
    }

    fn find(&self, inode: &Inode, offset: u64) -> Result<Run, ReadError> {
        content::find(self, inode, offset)
    }

    fn names(block: &[u8]) -> Option<Vec<(u64, Vec<u8>)>> {
        names(block)
    }
}

/// The names in a block of a directory, with their numbers. Blocks of an index look as if they had none.
fn names(block: &[u8]) -> Option<Vec<(u64, Vec<u8>)>> {
    let (mut names, mut rest) = (Vec::new(), block);
    while !rest.is_empty() {
        let length = match usize::from(u16::from_le_bytes(rest.get(4..6)?.try_into().ok()?)) {
            // Blocks of 64 KiB: what has no place in 16 bits.
            0 | 65_535 if block.len() == 65_536 => 65_536,
            length => length,
        };
        if length < DIRENT || length > rest.len() {
            return None;
        }
        let (entry, after) = rest.split_at(length);
        let name = entry.get(DIRENT..DIRENT + usize::from(entry[6]))?;
        match u32_at(entry, 0) {
            0 => {}
            number => names.push((number.into(), name.to_vec())),
        }
        rest = after;
    }
    Some(names)
}

/// Bytes up to the first NUL.
fn trimmed(bytes: &[u8]) -> Vec<u8> {
    let text = bytes.split(|&byte| byte == 0).next();
    text.unwrap_or_default().to_vec()
}

fn broken(offset: u64, what: String) -> ReadError {
    ReadError::Broken {
        format: FORMAT,
        offset,
        what,
    }
}

fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from(u16_at(bytes, offset)) | u32::from(u16_at(bytes, offset + 2)) << 16
}

/// A number whose upper half is elsewhere, if it is there at all.
fn joined(bytes: &[u8], low: usize, high: usize, is_64bit: bool) -> u64 {
    let above = if is_64bit { u32_at(bytes, high) } else { 0 };
    u64::from(u32_at(bytes, low)) | u64::from(above) << 32
}
