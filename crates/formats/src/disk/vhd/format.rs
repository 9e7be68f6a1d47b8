//! The footer and the header of dynamic disks.

/// Name in messages.
pub const NAME: &str = "VHD";
/// Size of the footer, in bytes.
pub const FOOTER: usize = 512;
/// Size of the header of dynamic disks, in bytes.
pub const HEADER: usize = 1024;
/// How a footer begins.
pub const COOKIE: &[u8; 8] = b"conectix";
/// How a header of a dynamic disk begins.
pub const SPARSE: &[u8; 8] = b"cxsparse";
/// Version 1.0, of footer and header.
const VERSION: u32 = 0x0001_0000;
/// A bit that is always set.
const FEATURES: u32 = 2;
/// No data structure follows.
pub const NONE: u64 = u64::MAX;
/// A block that is not there.
pub const UNUSED: u32 = u32::MAX;
/// Who made it: what Windows writes. Readers that otherwise believe the geometry believe the size then.
const CREATOR: &[u8; 4] = b"win ";
/// And with which version: 10.0.
const CREATOR_VERSION: u32 = 0x000a_0000;
/// And on which system.
const CREATOR_SYSTEM: &[u8; 4] = b"Wi2k";
/// Size of the blocks of a dynamic disk, in bytes: the specification's default, which not all readers let differ.
pub const BLOCK: u64 = 2 << 20;
/// Size of a block's bitmap, in bytes: a bit for each sector, and this fills one.
pub const BITMAP: usize = 512;
/// The largest disk, in bytes.
pub const DISK_MAX: u64 = 2040 << 30;
/// Where a footer has its checksum.
pub const FOOTER_CHECKSUM: usize = 64;
/// Where a header has its checksum.
pub const HEADER_CHECKSUM: usize = 36;

/// What a footer says that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// Size of the disk in bytes.
    pub size: u64,
    /// Kind of the disk.
    pub kind: Kind,
    /// Identifies the disk.
    pub uuid: [u8; 16],
}

/// Kind of a disk, with the number that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All sectors are there.
    Fixed = 2,
    /// Blocks are there or not.
    Dynamic = 3,
}

impl Footer {
    /// The bytes, with the checksum.
    pub fn encode(&self) -> [u8; FOOTER] {
        let mut bytes = Vec::with_capacity(FOOTER);
        bytes.extend(COOKIE);
        bytes.extend(FEATURES.to_be_bytes());
        bytes.extend(VERSION.to_be_bytes());
        let next = match self.kind {
            Kind::Fixed => NONE,
            Kind::Dynamic => FOOTER as u64,
        };
        bytes.extend(next.to_be_bytes());
        bytes.extend([0; 4]); // the time it was made: the first second of 2000
        bytes.extend(CREATOR);
        bytes.extend(CREATOR_VERSION.to_be_bytes());
        bytes.extend(CREATOR_SYSTEM);
        bytes.extend(self.size.to_be_bytes()); // when it was made
        bytes.extend(self.size.to_be_bytes()); // now
        bytes.extend(geometry(self.size));
        bytes.extend((self.kind as u32).to_be_bytes());
        bytes.extend([0; 4]); // the checksum
        bytes.extend(self.uuid);
        let mut footer = [0; FOOTER];
        footer[..bytes.len()].copy_from_slice(&bytes);
        put_checksum(&mut footer, FOOTER_CHECKSUM);
        footer
    }
}

/// The header of a dynamic disk whose BAT is at `table` and has so many entries.
pub fn header(table: u64, entries: u32) -> [u8; HEADER] {
    let mut bytes = Vec::with_capacity(HEADER);
    bytes.extend(SPARSE);
    bytes.extend(NONE.to_be_bytes());
    bytes.extend(table.to_be_bytes());
    bytes.extend(VERSION.to_be_bytes());
    bytes.extend(entries.to_be_bytes());
    bytes.extend(u32::try_from(BLOCK).unwrap_or(0).to_be_bytes());
    let mut header = [0; HEADER];
    header[..bytes.len()].copy_from_slice(&bytes);
    put_checksum(&mut header, HEADER_CHECKSUM);
    header
}

/// Cylinders, heads and sectors of a track for a disk of so many bytes, by the specification's appendix. They may be less
/// than the disk.
fn geometry(size: u64) -> [u8; 4] {
    const LARGEST: u64 = 65535 * 16 * 255;
    let total = (size / 512).min(LARGEST);
    let (mut sectors, mut heads) = (255, 16);
    let mut tracks = total / sectors;
    if total < 65535 * 16 * 63 {
        sectors = 17;
        tracks = total / sectors;
        heads = tracks.div_ceil(1024).max(4);
        if tracks >= heads * 1024 || heads > 16 {
            (sectors, heads) = (31, 16);
            tracks = total / sectors;
        }
        if tracks >= heads * 1024 {
            (sectors, heads) = (63, 16);
            tracks = total / sectors;
        }
    }
    let cylinders = u16::try_from(tracks / heads).unwrap_or(u16::MAX).to_be_bytes();
    let small = |number: u64| u8::try_from(number).unwrap_or(u8::MAX);
    [cylinders[0], cylinders[1], small(heads), small(sectors)]
}

/// The complement of the sum of all bytes, those of the checksum taken as zero.
pub fn checksum(bytes: &[u8], place: usize) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    !(sum(bytes) - sum(&bytes[place..place + 4]))
}

fn put_checksum(bytes: &mut [u8], place: usize) {
    let sum = checksum(bytes, place);
    bytes[place..place + 4].copy_from_slice(&sum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values were computed with QEMU's `qemu-img create -f vpc`, read at offset 56 of the footer.
    #[test]
    fn geometries() {
        for (size, cylinders, heads, sectors) in [
            (1 << 20, 30, 4, 17),
            (64 << 20, 963, 8, 17),
            (1 << 30, 2080, 16, 63),
            (127 << 30, 65278, 16, 255),
            (DISK_MAX, 65535, 16, 255),
        ] {
            let expect: [u8; 2] = u16::to_be_bytes(cylinders);
            assert_eq!(geometry(size), [expect[0], expect[1], heads, sectors], "{size}");
        }
    }
}
