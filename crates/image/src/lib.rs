//! A tree → the files of an output: which bytes go where, and how a boot loader will read them.
//!
//! Outputs are linked, not built: each part of a tree is one piece that is kept in a [`Cache`] under the key of its
//! content, so a rebuild copies what did not change. Pieces of parts that changed are made in parallel.

mod cache;
mod error;
pub mod initrd;
pub mod kernel;
pub mod read;
pub mod xattrs;

pub use cache::{Cache, Out};
pub use error::{Error, Result};
