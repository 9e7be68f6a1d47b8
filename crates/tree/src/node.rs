//! What a path can be.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Digest;

/// An inode: one or several names share it.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The type and what belongs to it.
    pub kind: Kind,
    /// Permission, set-id and sticky bits: the low 12 bits of `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, in seconds since 1970.
    pub mtime: i64,
    /// Extended attributes, by full name (`security.capability`).
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// A directory that nobody asked for: it only exists because something lies below it, so anybody's
    /// explicit directory wins over it.
    pub implied: bool,
}

/// The type of an inode.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link and its target, verbatim.
    Symlink(Vec<u8>),
    /// A character device: major, minor.
    CharDevice(u32, u32),
    /// A block device: major, minor.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

/// The bytes of a regular file, or where they are.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Small content, made for this build.
    Inline(Arc<[u8]>),
    /// A range of an uncompressed layer.
    Blob {
        /// The layer's `diff_id`.
        layer: Digest,
        /// Offset into the uncompressed layer, in bytes.
        offset: u64,
        /// Length in bytes.
        size: u64,
        /// Digest of just these bytes, checked whenever they are read.
        digest: Digest,
    },
}

impl Content {
    /// Length in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Content::Inline(bytes) => bytes.len() as u64,
            Content::Blob { size, .. } => *size,
        }
    }

    /// Digest of the bytes.
    pub fn digest(&self) -> Digest {
        match self {
            Content::Inline(bytes) => Digest::of(bytes),
            Content::Blob { digest, .. } => *digest,
        }
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Content {
        Content::Inline(bytes.into())
    }
}

impl Node {
    /// A root-owned node of time 0 without attributes.
    pub fn new(kind: Kind, mode: u32) -> Node {
        Node {
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime: 0,
            xattrs: BTreeMap::new(),
            implied: false,
        }
    }

    /// An implied directory: 0755, root-owned.
    pub fn implied_directory() -> Node {
        Node {
            implied: true,
            ..Node::new(Kind::Directory, 0o755)
        }
    }

    /// The same node with another time.
    pub fn at(self, mtime: i64) -> Node {
        Node { mtime, ..self }
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// Length of the content in bytes; 0 for everything that is not a regular file.
    pub fn size(&self) -> u64 {
        match &self.kind {
            Kind::File(content) => content.size(),
            _ => 0,
        }
    }

    /// `st_mode`: type and permission bits (stat(2)).
    pub fn st_mode(&self) -> u32 {
        let format = match self.kind {
            Kind::Directory => 0o040_000,
            Kind::File(_) => 0o100_000,
            Kind::Symlink(_) => 0o120_000,
            Kind::CharDevice(..) => 0o020_000,
            Kind::BlockDevice(..) => 0o060_000,
            Kind::Fifo => 0o010_000,
        };
        format | self.mode
    }
}
