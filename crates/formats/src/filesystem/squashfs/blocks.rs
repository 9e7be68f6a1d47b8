//! Contents → a data piece: the first of the two steps, which takes the time.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::num::NonZeroUsize;

use ironkit_tree::{Content, Digest, FileSet, Hasher, Kind, Path, Source};

use super::Options;
use super::codec::Compressor;
use super::format::DATA_PLAIN;
use super::table::{Fragment, Placed, Table};
use crate::FormatError;
use crate::parallel::ordered;

/// Contents that are to be in one data piece, in the order in which they are found in the directories: what lies together is
/// read together.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    list: Vec<(Path, Digest, Content)>,
    size: u64,
}

impl Contents {
    /// The contents of these files, each once, without those in `placed`, to which they are added.
    pub fn of(files: &FileSet, placed: &mut BTreeSet<Digest>) -> Contents {
        let mut contents = Contents::default();
        for (path, _, node) in files.iter() {
            let Kind::File(content) = &node.kind else {
                continue;
            };
            if content.size() == 0 {
                continue;
            }
            let digest = content.digest();
            if placed.insert(digest) {
                contents.size += content.size();
                contents.list.push((path.clone(), digest, content.clone()));
            }
        }
        contents
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Their length in bytes, together.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Identifies what [`blocks`] makes of them: equal for the same contents in the same order, wherever they are kept and
    /// whatever their names.
    pub fn key(&self, options: &Options) -> Digest {
        let mut hasher = Hasher::new();
        hasher.field(b"squashfs data");
        hasher.update(&super::VERSION.to_le_bytes());
        hasher.field(options.compression.name().as_bytes());
        hasher.update(&options.compression.level().to_le_bytes());
        hasher.update(&options.block_size.to_le_bytes());
        for (_, digest, content) in &self.list {
            hasher.update(digest.bytes());
            hasher.update(&content.size().to_le_bytes());
        }
        hasher.finish()
    }
}

/// A block on its way.
struct Block {
    owner: Owner,
    bytes: Vec<u8>,
}

/// Whose block it is.
enum Owner {
    /// That of the content with this index.
    Content(usize),
    /// That of all whose tails are in it.
    Fragment,
}

/// A block as it is to be written.
struct Packed {
    owner: Owner,
    bytes: Vec<u8>,
    /// Length, with [`DATA_PLAIN`]; 0 for zeros, which are not written.
    word: u32,
    /// Length before.
    size: usize,
}

/// Compresses `contents` and writes the data piece to `out`. Memory is some blocks for each thread, and the table. The result
/// does not depend on the number of threads.
///
/// # Errors
/// [`FormatError`]: options that squashfs does not have, contents that cannot be had, and those of `out`.
pub fn blocks(
    contents: &Contents,
    source: &dyn Source,
    options: &Options,
    threads: NonZeroUsize,
    out: &mut (dyn Write + Send),
) -> Result<Table, FormatError> {
    let block = options.block()?;
    let count = contents.list.len();
    let mut tails = vec![None; count];
    let mut piece = Piece {
        out,
        table: Table::default(),
        placed: vec![Placed::default(); count],
    };
    ordered(
        threads,
        |next| {
            let mut cutter = Cutter {
                block,
                buffer: Vec::with_capacity(block),
                index: 0,
                next,
                fragment: Vec::with_capacity(block),
                fragments: 0,
            };
            for (index, (path, _, content)) in contents.list.iter().enumerate() {
                cutter.index = index;
                content
                    .copy_to(source, &mut cutter)
                    .map_err(|source| FormatError::Content {
                        path: path.clone(),
                        source,
                    })?;
                tails[index] = cutter.end(content.size())?;
            }
            Ok(cutter.finish()?)
        },
        || Compressor::new(options.compression),
        pack,
        |packed| piece.append(packed?),
    )?;
    let Piece {
        mut table, placed, ..
    } = piece;
    for ((mut placed, tail), (_, digest, _)) in placed.into_iter().zip(tails).zip(&contents.list) {
        placed.tail = tail;
        table.placed.insert(*digest, placed);
    }
    Ok(table)
}

/// Cuts contents into blocks.
struct Cutter<'a> {
    block: usize,
    /// What was written of a content and is no whole block yet.
    buffer: Vec<u8>,
    /// Whose it is.
    index: usize,
    next: &'a mut dyn FnMut(Block) -> Result<(), crate::parallel::Stopped>,
    /// Tails that will be a block.
    fragment: Vec<u8>,
    /// Blocks of tails before that one.
    fragments: u32,
}

impl Cutter<'_> {
    /// A content ends. Where its last bytes are, unless they are blocks of their own.
    fn end(&mut self, size: u64) -> io::Result<Option<(u32, u32)>> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        // As mksquashfs does it: a long file is read without its neighbours, and packing its tail wins nothing.
        if size > self.block as u64 {
            self.send()?;
            return Ok(None);
        }
        if self.fragment.len() + self.buffer.len() > self.block {
            self.send_fragment()?;
        }
        let offset = u32::try_from(self.fragment.len()).map_err(io::Error::other)?;
        self.fragment.append(&mut self.buffer);
        Ok(Some((self.fragments, offset)))
    }

    fn finish(mut self) -> io::Result<()> {
        match self.fragment.is_empty() {
            true => Ok(()),
            false => self.send_fragment(),
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let bytes = std::mem::replace(&mut self.buffer, Vec::with_capacity(self.block));
        let owner = Owner::Content(self.index);
        (self.next)(Block { owner, bytes }).map_err(io::Error::other)
    }

    fn send_fragment(&mut self) -> io::Result<()> {
        let bytes = std::mem::replace(&mut self.fragment, Vec::with_capacity(self.block));
        let owner = Owner::Fragment;
        self.fragments += 1;
        (self.next)(Block { owner, bytes }).map_err(io::Error::other)
    }
}

impl Write for Cutter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.block - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        if self.buffer.len() == self.block {
            self.send()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a worker makes of a block.
fn pack(compressor: &mut io::Result<Compressor>, block: Block) -> io::Result<Packed> {
    let compressor = compressor
        .as_mut()
        .map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
    let Block { owner, bytes } = block;
    let size = bytes.len();
    if matches!(owner, Owner::Content(_)) && is_zero(&bytes) {
        return Ok(Packed {
            owner,
            bytes: Vec::new(),
            word: 0,
            size,
        });
    }
    let (bytes, plain) = match compressor.compress(&bytes)? {
        Some(compressed) => (compressed, 0),
        None => (bytes, DATA_PLAIN),
    };
    let word = u32::try_from(bytes.len()).map_err(io::Error::other)? | plain;
    Ok(Packed {
        owner,
        bytes,
        word,
        size,
    })
}

/// Whether these bytes, of which there are some, are all zero: the first is, and each is as the one before.
fn is_zero(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0) && bytes[1..] == bytes[..bytes.len() - 1]
}

/// A data piece that grows.
struct Piece<'a> {
    out: &'a mut (dyn Write + Send),
    table: Table,
    placed: Vec<Placed>,
}

impl Piece<'_> {
    fn append(&mut self, packed: Packed) -> Result<(), FormatError> {
        let start = self.table.size;
        match packed.owner {
            Owner::Fragment => self.table.fragments.push(Fragment {
                start,
                length: packed.word,
            }),
            Owner::Content(index) => {
                let placed = &mut self.placed[index];
                if placed.blocks.is_empty() {
                    placed.start = start;
                }
                placed.blocks.push(packed.word);
                if packed.word == 0 {
                    placed.sparse += packed.size as u64;
                }
            }
        }
        self.table.size += packed.bytes.len() as u64;
        Ok(self.out.write_all(&packed.bytes)?)
    }
}
