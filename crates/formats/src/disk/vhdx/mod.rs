//! VHDX: "\[MS-VHDX\]: Virtual Hard Disk v2 (VHDX) File Format", revision 8.0.
//!
//! ```text
//! 0        64 KiB   128 KiB  192 KiB  256 KiB  1 MiB  2 MiB     3 MiB
//! ┌────────┬────────┬────────┬────────┬────────┬──────┬──────────┬───────┬────────┬────────┬───┐
//! │ identi-│ header │ header │ region │ region │ log, │ metadata │ BAT   │ block  │ block  │ … │
//! │ fier   │        │        │ table  │ table  │ empty│          │       │        │        │   │
//! └────────┴────────┴────────┴────────┴────────┴──────┴──────────┴───────┴────────┴────────┴───┘
//!                     the one with the larger sequence number counts; numbers are little-endian
//! ```
//!
//! Written: disks of up to 64 TiB, of which the blocks that are more than a hole are there; sectors of 512 bytes. Read: any
//! whose log is empty and that is no difference to another one. Judge: `qemu-img`.

mod format;
mod reader;
mod writer;

pub use reader::Vhdx;
pub use writer::dynamic;
