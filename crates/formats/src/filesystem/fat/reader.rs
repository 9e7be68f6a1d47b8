//! Reads a FAT file system: what is in it, and every file. Its input is any bytes.

use std::collections::BTreeMap;
use std::io::{self, Read};

use ironkit_tree::Path;

use super::format::{
    ATTRIBUTE_DIRECTORY, ATTRIBUTE_LABEL, ATTRIBUTE_LONG, DELETED, DELETED_ESCAPE, ENTRIES_MAX, ENTRY,
    FIRST_CLUSTER, LONG_LAST, LONG_PART, LONG_PLACES, SECTOR, Width, checksum,
};
use crate::filesystem::paths::Paths;
use crate::filesystem::{Entry, EntryKind, Visitor};
use crate::read_at::{ReadAt, ReadError, bytes};

/// What errors call it.
const FORMAT: &str = "FAT";
/// Directories below each other; more are a circle.
const DEPTH_MAX: usize = 64;
/// Bytes of 255 units of UTF-16.
const NAME_MAX: usize = 3 * 255;
/// Directory entries of a whole file system.
const TOTAL_MAX: u64 = 4 << 20;

/// What a boot sector says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Entries' width.
    pub width: Width,
    /// Bytes of a cluster.
    pub cluster: u64,
    /// Number of clusters.
    pub clusters: u64,
    /// Bytes of the whole.
    pub size: u64,
    /// The volume's serial number.
    pub serial: u32,
    /// The volume's label; empty for none.
    pub label: String,
    /// Where the first table begins, in bytes.
    table: u64,
    /// Where the root directory is: its first cluster, or its offset and entries.
    root: Place,
    /// Where the first cluster begins, in bytes.
    data: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Chain(u32),
    Fixed { offset: u64, bytes: u64 },
}

/// Reads the boot sector, and shows everything below the root to `visit`.
///
/// # Errors
/// What is no FAT file system or is broken, and those of `image` and `visit`.
pub fn read(image: &dyn ReadAt, visit: &mut Visitor) -> Result<Info, ReadError> {
    let info = info(image)?;
    let mut left = TOTAL_MAX;
    let mut paths = Paths::new(NAME_MAX);
    // Directories that wait, the next one last.
    let mut waiting = vec![(Path::ROOT, info.root, 0)];
    while let Some((path, place, depth)) = waiting.pop() {
        let mut inside = Vec::new();
        for found in entries(image, &info, place)? {
            left = left.checked_sub(1).ok_or_else(|| broken(0, "too many entries"))?;
            if found.attributes & ATTRIBUTE_LABEL != 0 || matches!(&*found.name, b"." | b"..") {
                continue;
            }
            let path = paths
                .join(&path, &found.name)
                .map_err(|what| broken(found.offset, what))?;
            let directory = found.attributes & ATTRIBUTE_DIRECTORY != 0;
            let entry = Entry {
                path: path.clone(),
                kind: match directory {
                    true => EntryKind::Directory,
                    false => EntryKind::File(found.size.into()),
                },
                mode: if directory { 0o755 } else { 0o644 },
                uid: 0,
                gid: 0,
                mtime: seconds(found.time),
                xattrs: BTreeMap::new(),
            };
            if directory {
                if depth >= DEPTH_MAX {
                    return Err(broken(found.offset, "directories below each other without end"));
                }
                visit(&entry, &mut io::empty())?;
                inside.push((path, Place::Chain(found.cluster), depth + 1));
            } else {
                let mut content = Chain::new(image, &info, found.cluster, found.size.into());
                visit(&entry, &mut content)?;
            }
        }
        waiting.extend(inside.into_iter().rev());
    }
    Ok(info)
}

/// What the boot sector says, if it is one.
fn info(image: &dyn ReadAt) -> Result<Info, ReadError> {
    let sector = bytes(image, FORMAT, 0, 512)?;
    let byte = |at: usize| u64::from(sector[at]);
    let short = |at: usize| u64::from(u16::from_le_bytes([sector[at], sector[at + 1]]));
    let long = |at: usize| short(at) | short(at + 2) << 16;
    if sector[510..] != [0x55, 0xaa] || ![0xeb, 0xe9].contains(&sector[0]) {
        return Err(broken(0, "no boot sector"));
    }
    if short(11) != SECTOR {
        return Err(broken(11, "sectors have not 512 bytes"));
    }
    let (cluster, reserved, tables) = (byte(13), short(14), byte(16));
    if !cluster.is_power_of_two() || reserved == 0 || tables == 0 {
        return Err(broken(13, "impossible sizes"));
    }
    let table = if short(22) == 0 { long(36) } else { short(22) };
    let sectors = if short(19) == 0 { long(32) } else { short(19) };
    let root_bytes = short(17) * ENTRY as u64;
    let root = reserved + tables * table;
    let data = root + root_bytes.div_ceil(SECTOR);
    let clusters = sectors
        .checked_sub(data)
        .ok_or_else(|| broken(19, "tables larger than the whole"))?
        / cluster;
    let width = Width::of(clusters);
    if (clusters + 2) * width.bits() > table * SECTOR * 8 || sectors * SECTOR > image.size() {
        return Err(broken(19, "more clusters than there is room for"));
    }
    let wide = width == Width::Fat32;
    let tail = if wide { 64 } else { 36 };
    let label = String::from_utf8_lossy(&sector[tail + 7..tail + 18])
        .trim_end()
        .to_owned();
    Ok(Info {
        width,
        cluster: cluster * SECTOR,
        clusters,
        size: sectors * SECTOR,
        serial: u32::try_from(long(tail + 3)).unwrap_or(0),
        label: if label == "NO NAME" { String::new() } else { label },
        table: reserved * SECTOR,
        root: match wide {
            true => Place::Chain(u32::try_from(long(44)).unwrap_or(0)),
            false => Place::Fixed {
                offset: root * SECTOR,
                bytes: root_bytes,
            },
        },
        data: data * SECTOR,
    })
}

impl Info {
    /// The offset of a cluster.
    fn offset(&self, cluster: u32) -> Option<u64> {
        let number = u64::from(cluster).checked_sub(FIRST_CLUSTER.into())?;
        (number < self.clusters).then(|| self.data + number * self.cluster)
    }

    /// The cluster behind `cluster` in its chain, `None` at the end.
    fn next(&self, image: &dyn ReadAt, cluster: u32) -> Result<Option<u32>, ReadError> {
        let bit = u64::from(cluster) * self.width.bits();
        let offset = self.table + bit / 8;
        let length = if self.width == Width::Fat32 { 4 } else { 2 };
        let entry = bytes(image, FORMAT, offset, length)?;
        let value = entry
            .iter()
            .rev()
            .fold(0, |value, &byte| value << 8 | u32::from(byte));
        let value = match self.width {
            Width::Fat12 if bit % 8 == 4 => value >> 4,
            width => value & width.end(),
        };
        if value >= self.width.end_min() {
            return Ok(None);
        }
        match self.offset(value) {
            Some(_) => Ok(Some(value)),
            None => Err(broken(offset, "a chain that leaves the file system")),
        }
    }
}

/// A directory entry with its name.
struct Found {
    offset: u64,
    name: Vec<u8>,
    attributes: u8,
    time: (u16, u16),
    cluster: u32,
    size: u32,
}

/// The entries of a directory.
fn entries(image: &dyn ReadAt, info: &Info, place: Place) -> Result<Vec<Found>, ReadError> {
    let mut found = Vec::new();
    let mut long = Long::default();
    let mut slots = 0;
    let mut run = match place {
        Place::Fixed { offset, bytes } => Some((offset, bytes, None)),
        Place::Chain(first) => Some((start(info, first)?, info.cluster, Some(first))),
    };
    while let Some((offset, length, cluster)) = run {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let raw = bytes(image, FORMAT, offset, length)?;
        for (index, slot) in (0u64..).zip(raw.chunks_exact(ENTRY)) {
            slots += 1;
            if slots > ENTRIES_MAX {
                return Err(broken(offset, "a directory of more than 2 MiB"));
            }
            match slot {
                [0, ..] => return Ok(found),
                [DELETED, ..] => long = Long::default(),
                slot if slot[11] & 0x3f == ATTRIBUTE_LONG => long.add(slot),
                slot => {
                    let place = offset + index * ENTRY as u64;
                    let entry = short(slot, std::mem::take(&mut long), place);
                    found.push(Found {
                        // Only FAT32 has the upper half; others have something else in its place.
                        cluster: match info.width {
                            Width::Fat32 => entry.cluster,
                            _ => entry.cluster & 0xffff,
                        },
                        ..entry
                    });
                }
            }
        }
        run = match cluster {
            None => None,
            Some(cluster) => match info.next(image, cluster)? {
                None => None,
                Some(next) => Some((start(info, next)?, info.cluster, Some(next))),
            },
        };
    }
    Ok(found)
}

fn start(info: &Info, cluster: u32) -> Result<u64, ReadError> {
    let offset = info.offset(cluster);
    offset.ok_or_else(|| broken(info.data, "a directory that begins nowhere"))
}

/// The parts of a long name, until the short one comes.
#[derive(Default)]
struct Long {
    units: Vec<u16>,
    /// Number of the part that was read last.
    number: u8,
    sum: u8,
}

impl Long {
    fn add(&mut self, slot: &[u8]) {
        let number = slot[0] & !LONG_LAST;
        if slot[0] & LONG_LAST != 0 {
            *self = Long {
                units: vec![0; usize::from(number) * LONG_PART],
                number: number + 1,
                sum: slot[13],
            };
        }
        // Parts of another name are nothing.
        if number == 0 || number + 1 != self.number || slot[13] != self.sum {
            *self = Long::default();
            return;
        }
        self.number = number;
        let at = usize::from(number - 1) * LONG_PART;
        for (unit, place) in self.units[at..].iter_mut().zip(LONG_PLACES) {
            *unit = u16::from_le_bytes([slot[place], slot[place + 1]]);
        }
    }
}

/// An entry with a short name, and the long one if that belongs to it.
fn short(slot: &[u8], long: Long, offset: u64) -> Found {
    let number = |at: usize| u16::from_le_bytes([slot[at], slot[at + 1]]);
    let mut name = [0; 11];
    name.copy_from_slice(&slot[..11]);
    let sum = checksum(&name);
    if name[0] == DELETED_ESCAPE {
        name[0] = DELETED;
    }
    let end = long
        .units
        .iter()
        .position(|&unit| unit == 0)
        .unwrap_or(long.units.len());
    let text = if long.number == 1 && long.sum == sum && end > 0 {
        String::from_utf16_lossy(&long.units[..end]).into_bytes()
    } else {
        let trimmed = |part: &[u8]| part.trim_ascii_end().to_vec();
        match (trimmed(&name[..8]), trimmed(&name[8..])) {
            (base, extension) if extension.is_empty() => base,
            (base, extension) => [base, extension].join(&b'.'),
        }
    };
    Found {
        offset,
        name: text,
        attributes: slot[11],
        time: (number(22), number(24)),
        cluster: u32::from(number(20)) << 16 | u32::from(number(26)),
        size: u32::from(number(30)) << 16 | u32::from(number(28)),
    }
}

/// The content of a file.
struct Chain<'a> {
    image: &'a dyn ReadAt,
    info: &'a Info,
    cluster: u32,
    /// Bytes of the cluster that were read.
    at: u64,
    left: u64,
}

impl<'a> Chain<'a> {
    fn new(image: &'a dyn ReadAt, info: &'a Info, cluster: u32, left: u64) -> Chain<'a> {
        Chain {
            image,
            info,
            cluster,
            at: 0,
            left,
        }
    }
}

impl Read for Chain<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        if self.at == self.info.cluster {
            let next = self
                .info
                .next(self.image, self.cluster)
                .map_err(io::Error::other)?;
            self.cluster = next.ok_or(io::ErrorKind::UnexpectedEof)?;
            self.at = 0;
        }
        let offset = self.info.offset(self.cluster).ok_or(io::ErrorKind::InvalidData)?;
        let most = (self.info.cluster - self.at).min(self.left);
        let count = usize::try_from(most).unwrap_or(usize::MAX).min(buffer.len());
        self.image.read_exact_at(&mut buffer[..count], offset + self.at)?;
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

/// Seconds since 1970 of a time and date, UTC; whatever they are.
fn seconds((time, date): (u16, u16)) -> i64 {
    let (time, date) = (i64::from(time), i64::from(date));
    let (year, month, day) = (1980 + (date >> 9), date >> 5 & 15, date & 31);
    // Days since 1970-01-01 with the year beginning in March, as in Howard Hinnant's "days_from_civil".
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    days * 86_400 + (time >> 11) * 3600 + (time >> 5 & 63) * 60 + (time & 31) * 2
}

fn broken(offset: u64, what: &str) -> ReadError {
    ReadError::Broken {
        format: FORMAT,
        offset,
        what: what.to_owned(),
    }
}
