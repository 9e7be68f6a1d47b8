//! Image layers (OCI image specification, "Image Layer Filesystem Changeset") → a file set, in memory.
//!
//! [`read`] turns the tar stream of one layer into a list of entries; [`apply`] puts such a list on top of what the
//! lower layers made. Nothing is ever unpacked onto the host. A name that leaves its root is an error, and so is
//! anything that a file set cannot hold.

mod apply;
mod budget;
mod read;

use ironkit_tree::{Node, PathError};

pub use apply::apply;
pub use budget::Budget;
pub use read::{Place, read};

/// Longest name that is accepted, in bytes: PATH_MAX of Linux, past which a booted system could not open it.
const NAME_MAX: usize = 4096;

/// Prefix of a whiteout's file name. No file of an image may be called so.
const WHITEOUT: &[u8] = b".wh.";

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
    #[error("at entry `{name}` there is too much: {what}, more than {limit}")]
    Limit {
        /// The beginning of the entry's name.
        name: String,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// A name for messages: its beginning, if it is long.
fn shown(name: &[u8]) -> String {
    const LONG: usize = 200;
    let text = String::from_utf8_lossy(&name[..name.len().min(LONG)]).into_owned();
    if name.len() > LONG { text + "…" } else { text }
}
