//! Places, signatures and GUIDs.

use crate::crc32c::checksum;

/// Name in messages.
pub const NAME: &str = "VHDX";
/// How the file begins.
pub const IDENTIFIER: &[u8; 8] = b"vhdxfile";
/// Who made it, in UTF-16 after the identifier.
pub const CREATOR: &str = "IronKit";
/// Where the headers are, and the region tables.
pub const HEADERS: [u64; 2] = [64 << 10, 128 << 10];
pub const REGIONS: [u64; 2] = [192 << 10, 256 << 10];
/// Sizes of both, in bytes: what their checksums are of.
pub const HEADER: usize = 4 << 10;
pub const REGION_TABLE: usize = 64 << 10;
/// Everything from here on begins at a multiple of this, in bytes.
pub const ALIGNMENT: u64 = 1 << 20;
/// The log, which is empty, and the metadata.
pub const LOG: u64 = ALIGNMENT;
pub const METADATA: u64 = 2 * ALIGNMENT;
/// The BAT is what follows.
pub const BAT: u64 = 3 * ALIGNMENT;
/// The table of metadata: what is in it begins after that many bytes.
pub const METADATA_TABLE: usize = 64 << 10;

/// How the structures begin.
pub const HEADER_SIGNATURE: &[u8; 4] = b"head";
pub const REGION_SIGNATURE: &[u8; 4] = b"regi";
pub const METADATA_SIGNATURE: &[u8; 8] = b"metadata";
/// The only version.
pub const VERSION: u16 = 1;

/// Regions and items of metadata by their GUIDs, in the order of these in files.
pub const BAT_REGION: [u8; 16] = guid(0x2dc2_7766, 0xf623, 0x4200, 0x9d64_115e_9bfd_4a08);
pub const METADATA_REGION: [u8; 16] = guid(0x8b7c_a206, 0x4790, 0x4b9a, 0xb8fe_575f_050f_886e);
pub const FILE_PARAMETERS: [u8; 16] = guid(0xcaa1_6737, 0xfa36, 0x4d43, 0xb3b6_33f0_aa44_e76b);
pub const DISK_SIZE: [u8; 16] = guid(0x2fa5_4224, 0xcd1b, 0x4876, 0xb211_5dbe_d83b_f4b8);
pub const DISK_ID: [u8; 16] = guid(0xbeca_12ab, 0xb2e6, 0x4523, 0x93ef_c309_e000_c746);
pub const LOGICAL_SECTOR: [u8; 16] = guid(0x8141_bf1d, 0xa96f, 0x4709, 0xba47_f233_a8fa_ab5f);
pub const PHYSICAL_SECTOR: [u8; 16] = guid(0xcda3_48c7, 0x445d, 0x4471, 0x9cc9_e988_5251_c556);

/// Who cannot make sense of a region or an item must not use the disk.
pub const REGION_REQUIRED: u32 = 1;
pub const ITEM_REQUIRED: u32 = 4;
/// The item is about the disk, not the file.
pub const ITEM_OF_DISK: u32 = 2;
/// A flag of the file's parameters: what is not there is in another file.
pub const HAS_PARENT: u32 = 2;

/// Sizes of blocks that there may be, in bytes.
pub const BLOCK_MIN: u64 = 1 << 20;
pub const BLOCK_MAX: u64 = 256 << 20;
/// The largest disk, in bytes.
pub const DISK_MAX: u64 = 64 << 40;
/// After so many sectors' blocks, the BAT has an entry for a bitmap of these.
pub const SECTORS_OF_BITMAP: u64 = 1 << 23;
/// What the lowest bits of an entry of the BAT say: the block is there, or some of it.
pub const STATE: u64 = 7;
pub const FULLY_PRESENT: u64 = 6;
pub const PARTIALLY_PRESENT: u64 = 7;

/// A GUID as files have it: its first three numbers are little-endian.
const fn guid(first: u32, second: u16, third: u16, rest: u64) -> [u8; 16] {
    let (a, b, c, d) = (
        first.to_le_bytes(),
        second.to_le_bytes(),
        third.to_le_bytes(),
        rest.to_be_bytes(),
    );
    [
        a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7],
    ]
}

/// Puts the checksum of all of it into bytes 4 to 8, which are zero.
pub fn put_checksum(bytes: &mut [u8]) {
    let sum = checksum(bytes);
    bytes[4..8].copy_from_slice(&sum.to_le_bytes());
}

/// Whether the checksum is right.
pub fn is_whole(bytes: &[u8]) -> bool {
    let mut copy = bytes.to_vec();
    copy[4..8].fill(0);
    checksum(&copy).to_le_bytes() == bytes[4..8]
}
