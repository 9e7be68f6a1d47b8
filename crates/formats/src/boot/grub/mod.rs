//! GRUB 2 for a BIOS (its platform i386-pc), linked from the files of its package.
//!
//! ```text
//! sector 0        boot.img, which loads one sector          a CD: cdboot.img, which loads the file
//!     │                                                         │
//!     ▼                                                         ▼
//! ┌──────────────┬─────────────────────┬───────────────────────────────────────────────────────┐
//! │ diskboot.img │ lzma_decompress.img │ kernel.img, modules, embedded configuration           │
//! └──────────────┴─────────────────────┴───────────────────────────────────────────────────────┘
//!   loads the       sizes patched in     one LZMA stream without header or end
//!   sectors behind
//! ```
//!
//! The facts are from GRUB 2.12: util/mkimage.c, include/grub/{kernel,offsets}.h and grub-core/boot/i386/pc. There is no
//! Reed-Solomon code. The configuration is executed without a menu, and reads kernel and initrd by sector numbers of the device
//! that GRUB was started from, so that no module for partitions or file systems is needed. QEMU's SeaBIOS judges it.

mod config;
mod format;
mod writer;

pub use config::config;
pub use format::CD_CORE_SECTOR;
pub use writer::{boot_record, cd_image, core, disk_image, hybrid_record, modules};
