//! Offsets and values of the master boot record.

/// Most bytes of boot code.
pub const BOOT_CODE: usize = 440;
/// Where the disk signature is.
pub(super) const SIGNATURE: usize = 440;
/// Where the first partition's entry is.
pub(super) const ENTRIES: usize = 446;
/// Bytes of an entry.
pub(super) const ENTRY: usize = 16;
/// Entries.
pub(super) const COUNT: usize = 4;
/// Where the mark is that makes a sector a boot record.
pub(super) const MARK_AT: usize = 510;
/// The mark.
pub(super) const MARK: [u8; 2] = [0x55, 0xaa];

/// The first byte of an active partition's entry; that of others is 0.
pub const ACTIVE: u8 = 0x80;

/// FAT12.
pub const FAT12: u8 = 0x01;
/// FAT16, addressed by LBA.
pub const FAT16: u8 = 0x0e;
/// FAT32, addressed by LBA.
pub const FAT32: u8 = 0x0c;
/// A file system of Linux.
pub const LINUX: u8 = 0x83;
/// A disk that has a GUID partition table, for programs that know none.
pub const PROTECTIVE: u8 = 0xee;
/// An EFI system partition.
pub const ESP: u8 = 0xef;

/// Heads and sectors of a track as everybody assumes them for disks of more than 8 GB.
pub(super) const HEADS: u32 = 255;
/// See [`HEADS`].
pub(super) const TRACK: u32 = 63;
/// The last sector that cylinder, head and sector can name; what is beyond is given as this.
pub(super) const CHS_LAST: [u8; 3] = [254, 0xff, 0xff];
/// Cylinders that can be named.
pub(super) const CYLINDERS: u32 = 1024;
/// The end of a protective partition that CHS cannot name (UEFI specification 2.10, table 5.3).
pub(super) const CHS_PROTECTIVE: [u8; 3] = [0xff, 0xff, 0xff];
