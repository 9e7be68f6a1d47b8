//! Lays a file set out as an ext4 volume.

use std::iter::Peekable;
use std::ops::Range;
use std::sync::Arc;

use ironkit_tree::{Content, FileSet, Kind, Node, Path, Source};

use super::attributes::{self, Attributes};
use super::blocks::Blocks;
use super::directory::{self, Name};
use super::extent_tree;
use super::format::{
    BLOCK, FILE_BLOCKS_MAX, FILE_TYPES, FIRST, FORMAT, I_BLOCK, INODE, JOURNAL, LABEL, LINKS_MAX,
    LOST_AND_FOUND, RESIZE, ROOT, S_IFMT,
};
use super::geometry::Geometry;
use super::inodes::{Inode, seed};
use super::metadata;
use super::superblock;
use crate::FormatError;
use crate::crc32c;
use crate::extents::{Extents, Stored};
use crate::filesystem::contents::Interrupted;
use crate::filesystem::tree::{self, Named};

/// Blocks of `lost+found`: `e2fsck` makes no new ones.
const LOST_AND_FOUND_BLOCKS: u64 = 4;
/// Targets of symbolic links that are in the inode are shorter than that.
const FAST_SYMLINK: usize = I_BLOCK;

/// What a volume is to be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Bytes of the volume, of which those that make no group stay empty.
    pub size: u64,
    /// Identifies the volume; from its content, so that equal volumes are equal.
    pub uuid: [u8; 16],
    /// Name of the volume, of at most 16 bytes.
    pub label: Vec<u8>,
    /// Time of what is in no file set, in seconds since 1970.
    pub time: i64,
}

/// The volume with all of `files`, and with `lost+found`. A root that has no node of its own has mode 0755.
///
/// # Errors
/// [`FormatError`]: what the format or the size cannot hold. Nothing of a content is read before the volume is written.
pub fn layout<'a>(
    files: &FileSet,
    source: &'a dyn Source,
    options: &Options,
) -> Result<Extents<'a>, FormatError> {
    let label = label(&options.label)?;
    let lost = Path::parse(LOST_AND_FOUND).unwrap_or_default();
    let mut more = FileSet::new();
    let files = match files.get(&lost) {
        Some(_) => files,
        None => {
            more.clone_from(files);
            more.insert(lost, Node::new(Kind::Directory, 0o700).at(options.time));
            &more
        }
    };
    let root = Node::new(Kind::Directory, 0o755).at(options.time);
    let all = tree::walk(files, &root, FORMAT)?;
    let geometry = Geometry::new(options.size, all.len() as u64)?;
    let mut volume = Builder {
        blocks: Blocks::new(&geometry),
        geometry,
        seed: crc32c::update(u32::MAX, &options.uuid),
        pieces: Vec::new(),
        inodes: Vec::new(),
        directories: Vec::new(),
    };
    let resize = volume.blocks.one()?;
    let journal = volume.journal(options.time)?;
    volume.put(
        RESIZE,
        &metadata::resize_inode(&volume.geometry, resize, options.time),
    );
    volume.nodes(&all)?;
    metadata::resize_blocks(&volume.geometry, resize, |block, bytes| {
        volume.pieces.push((block, Piece::Bytes(bytes.into())));
    });
    let superblock = superblock::Superblock {
        geometry: &volume.geometry,
        uuid: options.uuid,
        label,
        time: options.time,
        free_blocks: 0,
        free_inodes: 0,
        journal,
    };
    let used = metadata::Used {
        blocks: &volume.blocks,
        inodes: &volume.inodes,
        directories: &volume.directories,
    };
    let tables = metadata::tables(superblock, &used, volume.seed);
    let mut pieces = volume.pieces;
    let bytes = |(block, bytes)| (block, Piece::Bytes(bytes));
    pieces.extend(tables.into_iter().map(bytes));
    pieces.sort_by_key(|(block, _)| *block);
    let blocks = volume.geometry.blocks;
    let mut image = emit(&mut pieces.into_iter().peekable(), 0..blocks, source);
    image.zeros_to(options.size);
    Ok(image)
}

fn label(label: &[u8]) -> Result<[u8; LABEL], FormatError> {
    let mut field = [0; LABEL];
    match field.get_mut(..label.len()) {
        Some(start) if !label.contains(&0) => start.copy_from_slice(label),
        _ => {
            return Err(FormatError::Image {
                format: FORMAT,
                what: format!("the label `{}`", String::from_utf8_lossy(label)),
            });
        }
    }
    Ok(field)
}

/// What is at a block.
enum Piece {
    Bytes(Arc<[u8]>),
    /// A file's content, in these runs of blocks.
    File(Content, Vec<Range<u64>>),
}

struct Builder {
    geometry: Geometry,
    blocks: Blocks,
    /// What checksums begin with.
    seed: u32,
    pieces: Vec<(u64, Piece)>,
    /// Bytes of all inodes up to the last one that is used.
    inodes: Vec<u8>,
    /// Numbers of directories.
    directories: Vec<u32>,
}

impl Builder {
    /// Makes the journal: the address of its content, and its size.
    fn journal(&mut self, time: i64) -> Result<([u8; I_BLOCK], u64), FormatError> {
        let count = self.geometry.journal;
        let runs = self.blocks.take(count)?;
        let first = runs.first().map_or(0, |run| run.start);
        let bytes = superblock::journal(count);
        self.pieces.push((first, Piece::Bytes(bytes.into())));
        let (address, more) = self.address(&runs, JOURNAL)?;
        let node = Node::new(Kind::File(Vec::new().into()), 0o600).at(time);
        let inode = Inode::of(&node, 1, &Attributes::None);
        let inode = inode.extents(address, count * BLOCK, count + more);
        self.put(JOURNAL, &inode);
        Ok((address, count * BLOCK))
    }

    /// All nodes of the file set.
    fn nodes(&mut self, all: &[Named]) -> Result<(), FormatError> {
        let numbers = numbers(all);
        // Directories are together at the beginning.
        for directories in [true, false] {
            for (index, named) in all.iter().enumerate() {
                if named.node.is_directory() == directories {
                    self.node(all, &numbers, index)?;
                }
            }
        }
        Ok(())
    }

    fn node(&mut self, all: &[Named], numbers: &[u32], index: usize) -> Result<(), FormatError> {
        let (named, number) = (&all[index], numbers[index]);
        let (path, node) = (named.path, named.node);
        let attributes = Attributes::of(path, node)?;
        let mut inode = Inode::of(node, links(named)?, &attributes);
        if let Attributes::Block(mut block) = attributes {
            let place = self.blocks.one()?;
            attributes::seal(&mut block, place, self.seed);
            self.pieces.push((place, Piece::Bytes(block.into())));
            (inode.file_acl, inode.blocks) = (place, 1);
        }
        let (piece, size): (Piece, u64) = match &node.kind {
            Kind::Directory => {
                let bytes = self.directory(all, numbers, index);
                let size = bytes.len() as u64;
                self.directories.push(number);
                (Piece::Bytes(bytes.into()), size)
            }
            Kind::File(content) => (Piece::File(content.clone(), Vec::new()), content.size()),
            Kind::Symlink(target) if target.len() < FAST_SYMLINK => {
                inode.i_block[..target.len()].copy_from_slice(target);
                inode.size = target.len() as u64;
                self.put(number, &inode);
                return Ok(());
            }
            Kind::Symlink(target) if target.len() as u64 >= BLOCK => {
                return Err(unfit(path, "a target of 4096 bytes or more"));
            }
            Kind::Symlink(target) => (Piece::Bytes(target.as_slice().into()), target.len() as u64),
            Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
                if *major >= 1 << 12 || *minor >= 1 << 20 {
                    return Err(unfit(path, "a device's number of more than 32 bits"));
                }
                self.put(number, &inode);
                return Ok(());
            }
            Kind::Fifo => {
                self.put(number, &inode);
                return Ok(());
            }
        };
        let count = size.div_ceil(BLOCK);
        if count > FILE_BLOCKS_MAX {
            return Err(FormatError::TooLarge {
                path: path.clone(),
                field: "i_size",
                value: size,
                format: FORMAT,
                limit: FILE_BLOCKS_MAX * BLOCK,
            });
        }
        let runs = self.blocks.take(count)?;
        let (address, more) = self.address(&runs, number)?;
        if let Some(first) = runs.first().map(|run| run.start) {
            match piece {
                Piece::File(content, _) => self.pieces.push((first, Piece::File(content, runs))),
                Piece::Bytes(bytes) => self.scatter(&bytes, &runs),
            }
        }
        self.put(number, &inode.extents(address, size, count + more));
        Ok(())
    }

    /// Puts bytes into these runs of blocks.
    fn scatter(&mut self, mut bytes: &[u8], runs: &[Range<u64>]) {
        for run in runs {
            let length = usize::try_from((run.end - run.start) * BLOCK).unwrap_or(usize::MAX);
            let (piece, rest) = bytes.split_at(length.min(bytes.len()));
            self.pieces.push((run.start, Piece::Bytes(piece.into())));
            bytes = rest;
        }
    }

    /// The content of a directory.
    fn directory(&self, all: &[Named], numbers: &[u32], index: usize) -> Vec<u8> {
        let named = &all[index];
        let name = |name, index: usize| {
            let mode = all[index].node.st_mode() & S_IFMT;
            let file_type = FILE_TYPES.iter().find(|(format, _)| *format == mode);
            Name {
                name,
                inode: numbers[index],
                file_type: file_type.map_or(0, |(_, number)| *number),
            }
        };
        let mut names = vec![name(b".", index), name(b"..", named.parent)];
        names.extend(named.names.iter().map(|(below, index)| name(below, *index)));
        let least = match numbers[index] {
            FIRST => LOST_AND_FOUND_BLOCKS,
            _ => 1,
        };
        let blocks = directory::blocks(names.iter().map(|name| name.name)).max(least);
        directory::content(&names, blocks, seed(self.seed, numbers[index]))
    }

    /// What an inode has as the address of these runs, and how many blocks its nodes take.
    fn address(&mut self, runs: &[Range<u64>], number: u32) -> Result<([u8; I_BLOCK], u64), FormatError> {
        let count = extent_tree::blocks(runs.len());
        let places = (0..count)
            .map(|_| self.blocks.one())
            .collect::<Result<Vec<_>, _>>()?;
        let (address, nodes) = extent_tree::encode(runs, &places, seed(self.seed, number));
        for (place, node) in nodes {
            self.pieces.push((place, Piece::Bytes(node.into())));
        }
        Ok((address, count as u64))
    }

    fn put(&mut self, number: u32, inode: &Inode) {
        let bytes = inode.encode(seed(self.seed, number));
        let start = usize::try_from(number - 1).unwrap_or(usize::MAX) * INODE;
        if self.inodes.len() < start + INODE {
            self.inodes.resize(start + INODE, 0);
        }
        self.inodes[start..start + INODE].copy_from_slice(&bytes);
    }
}

/// The number of each inode.
fn numbers(all: &[Named]) -> Vec<u32> {
    let mut next = FIRST;
    let number = |named: &Named| match named.path.as_bytes() {
        b"" => ROOT,
        LOST_AND_FOUND => FIRST,
        _ => {
            next += 1;
            next
        }
    };
    all.iter().map(number).collect()
}

fn links(named: &Named) -> Result<u16, FormatError> {
    let links = match named.nlink {
        links if links <= LINKS_MAX => links,
        // So many directories that nobody counts.
        _ if named.node.is_directory() => 1,
        links => {
            return Err(FormatError::TooLarge {
                path: named.path.clone(),
                field: "i_links_count",
                value: u64::from(links),
                format: FORMAT,
                limit: u64::from(LINKS_MAX),
            });
        }
    };
    if named.path.as_bytes() == LOST_AND_FOUND && !named.node.is_directory() {
        return Err(unfit(named.path, "something of that name that is no directory"));
    }
    Ok(u16::try_from(links).unwrap_or(u16::MAX))
}

fn unfit(path: &Path, what: &str) -> FormatError {
    FormatError::Unfit {
        path: path.clone(),
        format: FORMAT,
        what: what.to_owned(),
    }
}

/// All pieces of these blocks, with what is between them.
fn emit<'a>(
    pieces: &mut Peekable<impl Iterator<Item = (u64, Piece)>>,
    range: Range<u64>,
    source: &'a dyn Source,
) -> Extents<'a> {
    let mut out = Extents::new();
    while let Some((block, piece)) = pieces.next_if(|(block, _)| *block < range.end) {
        out.zeros_to((block - range.start) * BLOCK);
        match piece {
            Piece::Bytes(bytes) => out.bytes(bytes),
            Piece::File(content, runs) => {
                let content = Arc::new(Stored::new(content, source));
                let (mut at, mut between) = (0, Vec::new());
                for pair in runs.windows(2) {
                    at += (pair[0].end - pair[0].start) * BLOCK;
                    if pair[0].end < pair[1].start {
                        between.push((at, emit(pieces, pair[0].end..pair[1].start, source)));
                    }
                }
                match between.is_empty() {
                    true => out.data(content),
                    false => out.data(Arc::new(Interrupted::new(content, between))),
                }
            }
        }
    }
    out.zeros_to((range.end - range.start) * BLOCK);
    out
}
