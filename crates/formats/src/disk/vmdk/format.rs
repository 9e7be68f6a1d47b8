//! The header, markers and the descriptor.

/// Name in messages.
pub const NAME: &str = "VMDK";
/// How the file begins.
pub const MAGIC: &[u8; 4] = b"KDMV";
/// The unit of all offsets and sizes, in bytes.
pub const SECTOR: u64 = 512;
/// Size of header, footer and markers, in bytes.
pub const HEADER: usize = 512;
/// Bytes of a grain, and grains of a table: what VMware writes, and the only values that all readers take.
pub const GRAIN: u64 = 64 << 10;
pub const TABLE_ENTRIES: u64 = 512;
/// Stream-optimised files say that they are of this version.
const VERSION: u32 = 3;
/// In the header: the bytes that tell damaged line ends are there.
const VALID_LINE_ENDS: u32 = 1;
/// In the header: entry 1 of a table is a grain of zeros.
pub const ZERO_GRAINS: u32 = 1 << 2;
/// In the header: grains are compressed, and there are markers.
pub const COMPRESSED: u32 = 1 << 16;
pub const MARKERS: u32 = 1 << 17;
/// The only way to compress: RFC 1950.
pub const DEFLATE: u16 = 1;
/// In place of the directory's offset: it is in the footer.
pub const AT_END: u64 = u64::MAX;
/// Where the descriptor is, and its size, in sectors.
pub const DESCRIPTOR: u64 = 1;
pub const DESCRIPTOR_SIZE: u64 = 20;
/// Where the first grain is, in sectors: 64 KiB, as others have it.
pub const OVERHEAD: u64 = 128;
/// Sizes of disk and file, in bytes: tables have four bytes for a sector.
pub const SIZE_MAX: u64 = (1 << 32) * SECTOR;

/// What a marker says that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// Nothing: the end.
    End = 0,
    /// A table of grains.
    Table = 1,
    /// The directory of tables.
    Directory = 2,
    /// The footer.
    Footer = 3,
}

impl Marker {
    /// The bytes, before so many sectors.
    pub fn encode(self, sectors: u64) -> [u8; HEADER] {
        let mut marker = [0; HEADER];
        marker[..8].copy_from_slice(&sectors.to_le_bytes());
        marker[12..16].copy_from_slice(&(self as u32).to_le_bytes());
        marker
    }
}

/// Header or footer of a disk of so many bytes, whose directory begins at that sector.
pub fn header(size: u64, directory: u64) -> [u8; HEADER] {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((VALID_LINE_ENDS | COMPRESSED | MARKERS).to_le_bytes());
    bytes.extend((size / SECTOR).to_le_bytes());
    bytes.extend((GRAIN / SECTOR).to_le_bytes());
    bytes.extend(DESCRIPTOR.to_le_bytes());
    bytes.extend(DESCRIPTOR_SIZE.to_le_bytes());
    bytes.extend(u32::try_from(TABLE_ENTRIES).unwrap_or(0).to_le_bytes());
    bytes.extend([0; 8]); // there is no second directory
    bytes.extend(directory.to_le_bytes());
    bytes.extend(OVERHEAD.to_le_bytes());
    bytes.push(0); // it was closed properly
    bytes.extend(b"\n \r\n");
    bytes.extend(DEFLATE.to_le_bytes());
    let mut header = [0; HEADER];
    header[..bytes.len()].copy_from_slice(&bytes);
    header
}

/// The text that describes a disk of so many bytes.
pub fn descriptor(size: u64, content_id: u32) -> String {
    const HEADS: u64 = 255;
    const SECTORS_OF_TRACK: u64 = 63;
    let sectors = size / SECTOR;
    let cylinders = (sectors / (HEADS * SECTORS_OF_TRACK)).clamp(1, 65535);
    format!(
        "# Disk DescriptorFile\nversion=1\nCID={content_id:08x}\nparentCID=ffffffff\n\
         createType=\"streamOptimized\"\n\n# Extent description\n\
         RDONLY {sectors} SPARSE \"disk.vmdk\"\n\n# The Disk Data Base\n#DDB\n\n\
         ddb.virtualHWVersion = \"6\"\nddb.geometry.cylinders = \"{cylinders}\"\n\
         ddb.geometry.heads = \"{HEADS}\"\nddb.geometry.sectors = \"{SECTORS_OF_TRACK}\"\n\
         ddb.adapterType = \"lsilogic\"\n"
    )
}
