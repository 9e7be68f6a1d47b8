//! Lays a FAT file system out.

use std::collections::BTreeMap;
use std::sync::Arc;

use ironkit_tree::Path;

use super::format::{
    ATTRIBUTE_ARCHIVE, ATTRIBUTE_DIRECTORY, ATTRIBUTE_LABEL, BACKUP, Boot, ENTRIES_MAX, ENTRY, Entry,
    FIRST_CLUSTER, FORMAT, FSINFO, Geometry, SECTOR, Width, encode_long, fsinfo, timestamp,
};
use super::geometry::{self, Demand};
use super::names::{self, Name};
use super::table::Table;
use crate::FormatError;
use crate::extents::{Data, Extents};

/// Which of the three it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What fits the size.
    Auto,
    /// FAT32 with as many clusters as that takes (33 MiB at least): what UEFI asks of a system partition.
    Fat32,
}

/// What is not in the files.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which of the three it is.
    pub kind: Kind,
    /// Size in bytes; the smallest one that holds the files if there is none. What no track of 16 KiB fits in stays zeros.
    pub size: Option<u64>,
    /// The volume's label: up to 11 upper-case ASCII characters, or none.
    pub label: String,
    /// The volume's serial number.
    pub serial: u32,
    /// The time of all entries, in seconds since 1970; from 1980 to 2107.
    pub time: i64,
    /// Sectors of 512 bytes in front of the file system on its disk.
    pub hidden_sectors: u32,
}

/// A file's path and content.
pub type File<'a> = (Path, Arc<dyn Data + 'a>);

/// A file system that is laid out.
pub struct Volume<'a> {
    /// Its bytes.
    pub extents: Extents<'a>,
    /// Offset in bytes of each file's content, in the order in which the files were given. Contents begin at a cluster and
    /// are contiguous. Where an empty file begins means nothing.
    pub offsets: Vec<u64>,
    /// Which of the three it became.
    pub width: Width,
}

/// A file system with these files and the directories above them.
///
/// # Errors
/// What FAT cannot hold: names (see [`names::assign`]), two files of one name, a file of 4 GiB, more than it has place for.
pub fn layout<'a>(files: &[File<'a>], options: &Options) -> Result<Volume<'a>, FormatError> {
    let label = names::label(&options.label)?;
    let directories = directories(files)?;
    for (path, data) in files {
        if u32::try_from(data.size()).is_err() {
            return Err(FormatError::TooLarge {
                path: path.clone(),
                field: "size",
                value: data.size(),
                format: FORMAT,
                limit: u32::MAX.into(),
            });
        }
    }
    let labels = usize::from(!options.label.is_empty());
    let bytes = |directory: &Directory| (directory.entries() + 2) as u64 * ENTRY as u64;
    let demand = Demand {
        chains: directories[1..]
            .iter()
            .map(bytes)
            .chain(files.iter().map(|(_, data)| data.size()))
            .collect(),
        root: (directories[0].entries() + labels) as u64,
    };
    let geometry = geometry::choose(&demand, options.kind, options.size)?;
    let root_bytes = demand.root * ENTRY as u64;
    let placed = Placed::new(&demand.chains, root_bytes, directories.len(), &geometry);
    let time = timestamp(options.time);
    let boot = Boot {
        geometry,
        hidden: options.hidden_sectors,
        serial: options.serial,
        label,
    };
    let mut extents = Extents::new();
    front(&boot, &placed, &mut extents);
    for (index, directory) in directories.iter().enumerate() {
        let mut bytes = Vec::new();
        match index {
            0 if labels > 0 => Entry {
                name: label,
                attributes: ATTRIBUTE_LABEL,
                time,
                cluster: 0,
                size: 0,
            }
            .encode(&mut bytes),
            0 => {}
            _ => dots(
                placed.directories[index],
                placed.directories[directory.parent],
                time,
                &mut bytes,
            ),
        }
        directory.encode(&placed, files, time, &mut bytes);
        extents.bytes(bytes);
        // A root of fixed size ends where the clusters begin, which is at a multiple of their size or of 4 KiB.
        match index {
            0 if geometry.width != Width::Fat32 => extents.zeros_to(geometry.data()),
            _ => placed.pad(geometry.data(), &mut extents),
        }
    }
    let mut offsets = Vec::with_capacity(files.len());
    for (_, data) in files {
        offsets.push(extents.size());
        extents.data(data.clone());
        placed.pad(geometry.data(), &mut extents);
    }
    let size = options.size.unwrap_or(u64::from(geometry.sectors) * SECTOR);
    extents.zeros_to(size);
    Ok(Volume {
        extents,
        offsets,
        width: geometry.width,
    })
}

/// Everything in front of the root directory.
fn front(boot: &Boot, placed: &Placed, extents: &mut Extents) {
    let geometry = &boot.geometry;
    let sector = boot.encode();
    extents.bytes(sector);
    if geometry.width == Width::Fat32 {
        let used: u32 = placed.table.chains.iter().sum();
        let free = geometry.clusters - used;
        let info = fsinfo(free, if free > 0 { FIRST_CLUSTER + used } else { u32::MAX });
        extents.zeros_to(u64::from(FSINFO) * SECTOR);
        extents.bytes(info);
        extents.zeros_to(u64::from(BACKUP) * SECTOR);
        extents.bytes(sector);
        extents.bytes(info);
    }
    for number in 0..2 {
        extents.zeros_to((u64::from(geometry.reserved) + number * u64::from(geometry.table)) * SECTOR);
        extents.data(Arc::new(placed.table.clone()));
    }
    let tables = u64::from(geometry.reserved) + 2 * u64::from(geometry.table);
    extents.zeros_to(tables * SECTOR);
}

/// A directory and what is in it.
struct Directory {
    /// Index of the one above; the root's is its own.
    parent: usize,
    /// Names with what they are, in the order of the names.
    children: Vec<(Name, Child)>,
}

#[derive(Clone, Copy)]
enum Child {
    /// Index of the directory.
    Directory(usize),
    /// Index of the file.
    File(usize),
}

/// All directories above these files, the root first, parents before what is in them.
fn directories(files: &[File]) -> Result<Vec<Directory>, FormatError> {
    let mut children: BTreeMap<Path, BTreeMap<Path, Child>> = BTreeMap::from([(Path::ROOT, BTreeMap::new())]);
    let twice = |path: &Path| FormatError::Unfit {
        path: path.clone(),
        format: FORMAT,
        what: "two entries of this name".to_owned(),
    };
    for (path, _) in files {
        for above in path.ancestors() {
            children.entry(above).or_default();
        }
    }
    for (index, (path, _)) in files.iter().enumerate() {
        let siblings = path.parent().and_then(|parent| children.get_mut(&parent));
        let before = siblings.map(|siblings| siblings.insert(path.clone(), Child::File(index)));
        if before.is_none_or(|before| before.is_some()) || children.contains_key(path) {
            return Err(twice(path));
        }
    }
    let paths: Vec<Path> = children.keys().cloned().collect();
    let mut parents = vec![0];
    for (index, path) in paths.iter().enumerate().skip(1) {
        let parent = path.parent().unwrap_or_default();
        parents.push(paths.binary_search(&parent).unwrap_or(0));
        if let Some(siblings) = children.get_mut(&parent) {
            siblings.insert(path.clone(), Child::Directory(index));
        }
    }
    let named = children
        .into_iter()
        .zip(parents)
        .map(|((path, children), parent)| {
            let (paths, children): (Vec<Path>, Vec<Child>) = children.into_iter().unzip();
            let directory = Directory {
                parent,
                children: names::assign(&paths)?.into_iter().zip(children).collect(),
            };
            // Two entries are for the directory itself and the one above.
            let entries = directory.entries() + 2;
            if entries > ENTRIES_MAX {
                return Err(FormatError::TooLarge {
                    path,
                    field: "the number of directory entries",
                    value: entries as u64,
                    format: FORMAT,
                    limit: ENTRIES_MAX as u64,
                });
            }
            Ok(directory)
        });
    named.collect()
}

impl Directory {
    /// Entries that its names take.
    fn entries(&self) -> usize {
        self.children.iter().map(|(name, _)| name.entries()).sum()
    }

    fn encode(&self, placed: &Placed, files: &[File], time: (u16, u16), out: &mut Vec<u8>) {
        for (name, child) in &self.children {
            if let Some(long) = &name.long {
                encode_long(long, &name.short, out);
            }
            let (attributes, cluster, size) = match *child {
                Child::Directory(index) => (ATTRIBUTE_DIRECTORY, placed.directories[index], 0),
                Child::File(index) => {
                    let size = u32::try_from(files[index].1.size()).unwrap_or(u32::MAX);
                    (ATTRIBUTE_ARCHIVE, placed.files[index], size)
                }
            };
            let entry = Entry {
                name: name.short,
                attributes,
                time,
                cluster,
                size,
            };
            entry.encode(out);
        }
    }
}

/// The entries of a directory for itself and for the one above.
fn dots(own: u32, above: u32, time: (u16, u16), out: &mut Vec<u8>) {
    for (name, cluster) in [(*b".          ", own), (*b"..         ", above)] {
        let entry = Entry {
            name,
            attributes: ATTRIBUTE_DIRECTORY,
            time,
            cluster,
            size: 0,
        };
        entry.encode(out);
    }
}

/// Where everything is.
struct Placed {
    cluster: u64,
    /// First clusters of the directories, as entries name them, and of the files.
    directories: Vec<u32>,
    files: Vec<u32>,
    table: Table,
}

impl Placed {
    /// Gives every chain the clusters behind the one before. The geometry has room for all.
    fn new(sizes: &[u64], root: u64, directories: usize, geometry: &Geometry) -> Placed {
        let cluster = geometry.cluster_bytes();
        let mut next = FIRST_CLUSTER;
        let mut chains = Vec::with_capacity(sizes.len() + 1);
        let mut place = |size: u64| {
            let count = u32::try_from(size.div_ceil(cluster)).unwrap_or(u32::MAX);
            if count == 0 {
                return 0;
            }
            let first = next;
            chains.push(count);
            next += count;
            first
        };
        // The root is cluster 0 in entries, whatever it is.
        let mut starts = vec![0];
        if geometry.width == Width::Fat32 {
            place(root.max(1));
        }
        starts.extend(sizes.iter().map(|&size| place(size)));
        let files = starts.split_off(directories);
        let table = Table {
            width: geometry.width,
            chains,
        };
        Placed {
            cluster,
            directories: starts,
            files,
            table,
        }
    }

    /// Zeros up to the next cluster.
    fn pad(&self, start: u64, extents: &mut Extents) {
        let size = extents.size() - start;
        extents.zeros(size.next_multiple_of(self.cluster) - size);
    }
}
