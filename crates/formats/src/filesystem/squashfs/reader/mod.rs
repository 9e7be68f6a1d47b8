//! squashfs → its entries, from any writer.
//!
//! The image may be hostile: what is kept is bounded, each directory is gone into once, and contents are unpacked block by
//! block, when somebody reads them.

mod content;
mod image;
mod inode;
mod xattr;

use std::collections::HashSet;

use ironkit_tree::Path;

use super::format::{EXTENDED, NAME_MAX, RUN_MAX};
use crate::filesystem::paths::Paths;
use crate::filesystem::{Entry, EntryKind, Visitor};
use crate::read_at::{ReadAt, ReadError};
use content::Content;
use image::{At, Image, int, short};
use inode::{Detail, Inode};

/// What an image says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Name of the compressor.
    pub compression: &'static str,
    /// Bytes in a block of data.
    pub block_size: u32,
    /// Number of inodes.
    pub inodes: u32,
    /// When it was made, in seconds since 1970.
    pub time: u32,
    /// Length in bytes, without what it is padded with.
    pub used: u64,
}

/// Most entries that are shown: a directory may be named in several places, so few bytes can be many entries.
const ENTRIES_MAX: usize = 5_000_000;
/// Length of a directory's header, and of an entry without its name.
const HEADER_SIZE: usize = 12;
const ENTRY_SIZE: usize = 8;

/// What the superblock says.
///
/// # Errors
/// [`ReadError`]: it is no squashfs 4.0, or compressed with something that is not known here.
pub fn summary(image: &dyn ReadAt) -> Result<Summary, ReadError> {
    Ok(Image::open(image)?.summary())
}

/// Shows every entry of an image to `visitor`, the root first.
///
/// # Errors
/// [`ReadError`]: an image that is damaged or not understood, and those of `visitor`.
pub fn read(image: &dyn ReadAt, visitor: &mut Visitor) -> Result<(), ReadError> {
    let image = Image::open(image)?;
    let mut walk = Walk {
        image: &image,
        visitor,
        open: Vec::new(),
        paths: Paths::new(NAME_MAX),
        seen: HashSet::new(),
        entries: 0,
    };
    walk.enter(image.root)?;
    while let Some(directory) = walk.open.last_mut() {
        match directory.next(&image)? {
            Some((name, reference, kind)) => walk.show(&name, reference, kind)?,
            None => drop(walk.open.pop()),
        }
    }
    Ok(())
}

/// The way through an image.
struct Walk<'w, 'v> {
    image: &'w Image<'w>,
    visitor: &'w mut Visitor<'v>,
    /// The directories down to where it is.
    open: Vec<Listing>,
    paths: Paths,
    /// Inodes of all directories so far.
    seen: HashSet<u64>,
    entries: usize,
}

impl Walk<'_, '_> {
    fn enter(&mut self, reference: u64) -> Result<(), ReadError> {
        let inode = Inode::read(self.image, reference)?;
        if !matches!(inode.detail, Detail::Directory { .. }) {
            return Err(self.broken(reference, "the root is no directory"));
        }
        self.visit(Path::ROOT, reference, inode)
    }

    fn show(&mut self, name: &[u8], reference: u64, kind: u16) -> Result<(), ReadError> {
        self.entries += 1;
        if self.entries > ENTRIES_MAX {
            return Err(self.broken(reference, "too many entries"));
        }
        let root = Path::ROOT;
        let directory = self.open.last().map_or(&root, |open| &open.path);
        let path = self.paths.join(directory, name);
        let path = path.map_err(|what| self.broken(reference, what))?;
        let inode = Inode::read(self.image, reference)?;
        if inode.kind != kind {
            let what = format!("`{path}`: an inode of another type than its name");
            return Err(self.broken(reference, what));
        }
        self.visit(path, reference, inode)
    }

    /// Shows an entry, and goes into it if it is a directory.
    fn visit(&mut self, path: Path, reference: u64, inode: Inode) -> Result<(), ReadError> {
        let (kind, content) = match inode.detail {
            Detail::Directory { at, size } => {
                if !self.seen.insert(reference) {
                    let what = format!("`{path}`: a directory that is in two places");
                    return Err(self.broken(reference, what));
                }
                self.open.push(Listing {
                    at,
                    left: size,
                    run: 0,
                    block: 0,
                    path: path.clone(),
                });
                (EntryKind::Directory, None)
            }
            Detail::File(extent) => (EntryKind::File(extent.size), Some(extent)),
            Detail::Symlink(target) => (EntryKind::Symlink(target), None),
            Detail::BlockDevice(major, minor) => (EntryKind::BlockDevice(major, minor), None),
            Detail::CharDevice(major, minor) => (EntryKind::CharDevice(major, minor), None),
            Detail::Fifo => (EntryKind::Fifo, None),
            Detail::Socket => (EntryKind::Socket, None),
        };
        let entry = Entry {
            path,
            kind,
            mode: inode.mode,
            uid: self.image.id(inode.owner)?.into(),
            gid: self.image.id(inode.group)?.into(),
            mtime: inode.mtime.into(),
            xattrs: xattr::read(self.image, inode.xattrs)?,
        };
        match content {
            Some(extent) => (self.visitor)(&entry, &mut Content::new(self.image, extent))?,
            None => (self.visitor)(&entry, &mut std::io::empty())?,
        }
        Ok(())
    }

    fn broken(&self, reference: u64, what: impl Into<String>) -> ReadError {
        self.image.broken(self.image.inode(reference).block, what)
    }
}

/// A directory that is being read.
struct Listing {
    at: At,
    /// Bytes that are left.
    left: u32,
    /// Entries that are left behind the last header.
    run: u32,
    /// The block of their inodes.
    block: u32,
    path: Path,
}

impl Listing {
    /// The next name, the inode it refers to, and the type that it says that has.
    fn next(&mut self, image: &Image) -> Result<Option<(Vec<u8>, u64, u16)>, ReadError> {
        if self.left == 0 {
            return Ok(None);
        }
        if self.run == 0 {
            let header: [u8; HEADER_SIZE] = self.take(image)?;
            self.run = int(&header, 0).saturating_add(1);
            self.block = int(&header, 4);
            if self.run as usize > RUN_MAX {
                return Err(image.broken(self.at.block, "a directory's header has too many entries"));
            }
        }
        self.run -= 1;
        let entry: [u8; ENTRY_SIZE] = self.take(image)?;
        let mut name = vec![0; usize::from(short(&entry, 6)) + 1];
        self.spend(image, name.len())?;
        image.metadata(&mut self.at, &mut name)?;
        let reference = u64::from(self.block) << 16 | u64::from(short(&entry, 0));
        let kind = short(&entry, 4);
        match kind {
            1..=EXTENDED => Ok(Some((name, reference, kind))),
            _ => Err(image.broken(self.at.block, format!("an entry of type {kind}"))),
        }
    }

    fn take<const N: usize>(&mut self, image: &Image) -> Result<[u8; N], ReadError> {
        self.spend(image, N)?;
        let mut bytes = [0; N];
        image.metadata(&mut self.at, &mut bytes)?;
        Ok(bytes)
    }

    fn spend(&mut self, image: &Image, count: usize) -> Result<(), ReadError> {
        let left = u32::try_from(count)
            .ok()
            .and_then(|count| self.left.checked_sub(count));
        let ends = || image.broken(self.at.block, "a directory ends within an entry");
        self.left = left.ok_or_else(ends)?;
        Ok(())
    }
}
