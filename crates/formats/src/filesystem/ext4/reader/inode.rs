//! Inodes, and what kind of file each is.

use super::super::format::{
    FLAG_EXTENTS, FLAG_INLINE_DATA, FORMAT, I_BLOCK, I_BLOCK_OFFSET, INODE_BASE, S_IFMT,
};
use super::super::geometry::has_copies;
use super::{Volume, broken, u16_at, u32_at};
use crate::filesystem::EntryKind;
use crate::filesystem::walk::{self, SYMLINK_MAX};
use crate::read_at::{ReadError, bytes};

/// An inode.
#[derive(Debug, Clone)]
pub(in crate::filesystem) struct Inode {
    /// Where it is.
    pub offset: u64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub mtime: i64,
    pub flags: u32,
    pub file_acl: u64,
    pub i_block: [u8; I_BLOCK],
    /// What is after the numbers: attributes.
    pub rest: Vec<u8>,
}

impl walk::Inode for Inode {
    fn offset(&self) -> u64 {
        self.offset
    }

    fn size(&self) -> u64 {
        self.size
    }
}

impl Inode {
    /// The inode with this number.
    pub fn read(volume: &Volume, number: u32) -> Result<Inode, ReadError> {
        let superblock = &volume.superblock;
        if number == 0 || number > superblock.inodes {
            return Err(broken(0, format!("there is no inode {number}")));
        }
        let group = u64::from((number - 1) / superblock.inodes_per_group);
        let index = u64::from((number - 1) % superblock.inodes_per_group);
        let table = table(volume, group)?;
        let offset = table
            .checked_mul(superblock.block_size)
            .and_then(|table| table.checked_add(index * superblock.inode_size as u64))
            .ok_or_else(|| broken(0, format!("group {group} has inodes at block {table}")))?;
        let raw = bytes(volume.image, FORMAT, offset, superblock.inode_size)?;
        let extra = match raw.len() > INODE_BASE {
            true => usize::from(u16_at(&raw, 128)),
            false => 0,
        };
        let seconds = i64::from(u32_at(&raw, 16).cast_signed());
        // The bits above 32 seconds, where there are any.
        let above = if extra >= 12 { u32_at(&raw, 136) & 3 } else { 0 };
        let wide =
            |low: usize, high: usize| u32::from(u16_at(&raw, low)) | u32::from(u16_at(&raw, high)) << 16;
        Ok(Inode {
            offset,
            mode: u32::from(u16_at(&raw, 0)),
            uid: wide(2, 120),
            gid: wide(24, 122),
            size: u64::from(u32_at(&raw, 4)) | u64::from(u32_at(&raw, 108)) << 32,
            mtime: seconds + (i64::from(above) << 32),
            flags: u32_at(&raw, 32),
            file_acl: u64::from(u32_at(&raw, 104)) | u64::from(u16_at(&raw, 118)) << 32,
            i_block: raw[I_BLOCK_OFFSET..I_BLOCK_OFFSET + I_BLOCK]
                .try_into()
                .unwrap_or([0; I_BLOCK]),
            rest: raw.get(INODE_BASE + extra..).unwrap_or_default().to_vec(),
        })
    }

    /// What it is.
    pub fn kind(&self, volume: &Volume) -> Result<EntryKind, ReadError> {
        let wrong = |what: String| broken(self.offset, what);
        Ok(match self.mode & S_IFMT {
            0o100_000 => {
                self.check()?;
                EntryKind::File(self.size)
            }
            0o040_000 => {
                self.check()?;
                EntryKind::Directory
            }
            0o120_000 if self.size > SYMLINK_MAX => {
                return Err(wrong(format!("a symbolic link has {} bytes", self.size)));
            }
            0o120_000 if self.flags & FLAG_EXTENTS == 0 && self.size < I_BLOCK as u64 => {
                let length = usize::try_from(self.size).unwrap_or(0);
                EntryKind::Symlink(self.i_block[..length].to_vec())
            }
            0o120_000 => {
                self.check()?;
                EntryKind::Symlink(walk::read(volume, self, 0, self.size)?)
            }
            0o020_000 => {
                let (major, minor) = self.device();
                EntryKind::CharDevice(major, minor)
            }
            0o060_000 => {
                let (major, minor) = self.device();
                EntryKind::BlockDevice(major, minor)
            }
            0o010_000 => EntryKind::Fifo,
            0o140_000 => EntryKind::Socket,
            other => return Err(wrong(format!("an inode has the unknown type {other:#o}"))),
        })
    }

    /// Whether the content is where this reader looks.
    fn check(&self) -> Result<(), ReadError> {
        let what = match self.flags {
            flags if flags & FLAG_INLINE_DATA != 0 => "an inode has its content inside",
            flags if flags & FLAG_EXTENTS == 0 && self.size > 0 => "an inode has no extents",
            _ => return Ok(()),
        };
        Err(broken(self.offset, format!("{what}, which is not read")))
    }

    fn device(&self) -> (u32, u32) {
        match u32_at(&self.i_block, 0) {
            0 => {
                let number = u32_at(&self.i_block, 4);
                (number >> 8 & 0xfff, number & 0xff | number >> 12 & 0xfff00)
            }
            old => (old >> 8 & 0xff, old & 0xff),
        }
    }
}

/// The first block of a group's inodes.
fn table(volume: &Volume, group: u64) -> Result<u64, ReadError> {
    let superblock = &volume.superblock;
    let in_block = superblock.block_size / superblock.descriptor_size;
    let (index, inside) = (group / in_block, group % in_block);
    let block = match superblock.first_meta_group {
        Some(first) if index >= first => {
            let group = index * in_block;
            let start = group.saturating_mul(superblock.blocks_per_group);
            let start = start.saturating_add(superblock.first_block);
            start.saturating_add(u64::from(has_copies(group)))
        }
        _ => superblock.first_block + 1 + index,
    };
    let offset = block
        .checked_mul(superblock.block_size)
        .and_then(|offset| offset.checked_add(inside * superblock.descriptor_size))
        .ok_or_else(|| {
            broken(
                0,
                format!("the descriptors of group {group} are at block {block}"),
            )
        })?;
    let length = usize::try_from(superblock.descriptor_size).unwrap_or(usize::MAX);
    let raw = bytes(volume.image, FORMAT, offset, length)?;
    let above = if raw.len() >= 64 { u32_at(&raw, 40) } else { 0 };
    Ok(u64::from(u32_at(&raw, 8)) | u64::from(above) << 32)
}
