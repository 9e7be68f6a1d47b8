//! A disk as blocks of one size: which of them there are, these one after the other, each of them by itself, and the way
//! back from blocks to bytes.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use ironkit_tree::{BoxError, Digest, Hasher};

use crate::FormatError;
use crate::extents::{Data, Sink};
use crate::read_at::{ReadAt, ReadError};

/// The size of every disk is a multiple of this, in bytes.
pub const SECTOR: u64 = 512;

/// Refuses a disk that has no whole number of sectors, none at all, or more than `limit` bytes.
pub fn check_size(size: u64, limit: u64, format: &'static str) -> Result<(), FormatError> {
    let what = match size {
        0 => "an empty disk".to_owned(),
        size if !size.is_multiple_of(SECTOR) => {
            format!("a disk of {size} bytes, which is no multiple of {SECTOR}")
        }
        size if size > limit => format!("a disk of {size} bytes; it can hold {limit}"),
        _ => return Ok(()),
    };
    Err(FormatError::Image { format, what })
}

/// Which blocks are more than a hole, by their numbers, neighbours joined.
pub fn present(disk: &dyn Data, block: u64) -> Vec<Range<u64>> {
    let mut blocks: Vec<Range<u64>> = Vec::new();
    for range in disk.occupied() {
        let range = range.start / block..range.end.div_ceil(block);
        match blocks.last_mut() {
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => blocks.push(range),
        }
    }
    blocks
}

/// How many blocks these ranges are.
pub fn count(present: &[Range<u64>]) -> u64 {
    present.iter().map(|range| range.end - range.start).sum()
}

/// An identifier for `what` of the disk with that key: a UUID of version 8 (RFC 9562), in the order of its text form.
pub fn uuid(disk: &Digest, what: &str) -> [u8; 16] {
    let mut hasher = Hasher::new();
    hasher.field(what.as_bytes());
    hasher.field(disk.bytes());
    let mut uuid = [0; 16];
    uuid.copy_from_slice(&hasher.finish().bytes()[..16]);
    uuid[6] = uuid[6] & 0x0f | 0x80;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
}

/// The blocks of a disk that are there, one after the other, each with the same bytes in front of it. The last block is
/// filled up with zeros.
pub struct Present<'a> {
    pub disk: Arc<dyn Data + 'a>,
    pub block: u64,
    pub present: Vec<Range<u64>>,
    pub front: Vec<u8>,
}

impl Data for Present<'_> {
    fn size(&self) -> u64 {
        count(&self.present) * (self.front.len() as u64 + self.block)
    }

    fn key(&self) -> Digest {
        let mut hasher = Hasher::new();
        hasher.field(b"present blocks");
        hasher.update(&self.block.to_le_bytes());
        hasher.field(&self.front);
        hasher.field(self.disk.key().bytes());
        hasher.finish()
    }

    fn write_to(&self, out: &mut dyn Sink) -> Result<(), BoxError> {
        let mut picker = Picker {
            blocks: self,
            ranges: self.present.iter(),
            range: 0..0,
            at: 0,
            out,
        };
        picker.next_range();
        self.disk.write_to(&mut picker)?;
        let end = self.disk.size().next_multiple_of(self.block);
        picker.zeros(end - self.disk.size())?;
        Ok(())
    }
}

/// Passes on what is in the ranges.
struct Picker<'p> {
    blocks: &'p Present<'p>,
    ranges: std::slice::Iter<'p, Range<u64>>,
    /// In bytes: the one that comes, or where we are in.
    range: Range<u64>,
    /// Where we are on the disk.
    at: u64,
    out: &'p mut dyn Sink,
}

impl Picker<'_> {
    fn next_range(&mut self) {
        let block = self.blocks.block;
        self.range = match self.ranges.next() {
            Some(range) => range.start * block..range.end * block,
            None => u64::MAX..u64::MAX,
        };
    }

    /// Advances by up to `count` bytes to the end of a block or of a hole. Tells how many these are, and whether they are
    /// wanted.
    fn advance(&mut self, count: u64) -> io::Result<(u64, bool)> {
        if self.at == self.range.end {
            self.next_range();
        }
        let inside = self.range.contains(&self.at);
        let step = match inside {
            true => {
                let place = self.at % self.blocks.block;
                if place == 0 {
                    self.out.write_all(&self.blocks.front)?;
                }
                self.blocks.block - place
            }
            false => self.range.start - self.at,
        };
        let step = step.min(count);
        self.at += step;
        Ok((step, inside))
    }
}

impl Write for Picker<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let (step, inside) = self.advance(bytes.len() as u64)?;
        let step = usize::try_from(step).map_err(io::Error::other)?;
        if !inside {
            return Err(io::Error::other("bytes were written where a hole was laid out"));
        }
        self.out.write_all(&bytes[..step])?;
        Ok(step)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Sink for Picker<'_> {
    fn zeros(&mut self, count: u64) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            let (step, inside) = self.advance(left)?;
            if inside {
                self.out.zeros(step)?;
            }
            left -= step;
        }
        Ok(())
    }
}

/// Gives every block of `data` that is more than a hole, with its number, to `give`; the last one may be shorter.
///
/// # Errors
/// Those of `data` and `give`.
pub fn cut(
    data: &dyn Data,
    block: usize,
    give: &mut dyn FnMut(u64, Vec<u8>) -> io::Result<()>,
) -> Result<(), BoxError> {
    let mut cutter = Cutter {
        block,
        at: 0,
        bytes: Vec::new(),
        give,
    };
    data.write_to(&mut cutter)?;
    match cutter.bytes.is_empty() {
        true => Ok(()),
        false => Ok(cutter.hand_over()?),
    }
}

struct Cutter<'c> {
    block: usize,
    at: u64,
    /// The current block up to here, or nothing as long as it is a hole.
    bytes: Vec<u8>,
    give: &'c mut dyn FnMut(u64, Vec<u8>) -> io::Result<()>,
}

impl Cutter<'_> {
    /// Offset in the current block.
    fn place(&self) -> usize {
        usize::try_from(self.at % self.block as u64).unwrap_or(0)
    }

    fn advance(&mut self, count: usize) -> io::Result<()> {
        self.at += count as u64;
        match self.bytes.len() == self.block {
            true => self.hand_over(),
            false => Ok(()),
        }
    }

    /// The block that ends here, or did not get further.
    fn hand_over(&mut self) -> io::Result<()> {
        let number = (self.at - 1) / self.block as u64;
        (self.give)(number, std::mem::take(&mut self.bytes))
    }
}

impl Write for Cutter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let place = self.place();
        if self.bytes.is_empty() {
            self.bytes.reserve_exact(self.block);
            self.bytes.resize(place, 0);
        }
        let count = bytes.len().min(self.block - place);
        self.bytes.extend_from_slice(&bytes[..count]);
        self.advance(count)?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Cutter<'_> {
    fn zeros(&mut self, count: u64) -> io::Result<()> {
        let mut left = count;
        if !self.bytes.is_empty() {
            let room = self.block - self.bytes.len();
            let step = usize::try_from(left).map_or(room, |left| left.min(room));
            self.bytes.resize(self.bytes.len() + step, 0);
            self.advance(step)?;
            left -= step as u64;
        }
        self.at += left;
        Ok(())
    }
}

/// Whether all of these are zero.
pub fn is_zero(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes
        .chunks(ZEROS.len())
        .all(|chunk| *chunk == ZEROS[..chunk.len()])
}

/// Where the bytes of a block are.
pub enum Place {
    /// Nowhere: it is a hole.
    Zeros,
    /// In the image at this offset.
    At(u64),
    /// Here: they had to be unpacked.
    Unpacked(Arc<[u8]>),
}

/// Fills `buffer` with what is at `offset` of a disk of `size` bytes, whose blocks `find` finds in `image`.
///
/// # Errors
/// Those of `find` and `image`, and [`io::ErrorKind::UnexpectedEof`] past the disk's end.
pub fn read(
    image: &dyn ReadAt,
    (size, block): (u64, u64),
    buffer: &mut [u8],
    offset: u64,
    find: impl Fn(u64) -> io::Result<Place>,
) -> io::Result<()> {
    let end = offset.checked_add(buffer.len() as u64);
    if end.is_none_or(|end| end > size) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let (mut at, mut rest) = (offset, buffer);
    while !rest.is_empty() {
        let inside = at % block;
        let left = usize::try_from(block - inside).unwrap_or(usize::MAX);
        let (part, after) = rest.split_at_mut(left.min(rest.len()));
        match find(at / block)? {
            Place::Zeros => part.fill(0),
            Place::At(place) => {
                let place = place.checked_add(inside).ok_or(io::ErrorKind::UnexpectedEof)?;
                image.read_exact_at(part, place)?;
            }
            Place::Unpacked(bytes) => bytes[..].read_exact_at(part, inside)?,
        }
        at += part.len() as u64;
        rest = after;
    }
    Ok(())
}

/// The last block that was unpacked, by where it is in the image: what is read from front to back asks for it again and again.
#[derive(Default)]
pub struct Last(std::sync::Mutex<Option<(u64, Arc<[u8]>)>>);

impl Last {
    /// The block at `place`, which `unpack` unpacks if it is another one than the last time.
    pub fn or_unpack(
        &self,
        place: u64,
        unpack: impl FnOnce() -> Result<Vec<u8>, ReadError>,
    ) -> io::Result<Place> {
        let mut last = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((known, bytes)) = &*last
            && *known == place
        {
            return Ok(Place::Unpacked(bytes.clone()));
        }
        let bytes: Arc<[u8]> = unpack().map_err(invalid)?.into();
        *last = Some((place, bytes.clone()));
        Ok(Place::Unpacked(bytes))
    }
}

/// What is wrong with an image, for somebody who reads the disk in it.
pub fn invalid(error: ReadError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
