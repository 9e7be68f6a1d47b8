//! FAT12, FAT16 and FAT32 with long names: Microsoft's "FAT General Overview of On-Disk Format" 1.03 and, for the names,
//! "Long Filename Specification" 0.5.
//!
//! ```text
//! ┌──────┬────────┬───┬────────┬───┬───────┬───────┬────────────┬─────────────┬───────┬───────┬───
//! │ boot │ FSInfo │ … │ backup │ … │ FAT 1 │ FAT 2 │ root       │ directories │ file  │ file  │ …
//! └──────┴────────┴───┴────────┴───┴───────┴───────┴────────────┴─────────────┴───────┴───────┴───
//!   sector 0  1         6, 7          equal          FAT12/16     clusters from number 2 on; every
//!            (FAT32 only)                            only         chain is contiguous
//! ```
//!
//! Written: files and the directories above them, once, each in one run of clusters, so that a boot loader which knows no FAT
//! can read them by sector numbers ([`Volume::offsets`]). Sectors have 512 bytes; the clusters begin at a multiple of 4 KiB.
//! Names are upper-case 8.3 where they are that, else long names with a short one beside. Owners, modes and links have no
//! place in the format. Judges: `fsck.fat -n` and mtools.

mod format;
mod geometry;
mod names;
mod reader;
mod table;
#[cfg(test)]
mod tests;
mod writer;

pub use format::Width;
pub use reader::{Info, read};
pub use writer::{File, Kind, Options, Volume, layout};
