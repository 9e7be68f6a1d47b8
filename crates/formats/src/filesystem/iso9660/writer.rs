//! Lays an ISO 9660 file system out.

use std::collections::HashMap;
use std::sync::Arc;

use ironkit_tree::{FileSet, Node, Source};

use super::format::{
    BLOCK, CATALOG, CatalogEntry, Descriptor, EXTENT_MAX, FORMAT, PRIMARY, SYSTEM_AREA, boot_record, catalog,
    terminator,
};
use super::records::{self, Places};
use super::tree::{Entries, Hierarchy};
use crate::FormatError;
use crate::extents::{Data, Extents, Stored};

/// Platforms of the boot catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// A PC's BIOS, which loads the given sectors of the image and starts them.
    Bios,
    /// UEFI, for which the image is a FAT file system.
    Efi,
}

/// An image that firmware starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boot {
    /// Whose image it is.
    pub platform: Platform,
    /// Its index in [`Options::front`].
    pub front: usize,
    /// How many sectors of 512 bytes the firmware loads; all of the image for UEFI if there is none, and 4 for a BIOS.
    pub sectors: Option<u16>,
}

/// What is not in the tree.
pub struct Options<'a> {
    /// The volume's identifier: at most 32 characters of ASCII.
    pub volume: String,
    /// The volume's time, in seconds since 1970.
    pub time: i64,
    /// Whether there are names for Windows too.
    pub joliet: bool,
    /// What is in front of the tree and has no name: boot images, and what they load. Each begins at the place that
    /// [`front`] tells.
    pub front: Vec<Arc<dyn Data + 'a>>,
    /// What firmware starts, the default one first.
    pub boot: Vec<Boot>,
    /// Bytes behind everything else that belong to the volume: room for the copy of a partition table.
    pub tail: u64,
}

/// A volume that is laid out, without its system area.
pub struct Volume<'a> {
    /// Everything behind the system area.
    pub extents: Extents<'a>,
    /// Bytes of the whole, with the system area and the tail: whole blocks.
    pub size: u64,
}

impl<'a> Volume<'a> {
    /// The whole, with these bytes at its beginning and at its end.
    ///
    /// # Errors
    /// More than [`SYSTEM_AREA`] bytes in front.
    pub fn image(self, system_area: Vec<u8>, end: Vec<u8>) -> Result<Extents<'a>, FormatError> {
        let head = system_area.len() as u64;
        let start = self.size.saturating_sub(end.len() as u64);
        if head > SYSTEM_AREA || start < SYSTEM_AREA + self.extents.size() {
            let what = format!("{head} bytes in front and {} behind", end.len());
            return Err(FormatError::Image { format: FORMAT, what });
        }
        let mut image = Extents::new();
        image.bytes(system_area);
        image.zeros_to(SYSTEM_AREA);
        image.append(self.extents);
        image.zeros_to(start);
        image.bytes(end);
        Ok(image)
    }
}

/// Offsets in bytes from the beginning of the volume of what is in front of the tree, by its sizes; and where the last one ends.
pub fn front(sizes: &[u64]) -> (Vec<u64>, u64) {
    let mut next = (CATALOG + 1) * BLOCK;
    let place = |size: &u64| {
        let start = next;
        next += size.next_multiple_of(BLOCK);
        start
    };
    let places = sizes.iter().map(place).collect();
    (places, next)
}

/// Writes the boot information table into a boot image for a BIOS that is to be at `offset` of the volume: where the
/// descriptor and the image are, its length and its sum (`isolinux` and GRUB want it).
///
/// # Errors
/// An image that is too short for it.
pub fn boot_info_table(image: &mut [u8], offset: u64) -> Result<(), FormatError> {
    const TABLE: std::ops::Range<usize> = 8..64;
    if image.len() < TABLE.end {
        return Err(unfit("a boot image of less than 64 bytes"));
    }
    let word = |word: &[u8]| {
        let bytes: Vec<u8> = word.iter().copied().chain([0; 4]).take(4).collect();
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    };
    let sum = image[TABLE.end..].chunks(4).map(word).fold(0, u32::wrapping_add);
    let fields = [
        blocks(PRIMARY * BLOCK)?,
        blocks(offset)?,
        fit(image.len() as u64)?,
        sum,
    ];
    let table = fields.iter().flat_map(|field| field.to_le_bytes()).chain([0; 40]);
    for (byte, value) in image[TABLE].iter_mut().zip(table) {
        *byte = value;
    }
    Ok(())
}

/// The volume with all of `files`.
///
/// # Errors
/// [`FormatError`]: what the format cannot hold. Nothing of a content is read before the volume is written.
pub fn layout<'a>(
    files: &FileSet,
    source: &'a dyn Source,
    options: &Options<'a>,
) -> Result<Volume<'a>, FormatError> {
    if options.volume.len() > 32 || !options.volume.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
        return Err(unfit(&format!("the volume identifier `{}`", options.volume)));
    }
    let root = Node::implied_directory();
    let entries = Entries::of(files, &root)?;
    let mut hierarchies = vec![Hierarchy::of(&entries, false)];
    if options.joliet {
        hierarchies.push(Hierarchy::of(&entries, true));
    }
    let sizes: Vec<u64> = options.front.iter().map(|data| data.size()).collect();
    let (front, mut next) = front(&sizes);
    let mut placed: Vec<(Places, Paths)> = Vec::new();
    for hierarchy in &hierarchies {
        placed.push(place(&entries, hierarchy, &mut next)?);
    }
    let mut contents = HashMap::new();
    for (inode, _, node) in &entries.files {
        contents.insert(*inode, blocks(next)?);
        next += node.size().next_multiple_of(BLOCK);
    }
    let size = (next + options.tail).next_multiple_of(BLOCK);
    let total = blocks(size)?;
    for (places, _) in &mut placed {
        places.files.clone_from(&contents);
    }
    let mut volume = Extents::new();
    let mut descriptors = Vec::new();
    for (hierarchy, (places, paths)) in hierarchies.iter().zip(&placed) {
        let descriptor = Descriptor {
            joliet: hierarchy.joliet,
            volume: options.volume.clone(),
            time: options.time,
            blocks: total,
            path_table: paths.size,
            path_tables: paths.blocks,
            root: records::root(&entries, places),
        };
        descriptors.push(descriptor.encode());
    }
    if !options.boot.is_empty() {
        // El Torito wants it right behind the first.
        descriptors.insert(1, boot_record());
    }
    descriptors.push(terminator());
    volume.bytes(descriptors.concat());
    let at = |offset: u64| offset - SYSTEM_AREA;
    if !options.boot.is_empty() {
        volume.zeros_to(at(CATALOG * BLOCK));
        volume.bytes(catalog(&boot_entries(options, &sizes, &front)?));
    }
    for (data, start) in options.front.iter().zip(front) {
        volume.zeros_to(at(start));
        volume.data(data.clone());
    }
    for (hierarchy, (places, paths)) in hierarchies.iter().zip(&placed) {
        directories(&entries, hierarchy, places, paths, &mut volume);
    }
    for (inode, _, node) in &entries.files {
        volume.zeros_to(at(u64::from(contents[inode]) * BLOCK));
        if let ironkit_tree::Kind::File(content) = &node.kind {
            volume.data(Arc::new(Stored::new(content.clone(), source)));
        }
    }
    volume.zeros_to(at(next));
    Ok(Volume {
        extents: volume,
        size,
    })
}

/// Where the path tables are, and bytes of one.
struct Paths {
    blocks: [u32; 2],
    size: u32,
}

/// Gives the path tables and directories of a hierarchy their places from `next` on.
fn place(entries: &Entries, hierarchy: &Hierarchy, next: &mut u64) -> Result<(Places, Paths), FormatError> {
    let count = hierarchy.directories.len();
    let mut places = Places {
        directories: vec![(0, 0); count],
        files: HashMap::new(),
    };
    let size = records::path_table(hierarchy, &places, (u32::to_le_bytes, u16::to_le_bytes)).len() as u64;
    let mut tables = [0; 2];
    for table in &mut tables {
        *table = blocks(*next)?;
        *next += size.next_multiple_of(BLOCK);
    }
    let mut found = Vec::with_capacity(count);
    for number in 0..count {
        let encoded = records::directory(entries, hierarchy, number, &places);
        let size = encoded.records.len() as u64;
        found.push((blocks(*next)?, fit(size)?));
        *next += size + encoded.areas.len() as u64;
    }
    places.directories = found;
    let paths = Paths {
        blocks: tables,
        size: fit(size)?,
    };
    Ok((places, paths))
}

/// Appends the path tables and directories of a hierarchy.
fn directories(
    entries: &Entries,
    hierarchy: &Hierarchy,
    places: &Places,
    paths: &Paths,
    volume: &mut Extents,
) {
    let tables = [
        records::path_table(hierarchy, places, (u32::to_le_bytes, u16::to_le_bytes)),
        records::path_table(hierarchy, places, (u32::to_be_bytes, u16::to_be_bytes)),
    ];
    for (table, block) in tables.into_iter().zip(paths.blocks) {
        volume.zeros_to(u64::from(block) * BLOCK - SYSTEM_AREA);
        volume.bytes(table);
    }
    for number in 0..hierarchy.directories.len() {
        let encoded = records::directory(entries, hierarchy, number, places);
        volume.zeros_to(u64::from(places.directories[number].0) * BLOCK - SYSTEM_AREA);
        volume.bytes(encoded.records);
        volume.bytes(encoded.areas);
    }
}

fn boot_entries(options: &Options, sizes: &[u64], front: &[u64]) -> Result<Vec<CatalogEntry>, FormatError> {
    let entry = |boot: &Boot| {
        let (size, start) = sizes
            .get(boot.front)
            .zip(front.get(boot.front))
            .ok_or_else(|| unfit("no boot image"))?;
        let (platform, sectors) = match boot.platform {
            Platform::Bios => (0, 4),
            // More than the field can say is everything up to the end of the medium.
            Platform::Efi => (0xef, u16::try_from(size.div_ceil(512)).unwrap_or(0)),
        };
        Ok((platform, blocks(*start)?, boot.sectors.unwrap_or(sectors)))
    };
    if options.boot.len() > 32 {
        return Err(unfit("so many boot images"));
    }
    options.boot.iter().map(entry).collect()
}

/// The number of the block at `offset`.
fn blocks(offset: u64) -> Result<u32, FormatError> {
    fit(offset / BLOCK)
}

fn fit(value: u64) -> Result<u32, FormatError> {
    u32::try_from(value).map_err(|_| unfit("so much: it has up to 2^32 blocks"))
}

fn unfit(what: &str) -> FormatError {
    FormatError::Image {
        format: FORMAT,
        what: what.to_owned(),
    }
}

const _: () = assert!(EXTENT_MAX.is_multiple_of(BLOCK));
