//! Reading an image at any offset: what readers of file systems, partition tables and disk formats read from, and what the
//! latter two give.

use std::io::{self, Read};

/// Bytes of a known number that can be read anywhere. Offsets and sizes are in bytes.
pub trait ReadAt {
    /// How many there are.
    fn size(&self) -> u64;

    /// Fills `buffer` with what is at `offset`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when that is not all there, and those of whoever has the bytes.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..)?.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.as_slice().read_exact_at(buffer, offset)
    }
}

/// A range of something else: a partition of a disk, a file of a file system.
#[derive(Clone, Copy)]
pub struct Slice<'a> {
    whole: &'a dyn ReadAt,
    start: u64,
    size: u64,
}

impl<'a> Slice<'a> {
    /// The `size` bytes of `whole` from `start`; `None` when that is not all inside.
    pub fn new(whole: &'a dyn ReadAt, start: u64, size: u64) -> Option<Slice<'a>> {
        let end = start.checked_add(size)?;
        (end <= whole.size()).then_some(Slice { whole, start, size })
    }

    /// The bytes as a stream.
    pub fn stream(self) -> Stream<'a> {
        Stream { slice: self, at: 0 }
    }
}

impl ReadAt for Slice<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.whole.read_exact_at(buffer, self.start + offset)
    }
}

/// A [`Slice`] from its beginning to its end.
pub struct Stream<'a> {
    slice: Slice<'a>,
    at: u64,
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.slice.size - self.at).unwrap_or(usize::MAX);
        let count = left.min(buffer.len());
        self.slice.read_exact_at(&mut buffer[..count], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// An image that cannot be read: what is wrong, and where.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes could not be had, or end too early.
    #[error("{format}: cannot read {length} bytes at offset {offset}")]
    Read {
        /// Name of the format.
        format: &'static str,
        /// Where.
        offset: u64,
        /// How many.
        length: usize,
        /// Why.
        source: io::Error,
    },
    /// They are not what the format says.
    #[error("{format}: {what} at offset {offset}")]
    Broken {
        /// Name of the format.
        format: &'static str,
        /// Where.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// Whoever gets what was read does not want it, or cannot go on.
    #[error(transparent)]
    Visitor(#[from] ironkit_tree::BoxError),
}

/// Bytes of an image, with errors that say what was read.
///
/// # Errors
/// [`ReadError::Read`].
pub fn bytes(
    image: &dyn ReadAt,
    format: &'static str,
    offset: u64,
    length: usize,
) -> Result<Vec<u8>, ReadError> {
    let failed = |source| ReadError::Read {
        format,
        offset,
        length,
        source,
    };
    // Nothing is allocated for what is not there.
    let end = offset.checked_add(length as u64);
    if end.is_none_or(|end| end > image.size()) {
        return Err(failed(io::ErrorKind::UnexpectedEof.into()));
    }
    let mut buffer = vec![0; length];
    image.read_exact_at(&mut buffer, offset).map_err(failed)?;
    Ok(buffer)
}

/// An image that is not what its format says.
pub(crate) fn broken(format: &'static str, offset: u64, what: impl Into<String>) -> ReadError {
    ReadError::Broken {
        format,
        offset,
        what: what.into(),
    }
}

/// The number of `N` bytes at `offset` of a structure that was read as a whole.
fn field<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[offset..offset + N]);
    field
}

/// A big-endian number of 4 bytes.
pub(crate) fn be32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes(field(bytes, offset))
}

/// A big-endian number of 8 bytes.
pub(crate) fn be64(bytes: &[u8], offset: usize) -> u64 {
    u64::from_be_bytes(field(bytes, offset))
}

/// A little-endian number of 2 bytes.
pub(crate) fn le16(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(field(bytes, offset))
}

/// A little-endian number of 4 bytes.
pub(crate) fn le32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(field(bytes, offset))
}

/// A little-endian number of 8 bytes.
pub(crate) fn le64(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(field(bytes, offset))
}
