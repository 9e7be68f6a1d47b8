//! ext4 (Documentation/filesystems/ext4 and fs/ext4/ext4.h of Linux 6.12), as `mkfs.ext4` makes it today: 64 bits, extents,
//! flexible block groups, a journal, checksums of metadata.
//!
//! ```text
//! group 0                                                          group 1 (2 … 15: only data)
//! ┌───────┬────────┬──────────┬─────────┬─────────┬────────┬──────┬───────┬────────┬──────────┬──────┐
//! │ super │ groups │ reserved │ bitmaps │ bitmaps │ inodes │ data │ super │ groups │ reserved │ data │
//! │ block │        │          │ blocks  │ inodes  │        │      │ copy  │ copy   │          │      │
//! └───────┴────────┴──────────┴─────────┴─────────┴────────┴──────┴───────┴────────┴──────────┴──────┘
//!   4 KiB   of all   for more   ──── of 16 groups, at the first ───  copies: groups 1 and powers of 3, 5, 7
//! ```
//!
//! Written: blocks of 4 KiB; everything in the order in which it is found, from the first free block on, so that a content is in
//! one piece but for the tables that are in its way; directories as lists, without an index. Nothing but metadata and
//! contents takes space, the rest are holes.
//!
//! A volume can grow while it is mounted, by `EXT4_IOC_RESIZE_FS` alone, to 1024 times its size and more: inode 7 holds
//! blocks behind each copy of the group descriptors, which become descriptors of new groups (`add_new_gdb` in fs/ext4/resize.c).
//! When these are used up the kernel goes on with `meta_bg`, by itself. All groups that it adds have as many inodes as the first
//! ones, so small volumes begin with more of them than they need.
//!
//! Read: that, volumes of other block sizes, and directories with an index. Volumes without extents, with encryption or with
//! contents in inodes are refused. Judges: `e2fsck -fn`, `debugfs`, `dumpe2fs`, `resize2fs`, and the kernel.

mod acl;
mod attributes;
mod blocks;
mod directory;
mod extent_tree;
mod format;
mod geometry;
mod inodes;
mod metadata;
mod reader;
mod superblock;
mod writer;

pub use reader::{Superblock, Volume};
pub use writer::{Options, layout};

#[cfg(test)]
mod tests;
