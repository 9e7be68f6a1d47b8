//! Inodes: the basic form where that can say everything, or else the extended one.

use ironkit_tree::{Kind, Node, Path};

use super::directory::Listing;
use super::format::{DIRECTORY_EXTRA, EXTENDED, MAJOR_MAX, MINOR_MAX, NAME, NONE, TARGET_MAX, kind};
use super::unfit;
use crate::FormatError;

/// What every inode has.
pub(super) struct Common {
    pub number: u32,
    /// Index of the owner and of the group in the table of ids.
    pub owner: u16,
    pub group: u16,
    pub links: u32,
    /// Number of the set of extended attributes, or [`NONE`].
    pub xattrs: u32,
}

/// Where a file's content is in the image.
#[derive(Debug, Clone, Default)]
pub(super) struct Extent<'a> {
    pub start: u64,
    pub size: u64,
    pub sparse: u64,
    pub tail: Option<(u32, u32)>,
    pub blocks: &'a [u32],
}

/// The type of what is named, as directories have it.
pub(super) fn kind_of(node: &Node) -> u16 {
    match node.kind {
        Kind::Directory => kind::DIRECTORY,
        Kind::File(_) => kind::FILE,
        Kind::Symlink(_) => kind::SYMLINK,
        Kind::BlockDevice(..) => kind::BLOCK_DEVICE,
        Kind::CharDevice(..) => kind::CHAR_DEVICE,
        Kind::Fifo => kind::FIFO,
    }
}

/// The bytes of an inode.
struct Bytes(Vec<u8>);

impl Bytes {
    fn new(node: &Node, common: &Common, extended: bool) -> Bytes {
        let mut bytes = Bytes(Vec::with_capacity(64));
        let kind = kind_of(node) + if extended { EXTENDED } else { 0 };
        let mode = u16::try_from(node.mode & 0o7777).unwrap_or(0);
        for number in [kind, mode, common.owner, common.group] {
            bytes.short(number);
        }
        bytes.int(time(node.mtime));
        bytes.int(common.number);
        bytes
    }

    fn short(&mut self, number: u16) {
        self.0.extend(number.to_le_bytes());
    }

    fn int(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    fn long(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }
}

/// A time as inodes have it: from 1970 to 2106.
pub(super) fn time(seconds: i64) -> u32 {
    u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
}

/// The inode of a directory whose listing is written.
pub(super) fn directory(
    node: &Node,
    common: &Common,
    parent: u32,
    listing: &Listing,
) -> Result<Vec<u8>, FormatError> {
    let size = listing.size.checked_add(DIRECTORY_EXTRA);
    let size = size.ok_or_else(|| unfit("a directory of 4 GiB"))?;
    let Listing { place, index, .. } = listing;
    let basic = u16::try_from(size)
        .ok()
        .filter(|_| index.is_empty() && common.xattrs == NONE);
    let mut bytes = Bytes::new(node, common, basic.is_none());
    match basic {
        Some(size) => {
            bytes.int(place.block);
            bytes.int(common.links);
            bytes.short(size);
            bytes.short(place.offset);
            bytes.int(parent);
        }
        None => {
            for number in [common.links, size, place.block, parent] {
                bytes.int(number);
            }
            bytes.short(listing.indexed);
            bytes.short(place.offset);
            bytes.int(common.xattrs);
            bytes.0.extend(index);
        }
    }
    Ok(bytes.0)
}

/// The inode of a regular file.
pub(super) fn file(node: &Node, common: &Common, extent: &Extent) -> Vec<u8> {
    let short = |number: u64| u32::try_from(number).ok();
    let basic = match common {
        Common {
            links: 1,
            xattrs: NONE,
            ..
        } if extent.sparse == 0 => short(extent.start).zip(short(extent.size)),
        _ => None,
    };
    let (fragment, offset) = extent.tail.unwrap_or((NONE, 0));
    let mut bytes = Bytes::new(node, common, basic.is_none());
    match basic {
        Some((start, size)) => {
            for number in [start, fragment, offset, size] {
                bytes.int(number);
            }
        }
        None => {
            for number in [extent.start, extent.size, extent.sparse] {
                bytes.long(number);
            }
            for number in [common.links, fragment, offset, common.xattrs] {
                bytes.int(number);
            }
        }
    }
    for length in extent.blocks {
        bytes.int(*length);
    }
    bytes.0
}

/// The inode of anything else.
pub(super) fn other(path: &Path, node: &Node, common: &Common) -> Result<Vec<u8>, FormatError> {
    let extended = common.xattrs != NONE;
    let mut bytes = Bytes::new(node, common, extended);
    bytes.int(common.links);
    match &node.kind {
        Kind::Symlink(target) => {
            let length = target.len() as u64;
            within(path, "length of the target", length, TARGET_MAX)?;
            bytes.int(u32::try_from(length).unwrap_or(u32::MAX));
            bytes.0.extend(target);
        }
        Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
            within(path, "major number", (*major).into(), MAJOR_MAX.into())?;
            within(path, "minor number", (*minor).into(), MINOR_MAX.into())?;
            bytes.int(minor & 0xff | major << 8 | (minor & !0xff) << 12);
        }
        Kind::Directory | Kind::File(_) | Kind::Fifo => {}
    }
    if extended {
        bytes.int(common.xattrs);
    }
    Ok(bytes.0)
}

/// That a number is not more than its field can hold.
pub(super) fn within(path: &Path, field: &'static str, value: u64, limit: u64) -> Result<(), FormatError> {
    if value > limit {
        return Err(FormatError::TooLarge {
            path: path.clone(),
            field,
            value,
            format: NAME,
            limit,
        });
    }
    Ok(())
}
