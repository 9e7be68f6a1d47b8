//! An image as a list of extents: what every file system, partition table and disk format is laid out as before a byte of
//! it is written.
//!
//! ```text
//! ┌──────────┬─────────┬─────────────────────────┬─────────┐
//! │ Bytes    │ Zeros   │ Data                    │ Bytes   │   size: the sum
//! └──────────┴─────────┴─────────────────────────┴─────────┘
//!   a table    a hole    a file's content, or        its copy
//!                        a whole image inside
//! ```
//!
//! A layout knows all offsets, and no contents but the small ones: memory does not follow the size of an image. Layouts nest:
//! a file system is a [`Data`] for the partition that it is in, and the disk one for the format that wraps it.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use ironkit_tree::{BoxError, Content, Digest, Hasher, Source};

/// Zeros are written in pieces of this many bytes where there are no holes.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Where an image is written to, from front to back.
pub trait Sink: Write {
    /// Writes `count` zeros, as a hole where there can be one.
    ///
    /// # Errors
    /// Those of the output.
    fn zeros(&mut self, count: u64) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            let piece = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
            self.write_all(&ZEROS[..piece])?;
            left -= piece as u64;
        }
        Ok(())
    }
}

impl Sink for Vec<u8> {}

/// Bytes that are there when an image is written: a file's content, a piece of a cache, another image.
pub trait Data: Send + Sync {
    /// Length in bytes.
    fn size(&self) -> u64;

    /// Identifies the bytes: the same key always means the same bytes.
    fn key(&self) -> Digest;

    /// Which ranges of bytes are more than a hole, in their order, neighbours joined.
    fn occupied(&self) -> Vec<Range<u64>> {
        std::iter::once(0..self.size()).collect()
    }

    /// Writes exactly [`size`](Data::size) bytes.
    ///
    /// # Errors
    /// Those of whoever has the bytes, and of `out`.
    fn write_to(&self, out: &mut dyn Sink) -> Result<(), BoxError>;
}

/// A run of bytes of an image.
#[derive(Clone)]
enum Extent<'a> {
    Bytes(Arc<[u8]>),
    Zeros(u64),
    Data(Arc<dyn Data + 'a>),
}

/// An image that is laid out: all its bytes, or where they are.
#[derive(Clone, Default)]
pub struct Extents<'a> {
    extents: Vec<Extent<'a>>,
    size: u64,
}

impl<'a> Extents<'a> {
    /// Nothing yet.
    pub fn new() -> Extents<'a> {
        Extents::default()
    }

    /// Appends bytes.
    pub fn bytes(&mut self, bytes: impl Into<Arc<[u8]>>) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.size += bytes.len() as u64;
            self.extents.push(Extent::Bytes(bytes));
        }
    }

    /// Appends zeros.
    pub fn zeros(&mut self, count: u64) {
        self.size += count;
        match self.extents.last_mut() {
            Some(Extent::Zeros(before)) => *before += count,
            _ if count > 0 => self.extents.push(Extent::Zeros(count)),
            _ => {}
        }
    }

    /// Appends zeros up to the next multiple of `alignment`.
    pub fn align(&mut self, alignment: u64) {
        self.zeros(self.size.next_multiple_of(alignment) - self.size);
    }

    /// Appends zeros up to `offset`.
    ///
    /// # Panics
    /// When something was laid out there already: the caller's layout is wrong.
    pub fn zeros_to(&mut self, offset: u64) {
        let count = offset.checked_sub(self.size);
        self.zeros(count.expect("extents are laid out in the order of their offsets"));
    }

    /// Appends data.
    pub fn data(&mut self, data: Arc<dyn Data + 'a>) {
        let size = data.size();
        if size > 0 {
            self.size += size;
            self.extents.push(Extent::Data(data));
        }
    }

    /// Appends all of another layout.
    pub fn append(&mut self, other: Extents<'a>) {
        for extent in other.extents {
            match extent {
                Extent::Zeros(count) => self.zeros(count),
                Extent::Bytes(bytes) => self.bytes(bytes),
                Extent::Data(data) => self.data(data),
            }
        }
    }
}

impl Extent<'_> {
    fn size(&self) -> u64 {
        match self {
            Extent::Bytes(bytes) => bytes.len() as u64,
            Extent::Zeros(count) => *count,
            Extent::Data(data) => data.size(),
        }
    }
}

impl Data for Extents<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn key(&self) -> Digest {
        let mut hasher = Hasher::new();
        hasher.field(b"extents");
        for extent in &self.extents {
            match extent {
                Extent::Bytes(bytes) => hasher.field(bytes),
                Extent::Zeros(count) => hasher.update(&count.to_le_bytes()),
                Extent::Data(data) => hasher.field(data.key().bytes()),
            }
        }
        hasher.finish()
    }

    fn occupied(&self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let mut at = 0;
        for extent in &self.extents {
            let inside = match extent {
                Extent::Zeros(_) => Vec::new(),
                Extent::Bytes(bytes) => std::iter::once(0..bytes.len() as u64).collect(),
                Extent::Data(data) => data.occupied(),
            };
            for range in inside {
                let range = at + range.start..at + range.end;
                match ranges.last_mut() {
                    Some(last) if last.end == range.start => last.end = range.end,
                    _ => ranges.push(range),
                }
            }
            at += extent.size();
        }
        ranges
    }

    fn write_to(&self, out: &mut dyn Sink) -> Result<(), BoxError> {
        for extent in &self.extents {
            match extent {
                Extent::Bytes(bytes) => out.write_all(bytes)?,
                Extent::Zeros(count) => out.zeros(*count)?,
                Extent::Data(data) => data.write_to(out)?,
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Extents<'_> {
    /// A line for each extent: where it begins and what it is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut at = 0;
        for extent in &self.extents {
            let kind = match extent {
                Extent::Bytes(_) => "bytes",
                Extent::Zeros(_) => "zeros",
                Extent::Data(_) => "data",
            };
            writeln!(f, "{at:#010x} {kind} {}", extent.size())?;
            at += extent.size();
        }
        Ok(())
    }
}

/// The content of a file of a tree.
#[derive(Clone)]
pub struct Stored<'a> {
    content: Content,
    source: &'a dyn Source,
}

impl<'a> Stored<'a> {
    /// What `source` has as `content`.
    pub fn new(content: Content, source: &'a dyn Source) -> Stored<'a> {
        Stored { content, source }
    }
}

impl Data for Stored<'_> {
    fn size(&self) -> u64 {
        self.content.size()
    }

    fn key(&self) -> Digest {
        self.content.digest()
    }

    fn write_to(&self, out: &mut dyn Sink) -> Result<(), BoxError> {
        self.content.copy_to(self.source, &mut &mut *out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_laid_out_is_written() {
        let mut inner = Extents::new();
        inner.zeros(2);
        inner.bytes(*b"cd");
        let mut outer = Extents::new();
        outer.bytes(*b"ab");
        outer.align(4);
        outer.data(Arc::new(inner.clone()));
        outer.zeros_to(12);
        outer.append(inner);
        let mut written = Vec::new();
        outer.write_to(&mut written).unwrap();
        assert_eq!(written, b"ab\0\0\0\0cd\0\0\0\0\0\0cd");
        assert_eq!(outer.size(), written.len() as u64);
        assert_eq!(outer.occupied(), [0..2, 6..8, 14..16]);
    }
}
