//! ISO 9660 (ECMA-119, third edition, interchange level 3) with Rock Ridge (IEEE P1282, over SUSP 1.12), Joliet and El Torito.
//!
//! ```text
//! ┌─────────┬─────┬──────┬────────┬─────┬─────────┬───────────────┬────────┬─────────────┬──────────┬───
//! │ system  │ PVD │ boot │ Joliet │ end │ boot    │ boot images   │ path   │ directories │ file     │ …
//! │ area    │     │      │        │     │ catalog │ and the like  │ tables │ and their   │ contents │
//! │ 32 KiB  │     │      │        │     │         │ (`front`)     │        │ long names  │          │
//! └─────────┴─────┴──────┴────────┴─────┴─────────┴───────────────┴────────┴─────────────┴──────────┴───
//!   block 0   16    17     18             20        21: known        blocks of 2 KiB
//!                                                   beforehand
//! ```
//!
//! Written: all kinds of inodes of a tree with owners, modes, times and names of 255 bytes; files of 4 GiB and more in several
//! extents; hard links that share their extent and number. Directories are as deep as they are: nothing is relocated, as all
//! readers of today have it. Extended attributes have no place. Linux shows no names of more than 253 bytes, and gives each
//! name of a file an inode of its own. Judges: `xorriso`, `isoinfo`, `bsdtar`, and the kernel.

mod format;
mod names;
mod reader;
mod records;
mod rock;
mod tree;
mod writer;

#[cfg(test)]
mod tests;

pub use format::{BLOCK, SYSTEM_AREA};
pub use reader::{Info, info, read};
pub use writer::{Boot, Options, Platform, Volume, boot_info_table, front, layout};
