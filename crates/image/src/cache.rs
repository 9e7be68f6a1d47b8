//! Where finished pieces of outputs are kept between builds.

use std::io::{self, Write};

use ironkit_formats::extents::Sink;
use ironkit_tree::{BoxError, Digest};

/// Keeps pieces of outputs by key: the content store, or a table in a test. What is kept can be made again, so an
/// entry that turns out damaged is reported as absent.
pub trait Cache: Sync {
    /// Appends the piece of `key` to `out`. `None`, with `out` as it was, when there is no such piece or it is damaged.
    fn append(&self, key: &Digest, out: &mut dyn Out) -> Result<Option<u64>, BoxError>;

    /// Writes the piece of `key` to `out`, from where nothing can be taken back. `None` when there is no such piece.
    ///
    /// # Errors
    /// [`Damaged`], when part of it is in `out` already: the piece is gone then, so that it is made anew the next time.
    fn copy(&self, key: &Digest, out: &mut dyn Sink) -> Result<Option<u64>, BoxError>;

    /// A small piece as a whole.
    fn read(&self, key: &Digest) -> Result<Option<Vec<u8>>, BoxError>;

    /// The size in bytes of the piece of `key`, by its look, if there is one.
    fn size(&self, key: &Digest) -> Result<Option<u64>, BoxError>;

    /// Makes the piece of `key`: `write` gives its bytes.
    fn put(
        &self,
        key: &Digest,
        write: &mut dyn FnMut(&mut (dyn Write + Send)) -> Result<(), BoxError>,
    ) -> Result<(), BoxError>;
}

/// Where an output is written to: a file, of which the last bytes can be taken back.
pub trait Out: Sink {
    /// Bytes written so far.
    fn position(&self) -> u64;

    /// Takes back what was written after `position`.
    fn truncate(&mut self, position: u64) -> io::Result<()>;
}

/// A piece was found damaged when part of it was written. Whoever makes the output begins again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a piece in the cache is damaged")]
pub struct Damaged;
