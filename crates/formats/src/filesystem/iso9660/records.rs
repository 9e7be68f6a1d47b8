//! Directories and path tables as bytes.

use std::collections::HashMap;

use ironkit_tree::{InodeId, Kind};

use super::format::{
    BLOCK, EXTENT_MAX, FLAG_DIRECTORY, FLAG_MULTI_EXTENT, RECORD_MAX, Record, record_length,
};
use super::rock::{self, Areas, Inode};
use super::tree::{Child, Entries, Hierarchy, Inside};

/// Identifiers of a directory's own record, and of that for the one above.
const SELF: &[u8] = &[0];
const ABOVE: &[u8] = &[1];

/// Where everything is, as far as it is known.
pub struct Places {
    /// First block and bytes of each directory of the hierarchy. The bytes are whole blocks, without the areas behind.
    pub directories: Vec<(u32, u32)>,
    /// First block of each file's content.
    pub files: HashMap<InodeId, u32>,
}

/// A directory's bytes.
#[derive(Default)]
pub struct Encoded {
    /// Its records, whole blocks.
    pub records: Vec<u8>,
    /// Continuation areas, which are in the blocks behind.
    pub areas: Vec<u8>,
}

impl Encoded {
    /// Appends a record, which is inside of one block.
    fn push(&mut self, record: &Record) {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        let size = usize::try_from(BLOCK).unwrap_or(0);
        let used = self.records.len() % size;
        if used + bytes.len() > size {
            self.records.resize(self.records.len() + size - used, 0);
        }
        self.records.extend(bytes);
    }
}

/// A directory of a hierarchy. The lengths do not depend on `places`.
pub fn directory(entries: &Entries, hierarchy: &Hierarchy, number: usize, places: &Places) -> Encoded {
    let listed = &hierarchy.directories[number];
    let inside = &entries.directories[listed.inside];
    let (block, size) = places.directories[number];
    let after = block + size / u32::try_from(BLOCK).unwrap_or(1);
    let mut encoded = Encoded::default();
    let mut areas = Areas::default();
    let mut system = |fields: Vec<Vec<u8>>, identifier: &[u8]| match hierarchy.joliet {
        true => Vec::new(),
        false => areas.split(&fields, RECORD_MAX - record_length(identifier.len()), after),
    };
    let above = &entries.directories[hierarchy.directories[listed.parent].inside];
    for (identifier, inside, at) in [(SELF, inside, number), (ABOVE, above, listed.parent)] {
        let mut fields = posix(inside);
        if number == 0 && identifier == SELF {
            fields.insert(0, rock::SP.to_vec());
            fields.push(rock::er());
        }
        let (block, size) = places.directories[at];
        encoded.push(&Record {
            block,
            size,
            time: inside.node.mtime,
            flags: FLAG_DIRECTORY,
            identifier,
            system: &system(fields, identifier),
        });
    }
    for (identifier, index) in &listed.children {
        let child = &inside.children[*index];
        let shown = matches!(child.node.kind, Kind::Directory | Kind::File(_));
        if hierarchy.joliet && !shown {
            continue;
        }
        let system = system(fields(entries, child), identifier);
        for (block, size, flags) in extents(hierarchy, child, places) {
            encoded.push(&Record {
                block,
                size,
                time: child.node.mtime,
                flags,
                identifier,
                system: &system,
            });
        }
    }
    let size = usize::try_from(BLOCK).unwrap_or(1);
    encoded
        .records
        .resize(encoded.records.len().next_multiple_of(size), 0);
    encoded.areas = areas.bytes;
    encoded
        .areas
        .resize(encoded.areas.len().next_multiple_of(size), 0);
    encoded
}

/// The root directory's record, which descriptors have.
pub fn root(entries: &Entries, places: &Places) -> Vec<u8> {
    let (block, size) = places.directories[0];
    let mut record = Vec::new();
    Record {
        block,
        size,
        time: entries.directories[0].node.mtime,
        flags: FLAG_DIRECTORY,
        identifier: SELF,
        system: &[],
    }
    .encode(&mut record);
    record
}

/// How numbers of 32 and 16 bits are written.
pub type Order = (fn(u32) -> [u8; 4], fn(u16) -> [u8; 2]);

/// A path table (ECMA-119, 6.9 and 9.4), with numbers as `order` writes them.
pub fn path_table(hierarchy: &Hierarchy, places: &Places, order: Order) -> Vec<u8> {
    let mut table = Vec::new();
    for (directory, (block, _)) in hierarchy.directories.iter().zip(&places.directories) {
        table.push(u8::try_from(directory.identifier.len()).unwrap_or(u8::MAX));
        table.push(0);
        table.extend(order.0(*block));
        // Directories count from 1, and there are no more than have a number.
        table.extend(order.1(u16::try_from(directory.parent + 1).unwrap_or(u16::MAX)));
        table.extend(&directory.identifier);
        if !directory.identifier.len().is_multiple_of(2) {
            table.push(0);
        }
    }
    table
}

/// Rock Ridge of a directory, for records that are not in the one above.
fn posix(inside: &Inside) -> Vec<Vec<u8>> {
    let inode = Inode {
        node: inside.node,
        serial: inside.serial,
        links: 2 + inside.subdirectories,
    };
    inode.entries()
}

/// Rock Ridge of a name.
fn fields(entries: &Entries, child: &Child) -> Vec<Vec<u8>> {
    let known = entries.inodes[&child.inode];
    let links = child
        .directory
        .map(|index| 2 + entries.directories[index].subdirectories);
    let inode = Inode {
        node: child.node,
        serial: known.serial,
        links: links.unwrap_or(known.links),
    };
    let mut fields = inode.entries();
    fields.extend(rock::name(child.name));
    if let Kind::Symlink(target) = &child.node.kind {
        fields.extend(rock::symlink(target));
    }
    fields
}

/// First block, bytes and flags of each extent of a name: one record each.
fn extents(hierarchy: &Hierarchy, child: &Child, places: &Places) -> Vec<(u32, u32, u8)> {
    if let Some(index) = child.directory {
        let (block, size) = places.directories[hierarchy.numbers[index]];
        return vec![(block, size, FLAG_DIRECTORY)];
    }
    let mut block = places.files.get(&child.inode).copied().unwrap_or(0);
    let mut left = child.node.size();
    let mut extents = Vec::new();
    loop {
        let size = left.min(EXTENT_MAX);
        left -= size;
        let flags = if left > 0 { FLAG_MULTI_EXTENT } else { 0 };
        extents.push((block, u32::try_from(size).unwrap_or(u32::MAX), flags));
        if left == 0 {
            return extents;
        }
        block += u32::try_from(size / BLOCK).unwrap_or(0);
    }
}
