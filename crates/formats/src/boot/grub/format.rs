//! Offsets and limits of GRUB's files.

/// "gmim": in front of the list of modules.
pub(super) const MODULES_MAGIC: u32 = 0x676d_696d;
/// Bytes of what is in front of the list: magic, offset, size.
pub(super) const MODULES_HEADER: usize = 12;
/// Bytes of what is in front of each object: type, size with this.
pub(super) const OBJECT_HEADER: usize = 8;
/// Objects begin at multiples of this.
pub(super) const OBJECT_ALIGNMENT: usize = 4;
/// Object: a module.
pub(super) const ELF: u32 = 0;
/// Object: the embedded configuration, with a zero byte at its end.
pub(super) const CONFIG: u32 = 2;

/// Where the decompressor has the sizes of what it unpacks.
pub(super) const COMPRESSED_SIZE: usize = 0x08;
pub(super) const UNCOMPRESSED_SIZE: usize = 0x0c;
/// What the decompressor takes in memory at most.
pub(super) const DECOMPRESSOR_MAX: usize = 0x9000 - 0x8200;
/// The decompressor's own settings: literal context bits, literal position bits, position bits.
pub(super) const LZMA: (u32, u32, u32) = (3, 0, 2);
pub(super) const DICTIONARY: u32 = 64 * 1024;

/// Where kernel.img is linked to.
pub(super) const LINK_ADDRESS: u32 = 0x9000;
/// Up to where it, and what it clears behind itself, may reach.
pub(super) const KERNEL_END: u32 = 0x68000;
/// Up to where the compressed core image may reach when it is loaded to [`LINK_ADDRESS`].
pub(super) const CORE_END: usize = 0x78000;

/// Bytes of boot.img and its kin, and of cdboot.img.
pub(super) const SECTOR: usize = 512;
pub(super) const CDBOOT: usize = 2048;
/// Where diskboot.img has the sectors to load: first one, count, segment to load to.
pub(super) const BLOCK_LIST: usize = SECTOR - 12;
pub(super) const BLOCK_LIST_COUNT: usize = SECTOR - 4;

/// Code bytes of a boot record.
pub(super) const CODE: usize = 440;
/// Where boot.img has the sector of diskboot.img.
pub(super) const BOOT_SECTOR: usize = 0x5c;
/// Where boot.img checks the number of the drive that the BIOS gave, with a jump that hides a workaround for such a BIOS as
/// gives a wrong one.
pub(super) const DRIVE_CHECK: usize = 0x66;
pub(super) const NO_OPERATION: u8 = 0x90;
/// Where boot_hybrid.img has the sector of diskboot.img.
pub(super) const HYBRID_SECTOR: usize = 0x1b0;

/// The sector of the core image, in sectors of 512 bytes from the start of a CD's boot image.
pub const CD_CORE_SECTOR: u64 = (CDBOOT / SECTOR) as u64;
