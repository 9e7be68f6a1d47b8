//! The root file system as squashfs, linked from pieces.
//!
//! ```text
//! ┌──────┬─────────┬─────────┬───────────┬─────┬──────────┐
//! │ head │ kernel  │ init[0] │ onboot[0] │  …  │ metadata │   the contents of the initrd's groups of parts,
//! └──────┴─────────┴─────────┴───────────┴─────┴──────────┘   each content in the first group that has it
//!          pieces of the cache, each with a table            made when anything changed
//! ```
//!
//! A data piece depends on contents alone: names, modes and times are in the metadata. What a whole tree is linked of is kept,
//! too, so that nothing has to be read when nothing changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use ironkit_formats::compress::Effort;
use ironkit_formats::extents::{Data, Extents, Sink};
use ironkit_formats::filesystem::squashfs::{self, Compression, Contents, Options, Table};
use ironkit_tree::{BoxError, Digest, FileSet, Hasher};

use crate::boot::Boot;
use crate::{Cache, Damaged, Error, Image, Result, initrd, kernel, root};

/// Changes whenever the same parts give another image: part of every key.
const VERSION: &[u8] = b"1";
/// Search effort of zstd and gzip, thorough (`mksquashfs`'s) and quick.
const ZSTD_LEVELS: (u32, u32) = (15, 4);
const GZIP_LEVELS: (u32, u32) = (9, 6);

/// A root file system whose pieces are in the cache.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Squashfs {
    head: Vec<u8>,
    /// The data, and at last the metadata.
    pieces: Vec<Piece>,
}

/// A piece of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    key: Digest,
    size: u64,
}

impl Squashfs {
    /// Makes what the cache lacks, compressed as the tree's kernel can read it.
    ///
    /// # Errors
    /// [`Error`]: those of the source and the cache, and entries that squashfs cannot hold.
    pub fn link(image: &Image, boot: &Boot) -> Result<Squashfs> {
        let key = key(image, boot);
        let kept = image.cache.read(&key).map_err(Error::Cache)?;
        if let Some(linked) = kept.and_then(|bytes| Squashfs::parse(&bytes))
            && linked.is_kept(image.cache)?
        {
            return Ok(linked);
        }
        let linked = make(image, boot, &key)?;
        let bytes = linked.to_bytes();
        let put = image.cache.put(&key, &mut |out| Ok(out.write_all(&bytes)?));
        put.map_err(Error::Cache)?;
        Ok(linked)
    }

    /// The file system, for a file or a partition of its own.
    pub fn extents<'a>(&self, image: &'a Image) -> Extents<'a> {
        let mut extents = Extents::new();
        extents.bytes(self.head.as_slice());
        for piece in &self.pieces {
            extents.data(Arc::new(Kept {
                piece: *piece,
                cache: image.cache,
            }));
        }
        extents
    }

    fn is_kept(&self, cache: &dyn Cache) -> Result<bool> {
        for piece in &self.pieces {
            if cache.size(&piece.key).map_err(Error::Cache)? != Some(piece.size) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for piece in &self.pieces {
            bytes.push(1);
            bytes.extend(piece.key.bytes());
            bytes.extend(piece.size.to_le_bytes());
        }
        bytes.push(0);
        bytes.extend(&self.head);
        bytes
    }

    fn parse(mut bytes: &[u8]) -> Option<Squashfs> {
        let mut pieces = Vec::new();
        loop {
            let (more, rest) = bytes.split_first()?;
            if *more == 0 {
                let head = rest.to_vec();
                return Some(Squashfs { head, pieces });
            }
            let (key, rest) = rest.split_first_chunk::<32>()?;
            let (size, rest) = rest.split_first_chunk::<8>()?;
            bytes = rest;
            pieces.push(Piece {
                key: Digest::from(*key),
                size: u64::from_le_bytes(*size),
            });
        }
    }
}

/// A piece inside the file system.
struct Kept<'a> {
    piece: Piece,
    cache: &'a dyn Cache,
}

impl Data for Kept<'_> {
    fn size(&self) -> u64 {
        self.piece.size
    }

    fn key(&self) -> Digest {
        self.piece.key
    }

    /// Whoever makes the output links anew when the cache has the piece no more.
    fn write_to(&self, out: &mut dyn Sink) -> std::result::Result<(), BoxError> {
        match self.cache.copy(&self.piece.key, out)? {
            Some(size) if size == self.piece.size => Ok(()),
            _ => Err(Damaged.into()),
        }
    }
}

/// Identifies the file system by all that it is made from.
fn key(image: &Image, boot: &Boot) -> Digest {
    let mut hasher = Hasher::new();
    hasher.field(b"squashfs");
    hasher.field(VERSION);
    hasher.update(&squashfs::VERSION.to_le_bytes());
    hasher.update(&image.time.to_le_bytes());
    // It tells how to compress.
    match &boot.kernel {
        Some(kernel) => hasher.field(kernel.digest().bytes()),
        None => hasher.field(b""),
    }
    initrd::add_to_key(image, 0..image.tree.parts.len(), &mut hasher);
    hasher.finish()
}

/// Links the file system, with new metadata.
fn make(image: &Image, boot: &Boot, key: &Digest) -> Result<Squashfs> {
    let (mut placed, mut whole) = (BTreeSet::new(), FileSet::new());
    let mut groups = Vec::new();
    for parts in initrd::grouped(image) {
        let mut files = root::files(image, parts.clone())?;
        files.clear(&root::boot());
        let contents = Contents::of(&files, &mut placed);
        if !contents.is_empty() {
            groups.push((parts.start, contents));
        }
        whole.extend(files);
    }
    let zstd = kernel::reads_zstd_squashfs(&whole, boot.kernel.as_ref(), image.source, image.cache)?;
    let options = |effort| Options {
        time: image.time,
        ..Options::new(match (zstd, effort) {
            (true, Effort::Thorough) => Compression::Zstd(ZSTD_LEVELS.0),
            (true, Effort::Quick) => Compression::Zstd(ZSTD_LEVELS.1),
            (false, Effort::Thorough) => Compression::Gzip(GZIP_LEVELS.0),
            (false, Effort::Quick) => Compression::Gzip(GZIP_LEVELS.1),
        })
    };
    let (mut tables, mut pieces) = (Vec::new(), Vec::new());
    for (part, contents) in &groups {
        let options = options(Effort::for_size(contents.size()));
        let (piece, table) = data(contents, &options, image)
            .map_err(|source| root::failed(&image.tree.parts[*part], source))?;
        pieces.push(piece);
        tables.push(table);
    }
    let tables: Vec<&Table> = tables.iter().collect();
    let linked = squashfs::link(&whole, &tables, &options(Effort::Thorough))?;
    let mut hasher = Hasher::new();
    hasher.field(b"squashfs metadata");
    hasher.field(key.bytes());
    let key = hasher.finish();
    let put = image.cache.put(&key, &mut |out| Ok(out.write_all(&linked.tail)?));
    put.map_err(Error::Cache)?;
    pieces.push(Piece {
        key,
        size: linked.tail.len() as u64,
    });
    Ok(Squashfs {
        head: linked.head,
        pieces,
    })
}

/// The data piece with these contents, and its table, which are made unless the cache has both.
fn data(
    contents: &Contents,
    options: &Options,
    image: &Image,
) -> std::result::Result<(Piece, Table), BoxError> {
    let key = contents.key(options);
    let mut hasher = Hasher::new();
    hasher.field(b"squashfs table");
    hasher.field(key.bytes());
    let table_key = hasher.finish();
    let kept = image.cache.read(&table_key)?;
    if let Some(table) = kept.and_then(|bytes| Table::parse(&bytes))
        && image.cache.size(&key)? == Some(table.size())
    {
        let size = table.size();
        return Ok((Piece { key, size }, table));
    }
    let mut made = None;
    image.cache.put(&key, &mut |out| {
        made = Some(squashfs::blocks(
            contents,
            image.source,
            options,
            image.threads,
            out,
        )?);
        Ok(())
    })?;
    let table = made.ok_or(Damaged)?;
    let bytes = table.to_bytes();
    image
        .cache
        .put(&table_key, &mut |out| Ok(out.write_all(&bytes)?))?;
    let size = table.size();
    Ok((Piece { key, size }, table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_has_a_byte_form() {
        let piece = |size: u64| Piece {
            key: Digest::of(&size.to_le_bytes()),
            size,
        };
        for (head, pieces) in [
            (vec![], vec![]),
            (vec![1, 2], vec![piece(1)]),
            (vec![0], vec![piece(5), piece(1 << 40)]),
        ] {
            let linked = Squashfs { head, pieces };
            let bytes = linked.to_bytes();
            assert_eq!(Squashfs::parse(&bytes).as_ref(), Some(&linked));
            let cut = bytes.len() - linked.head.len() - 1;
            assert_eq!(Squashfs::parse(&bytes[..cut]), None);
        }
    }
}
