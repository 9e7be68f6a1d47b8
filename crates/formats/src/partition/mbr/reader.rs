//! Reads the record.

use super::format::{ACTIVE, BOOT_CODE, COUNT, ENTRIES, ENTRY, MARK, MARK_AT, SIGNATURE};
use super::{Partition, Table};
use crate::read_at::{ReadAt, ReadError, bytes};

const FORMAT: &str = "master boot record";

/// The record of a disk. Entries without a type or without sectors are not there; others are as they are, which need not be
/// inside the disk.
///
/// # Errors
/// [`ReadError`], when there is none.
pub fn read(disk: &dyn ReadAt) -> Result<Table, ReadError> {
    let sector = bytes(disk, FORMAT, 0, 512)?;
    if sector[MARK_AT..] != MARK {
        return Err(ReadError::Broken {
            format: FORMAT,
            offset: MARK_AT as u64,
            what: "no mark 55 aa".to_owned(),
        });
    }
    let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|index| sector[at + index]));
    let used = sector[..BOOT_CODE].iter().rposition(|&byte| byte != 0);
    let entries = (0..COUNT).map(|index| ENTRIES + index * ENTRY);
    let partitions = entries.map(|at| Partition {
        active: sector[at] == ACTIVE,
        kind: sector[at + 4],
        start: number(at + 8),
        sectors: number(at + 12),
    });
    Ok(Table {
        boot_code: sector[..used.map_or(0, |last| last + 1)].to_vec(),
        signature: number(SIGNATURE),
        partitions: partitions
            .filter(|partition| partition.kind != 0 && partition.sectors != 0)
            .collect(),
    })
}
