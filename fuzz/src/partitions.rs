//! Partition tables.

use ironkit_formats::extents::{Data, Extents};
use ironkit_formats::partition::{gpt, mbr};

/// What follows the tables of a small input.
const DISK: usize = 64 * 1024;

/// A disk's tables. One that was read is written, if it is one that we write, and read again as the same.
pub(crate) fn check(data: &[u8]) {
    let mut disk = data.to_vec();
    disk.resize(disk.len().max(DISK).next_multiple_of(512), 0);
    if let Ok(record) = mbr::read(&disk)
        && let Ok(sector) = record.sector()
    {
        assert_eq!(mbr::read(&sector.to_vec()).ok(), Some(record));
    }
    if let Ok(table) = gpt::read(&disk) {
        let contents = table.partitions.iter().map(|_| Extents::new()).collect();
        if let Ok(layout) = gpt::layout(&table, contents) {
            let mut written = Vec::new();
            layout.write_to(&mut written).expect("memory takes all");
            assert_eq!(gpt::read(&written).ok(), Some(table));
        }
    }
}
