//! Offsets and values of portable executables.

/// Machine: Intel and AMD, 64 bits.
pub const AMD64: u16 = 0x8664;
/// Machine: Arm, 64 bits.
pub const ARM64: u16 = 0xaa64;

pub(super) const DOS_MAGIC: [u8; 2] = *b"MZ";
/// Where a DOS header says where the PE header is.
pub(super) const PE_POINTER: usize = 0x3c;
pub(super) const DOS_HEADER: usize = 0x40;
pub(super) const PE_MAGIC: [u8; 4] = *b"PE\0\0";
/// Bytes of magic and COFF file header.
pub(super) const COFF: usize = 24;
/// Offsets in that: machine, number of sections, size of the optional header.
pub(super) const MACHINE: usize = 4;
pub(super) const SECTIONS: usize = 6;
pub(super) const OPTIONAL_SIZE: usize = 20;

/// The optional header's magic for 64 bits.
pub(super) const PE32_PLUS: u16 = 0x20b;
/// Bytes of an optional header without its data directories.
pub(super) const OPTIONAL: usize = 112;
/// Offsets in that.
pub(super) const INITIALIZED_DATA: usize = 8;
pub(super) const SECTION_ALIGNMENT: usize = 32;
pub(super) const FILE_ALIGNMENT: usize = 36;
pub(super) const IMAGE_SIZE: usize = 56;
pub(super) const HEADERS_SIZE: usize = 60;
pub(super) const CHECKSUM: usize = 64;
pub(super) const DIRECTORIES: usize = 108;
/// Bytes of a data directory, and the place of the one for signatures.
pub(super) const DIRECTORY: usize = 8;
pub(super) const SECURITY: usize = 4;

/// Bytes of a section header.
pub(super) const SECTION: usize = 40;
pub(super) const NAME: usize = 8;
/// Offsets in that.
pub(super) const VIRTUAL_SIZE: usize = 8;
pub(super) const VIRTUAL_ADDRESS: usize = 12;
pub(super) const RAW_SIZE: usize = 16;
pub(super) const RAW_OFFSET: usize = 20;
/// Initialised data that is read.
pub(super) const DATA: u32 = 0x4000_0040;

/// File alignment of what is appended, so that a BIOS boot loader can address it by sector.
pub(super) const ALIGNMENT: u64 = 512;
/// The Windows loader's limit.
pub(super) const SECTIONS_MAX: u16 = 96;
/// Most bytes of headers.
pub(super) const HEADERS_MAX: u64 = 64 * 1024;
