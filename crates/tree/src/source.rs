//! What turns references into bytes.

use std::io::Read;

use crate::{Content, Digest, FileSet, Hasher};

/// Contents are copied in pieces of at most this many bytes, which stay in the processor's cache.
const PIECE: u64 = 128 * 1024;

/// An error of whoever implements [`Source`].
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Whoever holds the file sets and contents that a [`Tree`](crate::Tree) refers to: the content store, or a
/// table in a test.
pub trait Source: Sync {
    /// The file set kept under `key`, with names relative to its own root.
    fn files(&self, key: &Digest) -> Result<FileSet, BoxError>;

    /// About how many bytes the contents of the file set `key` have, known without loading it. It tells what is worth
    /// a piece of its own, and is always the same for the same images.
    fn weight(&self, _key: &Digest) -> u64 {
        0
    }

    /// A reader of `size` bytes of the uncompressed layer `layer`, from `offset`.
    fn layer(&self, layer: &Digest, offset: u64, size: u64) -> Result<Box<dyn Read + '_>, BoxError>;

    /// Whether this layer, from which bytes were just read, was verified as a whole: its contents need not be verified one
    /// by one then.
    fn is_verified(&self, _layer: &Digest) -> bool {
        false
    }
}

/// Has nothing: all contents are inline.
#[derive(Debug, Clone, Copy)]
pub struct Inline;

impl Source for Inline {
    fn files(&self, key: &Digest) -> Result<FileSet, BoxError> {
        Err(format!("there is no file set {key}").into())
    }

    fn layer(&self, layer: &Digest, _: u64, _: u64) -> Result<Box<dyn Read + '_>, BoxError> {
        Err(format!("there is no layer {layer}").into())
    }
}

impl Content {
    /// Writes the bytes to `out`, and checks their digest unless `source` has verified the whole layer.
    ///
    /// # Errors
    /// Those of `source` and `out`, and a content that is shorter or other than its reference says.
    pub fn copy_to(&self, source: &dyn Source, out: &mut dyn std::io::Write) -> Result<(), BoxError> {
        let (layer, offset, size, digest) = match self {
            Content::Inline(bytes) => return Ok(out.write_all(bytes)?),
            Content::Blob {
                layer,
                offset,
                size,
                digest,
            } => (layer, *offset, *size, digest),
        };
        let mut reader = source.layer(layer, offset, size)?.take(size);
        let mut hasher = (!source.is_verified(layer)).then(Hasher::new);
        let mut buffer = vec![0; usize::try_from(size.min(PIECE)).unwrap_or(0)];
        let mut left = size;
        while left > 0 {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                return Err(format!("layer {layer} ends {left} bytes early at offset {offset}").into());
            }
            if let Some(hasher) = &mut hasher {
                hasher.update(&buffer[..count]);
            }
            out.write_all(&buffer[..count])?;
            left -= count as u64;
        }
        match hasher.map(Hasher::finish) {
            None => Ok(()),
            Some(found) if found == *digest => Ok(()),
            Some(found) => Err(format!(
                "layer {layer} is corrupt at offset {offset}: {size} bytes have digest {found}, expected {digest}"
            )
            .into()),
        }
    }

    /// The bytes in memory; for things known to be small.
    pub fn read(&self, source: &dyn Source) -> Result<Vec<u8>, BoxError> {
        let mut bytes = Vec::new();
        self.copy_to(source, &mut bytes)?;
        Ok(bytes)
    }
}
