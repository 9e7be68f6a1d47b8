//! Offsets and values of the header.

/// The first four bytes.
pub(super) const MAGIC: u32 = 0x2705_1956;
/// Length of the header, and where the data is.
pub const HEADER: usize = 64;
/// Where the header's checksum is, which is reckoned with zeros here.
pub(super) const HEADER_CHECKSUM: usize = 4;
/// Offsets of the other numbers.
pub(super) const TIME: usize = 8;
pub(super) const SIZE: usize = 12;
pub(super) const LOAD: usize = 16;
pub(super) const ENTRY: usize = 20;
pub(super) const CHECKSUM: usize = 24;
pub(super) const OS: usize = 28;
pub(super) const ARCHITECTURE: usize = 29;
pub(super) const KIND: usize = 30;
pub(super) const COMPRESSION: usize = 31;
/// Where the name is, to the end.
pub(super) const NAME: usize = 32;

/// The operating system Linux (`IH_OS_LINUX`).
pub const LINUX: u8 = 5;
/// 64-bit ARM (`IH_ARCH_ARM64`).
pub const ARM64: u8 = 22;
/// A kernel (`IH_TYPE_KERNEL`).
pub const KERNEL: u8 = 2;
/// An initrd (`IH_TYPE_RAMDISK`).
pub const RAMDISK: u8 = 3;
/// Commands for U-Boot (`IH_TYPE_SCRIPT`).
pub const SCRIPT: u8 = 6;
/// Nothing that U-Boot would have to unpack (`IH_COMP_NONE`).
pub const NONE: u8 = 0;
/// gzip (`IH_COMP_GZIP`).
pub const GZIP: u8 = 1;
