//! Reads an EROFS image: its superblock, and every name with what it names.

mod attributes;
mod content;
mod inode;

use ironkit_tree::Path;

use super::format::{
    COMPAT_CHECKSUM, DIRENT, FORMAT, INCOMPAT_KNOWN, INCOMPAT_XATTR_PREFIXES, LABEL, MAGIC, SLOT,
    SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE,
};
use crate::crc32c;
use crate::filesystem::walk::{self, Inodes, Run};
use crate::filesystem::{Entry, EntryKind, Visitor};
use crate::read_at::{ReadAt, ReadError, bytes};
use inode::Inode;

/// What the superblock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// Bytes of a block.
    pub block_size: u64,
    /// Blocks of the image.
    pub blocks: u32,
    /// Number of inodes.
    pub inodes: u64,
    /// Time of inodes that have none of their own.
    pub build_time: i64,
    /// Identifies the volume.
    pub uuid: [u8; 16],
    /// Name of the volume.
    pub label: Vec<u8>,
    root: u64,
    meta_start: u64,
    xattr_start: u64,
}

/// An image that has a superblock.
#[derive(Clone)]
pub struct Volume<'a> {
    image: &'a dyn ReadAt,
    /// The superblock.
    pub superblock: Superblock,
}

impl<'a> Volume<'a> {
    /// Reads the superblock. `None` when the image is no EROFS.
    ///
    /// # Errors
    /// [`ReadError`]: a superblock that is broken, or needs what this reader does not know.
    pub fn open(image: &'a dyn ReadAt) -> Result<Option<Volume<'a>>, ReadError> {
        if image.size() < SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE as u64 {
            return Ok(None);
        }
        let raw = bytes(image, FORMAT, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE)?;
        if u32_at(&raw, 0) != MAGIC {
            return Ok(None);
        }
        let (block_bits, extra) = (raw[12], raw[90]);
        if !(9..=16).contains(&block_bits) || extra != 0 {
            let what = format!("blocks of 2^{block_bits} bytes, and directories of 2^{extra} of them");
            return Err(broken(SUPERBLOCK_OFFSET + 12, what));
        }
        let block_size = 1 << block_bits;
        if u32_at(&raw, 8) & COMPAT_CHECKSUM != 0 {
            verify(image, block_size, u32_at(&raw, 4))?;
        }
        let unknown = u32_at(&raw, 80) & !(INCOMPAT_KNOWN & !INCOMPAT_XATTR_PREFIXES);
        if unknown != 0 {
            let what = format!("unknown features {unknown:#x}");
            return Err(broken(SUPERBLOCK_OFFSET + 80, what));
        }
        let label = &raw[64..64 + LABEL];
        let superblock = Superblock {
            block_size,
            blocks: u32_at(&raw, 36),
            inodes: u64_at(&raw, 16),
            build_time: u64_at(&raw, 24).cast_signed(),
            uuid: raw[48..64].try_into().unwrap_or_default(),
            label: label.split(|&byte| byte == 0).next().unwrap_or_default().to_vec(),
            root: u64::from(u16_at(&raw, 14)),
            meta_start: u64::from(u32_at(&raw, 40)) * block_size,
            xattr_start: u64::from(u32_at(&raw, 44)) * block_size,
        };
        Ok(Some(Volume { image, superblock }))
    }

    /// Shows every name, a directory before what is in it, and names of a directory in their order.
    ///
    /// # Errors
    /// [`ReadError`], also those of `visitor`.
    pub fn visit(&self, visitor: &mut Visitor) -> Result<(), ReadError> {
        walk::visit(self, self.superblock.root, visitor)
    }

    fn offset(&self, nid: u64) -> Result<u64, ReadError> {
        let offset = nid.checked_mul(SLOT);
        offset
            .and_then(|offset| offset.checked_add(self.superblock.meta_start))
            .ok_or_else(|| broken(SUPERBLOCK_OFFSET, format!("an inode has number {nid}")))
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
        Inode::read(self, number)
    }

    fn entry(&self, inode: &Inode, path: Path) -> Result<Entry, ReadError> {
        let kind = inode.kind(self)?;
        if matches!(kind, EntryKind::File(_)) {
            content::check(self, inode)?;
        }
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

/// The names in a block of a directory, with their numbers.
fn names(block: &[u8]) -> Option<Vec<(u64, Vec<u8>)>> {
    let first = usize::from(u16::from_le_bytes(block.get(8..10)?.try_into().ok()?));
    if first < DIRENT || first % DIRENT != 0 || first > block.len() {
        return None;
    }
    let (entries, _) = block[..first].as_chunks::<DIRENT>();
    let start = |entry: &[u8; DIRENT]| usize::from(u16_at(entry, 8));
    let ends = entries[1..].iter().map(start).chain([block.len()]);
    let mut names = Vec::with_capacity(entries.len());
    for (entry, end) in entries.iter().zip(ends) {
        let name = block.get(start(entry)..end)?;
        // The last one of a block may be followed by zeros.
        let name = name.split(|&byte| byte == 0).next()?;
        names.push((u64_at(entry, 0), name.to_vec()));
    }
    Some(names)
}

/// Holds the checksum of the superblock against what it covers: the rest of its block.
fn verify(image: &dyn ReadAt, block_size: u64, expected: u32) -> Result<(), ReadError> {
    let length = match block_size > SUPERBLOCK_OFFSET {
        true => block_size - SUPERBLOCK_OFFSET,
        false => block_size,
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut covered = bytes(image, FORMAT, SUPERBLOCK_OFFSET, length)?;
    covered[4..8].fill(0);
    let found = crc32c::update(u32::MAX, &covered);
    match found == expected {
        true => Ok(()),
        false => {
            let what = format!("the superblock has checksum {found:#010x}, expected {expected:#010x}");
            Err(broken(SUPERBLOCK_OFFSET, what))
        }
    }
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

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from(u32_at(bytes, offset)) | u64::from(u32_at(bytes, offset + 4)) << 32
}
