//! An output, or another tool's → the list of what is in it: tars and initrds, compressed or not.
//!
//! Input may be hostile: names are bounded in number and length, contents are hashed and not kept, but for those that are
//! asked for. Of a path that stands there twice the last entry counts, as when it is unpacked. Hard links are listed as
//! files of their own.

mod ahead;
mod initrd;
pub mod kind;
mod limits;
pub mod medium;
mod tar;

use std::collections::BTreeMap;
use std::io::{self, Read};

pub use ironkit_formats::read_at::ReadAt;
use ironkit_tree::{Digest, Hasher, Path, PathError};

pub(crate) use ahead::Ahead;
pub(crate) use initrd::read;
pub(crate) use limits::{Counted, Limits};

/// Longest content that is kept when it is asked for.
const KEPT_MAX: u64 = 1 << 20;
/// Longest target of a symbolic link: PATH_MAX.
const TARGET_MAX: u64 = 4096;

/// An output that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is nothing that is known here.
    #[error("at offset {offset} there is no tar, cpio archive, gzip, zstd or xz stream")]
    Unknown {
        /// Bytes before.
        offset: u64,
    },
    /// An archive in it is broken.
    #[error(transparent)]
    Tar(#[from] ironkit_formats::archive::tar::ReadError),
    /// An archive in it is broken.
    #[error(transparent)]
    Cpio(#[from] ironkit_formats::archive::cpio::ReadError),
    /// The stream failed, or what it is compressed with is broken.
    #[error("it cannot be read to its end")]
    Stream(#[from] io::Error),
    /// An entry's name.
    #[error("an entry is refused")]
    Name(#[from] PathError),
    /// An entry that is not understood.
    #[error("entry `{name}` {what}")]
    Entry {
        /// Its name.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// Too much of something.
    #[error("it has more than {limit} {what}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How much is accepted.
        limit: u64,
    },
}

type Result<T> = std::result::Result<T, ReadError>;

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Extended attributes, by name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What it was made from, where a tar says so: an image's reference.
    pub source: String,
    /// Its place in the manifest, where a tar says so: `services[0]`.
    pub location: String,
    /// Whether it is another name of a file that is listed already.
    pub again: bool,
    /// The content, of a file that was asked for and is not longer than 1 MiB.
    pub kept: Option<Vec<u8>>,
}

/// The type of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Length in bytes.
        size: u64,
        /// Digest of the content.
        digest: Digest,
    },
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
    /// A character device: major, minor.
    CharDevice(u64, u64),
    /// A block device: major, minor.
    BlockDevice(u64, u64),
    /// A named pipe.
    Fifo,
}

/// The entries by path.
pub type Listing = BTreeMap<Path, Entry>;

/// The entries so far, and how much they took.
pub(crate) struct Collector<'a> {
    /// Of which files the content is wanted.
    keep: &'a dyn Fn(&Path) -> bool,
    limits: &'a Limits,
    pub listing: Listing,
}

impl<'a> Collector<'a> {
    pub fn new(keep: &'a dyn Fn(&Path) -> bool, limits: &'a Limits) -> Collector<'a> {
        Collector {
            keep,
            limits,
            listing: Listing::new(),
        }
    }

    /// Adds an entry, or puts it in the place of an earlier one.
    pub fn add(&mut self, path: Path, entry: Entry) -> Result<()> {
        let target = match &entry.kind {
            EntryKind::Symlink(target) => target.len(),
            _ => 0,
        };
        let attributes = entry.xattrs.iter().map(|(name, value)| name.len() + value.len());
        let records = entry.source.len() + entry.location.len();
        let names = path.as_bytes().len() + target + records + attributes.sum::<usize>();
        self.limits.entries.take(1)?;
        self.limits.names.take(names as u64)?;
        // Each name of a file has a copy.
        self.limits
            .kept
            .take(entry.kept.as_ref().map_or(0, Vec::len) as u64)?;
        self.listing.insert(path, entry);
        Ok(())
    }

    /// Reads a file's content to its end.
    pub fn content(&mut self, path: &Path, stream: &mut dyn Read) -> Result<(EntryKind, Option<Vec<u8>>)> {
        let mut hasher = Hasher::new();
        let mut kept = (self.keep)(path).then(Vec::new);
        let mut buffer = vec![0; 64 << 10];
        let mut size = 0;
        loop {
            let count = match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            hasher.update(&buffer[..count]);
            size += count as u64;
            kept = kept.filter(|_| size <= KEPT_MAX);
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(&buffer[..count]);
            }
        }
        let digest = hasher.finish();
        Ok((EntryKind::File { size, digest }, kept))
    }
}
