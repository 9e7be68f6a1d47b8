//! Reads an ISO 9660 file system with Rock Ridge: what is in it, and every file. Its input is any bytes.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read};

use ironkit_tree::Path;

use super::format::{BLOCK, FLAG_DIRECTORY, FLAG_MULTI_EXTENT, RECORD, STANDARD, SYSTEM_AREA};
use crate::filesystem::paths::Paths;
use crate::filesystem::{Entry, EntryKind, NAME_MAX, Visitor};
use crate::read_at::{ReadAt, ReadError, Slice, bytes};

/// What errors call it.
const FORMAT: &str = "ISO 9660";
/// Bytes of a directory; Linux takes no more names than a fraction of this holds.
const DIRECTORY_MAX: u32 = 64 << 20;
/// Records of a whole file system.
const TOTAL_MAX: u64 = 4 << 20;
/// Continuation areas of one record, as Linux has it.
const AREAS_MAX: usize = 32;
/// Descriptors in front of the one that ends them.
const DESCRIPTORS_MAX: u64 = 64;
/// Bytes of a link's target.
const TARGET_MAX: usize = 64 << 10;

/// What the descriptors say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The volume's identifier.
    pub volume: String,
    /// Bytes of the volume.
    pub size: u64,
    /// Whether there is a Joliet descriptor.
    pub joliet: bool,
    /// Images of the boot catalog: platform (0 is BIOS, 0xef UEFI), offset in bytes, sectors of 512 bytes.
    pub boot: Vec<(u8, u64, u16)>,
    root: (u32, u32),
}

/// A directory record.
struct Record {
    offset: u64,
    block: u32,
    size: u32,
    time: [u8; 7],
    flags: u8,
    identifier: Vec<u8>,
    system: Vec<u8>,
}

/// What Rock Ridge says of a record.
#[derive(Default)]
struct Posix {
    name: Vec<u8>,
    mode: Option<u32>,
    owner: (u32, u32),
    time: Option<[u8; 7]>,
    device: (u32, u32),
    target: Vec<u8>,
    /// Whether the component of the target that comes next is another one.
    slash: bool,
}

/// Reads the descriptors, and shows everything below the root to `visit`.
///
/// # Errors
/// What is no ISO 9660 file system or is broken, and those of `image` and `visit`.
pub fn read(image: &dyn ReadAt, visit: &mut Visitor) -> Result<Info, ReadError> {
    let info = info(image)?;
    let mut left = TOTAL_MAX;
    let mut paths = Paths::new(NAME_MAX);
    let mut seen = HashSet::new();
    let mut waiting = vec![(Path::ROOT, info.root)];
    while let Some((path, extent)) = waiting.pop() {
        if !seen.insert(extent.0) {
            return Err(broken(
                u64::from(extent.0) * BLOCK,
                "a directory inside of itself",
            ));
        }
        let mut inside = Vec::new();
        let mut parts: Vec<(u32, u32)> = Vec::new();
        for record in records(image, extent, &mut left)? {
            if matches!(&*record.identifier, [0] | [1]) {
                continue;
            }
            parts.push((record.block, record.size));
            if record.flags & FLAG_MULTI_EXTENT != 0 {
                continue;
            }
            let posix = posix(image, &record, &mut left)?;
            let parts = std::mem::take(&mut parts);
            let path = paths
                .join(&path, name(&record, &posix))
                .map_err(|what| broken(record.offset, what))?;
            let entry = entry(&record, &posix, &parts, path)?;
            if entry.kind == EntryKind::Directory {
                inside.push((entry.path.clone(), (record.block, record.size)));
            }
            let mut content = Parts {
                image,
                parts: parts.into(),
                at: 0,
            };
            match entry.kind {
                EntryKind::File(_) => visit(&entry, &mut content)?,
                _ => visit(&entry, &mut io::empty())?,
            }
        }
        waiting.extend(inside.into_iter().rev());
    }
    Ok(info)
}

/// What the descriptors and the boot catalog say.
///
/// # Errors
/// What is no ISO 9660 file system or is broken, and those of `image`.
pub fn info(image: &dyn ReadAt) -> Result<Info, ReadError> {
    let mut info = None;
    let mut boot = Vec::new();
    let mut joliet = false;
    for number in 0..DESCRIPTORS_MAX {
        let offset = SYSTEM_AREA + number * BLOCK;
        let block = bytes(image, FORMAT, offset, 2048)?;
        if block[1..6] != STANDARD {
            return Err(broken(offset, "no volume descriptor"));
        }
        match block[0] {
            0 if block[7..].starts_with(b"EL TORITO SPECIFICATION") => {
                boot = catalog(image, u64::from(number32(&block, 0x47)) * BLOCK)?;
            }
            1 if info.is_none() => {
                if u64::from(number32(&block, 128) & 0xffff) != BLOCK {
                    return Err(broken(offset + 128, "blocks have not 2048 bytes"));
                }
                info = Some(Info {
                    volume: String::from_utf8_lossy(&block[40..72]).trim_end().to_owned(),
                    size: u64::from(number32(&block, 80)) * BLOCK,
                    joliet: false,
                    boot: Vec::new(),
                    root: (number32(&block, 158), number32(&block, 166)),
                });
            }
            2 => joliet |= matches!(&block[88..91], b"%/@" | b"%/C" | b"%/E"),
            255 => break,
            _ => {}
        }
    }
    let info = info.ok_or_else(|| broken(SYSTEM_AREA, "no primary volume descriptor"))?;
    Ok(Info { joliet, boot, ..info })
}

/// The images of a boot catalog.
fn catalog(image: &dyn ReadAt, offset: u64) -> Result<Vec<(u8, u64, u16)>, ReadError> {
    let block = bytes(image, FORMAT, offset, 2048)?;
    let mut images = Vec::new();
    let mut platform = 0;
    for (index, entry) in block.chunks_exact(32).enumerate() {
        match entry[0] {
            1 if index == 0 => platform = entry[1],
            _ if index == 0 => break,
            0x90 | 0x91 => platform = entry[1],
            0x88 => {
                let sectors = u16::from_le_bytes([entry[6], entry[7]]);
                images.push((platform, u64::from(number32(entry, 8)) * BLOCK, sectors));
            }
            _ => {}
        }
    }
    Ok(images)
}

/// The records of a directory.
fn records(image: &dyn ReadAt, (block, size): (u32, u32), left: &mut u64) -> Result<Vec<Record>, ReadError> {
    let start = u64::from(block) * BLOCK;
    if size > DIRECTORY_MAX {
        return Err(broken(start, "a directory of more than 64 MiB"));
    }
    let raw = bytes(image, FORMAT, start, usize::try_from(size).unwrap_or(usize::MAX))?;
    let mut records = Vec::new();
    for (index, block) in (0u64..).zip(raw.chunks(2048)) {
        let mut rest = block;
        while let Some(&length) = rest.first().filter(|&&length| length > 0) {
            let offset = start + index * BLOCK + (block.len() - rest.len()) as u64;
            let (record, behind) = rest
                .split_at_checked(usize::from(length))
                .ok_or_else(|| broken(offset, "a record that leaves its block"))?;
            rest = behind;
            let identifier = record
                .get(RECORD..)
                .and_then(|tail| tail.get(..usize::from(record[RECORD - 1])));
            let identifier =
                identifier.ok_or_else(|| broken(offset, "an identifier that leaves its record"))?;
            *left = left
                .checked_sub(1)
                .ok_or_else(|| broken(offset, "too many records"))?;
            let system = (RECORD + identifier.len()).next_multiple_of(2);
            let mut time = [0; 7];
            time.copy_from_slice(&record[18..25]);
            records.push(Record {
                offset,
                block: number32(record, 2),
                size: number32(record, 10),
                time,
                flags: record[25],
                identifier: identifier.to_vec(),
                system: record.get(system..).unwrap_or_default().to_vec(),
            });
        }
    }
    Ok(records)
}

/// What Rock Ridge says of a record, in it and in its areas.
fn posix(image: &dyn ReadAt, record: &Record, left: &mut u64) -> Result<Posix, ReadError> {
    let mut posix = Posix::default();
    let mut field = record.system.clone();
    for _ in 0..AREAS_MAX {
        *left = left
            .checked_sub(1)
            .ok_or_else(|| broken(record.offset, "too many records"))?;
        let mut next = None;
        let mut rest = field.as_slice();
        while let [a, b, length, _, ..] = *rest {
            let Some((entry, behind)) = rest.split_at_checked(usize::from(length)).filter(|_| length >= 4)
            else {
                break;
            };
            rest = behind;
            match (&[a, b], entry.len()) {
                (b"CE", 28..) => next = Some((number32(entry, 4), number32(entry, 12), number32(entry, 20))),
                (b"ST", _) => break,
                _ => posix.add(&[a, b], entry),
            }
        }
        let Some((block, offset, length)) = next else {
            return Ok(posix);
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > 2048 || posix.target.len() > TARGET_MAX {
            return Err(broken(record.offset, "a continuation that is too long"));
        }
        field = bytes(
            image,
            FORMAT,
            u64::from(block) * BLOCK + u64::from(offset),
            length,
        )?;
    }
    Err(broken(record.offset, "continuations without end"))
}

impl Posix {
    fn add(&mut self, signature: &[u8; 2], entry: &[u8]) {
        match (signature, entry.len()) {
            (b"PX", 36..) => {
                self.mode = Some(number32(entry, 4));
                self.owner = (number32(entry, 20), number32(entry, 28));
            }
            (b"PN", 20..) => {
                let (high, low) = (number32(entry, 4), number32(entry, 12));
                // As Linux understands it.
                self.device = match high {
                    0 if low > 0xff => (low >> 8, low & 0xff),
                    _ => (high, low),
                };
            }
            (b"TF", 5..) if entry[4] & 0x82 == 0x02 => {
                let at = 5 + 7 * usize::from(entry[4] & 1);
                self.time = entry.get(at..at + 7).and_then(|time| time.try_into().ok());
            }
            (b"NM", 5..) => self.name.extend(&entry[5..]),
            (b"SL", 5..) => {
                let mut rest = &entry[5..];
                while let [flags, length, ..] = *rest {
                    let Some((component, behind)) = rest.split_at_checked(2 + usize::from(length)) else {
                        return;
                    };
                    rest = behind;
                    if self.slash {
                        self.target.push(b'/');
                    }
                    match flags & !1 {
                        2 => self.target.extend(b"."),
                        4 => self.target.extend(b".."),
                        8 => self.target.extend(b"/"),
                        _ => self.target.extend(&component[2..]),
                    }
                    // The root brings its slash along.
                    self.slash = flags & (1 | 8) == 0;
                }
            }
            _ => {}
        }
    }
}

/// What it is called. Without Rock Ridge that is the identifier, and the version is none of it.
fn name<'r>(record: &'r Record, posix: &'r Posix) -> &'r [u8] {
    if !posix.name.is_empty() {
        return &posix.name;
    }
    let end = record.identifier.iter().position(|&byte| byte == b';');
    let name = &record.identifier[..end.unwrap_or(record.identifier.len())];
    name.strip_suffix(b".").unwrap_or(name)
}

fn entry(record: &Record, posix: &Posix, parts: &[(u32, u32)], path: Path) -> Result<Entry, ReadError> {
    let is_directory = record.flags & FLAG_DIRECTORY != 0;
    let size = parts.iter().map(|(_, size)| u64::from(*size)).sum();
    let mode = posix
        .mode
        .unwrap_or(if is_directory { 0o040_555 } else { 0o100_444 });
    let (major, minor) = posix.device;
    let kind = match mode & 0o170_000 {
        _ if is_directory => EntryKind::Directory,
        0o040_000 => return Err(broken(record.offset, "a directory that is none")),
        0o120_000 => EntryKind::Symlink(posix.target.clone()),
        0o020_000 => EntryKind::CharDevice(major, minor),
        0o060_000 => EntryKind::BlockDevice(major, minor),
        0o010_000 => EntryKind::Fifo,
        0o140_000 => EntryKind::Socket,
        _ => EntryKind::File(size),
    };
    Ok(Entry {
        path,
        kind,
        mode: mode & 0o7777,
        uid: posix.owner.0.into(),
        gid: posix.owner.1.into(),
        mtime: seconds(posix.time.unwrap_or(record.time)),
        xattrs: BTreeMap::new(),
    })
}

/// The extents of a file, one behind the other.
struct Parts<'a> {
    image: &'a dyn ReadAt,
    parts: std::collections::VecDeque<(u32, u32)>,
    at: u64,
}

impl Read for Parts<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(&(block, size)) = self.parts.front() {
            let left = u64::from(size) - self.at;
            if left == 0 {
                self.parts.pop_front();
                self.at = 0;
                continue;
            }
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let whole = Slice::new(self.image, u64::from(block) * BLOCK, size.into());
            let whole = whole.ok_or(io::ErrorKind::UnexpectedEof)?;
            whole.read_exact_at(&mut buffer[..count], self.at)?;
            self.at += count as u64;
            return Ok(count);
        }
        Ok(0)
    }
}

/// Seconds since 1970 of a record's time.
fn seconds([year, month, day, hour, minute, second, zone]: [u8; 7]) -> i64 {
    let [year, month, day] = [i64::from(year) + 1900, i64::from(month), i64::from(day)];
    // Days since 0000-03-01 with the year beginning in March, then since 1970.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    let offset = i64::from(i8::from_le_bytes([zone])) * 900;
    days * 86_400 + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second) - offset
}

/// The little-endian half of a number at `at`, which is inside.
fn number32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn broken(offset: u64, what: &str) -> ReadError {
    ReadError::Broken {
        format: FORMAT,
        offset,
        what: what.to_owned(),
    }
}
