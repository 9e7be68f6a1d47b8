//! Structures and constants of ISO 9660: descriptors, directory records, El Torito.

/// What errors call it.
pub const FORMAT: &str = "an ISO 9660 file system";
/// Bytes of a logical block, and of a sector of a CD.
pub const BLOCK: u64 = 2048;
/// Bytes in front of the first descriptor, which are the system's: boot code and partition tables.
pub const SYSTEM_AREA: u64 = 16 * BLOCK;
/// Block of the primary volume descriptor.
pub const PRIMARY: u64 = 16;
/// Block of the boot catalog, where there is one.
pub const CATALOG: u64 = 20;
/// Most bytes of one extent of a file: a whole number of blocks, below 4 GiB.
pub const EXTENT_MAX: u64 = 0xffff_f800;
/// Extents that Linux takes for one file.
pub const EXTENTS_MAX: u64 = 100;
/// Directories that a path table can number.
pub const DIRECTORIES_MAX: usize = 65_535;
/// Bytes of a directory record in front of the identifier.
pub const RECORD: usize = 33;
/// Most bytes of a directory record.
pub const RECORD_MAX: usize = 254;
/// File flag: a directory.
pub const FLAG_DIRECTORY: u8 = 0x02;
/// File flag: another extent of the same file follows.
pub const FLAG_MULTI_EXTENT: u8 = 0x80;
/// Identifies every volume descriptor.
pub const STANDARD: [u8; 5] = *b"CD001";
/// Says that a supplementary descriptor is Joliet's, level 3: UCS-2.
pub const JOLIET: [u8; 3] = *b"%/E";

/// A number in both orders of bytes (ECMA-119, 7.3.3).
pub fn both32(value: u32) -> [u8; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (value.to_le_bytes(), value.to_be_bytes());
    [a, b, c, d, e, f, g, h]
}

/// The same for 16 bits (7.2.3).
pub fn both16(value: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (value.to_le_bytes(), value.to_be_bytes());
    [a, b, c, d]
}

/// Year, month, day, hour, minute, second, UTC.
fn civil(seconds: i64) -> [i64; 6] {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // The year begins in March here, so that leap days are at its end; 719468 days before 1970 is 0000-03-01.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    [
        year + era * 400,
        month,
        date,
        second / 3600,
        second / 60 % 60,
        second % 60,
    ]
}

/// Earliest and latest time that both forms can hold: 1900-01-01 and 2155-12-31.
const TIMES: (i64, i64) = (-2_208_988_800, 5_869_583_999);

/// The time of a directory record (9.1.5), UTC.
pub fn short_time(seconds: i64) -> [u8; 7] {
    let [year, rest @ ..] = civil(seconds.clamp(TIMES.0, TIMES.1));
    let byte = |value: i64| u8::try_from(value).unwrap_or(0);
    let [month, day, hour, minute, second] = rest.map(byte);
    [byte(year - 1900), month, day, hour, minute, second, 0]
}

/// The time of a descriptor (8.4.26.1), UTC.
pub fn long_time(seconds: i64) -> [u8; 17] {
    let [year, month, day, hour, minute, second] = civil(seconds.clamp(TIMES.0, TIMES.1));
    let digits = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}00");
    let mut time = [0; 17];
    time[..16].copy_from_slice(digits.as_bytes());
    time
}

/// A directory record (9.1) without what follows the identifier.
pub struct Record<'a> {
    /// First block of the extent.
    pub block: u32,
    /// Bytes of the extent.
    pub size: u32,
    /// Time, in seconds since 1970.
    pub time: i64,
    /// `FLAG_…`.
    pub flags: u8,
    /// File identifier, with its version.
    pub identifier: &'a [u8],
    /// The system use field.
    pub system: &'a [u8],
}

/// Bytes of a record with an identifier of so many bytes: the system use field begins at an even offset.
pub fn record_length(identifier: usize) -> usize {
    (RECORD + identifier).next_multiple_of(2)
}

impl Record<'_> {
    /// Appends the record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let length = (record_length(self.identifier.len()) + self.system.len()).next_multiple_of(2);
        let end = out.len() + length;
        out.push(u8::try_from(length).unwrap_or(u8::MAX));
        out.push(0);
        out.extend(both32(self.block));
        out.extend(both32(self.size));
        out.extend(short_time(self.time));
        out.extend([self.flags, 0, 0]);
        out.extend(both16(1));
        out.push(u8::try_from(self.identifier.len()).unwrap_or(u8::MAX));
        out.extend(self.identifier);
        if self.identifier.len().is_multiple_of(2) {
            out.push(0);
        }
        out.extend(self.system);
        out.resize(end, 0);
    }
}

/// What differs between the primary descriptor and Joliet's.
pub struct Descriptor {
    /// Whether it is Joliet's.
    pub joliet: bool,
    /// The volume's identifier, at most 32 bytes.
    pub volume: String,
    /// Creation and modification of the volume, in seconds since 1970.
    pub time: i64,
    /// Blocks of the volume.
    pub blocks: u32,
    /// Bytes of a path table.
    pub path_table: u32,
    /// Blocks of the path tables: little-endian, big-endian.
    pub path_tables: [u32; 2],
    /// The root directory's record.
    pub root: Vec<u8>,
}

impl Descriptor {
    /// The descriptor's block (8.4, 8.5).
    pub fn encode(&self) -> Vec<u8> {
        let mut block = Vec::with_capacity(2048);
        block.push(if self.joliet { 2 } else { 1 });
        block.extend(STANDARD);
        block.extend([1, 0]);
        self.text("LINUX", 32, &mut block);
        self.text(&self.volume, 32, &mut block);
        block.extend([0; 8]);
        block.extend(both32(self.blocks));
        block.extend(if self.joliet { JOLIET } else { [0; 3] });
        block.resize(120, 0);
        block.extend(both16(1));
        block.extend(both16(1));
        block.extend(both16(2048));
        block.extend(both32(self.path_table));
        block.extend(self.path_tables[0].to_le_bytes());
        block.extend([0; 4]);
        block.extend(self.path_tables[1].to_be_bytes());
        block.extend([0; 4]);
        block.extend(&self.root);
        for (text, length) in [
            ("", 128),
            ("", 128),
            ("", 128),
            ("IRONKIT", 128),
            ("", 37),
            ("", 37),
            ("", 37),
        ] {
            self.text(text, length, &mut block);
        }
        let time = long_time(self.time);
        block.extend(time);
        block.extend(time);
        // It never expires, and is effective at once.
        for _ in 0..2 {
            block.extend([b'0'; 16]);
            block.push(0);
        }
        block.push(1);
        block.resize(2048, 0);
        block
    }

    /// Text padded with spaces, in UCS-2 for Joliet.
    fn text(&self, text: &str, length: usize, out: &mut Vec<u8>) {
        let end = out.len() + length;
        if self.joliet {
            out.extend(text.encode_utf16().take(length / 2).flat_map(u16::to_be_bytes));
            while out.len() + 1 < end {
                out.extend([0, b' ']);
            }
            out.resize(end, 0);
        } else {
            out.extend(text.bytes().take(length));
            out.resize(end, b' ');
        }
    }
}

/// The descriptor that ends the others (8.3).
pub fn terminator() -> Vec<u8> {
    let mut block = vec![255];
    block.extend(STANDARD);
    block.push(1);
    block.resize(2048, 0);
    block
}

/// El Torito's descriptor, which says where the catalog is (El Torito 1.0, figure 7).
pub fn boot_record() -> Vec<u8> {
    let mut block = vec![0];
    block.extend(STANDARD);
    block.push(1);
    block.extend(b"EL TORITO SPECIFICATION");
    block.resize(0x47, 0);
    block.extend(u32::try_from(CATALOG).unwrap_or(0).to_le_bytes());
    block.resize(2048, 0);
    block
}

/// An image of the boot catalog: platform, first block, sectors of 512 bytes to load.
pub type CatalogEntry = (u8, u32, u16);

/// The boot catalog (figures 2 to 5): a section for each image but the first.
pub fn catalog(entries: &[CatalogEntry]) -> Vec<u8> {
    let mut block = Vec::with_capacity(2048);
    for (index, (platform, start, sectors)) in entries.iter().enumerate() {
        let mut header = [0; 32];
        if index == 0 {
            header[0] = 1;
            header[1] = *platform;
            header[30..].copy_from_slice(&[0x55, 0xaa]);
            let words = header
                .chunks_exact(2)
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            let sum = words.fold(0u16, u16::wrapping_add).wrapping_neg();
            header[28..30].copy_from_slice(&sum.to_le_bytes());
        } else {
            // The last header is 0x91; each has one image.
            header[..4].copy_from_slice(&[
                if index + 1 == entries.len() { 0x91 } else { 0x90 },
                *platform,
                1,
                0,
            ]);
        }
        block.extend(header);
        // Bootable, no emulation, loaded where such images always are.
        let mut entry = [0; 32];
        entry[0] = 0x88;
        entry[6..8].copy_from_slice(&sectors.to_le_bytes());
        entry[8..12].copy_from_slice(&start.to_le_bytes());
        block.extend(entry);
    }
    block.resize(2048, 0);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (seconds, expect) in [
            (0, "1970010100000000"),
            (951_827_696, "2000022912345600"),
            (-1, "1969123123595900"),
            (i64::MIN, "1900010100000000"),
            (i64::MAX, "2155123123595900"),
        ] {
            assert_eq!(&long_time(seconds)[..16], expect.as_bytes(), "{seconds}");
        }
        assert_eq!(short_time(951_827_696), [100, 2, 29, 12, 34, 56, 0]);
    }
}
