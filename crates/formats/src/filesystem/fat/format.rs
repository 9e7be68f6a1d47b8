//! Structures and constants of FAT: the boot sector, FSInfo, directory entries.

/// What errors call it.
pub const FORMAT: &str = "a FAT file system";
/// Bytes of a sector. Others exist, and firmware that reads them is rare.
pub const SECTOR: u64 = 512;
/// Number of the first cluster.
pub const FIRST_CLUSTER: u32 = 2;
/// Size in bytes of a directory entry.
pub const ENTRY: usize = 32;
/// Entries of a directory: its size is 2 MiB at most.
pub const ENTRIES_MAX: usize = 65_536;
/// UTF-16 units of a long name.
pub const LONG_MAX: usize = 255;
/// UTF-16 units of a long name in one directory entry.
pub const LONG_PART: usize = 13;
/// Where these units are in the entry.
pub const LONG_PLACES: [usize; LONG_PART] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
/// Marks the entry with the last part of a long name, which is the first one on the medium.
pub const LONG_LAST: u8 = 0x40;
/// Attributes of an entry that is part of a long name.
pub const ATTRIBUTE_LONG: u8 = 0x0f;
/// Attribute: the volume's label.
pub const ATTRIBUTE_LABEL: u8 = 0x08;
/// Attribute: a directory.
pub const ATTRIBUTE_DIRECTORY: u8 = 0x10;
/// Attribute: changed since the last backup, as every new file is.
pub const ATTRIBUTE_ARCHIVE: u8 = 0x20;
/// First byte of an entry that was deleted.
pub const DELETED: u8 = 0xe5;
/// Stands for a first byte 0xe5 of a name.
pub const DELETED_ESCAPE: u8 = 0x05;
/// Sector of FSInfo on FAT32.
pub const FSINFO: u16 = 1;
/// Sector of the copy of the boot sector on FAT32; FSInfo's is right behind.
pub const BACKUP: u16 = 6;
/// Reserved sectors of a FAT32: room for boot code, as Microsoft's has it.
pub const RESERVED_FAT32: u32 = 32;
/// The media descriptor of a hard disk.
const MEDIA: u8 = 0xf8;
/// Sectors of a track and heads, for who still computes with them: a cylinder is 1 MiB. mtools wants whole tracks.
pub const TRACK: u32 = 32;
const HEADS: u16 = 64;
/// Boot code: ask the BIOS for the next device, and halt where there is none.
const CODE: [u8; 5] = [0xcd, 0x18, 0xf4, 0xeb, 0xfd];
/// Ends a boot sector.
const SIGNATURE: [u8; 2] = [0x55, 0xaa];

/// How wide the entries of the table are. It follows from the number of clusters, and from nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// 12 bits.
    Fat12,
    /// 16 bits.
    Fat16,
    /// 32 bits, of which 28 are used.
    Fat32,
}

impl Width {
    /// What a file system with that many clusters has (specification, section 3.5).
    pub fn of(clusters: u64) -> Width {
        match clusters {
            0..4085 => Width::Fat12,
            4085..65525 => Width::Fat16,
            _ => Width::Fat32,
        }
    }

    /// The numbers of clusters that every implementation takes for this width: the specification advises to stay 16 away
    /// from the limits, since many are off by some.
    pub fn clusters(self) -> (u64, u64) {
        match self {
            Width::Fat12 => (1, 4085 - 16),
            Width::Fat16 => (4085 + 16, 65525 - 16),
            Width::Fat32 => (65525 + 16, 0x0fff_fff5 - 16),
        }
    }

    /// Bits of an entry.
    pub fn bits(self) -> u64 {
        match self {
            Width::Fat12 => 12,
            Width::Fat16 => 16,
            Width::Fat32 => 32,
        }
    }

    /// The entry of a chain's last cluster.
    pub fn end(self) -> u32 {
        match self {
            Width::Fat12 => 0xfff,
            Width::Fat16 => 0xffff,
            Width::Fat32 => 0x0fff_ffff,
        }
    }

    /// The smallest entry that ends a chain.
    pub fn end_min(self) -> u32 {
        self.end() - 7
    }

    /// The first entry of a table: the media descriptor, filled up with ones.
    pub fn first(self) -> u32 {
        self.end() - 0xff + u32::from(MEDIA)
    }

    /// What the boot sector calls it. Nobody may rely on it.
    fn text(self) -> &'static [u8; 8] {
        match self {
            Width::Fat12 => b"FAT12   ",
            Width::Fat16 => b"FAT16   ",
            Width::Fat32 => b"FAT32   ",
        }
    }
}

/// The sizes of a file system's parts, in sectors unless it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Entries' width.
    pub width: Width,
    /// Sectors of a cluster: a power of two up to 128.
    pub cluster: u32,
    /// Sectors in front of the first table.
    pub reserved: u32,
    /// Sectors of one table.
    pub table: u32,
    /// Entries of the root directory on FAT12 and FAT16; 0 on FAT32.
    pub root_entries: u32,
    /// Number of clusters.
    pub clusters: u32,
    /// All sectors.
    pub sectors: u32,
}

impl Geometry {
    /// Offset in bytes of the first cluster.
    pub fn data(&self) -> u64 {
        let tables = u64::from(self.reserved) + 2 * u64::from(self.table);
        tables * SECTOR + u64::from(self.root_entries) * ENTRY as u64
    }

    /// Bytes of a cluster.
    pub fn cluster_bytes(&self) -> u64 {
        u64::from(self.cluster) * SECTOR
    }
}

/// What is in a boot sector beside the sizes.
pub struct Boot {
    /// The parts' sizes.
    pub geometry: Geometry,
    /// Sectors in front of the partition.
    pub hidden: u32,
    /// The volume's serial number.
    pub serial: u32,
    /// The volume's label, padded with spaces.
    pub label: [u8; 11],
}

impl Boot {
    /// The boot sector (specification, section 3).
    pub fn encode(&self) -> [u8; 512] {
        let geometry = &self.geometry;
        let wide = geometry.width == Width::Fat32;
        let low = |value: u32| u16::try_from(value).unwrap_or(0);
        let mut sector = Fields([0; 512]);
        // The number behind the jump's opcode counts from the next instruction.
        let code = if wide { 90 } else { 62 };
        sector.put(0, &[0xeb, if wide { 88 } else { 60 }, 0x90]);
        sector.put(3, b"IRONKIT ");
        sector.put(11, &[0, 2]);
        sector.put(13, &geometry.cluster.to_le_bytes()[..1]);
        sector.put(14, &low(geometry.reserved).to_le_bytes());
        sector.put(16, &[2]);
        sector.put(17, &low(geometry.root_entries).to_le_bytes());
        let small = if wide { 0 } else { low(geometry.sectors) };
        sector.put(19, &small.to_le_bytes());
        sector.put(21, &[MEDIA]);
        sector.put(24, &low(TRACK).to_le_bytes());
        sector.put(26, &HEADS.to_le_bytes());
        sector.put(28, &self.hidden.to_le_bytes());
        let large = if small == 0 { geometry.sectors } else { 0 };
        sector.put(32, &large.to_le_bytes());
        let tail = if wide {
            sector.put(36, &geometry.table.to_le_bytes());
            sector.put(44, &FIRST_CLUSTER.to_le_bytes());
            sector.put(48, &FSINFO.to_le_bytes());
            sector.put(50, &BACKUP.to_le_bytes());
            64
        } else {
            sector.put(22, &low(geometry.table).to_le_bytes());
            36
        };
        // The drive as the BIOS numbers it, and that serial, label and name of the type follow.
        sector.put(tail, &[0x80, 0, 0x29]);
        sector.put(tail + 3, &self.serial.to_le_bytes());
        sector.put(tail + 7, &self.label);
        sector.put(tail + 18, geometry.width.text());
        sector.put(code, &CODE);
        sector.put(510, &SIGNATURE);
        sector.0
    }
}

/// FSInfo (specification, section 5): how many clusters are free, and where to look for one first.
pub fn fsinfo(free: u32, next: u32) -> [u8; 512] {
    let mut sector = Fields([0; 512]);
    sector.put(0, b"RRaA");
    sector.put(484, b"rrAa");
    sector.put(488, &free.to_le_bytes());
    sector.put(492, &next.to_le_bytes());
    sector.put(510, &SIGNATURE);
    sector.0
}

/// A directory entry with a short name (specification, section 6).
pub struct Entry {
    /// Name and extension, each padded with spaces.
    pub name: [u8; 11],
    /// `ATTRIBUTE_…`.
    pub attributes: u8,
    /// Time and date of everything that happened to it.
    pub time: (u16, u16),
    /// First cluster; 0 for what is empty, and for the root.
    pub cluster: u32,
    /// Bytes of a file, 0 for a directory.
    pub size: u32,
}

impl Entry {
    /// Appends the entry.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut entry = Fields([0; ENTRY]);
        entry.put(0, &self.name);
        if self.name[0] == DELETED {
            entry.put(0, &[DELETED_ESCAPE]);
        }
        entry.put(11, &[self.attributes]);
        let (time, date) = (self.time.0.to_le_bytes(), self.time.1.to_le_bytes());
        entry.put(14, &time);
        entry.put(16, &date);
        entry.put(18, &date);
        entry.put(22, &time);
        entry.put(24, &date);
        let [a, b, c, d] = self.cluster.to_le_bytes();
        entry.put(20, &[c, d]);
        entry.put(26, &[a, b]);
        entry.put(28, &self.size.to_le_bytes());
        out.extend_from_slice(&entry.0);
    }
}

/// Appends the entries of a long name, which stand in front of the short one's, the last part first.
pub fn encode_long(name: &[u16], short: &[u8; 11], out: &mut Vec<u8>) {
    let sum = checksum(short);
    for (number, part) in (1u8..)
        .zip(name.chunks(LONG_PART))
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
    {
        let mut entry = Fields([0xff; ENTRY]);
        let last = usize::from(number) * LONG_PART >= name.len();
        entry.put(0, &[number | if last { LONG_LAST } else { 0 }]);
        entry.put(11, &[ATTRIBUTE_LONG, 0, sum]);
        entry.put(26, &[0, 0]);
        // A NUL ends a name that does not fill its last entry.
        let units = part.iter().copied().chain([0]);
        for (place, unit) in LONG_PLACES.into_iter().zip(units) {
            entry.put(place, &unit.to_le_bytes());
        }
        out.extend_from_slice(&entry.0);
    }
}

/// What ties a long name to its short one.
pub fn checksum(short: &[u8; 11]) -> u8 {
    let add = |sum: u8, &byte: &u8| sum.rotate_right(1).wrapping_add(byte);
    short.iter().fold(0, add)
}

/// The time and date of `seconds` since 1970, UTC: from 1980 to 2107, and two seconds apart.
pub fn timestamp(seconds: i64) -> (u16, u16) {
    const MIN: i64 = 315_532_800;
    const MAX: i64 = 4_354_819_198;
    let seconds = seconds.clamp(MIN, MAX);
    let (mut days, second) = ((seconds - MIN) / 86_400, seconds % 86_400);
    // Every fourth year of the range is a leap year, save 2100.
    let length = |year: i64| if year % 4 == 0 && year != 2100 { 366 } else { 365 };
    let mut year = 1980;
    while days >= length(year) {
        days -= length(year);
        year += 1;
    }
    let february = length(year) - 337;
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let time = ((second / 3600) << 11) | ((second / 60 % 60) << 5) | (second % 60 / 2);
    let date = ((year - 1980) << 9) | (month << 5) | (days + 1);
    (u16::try_from(time).unwrap_or(0), u16::try_from(date).unwrap_or(0))
}

/// Bytes that are filled in by offset.
struct Fields<const N: usize>([u8; N]);

impl<const N: usize> Fields<N> {
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_clamped_to_what_there_is() {
        for (seconds, expect) in [
            (0, (0, 0x0021)),
            (315_532_800, (0, 0x0021)),
            // 2000-02-29 12:34:57
            (951_827_697, (12 << 11 | 34 << 5 | 28, 20 << 9 | 2 << 5 | 29)),
            // 2100-03-01, the day after 28 February
            (4_107_542_400, (0, 120 << 9 | 3 << 5 | 1)),
            (i64::MAX, (0xbf7d, 0xff9f)),
        ] {
            assert_eq!(timestamp(seconds), expect, "{seconds}");
        }
    }

    #[test]
    fn widths_follow_from_clusters() {
        for (clusters, width) in [
            (4084, Width::Fat12),
            (4085, Width::Fat16),
            (65524, Width::Fat16),
            (65525, Width::Fat32),
        ] {
            assert_eq!(Width::of(clusters), width);
        }
    }
}
