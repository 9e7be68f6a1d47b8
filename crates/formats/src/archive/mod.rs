//! Archives: one entry after the other.

pub mod cpio;
pub mod tar;
