//! Going through a file system of numbered inodes, whatever their form: what the readers of EROFS and ext4 have in common.
//!
//! Input may be hostile: directories are read once each, and all together they are not longer than the image; what is kept in
//! memory is a block of each directory on the way, its inode, and the path to it.

use std::collections::BTreeSet;
use std::io::{self, Read};

use ironkit_tree::Path;

use super::paths::Paths;
use super::{Entry, EntryKind, NAME_MAX, Visitor};
use crate::read_at::{ReadAt, ReadError, bytes};

/// Longest target of a symbolic link: PATH_MAX of Linux.
pub(super) const SYMLINK_MAX: u64 = 4096;

/// Where a content is from some offset on, and for how many bytes. No place is a hole.
pub(super) type Run = (Option<u64>, u64);

/// An image with numbered inodes.
pub(super) trait Inodes {
    /// An inode as it is read.
    type Inode: Inode;
    /// Name of the format in errors.
    const FORMAT: &'static str;

    /// The bytes.
    fn image(&self) -> &dyn ReadAt;

    /// Bytes in which directories are read.
    fn block_size(&self) -> u64;

    /// The inode with this number.
    fn inode(&self, number: u64) -> Result<Self::Inode, ReadError>;

    /// What it is, under the name `path`.
    fn entry(&self, inode: &Self::Inode, path: Path) -> Result<Entry, ReadError>;

    /// Where its content is from `offset` on, which is inside of it.
    fn find(&self, inode: &Self::Inode, offset: u64) -> Result<Run, ReadError>;

    /// The names in a block of a directory, with their numbers; `None` when it is no such block.
    fn names(block: &[u8]) -> Option<Vec<(u64, Vec<u8>)>>;
}

/// What the walk wants of an inode.
pub(super) trait Inode {
    /// Where it is in the image.
    fn offset(&self) -> u64;

    /// Length of its content.
    fn size(&self) -> u64;
}

/// Shows every name, a directory before what is in it, and names of a directory in their order.
pub(super) fn visit<V: Inodes>(volume: &V, root: u64, visitor: &mut Visitor) -> Result<(), ReadError> {
    let mut walk = Walk {
        volume,
        seen: BTreeSet::new(),
        left: volume.image().size(),
    };
    let mut paths = Paths::new(NAME_MAX);
    // Directories whose names are to be shown, with what is left of the topmost ones.
    let mut open: Vec<Names<V::Inode>> = walk.enter(root, Path::ROOT, visitor)?.into_iter().collect();
    while let Some(names) = open.last_mut() {
        match names.next(volume, &mut paths)? {
            None => drop(open.pop()),
            Some((number, path)) => open.extend(walk.enter(number, path, visitor)?),
        }
    }
    Ok(())
}

/// So many bytes of a content, which are not many.
pub(super) fn read<V: Inodes>(
    volume: &V,
    inode: &V::Inode,
    offset: u64,
    length: u64,
) -> Result<Vec<u8>, ReadError> {
    let (end, mut offset) = (offset + length, offset);
    let mut read = Vec::new();
    while offset < end {
        let (place, count) = volume.find(inode, offset)?;
        let count = usize::try_from(count.min(end - offset)).unwrap_or(usize::MAX);
        match place {
            Some(place) => read.extend(bytes(volume.image(), V::FORMAT, place, count)?),
            None => read.resize(read.len() + count, 0),
        }
        offset += count as u64;
    }
    Ok(read)
}

/// What is remembered on the way.
struct Walk<'v, V> {
    volume: &'v V,
    /// Directories, which have one name each.
    seen: BTreeSet<u64>,
    /// Bytes that directories may still have.
    left: u64,
}

/// The names of a directory that are not shown yet.
struct Names<I> {
    path: Path,
    inode: I,
    /// Offset in the content of the block after this one.
    at: u64,
    /// The names of this block, last one first.
    block: Vec<(u64, Vec<u8>)>,
}

impl<V: Inodes> Walk<'_, V> {
    /// Shows the inode with this number. A directory's names are to be shown then.
    fn enter(
        &mut self,
        number: u64,
        path: Path,
        visitor: &mut Visitor,
    ) -> Result<Option<Names<V::Inode>>, ReadError> {
        let volume = self.volume;
        let inode = volume.inode(number)?;
        let wrong = |what: String| broken::<V>(inode.offset(), what);
        let entry = volume.entry(&inode, path)?;
        let is_directory = entry.kind == EntryKind::Directory;
        if is_directory {
            if !self.seen.insert(number) {
                return Err(wrong(format!("the directory `{}` has two names", entry.path)));
            }
            let left = self.left.checked_sub(inode.size());
            self.left = left.ok_or_else(|| wrong(format!("the directory `{}` is too large", entry.path)))?;
        } else if entry.path.is_root() {
            return Err(wrong("the root is no directory".to_owned()));
        }
        match entry.kind {
            EntryKind::File(_) => visitor(&entry, &mut Content::new(volume, &inode))?,
            _ => visitor(&entry, &mut io::empty())?,
        }
        Ok(is_directory.then(|| Names {
            path: entry.path,
            inode,
            at: 0,
            block: Vec::new(),
        }))
    }
}

impl<I: Inode> Names<I> {
    /// The next number and path, without `.` and `..`.
    fn next<V: Inodes<Inode = I>>(
        &mut self,
        volume: &V,
        paths: &mut Paths,
    ) -> Result<Option<(u64, Path)>, ReadError> {
        let offset = self.inode.offset();
        loop {
            if let Some((number, name)) = self.block.pop() {
                if name == b"." || name == b".." {
                    continue;
                }
                let path = paths.join(&self.path, &name);
                let path = path.map_err(|what| broken::<V>(offset, format!("`{}`: {what}", self.path)))?;
                return Ok(Some((number, path)));
            }
            if self.at >= self.inode.size() {
                return Ok(None);
            }
            let length = (self.inode.size() - self.at).min(volume.block_size());
            let block = read(volume, &self.inode, self.at, length)?;
            self.at += length;
            self.block = V::names(&block).ok_or_else(|| {
                broken::<V>(
                    offset,
                    format!("a block of the directory `{}` is none", self.path),
                )
            })?;
            self.block.reverse();
        }
    }
}

/// A content from its beginning to its end.
struct Content<'v, V: Inodes> {
    volume: &'v V,
    inode: &'v V::Inode,
    at: u64,
    /// Where the content is at `at`, and for how many bytes.
    run: Run,
}

impl<'v, V: Inodes> Content<'v, V> {
    fn new(volume: &'v V, inode: &'v V::Inode) -> Content<'v, V> {
        Content {
            volume,
            inode,
            at: 0,
            run: (None, 0),
        }
    }
}

impl<V: Inodes> Read for Content<'_, V> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.inode.size() - self.at;
        if left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        if self.run.1 == 0 {
            self.run = self.volume.find(self.inode, self.at).map_err(io::Error::other)?;
        }
        let (place, length) = &mut self.run;
        let count = usize::try_from(left.min(*length)).unwrap_or(usize::MAX);
        let count = count.min(buffer.len());
        match place {
            Some(place) => {
                self.volume.image().read_exact_at(&mut buffer[..count], *place)?;
                *place += count as u64;
            }
            None => buffer[..count].fill(0),
        }
        *length -= count as u64;
        self.at += count as u64;
        Ok(count)
    }
}

fn broken<V: Inodes>(offset: u64, what: String) -> ReadError {
    ReadError::Broken {
        format: V::FORMAT,
        offset,
        what,
    }
}
