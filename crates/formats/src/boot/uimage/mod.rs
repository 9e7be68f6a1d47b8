//! U-Boot's legacy image format ("uImage"): a header with checksums in front of a kernel, an initrd or a script.
//!
//! ```text
//! 0      magic, checksum of the header, time, length of the data, load address, entry point, checksum of the data:
//!        32 bits each, the highest byte first
//! 28     operating system, architecture, type, compression: a byte each
//! 32     name, 32 bytes
//! 64     the data; of a script: its length, a zero, its text
//! ```
//!
//! Source: include/image.h and boot/image.c of U-Boot 2025.01. Written are Linux's kernels, initrds and scripts for arm64;
//! read is every header, and of images of several files only that. The judges are `mkimage -l` and `dumpimage`.

mod format;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use format::{ARM64, GZIP, HEADER, KERNEL, LINUX, NONE, RAMDISK, SCRIPT};
pub use reader::{is_image, read};
pub use writer::{checksum, layout, script};

/// What an image says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// Seconds since 1970.
    pub time: u32,
    /// Where the data, uncompressed, is put in memory.
    pub load: u32,
    /// Where it is entered.
    pub entry: u32,
    /// [`LINUX`], or another number.
    pub os: u8,
    /// [`ARM64`], or another number.
    pub architecture: u8,
    /// [`KERNEL`], [`RAMDISK`], [`SCRIPT`], or another number.
    pub kind: u8,
    /// [`NONE`] or [`GZIP`], or another number.
    pub compression: u8,
    /// At most 32 bytes, none of which is zero.
    pub name: Vec<u8>,
}

/// A header and what follows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Image {
    /// The header.
    pub header: Header,
    /// Length of the data in bytes.
    pub size: u32,
    /// Its checksum: CRC-32.
    pub checksum: u32,
}
