//! Files and the tables of data pieces → what is around the data: the second of the two steps.

use std::collections::HashMap;
use std::sync::Arc;

use ironkit_tree::{FileSet, InodeId, Kind, Node, Path};

use super::directory::{self, Entry};
use super::format::{
    FRAGMENT_SIZE, ID_SIZE, MAGIC, NAME_MAX, NO_TABLE, PADDING, SUPERBLOCK_SIZE, VERSION, flag,
};
use super::inode::{self, Common};
use super::metadata::{Metadata, Place, append_plain, append_table};
use super::stock::{Ids, Stock};
use super::table::Table;
use super::xattr::Xattrs;
use super::{Options, unfit};
use crate::FormatError;
use crate::extents::{Data, Extents};

/// What goes before the data pieces of a file system, and behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The superblock.
    pub head: Vec<u8>,
    /// The metadata, and zeros up to a multiple of 4 KiB.
    pub tail: Vec<u8>,
}

impl Linked {
    /// The whole file system. `pieces` are those of the tables that it was made with, in their order.
    pub fn extents<'a>(self, pieces: impl IntoIterator<Item = Arc<dyn Data + 'a>>) -> Extents<'a> {
        let mut extents = Extents::new();
        extents.bytes(self.head);
        pieces.into_iter().for_each(|piece| extents.data(piece));
        extents.bytes(self.tail);
        extents
    }
}

/// Lays out a file system with these files, whose contents are in the data pieces of `tables`, one after the other. A
/// content that several pieces have is taken from the first. The root is 0755, unless `files` say what it is.
///
/// # Errors
/// [`FormatError`]: what squashfs cannot hold, and a content that is in no piece.
pub fn link(files: &FileSet, tables: &[&Table], options: &Options) -> Result<Linked, FormatError> {
    let block = options.block()?;
    let compression = options.compression;
    let mut head = Vec::new();
    let compressor = compression.options();
    if !compressor.is_empty() {
        append_plain(&mut head, &compressor)?;
    }
    let before = (SUPERBLOCK_SIZE + head.len()) as u64;
    let mut writer = Writer::new(Stock::new(tables, before, block), files, options)?;
    let root = writer.walk(files)?;

    let data: u64 = tables.iter().map(|table| table.size).sum();
    let before = before + data;
    let mut tail = Vec::new();
    let Writer {
        inodes,
        directories,
        ids,
        xattrs,
        stock,
        ..
    } = writer;
    let has_xattrs = !xattrs.is_empty();
    let position = |tail: &Vec<u8>| before + tail.len() as u64;
    let inode_table = position(&tail);
    tail.extend(inodes.finish()?.0);
    let directory_table = position(&tail);
    tail.extend(directories.finish()?.0);
    let fragment_table = append_table(&mut tail, before, &stock.fragments, &[], compression)?;
    let id_table = append_table(&mut tail, before, &ids.list, &[], compression)?;
    let xattr_table = xattrs.append_to(&mut tail, before, compression)?;
    let used = position(&tail);

    let mut flags = flag::DUPLICATES;
    flags |= if has_xattrs { 0 } else { flag::NO_XATTRS };
    flags |= if compressor.is_empty() {
        0
    } else {
        flag::COMPRESSOR_OPTIONS
    };
    let fragments =
        u32::try_from(stock.fragments.len() / FRAGMENT_SIZE).map_err(|_| unfit("so many fragments"))?;
    let ints = [
        MAGIC,
        count(files)?,
        inode::time(options.time),
        options.block_size,
        fragments,
    ];
    let log = u16::try_from(options.block_size.ilog2()).unwrap_or(0);
    let id_count = u16::try_from(ids.list.len() / ID_SIZE).map_err(|_| unfit("so many owners"))?;
    let shorts = [compression.number(), log, flags, id_count, VERSION.0, VERSION.1];
    let longs = [
        root.reference(),
        used,
        id_table,
        xattr_table,
        inode_table,
        directory_table,
        fragment_table,
        NO_TABLE,
    ];
    let mut superblock = Vec::with_capacity(SUPERBLOCK_SIZE + head.len());
    superblock.extend(ints.into_iter().flat_map(u32::to_le_bytes));
    superblock.extend(shorts.into_iter().flat_map(u16::to_le_bytes));
    superblock.extend(longs.into_iter().flat_map(u64::to_le_bytes));
    superblock.append(&mut head);

    let padding = used.next_multiple_of(PADDING as u64) - used;
    tail.resize(tail.len() + usize::try_from(padding).unwrap_or(0), 0);
    Ok(Linked {
        head: superblock,
        tail,
    })
}

/// How many inodes there will be: the root is one even where nothing says so.
fn count(files: &FileSet) -> Result<u32, FormatError> {
    let ids: std::collections::BTreeSet<InodeId> = files.iter().map(|(_, id, _)| id).collect();
    let count = ids.len() + usize::from(files.get(&Path::ROOT).is_none());
    // Numbers begin with 1, and that after the last is the root's parent's.
    u32::try_from(count)
        .ok()
        .filter(|count| *count < u32::MAX)
        .ok_or_else(|| unfit("so many files"))
}

/// The tables while they grow.
struct Writer<'a> {
    stock: Stock<'a>,
    inodes: Metadata,
    directories: Metadata,
    ids: Ids,
    xattrs: Xattrs,
    /// Names of each inode that has more than one.
    links: HashMap<InodeId, u32>,
    /// Where the inodes with several names are, and their numbers.
    linked: HashMap<InodeId, (Place, u32)>,
    /// The next inode's number.
    next: u32,
    /// The number of the root's parent.
    beyond: u32,
}

/// A directory of which more entries may come.
struct Open<'f> {
    path: &'f Path,
    node: &'f Node,
    number: u32,
    directories: u32,
    entries: Vec<Entry<'f>>,
}

impl<'a> Writer<'a> {
    fn new(stock: Stock<'a>, files: &FileSet, options: &Options) -> Result<Writer<'a>, FormatError> {
        let mut links = HashMap::new();
        for (_, id, _) in files.iter() {
            *links.entry(id).or_insert(0) += 1;
        }
        links.retain(|_, count| *count > 1);
        Ok(Writer {
            stock,
            inodes: Metadata::new(options.compression)?,
            directories: Metadata::new(options.compression)?,
            ids: Ids::default(),
            xattrs: Xattrs::new(options.compression)?,
            links,
            linked: HashMap::new(),
            next: 1,
            beyond: count(files)? + 1,
        })
    }

    /// Writes all inodes and directories: a directory's inode behind those of what is in it. Where the root's is.
    fn walk(&mut self, files: &FileSet) -> Result<Place, FormatError> {
        let (root, implied) = (Path::ROOT, Node::implied_directory());
        let mut open = vec![Open {
            path: &root,
            node: files.get(&Path::ROOT).unwrap_or(&implied),
            number: self.number(),
            directories: 0,
            entries: Vec::new(),
        }];
        for (path, id, node) in files.iter().filter(|(path, ..)| !path.is_root()) {
            let name = path.file_name();
            inode::within(path, "length of the name", name.len() as u64, NAME_MAX as u64)?;
            let depth = path.as_bytes().iter().filter(|&&byte| byte == b'/').count() + 1;
            while open.len() > depth {
                self.close(&mut open)?;
            }
            let Some(above) = open.last_mut() else { continue };
            if node.is_directory() {
                above.directories += 1;
                open.push(Open {
                    path,
                    node,
                    number: self.number(),
                    directories: 0,
                    entries: Vec::new(),
                });
                continue;
            }
            let (inode, number) = self.leaf(path, id, node)?;
            above.entries.push(Entry {
                name,
                inode,
                number,
                kind: inode::kind_of(node),
            });
        }
        loop {
            if let Some(root) = self.close(&mut open)? {
                return Ok(root);
            }
        }
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    /// Writes the innermost directory, and enters it above. Where its inode is, if it is the root.
    fn close(&mut self, open: &mut Vec<Open>) -> Result<Option<Place>, FormatError> {
        let Some(done) = open.pop() else { return Ok(None) };
        let parent = open.last().map_or(self.beyond, |above| above.number);
        let listing = directory::append(&mut self.directories, &done.entries)?;
        let common = self.common(done.path, done.node, done.number, 2 + done.directories)?;
        let bytes = inode::directory(done.node, &common, parent, &listing)?;
        let inode = self.append(&bytes)?;
        let Some(above) = open.last_mut() else {
            return Ok(Some(inode));
        };
        above.entries.push(Entry {
            name: done.path.file_name(),
            inode,
            number: done.number,
            kind: inode::kind_of(done.node),
        });
        Ok(None)
    }

    /// Writes the inode of something else than a directory, unless it was named before.
    fn leaf(&mut self, path: &Path, id: InodeId, node: &Node) -> Result<(Place, u32), FormatError> {
        if let Some(known) = self.linked.get(&id) {
            return Ok(*known);
        }
        let number = self.number();
        let links = self.links.get(&id).copied();
        let common = self.common(path, node, number, links.unwrap_or(1))?;
        let bytes = match &node.kind {
            Kind::File(content) => inode::file(node, &common, &self.stock.extent(path, content)?),
            _ => inode::other(path, node, &common)?,
        };
        let place = self.append(&bytes)?;
        if links.is_some() {
            self.linked.insert(id, (place, number));
        }
        Ok((place, number))
    }

    fn common(&mut self, path: &Path, node: &Node, number: u32, links: u32) -> Result<Common, FormatError> {
        Ok(Common {
            number,
            owner: self.ids.index(node.uid)?,
            group: self.ids.index(node.gid)?,
            links,
            xattrs: self.xattrs.add(path, &node.xattrs)?,
        })
    }

    fn append(&mut self, inode: &[u8]) -> Result<Place, FormatError> {
        let place = self.inodes.place()?;
        self.inodes.write(inode)?;
        Ok(place)
    }
}
