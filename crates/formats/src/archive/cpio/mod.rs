//! cpio archives in the `newc` format, as the Linux kernel unpacks them (Documentation/driver-api/early-userspace,
//! "initramfs buffer format").
//!
//! ```text
//! ┌────────────┬──────────┬─────┬─────────┬─────┐        ┌──────────────────────┐
//! │ header 110 │ name NUL │ pad │ content │ pad │  …     │ header, TRAILER!!!   │
//! └────────────┴──────────┴─────┴─────────┴─────┘        └──────────────────────┘
//!   ASCII hex     everything is aligned to 4 bytes          ends hard link groups
//! ```
//!
//! Written: directories, files, symbolic and hard links, devices, pipes. The bytes of a file with several names stand
//! at the last one, the earlier ones are empty. Inode numbers count from 1 in the order of names. Extended attributes
//! have no place in the format. Judge: `cpio -itv`, and the kernel.

mod format;
mod reader;
mod writer;

pub use reader::{Entry, ReadError, Reader};
pub use writer::write_fileset;
