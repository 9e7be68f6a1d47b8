//! What can go wrong between a tree and an output.

use ironkit_tree::BoxError;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A tree that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The contents of the tree could not be read.
    #[error("cannot read the contents of the image")]
    Contents(#[source] BoxError),
    /// A part could not be written.
    #[error("cannot write {location} ({source_name}) into the image")]
    Part {
        /// Place in the manifest.
        location: String,
        /// What the part was made from.
        source_name: String,
        /// Why.
        source: BoxError,
    },
    /// An output could not be written.
    #[error("cannot write the output")]
    Output(#[from] std::io::Error),
    /// The cache failed, in another way than by not having something.
    #[error("cannot use the cache")]
    Cache(#[source] BoxError),
    /// The cache had a piece, and then had it no more.
    #[error("the cache lost a piece of {0} twice while it was in use")]
    Lost(String),
}
