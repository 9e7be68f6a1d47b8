//! squashfs 4.0: a read-only file system whose contents, inodes and directories are compressed
//! (Documentation/filesystems/squashfs.rst, fs/squashfs/squashfs_fs.h).
//!
//! ```text
//! ┌────────────┬─────────┬────────┬────────┬────────┬───────────┬─────┬────────┬──────┐
//! │ superblock │ options │ data   │ data   │ inodes │ directo-  │ frag│ ids    │xattrs│ zeros up to a
//! │ 96 bytes   │         │ piece  │ piece …│        │ ries      │ ments        │      │ multiple of 4 KiB
//! └────────────┴─────────┴────────┴────────┴────────┴───────────┴─────┴────────┴──────┘
//!        head                                              tail
//!
//! a data piece   ┌─────────┬─────────┬──────────┬─────────┬──────────┐
//!                │ block 0 │ block 1 │ block 0  │ block 0 │ fragment │   what is shorter than a block
//!                │ of a    │ of a    │ of b     │ of e    │ c, d, f… │   shares one with its neighbours
//!                └─────────┴─────────┴──────────┴─────────┴──────────┘
//! ```
//!
//! It is made in two steps. [`blocks`] compresses contents, of one part of a tree say, and gives a [`Table`] of where each
//! is: both can be kept. [`link`] takes the tables of all parts and makes what is around the data, which is small. So a change
//! of one part compresses only that part anew.
//!
//! Written: gzip and zstd, blocks of 4 KiB to 1 MiB, fragments, holes, equal contents once, hard links, devices, named
//! pipes, directory indices, extended attributes of the spaces user, trusted and security. Not written: the export table,
//! attribute values of their own, sockets. Read: the same with xz, whatever the order of the tables.
//!
//! Judge: `unsquashfs`, and the kernel.

mod blocks;
mod codec;
mod directory;
mod format;
mod inode;
mod metadata;
mod reader;
mod stock;
mod table;
#[cfg(test)]
mod tests;
mod writer;
mod xattr;

pub use blocks::{Contents, blocks};
pub use codec::Compression;
pub use format::NAME;
pub use reader::{Summary, read, summary};
pub use table::Table;
pub use writer::{Linked, link};

use crate::FormatError;

/// Changes whenever the same input gives other bytes: part of every cache key.
pub const VERSION: u32 = 1;

/// How a file system is written. Data and what is around it are written with the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How blocks are compressed.
    pub compression: Compression,
    /// Bytes in a block: a power of two from 4 KiB to 1 MiB.
    pub block_size: u32,
    /// When the file system was made, in seconds since 1970.
    pub time: i64,
}

impl Options {
    /// `mksquashfs`'s block size, and the time 0.
    pub fn new(compression: Compression) -> Options {
        Options {
            compression,
            block_size: format::BLOCK_SIZE,
            time: 0,
        }
    }

    /// The block size, where it is one.
    fn block(&self) -> Result<usize, FormatError> {
        let size = self.block_size;
        let fits =
            size.is_power_of_two() && (format::BLOCK_SIZE_MIN..=format::BLOCK_SIZE_MAX).contains(&size);
        match usize::try_from(size) {
            Ok(block) if fits => Ok(block),
            _ => Err(unfit(format!("blocks of {size} bytes"))),
        }
    }
}

/// The image as a whole is more than squashfs can hold.
fn unfit(what: impl Into<String>) -> FormatError {
    FormatError::Image {
        format: NAME,
        what: what.into(),
    }
}
