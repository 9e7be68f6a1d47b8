//! Lays a file set out as an EROFS image.

use std::collections::HashMap;
use std::sync::Arc;

use ironkit_tree::{Content, Digest, FileSet, Kind, Node, Source};

use super::attributes;
use super::directory;
use super::format::{
    BLOCK, FILE_TYPES, FLAT_INLINE, FLAT_PLAIN, FORMAT, FORMAT_EXTENDED, FORMAT_LAYOUT_SHIFT, LABEL,
    RawInode, RawSuperblock, S_IFMT, SLOT, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE,
};
use super::inodes::{Body, Inode, Inodes};
use super::placement::Placement;
use crate::FormatError;
use crate::crc32c;
use crate::extents::{Data, Extents};
use crate::filesystem::contents::{Head, Tail};

/// What an image is to be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Identifies the volume; from its content, so that equal volumes are equal.
    pub uuid: [u8; 16],
    /// Name of the volume, of at most 15 bytes.
    pub label: Vec<u8>,
}

/// The image with all of `files`. A root that has no node of its own is like an implied directory.
///
/// # Errors
/// [`FormatError`]: what the format cannot hold. Nothing of a content is read before the image is written.
pub fn layout<'a>(
    files: &FileSet,
    source: &'a dyn Source,
    options: &Options,
) -> Result<Extents<'a>, FormatError> {
    let label = label(&options.label)?;
    let root = Node::implied_directory();
    let all = Inodes::of(files, &root)?;
    let mut plan = Plan::new(&all)?;
    let superblock = RawSuperblock {
        checksum: 0,
        // The root is placed first, in one of the first blocks.
        root_nid: u16::try_from(plan.offsets[0] / SLOT).unwrap_or_default(),
        inos: all.inodes.len() as u64,
        build_time: all.build_time.cast_unsigned(),
        blocks: plan.blocks,
        xattr_blkaddr: plan.xattr_blkaddr,
        uuid: options.uuid,
        volume_name: label,
    };
    let mut image = Writer {
        all: &all,
        plan: &plan,
        source,
        out: Extents::new(),
        pending: Vec::new(),
        at: 0,
    };
    image.metadata(&superblock)?;
    let Writer { mut out, .. } = image;
    out.align(BLOCK);
    out.bytes(all.shared.area.as_slice());
    out.align(BLOCK);
    for stored in plan.stored.drain(..) {
        match stored {
            Stored::Bytes(bytes) => out.bytes(bytes),
            Stored::File(content, size) => out.data(Arc::new(Head::new(content, source, size))),
        }
        out.align(BLOCK);
    }
    Ok(out)
}

fn label(label: &[u8]) -> Result<[u8; LABEL], FormatError> {
    let mut field = [0; LABEL];
    match field[..LABEL - 1].get_mut(..label.len()) {
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

/// Where everything is.
struct Plan {
    /// Of each inode.
    offsets: Vec<u64>,
    /// Of the content of each inode, as far as it is in blocks of its own.
    first_blocks: Vec<u32>,
    /// Block of the shared attributes.
    xattr_blkaddr: u32,
    /// What is in blocks of its own, in its order.
    stored: Vec<Stored>,
    blocks: u32,
    /// The inode whose content stands for all those that are equal to it.
    contents: HashMap<Digest, usize>,
}

/// Bytes that begin at a block.
enum Stored {
    /// Those of a directory or a symbolic link.
    Bytes(Vec<u8>),
    /// So many of a file's, from its beginning.
    File(Content, u64),
}

impl Plan {
    fn new(all: &Inodes) -> Result<Plan, FormatError> {
        let mut placement = Placement::new();
        let place = |inode: &Inode| {
            let known = !inode.is_file() || inode.inline() == 0;
            placement.place(inode.head() + inode.inline(), known)
        };
        let offsets = all.inodes.iter().map(place).collect();
        let area = all.shared.area.len() as u64;
        let xattr_blkaddr = match area {
            0 => 0,
            _ => block(placement.blocks())?,
        };
        let mut plan = Plan {
            offsets,
            first_blocks: Vec::with_capacity(all.inodes.len()),
            xattr_blkaddr,
            stored: Vec::new(),
            blocks: block(placement.blocks() + area.div_ceil(BLOCK))?,
            contents: HashMap::new(),
        };
        let mut known = HashMap::new();
        for index in 0..all.inodes.len() {
            let first = plan.store(all, index, &mut known)?;
            plan.first_blocks.push(first);
        }
        Ok(plan)
    }

    /// The content that is stored for this one.
    fn standing_for<'i>(&self, all: &'i Inodes, content: &'i Content) -> &'i Content {
        let first = match content {
            Content::Inline(_) => None,
            Content::Blob { digest, .. } => self.contents.get(digest),
        };
        match first.map(|&index| &all.inodes[index].node.kind) {
            Some(Kind::File(first)) => first,
            _ => content,
        }
    }

    /// Gives the content of an inode its blocks, unless an equal one has them.
    fn store(
        &mut self,
        all: &Inodes,
        index: usize,
        known: &mut HashMap<(Digest, u64), u32>,
    ) -> Result<u32, FormatError> {
        let inode = &all.inodes[index];
        let blocks = inode.blocks();
        let size = inode.size - inode.inline();
        let stored = match (&inode.body, &inode.node.kind) {
            (_, Kind::File(content)) => {
                if let Content::Blob { digest, .. } = content {
                    self.contents.entry(*digest).or_insert(index);
                }
                let content = self.standing_for(all, content);
                if blocks == 0 {
                    return Ok(0);
                }
                if let Some(first) = known.get(&(content.digest(), blocks)) {
                    return Ok(*first);
                }
                known.insert((content.digest(), blocks), self.blocks);
                Stored::File(content.clone(), size)
            }
            _ if blocks == 0 => return Ok(0),
            (body, _) => {
                let mut bytes = content(all, &self.offsets, body);
                bytes.truncate(usize::try_from(size).unwrap_or(usize::MAX));
                Stored::Bytes(bytes)
            }
        };
        let first = self.blocks;
        self.blocks = block(u64::from(first) + blocks)?;
        self.stored.push(stored);
        Ok(first)
    }
}

/// The content of what is no file.
fn content(all: &Inodes, offsets: &[u64], body: &Body) -> Vec<u8> {
    match body {
        Body::Directory(names) => directory::content(names, |inode| {
            let mode = all.inodes[inode].node.st_mode() & S_IFMT;
            let file_type = FILE_TYPES.iter().find(|(format, _)| *format == mode);
            (offsets[inode] / SLOT, file_type.map_or(0, |(_, number)| *number))
        }),
        Body::Symlink(target) => target.to_vec(),
        Body::File | Body::Device(_) | Body::Other => Vec::new(),
    }
}

/// A number of blocks, as addresses have it.
fn block(number: u64) -> Result<u32, FormatError> {
    u32::try_from(number).map_err(|_| FormatError::Image {
        format: FORMAT,
        what: format!("{number} blocks: 16 TiB are the limit"),
    })
}

/// Appends blocks of metadata.
struct Writer<'w, 'a> {
    all: &'w Inodes<'w>,
    plan: &'w Plan,
    source: &'a dyn Source,
    out: Extents<'a>,
    /// Bytes that come next.
    pending: Vec<u8>,
    /// The offset after them.
    at: u64,
}

impl Writer<'_, '_> {
    /// From the beginning of the image to the end of the last inode.
    fn metadata(&mut self, superblock: &RawSuperblock) -> Result<(), FormatError> {
        let offsets = &self.plan.offsets;
        let mut order: Vec<usize> = (0..offsets.len()).collect();
        order.sort_unstable_by_key(|&inode| offsets[inode]);
        let mut order = order.into_iter().peekable();
        self.zeros_to(SUPERBLOCK_OFFSET);
        self.bytes(&superblock.encode());
        while let Some(inode) = order.next_if(|&inode| offsets[inode] < BLOCK) {
            self.inode(inode)?;
        }
        self.zeros_to(BLOCK);
        self.checksum();
        for inode in order {
            self.inode(inode)?;
        }
        self.flush();
        Ok(())
    }

    /// Puts the checksum into the superblock; all that it covers is pending.
    fn checksum(&mut self) {
        let start = usize::try_from(SUPERBLOCK_OFFSET).unwrap_or_default();
        let checksum = crc32c::update(u32::MAX, &self.pending[start..]);
        self.pending[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
        debug_assert!(self.pending.len() > start + SUPERBLOCK_SIZE, "it is in block 0");
    }

    fn inode(&mut self, index: usize) -> Result<(), FormatError> {
        let inode = &self.all.inodes[index];
        self.zeros_to(self.plan.offsets[index]);
        let layout = if inode.inline() > 0 {
            FLAT_INLINE
        } else {
            FLAT_PLAIN
        };
        let extended = if inode.extended { FORMAT_EXTENDED } else { 0 };
        let mut bytes = Vec::new();
        RawInode {
            format: layout << FORMAT_LAYOUT_SHIFT | extended,
            xattr_icount: attributes::count(inode.path, inode.attributes.len())?,
            // 16 bits by its definition.
            mode: u16::try_from(inode.node.st_mode()).unwrap_or_default(),
            size: inode.size,
            u: match inode.body {
                Body::Device(number) => number,
                _ => self.plan.first_blocks[index],
            },
            // Only shown to programs; which number it is does not matter.
            ino: u32::try_from(index + 1).unwrap_or(u32::MAX),
            uid: inode.node.uid,
            gid: inode.node.gid,
            mtime: inode.node.mtime.cast_unsigned(),
            nlink: inode.nlink,
        }
        .encode(&mut bytes);
        self.bytes(&bytes);
        self.bytes(&inode.attributes);
        self.inline(inode);
        Ok(())
    }

    /// The part of the content that is beside the inode.
    fn inline(&mut self, inode: &Inode) {
        let length = inode.inline();
        let start = inode.size - length;
        match &inode.node.kind {
            _ if length == 0 => {}
            Kind::File(Content::Inline(bytes)) => {
                let start = usize::try_from(start).unwrap_or(usize::MAX);
                self.bytes(bytes.get(start..).unwrap_or_default());
            }
            Kind::File(content) => {
                let content = self.plan.standing_for(self.all, content);
                let tail = Tail::new(content.clone(), self.source, start);
                self.flush();
                self.at += tail.size();
                self.out.data(Arc::new(tail));
            }
            _ => {
                let bytes = content(self.all, &self.plan.offsets, &inode.body);
                let start = usize::try_from(start).unwrap_or(usize::MAX);
                self.bytes(bytes.get(start..).unwrap_or_default());
            }
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.pending.extend(bytes);
        self.at += bytes.len() as u64;
    }

    fn zeros_to(&mut self, offset: u64) {
        let count = usize::try_from(offset - self.at).unwrap_or(0);
        self.pending.resize(self.pending.len() + count, 0);
        self.at = offset;
    }

    fn flush(&mut self) {
        self.out.bytes(std::mem::take(&mut self.pending));
    }
}
