//! Inodes as they are found.

use super::super::format::{DIRECTORY_EXTRA, EXTENDED, NONE, kind};
use super::content::Extent;
use super::image::{At, Image, int, long, short};
use crate::read_at::ReadError;

/// Longest target of a symbolic link that is read, in bytes.
const TARGET_MAX: u32 = 65536;
/// Length of what all inodes have.
const COMMON_SIZE: usize = 16;

/// An inode.
pub(super) struct Inode {
    /// Basic type.
    pub kind: u16,
    pub mode: u32,
    /// Indices of owner and group.
    pub owner: u16,
    pub group: u16,
    pub mtime: u32,
    /// Number of its set of attributes, or [`NONE`].
    pub xattrs: u32,
    pub detail: Detail,
}

/// What belongs to its type.
pub(super) enum Detail {
    /// Where its listing is, and how long that is.
    Directory {
        at: At,
        size: u32,
    },
    File(Extent),
    Symlink(Vec<u8>),
    BlockDevice(u32, u32),
    CharDevice(u32, u32),
    Fifo,
    Socket,
}

impl Inode {
    pub fn read(image: &Image, reference: u64) -> Result<Inode, ReadError> {
        let mut at = image.inode(reference);
        let common: [u8; COMMON_SIZE] = take(image, &mut at)?;
        let number = short(&common, 0);
        let extended = number > EXTENDED;
        let kind = if extended { number - EXTENDED } else { number };
        let (detail, xattrs) = match kind {
            kind::DIRECTORY => directory(image, &mut at, extended)?,
            kind::FILE => file(image, &mut at, extended)?,
            kind::SYMLINK | kind::BLOCK_DEVICE | kind::CHAR_DEVICE | kind::FIFO | kind::SOCKET => {
                let detail = other(image, &mut at, kind)?;
                let xattrs = if extended {
                    number_at(image, &mut at)?
                } else {
                    NONE
                };
                (detail, xattrs)
            }
            _ => return Err(image.broken(at.block, format!("an inode of type {number}"))),
        };
        Ok(Inode {
            kind,
            mode: u32::from(short(&common, 2) & 0o7777),
            owner: short(&common, 4),
            group: short(&common, 6),
            mtime: int(&common, 8),
            xattrs,
            detail,
        })
    }
}

fn take<const N: usize>(image: &Image, at: &mut At) -> Result<[u8; N], ReadError> {
    let mut bytes = [0; N];
    image.metadata(at, &mut bytes)?;
    Ok(bytes)
}

fn number_at(image: &Image, at: &mut At) -> Result<u32, ReadError> {
    take(image, at).map(u32::from_le_bytes)
}

fn directory(image: &Image, at: &mut At, extended: bool) -> Result<(Detail, u32), ReadError> {
    let (block, offset, size, xattrs) = if extended {
        let rest: [u8; 24] = take(image, at)?;
        (int(&rest, 8), short(&rest, 18), int(&rest, 4), int(&rest, 20))
    } else {
        let rest: [u8; 16] = take(image, at)?;
        (int(&rest, 0), short(&rest, 10), short(&rest, 8).into(), NONE)
    };
    let detail = Detail::Directory {
        at: image.listing(block, offset),
        // Some writers say 0 of an empty one.
        size: size.saturating_sub(DIRECTORY_EXTRA),
    };
    Ok((detail, xattrs))
}

fn file(image: &Image, at: &mut At, extended: bool) -> Result<(Detail, u32), ReadError> {
    let (start, size, fragment, offset, xattrs) = if extended {
        let rest: [u8; 40] = take(image, at)?;
        (
            long(&rest, 0),
            long(&rest, 8),
            int(&rest, 28),
            int(&rest, 32),
            int(&rest, 36),
        )
    } else {
        let rest: [u8; 16] = take(image, at)?;
        (
            int(&rest, 0).into(),
            int(&rest, 12).into(),
            int(&rest, 4),
            int(&rest, 8),
            NONE,
        )
    };
    let block_size = u64::from(image.block_size);
    let blocks = if fragment == NONE {
        size.div_ceil(block_size)
    } else {
        size / block_size
    };
    if blocks > image.metadata_max() / 4 {
        return Err(image.broken(
            at.block,
            format!("a file of {size} bytes, which cannot be in this image"),
        ));
    }
    let extent = Extent {
        start,
        size,
        tail: (fragment != NONE).then_some((fragment, offset)),
        lengths: *at,
    };
    Ok((Detail::File(extent), xattrs))
}

fn other(image: &Image, at: &mut At, kind: u16) -> Result<Detail, ReadError> {
    let _links = number_at(image, at)?;
    Ok(match kind {
        kind::SYMLINK => {
            let length = number_at(image, at)?;
            if length > TARGET_MAX {
                return Err(image.broken(at.block, format!("a link's target of {length} bytes")));
            }
            let mut target = vec![0; length as usize];
            image.metadata(at, &mut target)?;
            Detail::Symlink(target)
        }
        kind::BLOCK_DEVICE | kind::CHAR_DEVICE => {
            let device = number_at(image, at)?;
            let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xf_ff00);
            match kind {
                kind::BLOCK_DEVICE => Detail::BlockDevice(major, minor),
                _ => Detail::CharDevice(major, minor),
            }
        }
        kind::FIFO => Detail::Fifo,
        _ => Detail::Socket,
    })
}
