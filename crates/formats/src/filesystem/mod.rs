//! File systems: a tree of files laid out in the bytes of a partition, a CD or a file.
//!
//! Each writer turns its files into [`Extents`](crate::extents::Extents); each reader goes through an image and shows every
//! entry to a [`Visitor`].

mod contents;
pub mod erofs;
pub mod ext4;
pub mod fat;
pub mod iso9660;
mod paths;
#[cfg(test)]
mod samples;
pub mod squashfs;
mod tree;
mod walk;

use std::collections::BTreeMap;
use std::io::Read;

use ironkit_tree::{BoxError, Path};

/// Longest name that Linux has, in bytes.
const NAME_MAX: usize = 255;

/// An inode as a reader found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub path: Path,
    /// What it is.
    pub kind: EntryKind,
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Modification time, in seconds since 1970.
    pub mtime: i64,
    /// Extended attributes, by full name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The type of an [`Entry`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file of so many bytes.
    File(u64),
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
    /// A character device: major, minor.
    CharDevice(u32, u32),
    /// A block device: major, minor.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// Gets every entry, a directory before what is in it, and a reader of its content, which is empty for all but regular files.
/// It need not be read.
pub type Visitor<'v> = dyn FnMut(&Entry, &mut dyn Read) -> Result<(), BoxError> + 'v;
