//! Inodes, and what kind of file each is.

use super::super::format::{
    CHUNK_BASED, COMPACT, EXTENDED, FLAT_INLINE, FLAT_PLAIN, FORMAT, FORMAT_EXTENDED, FORMAT_LAYOUT_SHIFT,
    S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, XATTR_HEADER, decode_device,
};
use super::{Volume, broken, u16_at, u32_at, u64_at};
use crate::filesystem::EntryKind;
use crate::filesystem::walk::{self, SYMLINK_MAX};
use crate::read_at::{ReadError, bytes};

/// An inode, in whichever form it was.
#[derive(Debug, Clone)]
pub(in crate::filesystem) struct Inode {
    /// Where it is.
    pub offset: u64,
    /// Length without what follows it.
    pub length: u64,
    /// Length of its attributes.
    pub attributes: u64,
    pub layout: u16,
    pub mode: u32,
    pub size: u64,
    pub u: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: i64,
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
    /// The inode with number `nid`.
    pub fn read(volume: &Volume, nid: u64) -> Result<Inode, ReadError> {
        let offset = volume.offset(nid)?;
        let read = |length: u64| {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            bytes(volume.image, FORMAT, offset, length)
        };
        let mut raw = read(COMPACT)?;
        let format = u16_at(&raw, 0);
        let layout = format >> FORMAT_LAYOUT_SHIFT;
        match layout {
            FLAT_PLAIN | FLAT_INLINE | CHUNK_BASED => {}
            1 | 3 => {
                return Err(broken(
                    offset,
                    "the inode is compressed, which is not read".to_owned(),
                ));
            }
            _ => {
                return Err(broken(
                    offset,
                    format!("the inode has the unknown format {format:#x}"),
                ));
            }
        }
        let attributes = match u64::from(u16_at(&raw, 2)) {
            0 => 0,
            count => XATTR_HEADER as u64 + (count - 1) * 4,
        };
        let mode = u32::from(u16_at(&raw, 4));
        if format & FORMAT_EXTENDED == 0 {
            return Ok(Inode {
                offset,
                length: COMPACT,
                attributes,
                layout,
                mode,
                size: u64::from(u32_at(&raw, 8)),
                u: u32_at(&raw, 16),
                uid: u32::from(u16_at(&raw, 24)),
                gid: u32::from(u16_at(&raw, 26)),
                mtime: volume.superblock.build_time,
            });
        }
        raw = read(EXTENDED)?;
        Ok(Inode {
            offset,
            length: EXTENDED,
            attributes,
            layout,
            mode,
            size: u64_at(&raw, 8),
            u: u32_at(&raw, 16),
            uid: u32_at(&raw, 24),
            gid: u32_at(&raw, 28),
            mtime: u64_at(&raw, 32).cast_signed(),
        })
    }

    /// Where what follows the attributes begins.
    pub fn after(&self) -> u64 {
        self.offset + self.length + self.attributes
    }

    /// What it is.
    pub fn kind(&self, volume: &Volume) -> Result<EntryKind, ReadError> {
        let (major, minor) = decode_device(self.u);
        Ok(match self.mode & S_IFMT {
            S_IFREG => EntryKind::File(self.size),
            S_IFDIR => EntryKind::Directory,
            S_IFLNK if self.size > SYMLINK_MAX => {
                return Err(broken(
                    self.offset,
                    format!("a symbolic link has {} bytes", self.size),
                ));
            }
            S_IFLNK => EntryKind::Symlink(walk::read(volume, self, 0, self.size)?),
            S_IFCHR => EntryKind::CharDevice(major, minor),
            S_IFBLK => EntryKind::BlockDevice(major, minor),
            S_IFIFO => EntryKind::Fifo,
            S_IFSOCK => EntryKind::Socket,
            other => {
                return Err(broken(
                    self.offset,
                    format!("an inode has the unknown type {other:#o}"),
                ));
            }
        })
    }
}
