//! Parts of files' contents, for file systems that keep the end of a file elsewhere than its beginning.

use std::io::{self, Read, Write};

use ironkit_tree::{BoxError, Content, Digest, Hasher, Source};

use crate::extents::{Data, Sink};

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
