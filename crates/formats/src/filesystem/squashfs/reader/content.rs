//! The content of a file, block by block.

use std::io::{self, Read};
use std::rc::Rc;

use super::super::format::DATA_PLAIN;
use super::image::{At, Image};
use crate::read_at::ReadError;

/// Where a content is.
pub(super) struct Extent {
    pub start: u64,
    pub size: u64,
    /// The fragment with its last bytes, and their offset there.
    pub tail: Option<(u32, u32)>,
    /// Where the lengths of its blocks are.
    pub lengths: At,
}

/// A content that is read from its beginning to its end.
pub(super) struct Content<'a> {
    image: &'a Image<'a>,
    extent: Extent,
    /// Bytes that are not unpacked yet.
    left: u64,
    /// What is unpacked, and how much of it was read.
    block: Rc<[u8]>,
    read: usize,
    end: usize,
    /// Zeros before anything else.
    zeros: usize,
}

impl<'a> Content<'a> {
    pub fn new(image: &'a Image<'a>, extent: Extent) -> Content<'a> {
        Content {
            image,
            left: extent.size,
            extent,
            block: Rc::default(),
            read: 0,
            end: 0,
            zeros: 0,
        }
    }

    /// Unpacks the next block.
    fn unpack(&mut self) -> Result<(), ReadError> {
        let whole = self.image.block_size as usize;
        let size = usize::try_from(self.left).unwrap_or(usize::MAX).min(whole);
        let tail = self.extent.tail.filter(|_| size < whole);
        (self.block, self.read) = match tail {
            Some((index, offset)) => (self.image.fragment(index)?, offset as usize),
            None => {
                let mut word = [0; 4];
                self.image.metadata(&mut self.extent.lengths, &mut word)?;
                let word = u32::from_le_bytes(word);
                if word == 0 {
                    self.zeros = size;
                    self.left -= size as u64;
                    return Ok(());
                }
                let start = self.extent.start;
                self.extent.start = start.saturating_add((word & !DATA_PLAIN).into());
                (self.image.data(start, word)?, 0)
            }
        };
        self.end = self.read.saturating_add(size);
        if self.end > self.block.len() || (tail.is_none() && self.end != self.block.len()) {
            (self.read, self.end) = (0, 0);
            let at = self.extent.start;
            return Err(self.image.broken(at, "a block is not as long as the file says"));
        }
        self.left -= size as u64;
        Ok(())
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.zeros == 0 && self.read == self.end && self.left > 0 && !buffer.is_empty() {
            self.unpack().map_err(io::Error::other)?;
        }
        if self.zeros > 0 {
            let count = self.zeros.min(buffer.len());
            buffer[..count].fill(0);
            self.zeros -= count;
            return Ok(count);
        }
        let count = (self.end - self.read).min(buffer.len());
        buffer[..count].copy_from_slice(&self.block[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}
