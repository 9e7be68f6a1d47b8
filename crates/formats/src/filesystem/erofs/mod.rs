//! EROFS, the read-only file system of Linux (Documentation/filesystems/erofs.rst and fs/erofs/erofs_fs.h of Linux 6.12),
//! without compression.
//!
//! ```text
//! block 0                         blocks of metadata                 shared attributes   contents in whole blocks
//! ┌──────┬────────────┬─────────┬──────────────────────────────────┬───────────────────┬──────┬───────────────────┐
//! │ 1024 │ superblock │ inodes… │ inode attributes tail │ inode …  │ entry │ entry …   │ dirs │ file │ file │ …   │
//! └──────┴────────────┴─────────┴──────────────────────────────────┴───────────────────┴──────┴───────────────────┘
//!   zeros  128 bytes    at multiples of 32; the number of an inode     only if some are     equal files once
//!                       is its offset divided by 32                    used more than once
//! ```
//!
//! Written: blocks of 4 KiB; compact inodes (32 bytes) where size, owner, links and time allow it, else extended ones (64); the
//! last part of a content, where it is no whole block, beside its inode if that fits into one block (`FLAT_INLINE`), else in a
//! block of its own (`FLAT_PLAIN`). The time of compact inodes is the one that most nodes have. Inodes are put where they leave
//! the least space in a block of metadata. Files with the same content share their whole blocks. The superblock has its checksum,
//! which goes over the rest of its block: so nothing is there but what is known without reading a content.
//!
//! Read: that, other block sizes, and files in chunks. Compressed files, extra devices and long prefixes of attributes are refused.
//! Judges: `fsck.erofs --extract`, `dump.erofs`, and the kernel.

mod attributes;
mod directory;
mod format;
mod inodes;
mod placement;
mod reader;
mod writer;

pub use reader::{Superblock, Volume};
pub use writer::{Options, layout};

#[cfg(test)]
mod tests;
