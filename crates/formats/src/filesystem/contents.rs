//! Contents of files that are not in one piece: whose end is elsewhere than the beginning, or that have something in between.

use std::io::{self, Read, Write};
use std::sync::Arc;

use ironkit_tree::{BoxError, Content, Digest, Hasher, Source};

use crate::extents::{Data, Extents, Sink};

/// Contents are copied in pieces of this many bytes.
const PIECE: usize = 64 * 1024;

/// So many bytes from the beginning of a content.
///
/// The whole content is read, so that its digest is checked.
pub(super) struct Head<'a> {
    content: Content,
    source: &'a dyn Source,
    size: u64,
}

impl<'a> Head<'a> {
    pub fn new(content: Content, source: &'a dyn Source, size: u64) -> Head<'a> {
        Head {
            content,
            source,
            size,
        }
    }
}

impl Data for Head<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn key(&self) -> Digest {
        part(&self.content, 0, self.size)
    }

    fn write_to(&self, out: &mut dyn Sink) -> Result<(), BoxError> {
        let mut out = First { out, left: self.size };
        self.content.copy_to(self.source, &mut out)
    }
}

/// Passes the first bytes on and drops the others.
struct First<'a> {
    out: &'a mut dyn Sink,
    left: u64,
}

impl Write for First<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        self.out.write_all(&bytes[..count])?;
        self.left -= count as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The bytes of a content from an offset to its end.
///
/// They are checked only together with the rest of the content: whoever lays out a part has to lay out the [`Head`] too.
pub(super) struct Tail<'a> {
    content: Content,
    source: &'a dyn Source,
    start: u64,
}

impl<'a> Tail<'a> {
    pub fn new(content: Content, source: &'a dyn Source, start: u64) -> Tail<'a> {
        Tail {
            content,
            source,
            start,
        }
    }
}

impl Data for Tail<'_> {
    fn size(&self) -> u64 {
        self.content.size() - self.start
    }

    fn key(&self) -> Digest {
        part(&self.content, self.start, self.content.size())
    }

    fn write_to(&self, out: &mut dyn Sink) -> Result<(), BoxError> {
        let (layer, offset) = match &self.content {
            _ if self.start == 0 => return self.content.copy_to(self.source, &mut &mut *out),
            Content::Inline(bytes) => {
                let start = usize::try_from(self.start).unwrap_or(usize::MAX);
                return Ok(out.write_all(bytes.get(start..).unwrap_or_default())?);
            }
            Content::Blob { layer, offset, .. } => (layer, offset + self.start),
        };
        let mut left = self.size();
        let mut reader = self.source.layer(layer, offset, left)?.take(left);
        let mut buffer = vec![0; usize::try_from(left).unwrap_or(PIECE).min(PIECE)];
        while left > 0 {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                return Err(format!("layer {layer} ends {left} bytes early at offset {offset}").into());
            }
            out.write_all(&buffer[..count])?;
            left -= count as u64;
        }
        Ok(())
    }
}

/// A content with other bytes in between, at offsets of the content.
pub(super) struct Interrupted<'a> {
    content: Arc<dyn Data + 'a>,
    between: Vec<(u64, Extents<'a>)>,
}

impl<'a> Interrupted<'a> {
    /// Offsets are in order, and inside of the content.
    pub fn new(content: Arc<dyn Data + 'a>, between: Vec<(u64, Extents<'a>)>) -> Interrupted<'a> {
        Interrupted { content, between }
    }
}

impl Data for Interrupted<'_> {
    fn size(&self) -> u64 {
        let between = self.between.iter().map(|(_, bytes)| bytes.size());
        self.content.size() + between.sum::<u64>()
    }

    fn key(&self) -> Digest {
        let mut hasher = Hasher::new();
        hasher.field(b"interrupted");
        hasher.field(self.content.key().bytes());
        for (offset, bytes) in &self.between {
            hasher.update(&offset.to_le_bytes());
            hasher.field(bytes.key().bytes());
        }
        hasher.finish()
    }

    fn write_to(&self, out: &mut dyn Sink) -> Result<(), BoxError> {
        self.content.write_to(&mut Between {
            out,
            at: 0,
            between: &self.between,
        })
    }
}

/// Passes a content on, and what comes in between where its time has come.
struct Between<'b, 'a> {
    out: &'b mut dyn Sink,
    at: u64,
    between: &'b [(u64, Extents<'a>)],
}

impl Between<'_, '_> {
    /// How many of so many bytes come next; what comes before them is written.
    fn next(&mut self, count: u64) -> io::Result<u64> {
        match self.between.split_first() {
            Some(((offset, bytes), rest)) if *offset == self.at => {
                bytes.write_to(self.out).map_err(io::Error::other)?;
                self.between = rest;
                self.next(count)
            }
            Some(((offset, _), _)) => Ok(count.min(offset - self.at)),
            None => Ok(count),
        }
    }
}

impl Write for Between<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.next(bytes.len() as u64)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.out.write_all(&bytes[..count])?;
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Sink for Between<'_, '_> {
    fn zeros(&mut self, count: u64) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            let count = self.next(left)?;
            self.out.zeros(count)?;
            self.at += count;
            left -= count;
        }
        Ok(())
    }
}

/// Identifies a part of a content.
fn part(content: &Content, start: u64, end: u64) -> Digest {
    if (start, end) == (0, content.size()) {
        return content.digest();
    }
    let mut hasher = Hasher::new();
    hasher.field(b"part");
    hasher.field(content.digest().bytes());
    hasher.update(&start.to_le_bytes());
    hasher.update(&end.to_le_bytes());
    hasher.finish()
}
