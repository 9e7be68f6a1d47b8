//! VHD, also called VPC: "Virtual Hard Disk Image Format Specification" 1.0 (Microsoft, 2006).
//!
//! ```text
//! fixed    ┌─────────────────────────────────────────────┬────────┐
//!          │ the disk                                    │ footer │
//!          └─────────────────────────────────────────────┴────────┘
//! dynamic  ┌────────┬────────┬─────┬────────┬─────────┬─────┬────────┐
//!          │ footer │ header │ BAT │ bitmap │ 2 MiB   │  …  │ footer │   numbers are big-endian
//!          └────────┴────────┴─────┴────────┴─────────┴─────┴────────┘
//!            a copy            sector of each block's bitmap
//! ```
//!
//! Written: both, of disks of up to 2040 GiB; of a dynamic one those blocks that are more than a hole. Its size is exactly the
//! disk's, also where no geometry has as many sectors. Read: both, but no disks that are a difference to another one. Judge:
//! `qemu-img` (whose name for it is `vpc`).

mod format;
mod reader;
mod writer;

pub use reader::Vhd;
pub use writer::{dynamic, fixed};
