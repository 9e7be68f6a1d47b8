//! The superblock, and what is compressed in blocks.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::super::codec::Decompressor;
use super::super::format::{
    BLOCK_SIZE_MAX, BLOCK_SIZE_MIN, DATA_PLAIN, FRAGMENT_SIZE, ID_SIZE, MAGIC, METADATA_PLAIN, METADATA_SIZE,
    NAME, SUPERBLOCK_SIZE, VERSION,
};
use super::Summary;
use crate::read_at::{ReadAt, ReadError, bytes};

/// Blocks of metadata that are kept unpacked.
const KEPT: usize = 64;

/// A place in metadata: offset of a block in the image, and offset in what it unpacks to.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    pub block: u64,
    pub offset: usize,
}

/// An unpacked block of metadata, and where the next one begins.
type Unpacked = (Rc<[u8]>, u64);

/// An image whose superblock makes sense.
pub(super) struct Image<'a> {
    image: &'a dyn ReadAt,
    decompressor: Decompressor,
    pub block_size: u32,
    pub root: u64,
    inodes: u32,
    time: u32,
    used: u64,
    ids: u16,
    fragments: u32,
    inode_table: u64,
    directory_table: u64,
    fragment_table: u64,
    id_table: u64,
    pub xattr_table: u64,
    metadata: RefCell<HashMap<u64, Unpacked>>,
    fragment: RefCell<Option<(u32, Rc<[u8]>)>>,
}

/// Little-endian numbers at an offset that is inside.
pub(super) fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}
pub(super) fn int(bytes: &[u8], at: usize) -> u32 {
    u32::from(short(bytes, at)) | u32::from(short(bytes, at + 2)) << 16
}
pub(super) fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(int(bytes, at)) | u64::from(int(bytes, at + 4)) << 32
}

impl<'a> Image<'a> {
    pub fn open(image: &'a dyn ReadAt) -> Result<Image<'a>, ReadError> {
        let superblock = bytes(image, NAME, 0, SUPERBLOCK_SIZE)?;
        let broken = |offset, what: String| ReadError::Broken {
            format: NAME,
            offset,
            what,
        };
        if int(&superblock, 0) != MAGIC {
            return Err(broken(0, "there is no superblock".to_owned()));
        }
        let version = (short(&superblock, 28), short(&superblock, 30));
        if version != VERSION {
            return Err(broken(
                28,
                format!("version {}.{} is not known", version.0, version.1),
            ));
        }
        let block_size = int(&superblock, 12);
        let fits = (BLOCK_SIZE_MIN..=BLOCK_SIZE_MAX).contains(&block_size) && block_size.is_power_of_two();
        if !fits || u32::from(short(&superblock, 22)) != block_size.ilog2() {
            return Err(broken(12, format!("blocks of {block_size} bytes")));
        }
        let used = long(&superblock, 40);
        if used > image.size() {
            return Err(broken(40, format!("it ends before its {used} bytes")));
        }
        let decompressor = Decompressor::new(short(&superblock, 20)).map_err(|name| {
            broken(
                20,
                format!("it is compressed with {name}, which is not known here"),
            )
        })?;
        Ok(Image {
            image,
            decompressor,
            block_size,
            inodes: int(&superblock, 4),
            time: int(&superblock, 8),
            fragments: int(&superblock, 16),
            ids: short(&superblock, 26),
            root: long(&superblock, 32),
            used,
            id_table: long(&superblock, 48),
            xattr_table: long(&superblock, 56),
            inode_table: long(&superblock, 64),
            directory_table: long(&superblock, 72),
            fragment_table: long(&superblock, 80),
            metadata: RefCell::default(),
            fragment: RefCell::default(),
        })
    }

    pub fn summary(&self) -> Summary {
        Summary {
            compression: self.decompressor.name(),
            block_size: self.block_size,
            inodes: self.inodes,
            time: self.time,
            used: self.used,
        }
    }

    pub fn broken(&self, offset: u64, what: impl Into<String>) -> ReadError {
        ReadError::Broken {
            format: NAME,
            offset,
            what: what.into(),
        }
    }

    /// Where an inode is that is referred to.
    pub fn inode(&self, reference: u64) -> At {
        at(self.inode_table, reference)
    }

    /// Where a listing is.
    pub fn listing(&self, block: u32, offset: u16) -> At {
        At {
            block: self.directory_table.saturating_add(block.into()),
            offset: offset.into(),
        }
    }

    /// Fills `buffer` from metadata, and moves `at` behind it.
    pub fn metadata(&self, at: &mut At, mut buffer: &mut [u8]) -> Result<(), ReadError> {
        while !buffer.is_empty() {
            let (block, next) = self.unpacked(at.block)?;
            let rest = block.get(at.offset..).ok_or_else(|| {
                self.broken(at.block, format!("there is no byte {} in the block", at.offset))
            })?;
            if rest.is_empty() {
                *at = At {
                    block: next,
                    offset: 0,
                };
                continue;
            }
            let count = rest.len().min(buffer.len());
            let (now, later) = buffer.split_at_mut(count);
            now.copy_from_slice(&rest[..count]);
            at.offset += count;
            buffer = later;
        }
        Ok(())
    }

    fn unpacked(&self, block: u64) -> Result<Unpacked, ReadError> {
        let mut kept = self.metadata.borrow_mut();
        if let Some(unpacked) = kept.get(&block) {
            return Ok(unpacked.clone());
        }
        let word = short(&self.raw(block, 2)?, 0);
        let length = usize::from(word & !METADATA_PLAIN);
        if length == 0 || length > METADATA_SIZE {
            return Err(self.broken(block, format!("a block of metadata of {length} bytes")));
        }
        let raw = self.raw(block + 2, length)?;
        let unpacked: Rc<[u8]> = match word & METADATA_PLAIN {
            0 => self.unpack(block, &raw, METADATA_SIZE)?,
            _ => raw.into(),
        };
        let unpacked = (unpacked, block + 2 + length as u64);
        if kept.len() == KEPT {
            kept.clear();
        }
        kept.insert(block, unpacked.clone());
        Ok(unpacked)
    }

    /// An entry of a table of blocks, whose list is at `list`.
    pub fn entry<const N: usize>(&self, list: u64, index: u32) -> Result<[u8; N], ReadError> {
        let per_block = METADATA_SIZE / N;
        let index = index as usize;
        let place = list.saturating_add((index / per_block) as u64 * 8);
        let mut at = At {
            block: long(&self.raw(place, 8)?, 0),
            offset: index % per_block * N,
        };
        let mut entry = [0; N];
        self.metadata(&mut at, &mut entry)?;
        Ok(entry)
    }

    /// The user or group with this index.
    pub fn id(&self, index: u16) -> Result<u32, ReadError> {
        if index >= self.ids {
            return Err(self.broken(self.id_table, format!("there is no owner {index}")));
        }
        let entry: [u8; ID_SIZE] = self.entry(self.id_table, index.into())?;
        Ok(u32::from_le_bytes(entry))
    }

    /// A block of data at `start`, whose length stands in `word`.
    pub fn data(&self, start: u64, word: u32) -> Result<Rc<[u8]>, ReadError> {
        let block_size = self.block_size as usize;
        let length = (word & !DATA_PLAIN) as usize;
        if length == 0 || length > block_size {
            return Err(self.broken(start, format!("a block of {length} bytes")));
        }
        let raw = self.raw(start, length)?;
        match word & DATA_PLAIN {
            0 => self.unpack(start, &raw, block_size),
            _ => Ok(raw.into()),
        }
    }

    /// What the fragment of this index unpacks to. The last one is kept: who is next to each other shares it.
    pub fn fragment(&self, index: u32) -> Result<Rc<[u8]>, ReadError> {
        let mut kept = self.fragment.borrow_mut();
        if let Some((_, block)) = kept.as_ref().filter(|(known, _)| *known == index) {
            return Ok(block.clone());
        }
        if index >= self.fragments {
            return Err(self.broken(self.fragment_table, format!("there is no fragment {index}")));
        }
        let entry: [u8; FRAGMENT_SIZE] = self.entry(self.fragment_table, index)?;
        let block = self.data(long(&entry, 0), int(&entry, 8))?;
        *kept = Some((index, block.clone()));
        Ok(block)
    }

    /// Most bytes of metadata that there can be.
    pub fn metadata_max(&self) -> u64 {
        (self.used / 3).saturating_mul(METADATA_SIZE as u64)
    }

    pub fn raw(&self, offset: u64, length: usize) -> Result<Vec<u8>, ReadError> {
        bytes(self.image, NAME, offset, length)
    }

    fn unpack(&self, offset: u64, raw: &[u8], limit: usize) -> Result<Rc<[u8]>, ReadError> {
        let name = self.decompressor.name();
        let unpacked = self
            .decompressor
            .decompress(raw, limit)
            .map_err(|error| self.broken(offset, format!("this is no {name}: {error}")))?;
        Ok(unpacked.into())
    }
}

/// A place that is referred to from a table's beginning.
pub(super) fn at(table: u64, reference: u64) -> At {
    At {
        block: table.saturating_add(reference >> 16),
        offset: usize::from(u16::try_from(reference & 0xffff).unwrap_or(u16::MAX)),
    }
}
