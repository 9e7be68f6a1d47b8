//! Image layers (OCI image specification, "Image Layer Filesystem Changeset") → a file set, in memory.
//!
//! [`read`] turns the tar stream of one layer into a list of entries; [`apply`] puts such a list on top of what the
//! lower layers made. Nothing is ever unpacked onto the host. A name that leaves its root is an error, and so is
//! anything that a file set cannot hold.

mod apply;
mod read;

use ironkit_tree::{Node, PathError};

pub use apply::apply;
pub use read::{Place, read};

/// Longest name that is accepted, in bytes: PATH_MAX of Linux, past which a booted system could not open it.
const NAME_MAX: usize = 4096;
/// Most entries of one layer. A root file system has tens of thousands.
const ENTRIES_MAX: usize = 4_000_000;

/// One entry of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The name as the layer has it.
    pub name: Vec<u8>,
    /// What it is.
    pub change: Change,
}

/// What an entry of a layer does.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The name is this now.
    Add(Node),
    /// The name is another name of this one.
    HardLink(Vec<u8>),
    /// The name is gone from the layers below (`.wh.NAME`).
    Whiteout,
    /// What the layers below have in this directory is gone (`.wh..wh..opq`).
    Opaque,
}

/// A layer that cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The stream broke off, was corrupt, or is no tar archive.
    #[error(transparent)]
    Read(#[from] ironkit_formats::archive::tar::ReadError),
    /// A name leaves the root, or cannot be a name.
    #[error("entry `{name}` is refused")]
    Name {
        /// The name.
        name: String,
        /// Why.
        source: PathError,
    },
    /// A hard link to nothing.
    #[error("entry `{name}` is a hard link to `{target}`, which is not a file of this or a lower layer")]
    DanglingLink {
        /// The name.
        name: String,
        /// What it points to.
        target: String,
    },
    /// A kind of entry that no root file system can hold, or that is not understood.
    #[error("entry `{name}` is {what}, which is not supported")]
    Unsupported {
        /// The name.
        name: String,
        /// What it is.
        what: String,
    },
    /// More, or longer, than is sane.
    #[error("the layer has {what}, more than {limit}")]
    Limit {
        /// What there is too much of.
        what: String,
        /// The limit.
        limit: usize,
    },
}

impl Entry {
    /// The name for messages.
    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }
}
