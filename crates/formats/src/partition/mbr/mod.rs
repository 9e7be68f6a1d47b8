//! The master boot record, with up to four primary partitions.
//!
//! ```text
//! 0      boot code, 440 bytes
//! 440    disk signature, 2 zero bytes
//! 446    4 × 16 bytes: active, first sector (CHS), type, last sector (CHS), first sector (LBA), number of sectors
//! 510    55 aa
//! ```
//!
//! There is no standard; the table is as `sfdisk` writes it, whose `--verify` judges it. Extended partitions are not written,
//! and shown as they are.

mod format;
mod reader;
mod writer;

pub use format::{ACTIVE, BOOT_CODE, ESP, FAT12, FAT16, FAT32, LINUX, PROTECTIVE};
pub use reader::read;
pub use writer::layout;

/// A master boot record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// At most [`BOOT_CODE`] bytes; the rest is zeros.
    pub boot_code: Vec<u8>,
    /// Identifies the disk: `root=PARTUUID=` is these eight digits and the partition's number.
    pub signature: u32,
    /// At most four.
    pub partitions: Vec<Partition>,
}

/// A primary partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Whether boot code that looks for such a partition starts it.
    pub active: bool,
    /// What it is: [`FAT32`] and so on.
    pub kind: u8,
    /// The first sector.
    pub start: u32,
    /// How many there are.
    pub sectors: u32,
}

impl Partition {
    /// Its sectors.
    pub fn range(&self) -> std::ops::Range<u64> {
        let start = u64::from(self.start);
        start..start + u64::from(self.sectors)
    }
}
