//! Structures and values of the GUID partition table.

use crate::partition::Guid;

/// EFI system partition.
pub const ESP: Guid = Guid::new(
    0xc12a7328,
    0xf81f,
    0x11d2,
    [0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b],
);
/// Where GRUB keeps its core image for a BIOS: "Hah!IdontNeedEFI".
pub const BIOS_BOOT: Guid = Guid::new(
    0x21686148,
    0x6449,
    0x6e6f,
    [0x74, 0x4e, 0x65, 0x65, 0x64, 0x45, 0x46, 0x49],
);
/// A file system of Linux.
pub const LINUX: Guid = Guid::new(
    0x0fc63daf,
    0x8483,
    0x4772,
    [0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4],
);
/// Attribute: a BIOS may boot from it.
pub const LEGACY_BOOTABLE: u64 = 1 << 2;

/// The first sector that a partition can have.
pub const FIRST_USABLE: u64 = 34;
/// Sectors at the end of a disk that no partition can have.
pub const RESERVED_END: u64 = 33;

/// "EFI PART".
pub(super) const SIGNATURE: [u8; 8] = *b"EFI PART";
/// Version 1.0.
pub(super) const REVISION: u32 = 0x0001_0000;
/// Bytes of the header that its CRC is over.
pub(super) const HEADER: usize = 92;
/// Where the header's own CRC is; it counts as zeros in it.
pub(super) const HEADER_CRC: usize = 16;
/// Bytes of an entry.
pub(super) const ENTRY: usize = 128;
/// How many there are.
pub(super) const ENTRIES: usize = 128;
/// Sectors that they take.
pub(super) const ENTRIES_SECTORS: u64 = 32;
/// Bytes of a name, in UTF-16.
pub(super) const NAME: usize = 72;

/// Other programs' tables may have more entries, of these sizes. What is beyond is not looked at.
pub(super) const ENTRY_MAX: usize = 4096;
/// See [`ENTRY_MAX`].
pub(super) const ENTRIES_BYTES_MAX: usize = 1024 * 1024;

/// Partitions that a master boot record can have beside the protective one.
pub(super) const HYBRID_MAX: usize = 3;
