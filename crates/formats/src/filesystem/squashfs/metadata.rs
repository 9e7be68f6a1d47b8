//! Metadata: bytes in blocks of 8 KiB, compressed one by one, each behind its length.
//!
//! ```text
//! ┌────────┬─────────────┬────────┬─────────────┬─────┐
//! │ length │ compressed  │ length │ compressed  │  …  │   a place in it: where its block begins,
//! │ u16    │ 8192 bytes  │ u16    │ 8192 bytes  │     │   and the offset in what that unpacks to
//! └────────┴─────────────┴────────┴─────────────┴─────┘
//! ```

use std::io;

use super::codec::{Compression, Compressor};
use super::format::{METADATA_PLAIN, METADATA_SIZE};
use super::unfit;
use crate::FormatError;

/// A place in metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Where the block begins, from the beginning of the table.
    pub block: u32,
    /// Offset in what it unpacks to.
    pub offset: u16,
}

impl Place {
    /// Both numbers in one, as references to inodes and attributes are.
    pub fn reference(self) -> u64 {
        u64::from(self.block) << 16 | u64::from(self.offset)
    }
}

/// Metadata that grows.
pub(super) struct Metadata {
    compressor: Compressor,
    done: Vec<u8>,
    /// Where each block begins.
    starts: Vec<u64>,
    block: Vec<u8>,
}

impl Metadata {
    pub fn new(compression: Compression) -> io::Result<Metadata> {
        Ok(Metadata {
            compressor: Compressor::new(compression)?,
            done: Vec::new(),
            starts: Vec::new(),
            block: Vec::with_capacity(METADATA_SIZE),
        })
    }

    /// Where the next byte will be.
    pub fn place(&self) -> Result<Place, FormatError> {
        let block = u32::try_from(self.done.len()).map_err(|_| unfit("so many entries"))?;
        // A full block is done already.
        let offset = u16::try_from(self.block.len()).unwrap_or(0);
        Ok(Place { block, offset })
    }

    /// How many bytes fit into the block of the next byte.
    pub fn room(&self) -> usize {
        METADATA_SIZE - self.block.len()
    }

    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(self.room()));
            self.block.extend_from_slice(now);
            if self.room() == 0 {
                self.end_block()?;
            }
            bytes = later;
        }
        Ok(())
    }

    /// The blocks, and where each begins.
    pub fn finish(mut self) -> io::Result<(Vec<u8>, Vec<u64>)> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        Ok((self.done, self.starts))
    }

    fn end_block(&mut self) -> io::Result<()> {
        self.starts.push(self.done.len() as u64);
        append_block(&mut self.done, &self.block, &mut self.compressor)?;
        self.block.clear();
        Ok(())
    }
}

/// Appends a block of metadata that is not compressed.
pub(super) fn append_plain(out: &mut Vec<u8>, block: &[u8]) -> io::Result<()> {
    let length = u16::try_from(block.len()).map_err(io::Error::other)?;
    out.extend((length | METADATA_PLAIN).to_le_bytes());
    out.extend(block);
    Ok(())
}

fn append_block(out: &mut Vec<u8>, block: &[u8], compressor: &mut Compressor) -> io::Result<()> {
    let Some(compressed) = compressor.compress(block)? else {
        return append_plain(out, block);
    };
    let length = u16::try_from(compressed.len()).map_err(io::Error::other)?;
    out.extend(length.to_le_bytes());
    out.extend(compressed);
    Ok(())
}

/// Appends a table of entries of equal length to `out`, which has so many bytes before it: the blocks, and then `head` and a
/// list of where they are. Where that list, with its head, begins.
pub(super) fn append_table(
    out: &mut Vec<u8>,
    before: u64,
    entries: &[u8],
    head: &[u8],
    compression: Compression,
) -> io::Result<u64> {
    let mut metadata = Metadata::new(compression)?;
    metadata.write(entries)?;
    let (blocks, starts) = metadata.finish()?;
    let first = before + out.len() as u64;
    out.extend(blocks);
    let list = before + out.len() as u64;
    out.extend(head);
    out.extend(starts.into_iter().flat_map(|start| (first + start).to_le_bytes()));
    Ok(list)
}
