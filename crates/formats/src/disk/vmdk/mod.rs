//! VMDK, stream-optimised: "Virtual Disk Format 5.0" (VMware, 2011), "Stream-Optimized Compressed Sparse Extents".
//!
//! ```text
//! ┌────────┬────────────┬───────┬───────┬───┬────────┬───────┬───┬──────────────┬────────┬─────┐
//! │ header │ descriptor │ grain │ grain │ … │ table  │ grain │ … │ directory of │ footer │ end │
//! │        │ (a text)   │       │       │   │        │       │   │ tables       │        │     │
//! └────────┴────────────┴───────┴───────┴───┴────────┴───────┴───┴──────────────┴────────┴─────┘
//!   in sectors of 512 bytes    64 KiB in zlib,    a table for each 512      a copy of the header that
//!                              what is zero not   grains, after them        says where the directory is
//! ```
//!
//! Written: in one pass, disks of up to 2 TiB. Read: these, and sparse extents that are written in place, in one file. Judge:
//! `qemu-img`, which reads it with a driver that has nothing in common with VMware's.

mod format;
mod reader;
mod writer;

pub use reader::Vmdk;
pub use writer::{check, compress};
