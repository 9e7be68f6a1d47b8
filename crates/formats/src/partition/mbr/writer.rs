//! Writes the record.

use super::format::{
    ACTIVE, BOOT_CODE, CHS_LAST, CHS_PROTECTIVE, COUNT, CYLINDERS, ENTRIES, ENTRY, HEADS, MARK, MARK_AT,
    PROTECTIVE, SIGNATURE, TRACK,
};
use super::{Partition, Table};
use crate::FormatError;
use crate::extents::{Data, Extents};
use crate::partition::{SECTOR, fill, overlap};

const FORMAT: &str = "a master boot record";

impl Table {
    /// The first sector of a disk.
    ///
    /// # Errors
    /// [`FormatError::Image`] for too much boot code, and partitions that are too many, empty, overlap or contain this sector.
    pub fn sector(&self) -> Result<[u8; 512], FormatError> {
        let refuse = |what: String| Err(FormatError::Image { format: FORMAT, what });
        if self.boot_code.len() > BOOT_CODE {
            return refuse(format!("{} bytes of boot code", self.boot_code.len()));
        }
        if self.partitions.len() > COUNT {
            return refuse(format!("{} partitions", self.partitions.len()));
        }
        let ranges: Vec<_> = self.partitions.iter().map(Partition::range).collect();
        if let Some(index) = ranges
            .iter()
            .position(|range| range.start == 0 || range.is_empty())
        {
            return refuse(format!("partition {} at sectors {:?}", index + 1, ranges[index]));
        }
        if let Some((one, other)) = overlap(&ranges) {
            return refuse(format!("partitions {} and {}, which overlap", one + 1, other + 1));
        }
        let mut sector = [0; 512];
        sector[..self.boot_code.len()].copy_from_slice(&self.boot_code);
        sector[SIGNATURE..][..4].copy_from_slice(&self.signature.to_le_bytes());
        for (partition, entry) in self
            .partitions
            .iter()
            .zip(sector[ENTRIES..].chunks_exact_mut(ENTRY))
        {
            entry.copy_from_slice(&partition.entry());
        }
        sector[MARK_AT..].copy_from_slice(&MARK);
        Ok(sector)
    }
}

impl Partition {
    fn entry(&self) -> [u8; ENTRY] {
        let mut entry = [0; ENTRY];
        entry[0] = if self.active { ACTIVE } else { 0 };
        entry[1..4].copy_from_slice(&chs(self.start));
        entry[4] = self.kind;
        let last = self.start.saturating_add(self.sectors - 1);
        entry[5..8].copy_from_slice(&match chs(last) {
            CHS_LAST if self.kind == PROTECTIVE => CHS_PROTECTIVE,
            address => address,
        });
        entry[8..12].copy_from_slice(&self.start.to_le_bytes());
        entry[12..].copy_from_slice(&self.sectors.to_le_bytes());
        entry
    }
}

/// A sector by head, sector with the cylinder's high bits, and cylinder.
fn chs(sector: u32) -> [u8; 3] {
    let (track, sector) = (sector / TRACK, sector % TRACK + 1);
    let (cylinder, head) = (track / HEADS, track % HEADS);
    if cylinder >= CYLINDERS {
        return CHS_LAST;
    }
    let [low, high, ..] = cylinder.to_le_bytes();
    [head.to_le_bytes()[0], sector.to_le_bytes()[0] | high << 6, low]
}

/// A disk of `sectors` with this record: `gap`, from the second sector on, before the first partition, then the partitions'
/// contents, in the order of `table.partitions`.
///
/// # Errors
/// Those of [`Table::sector`], and what does not fit.
pub fn layout<'a>(
    table: &Table,
    sectors: u64,
    gap: Extents<'a>,
    contents: Vec<Extents<'a>>,
) -> Result<Extents<'a>, FormatError> {
    let refuse = |what: String| Err(FormatError::Image { format: FORMAT, what });
    let mut disk = Extents::new();
    disk.bytes(table.sector()?);
    let ranges: Vec<_> = table.partitions.iter().map(Partition::range).collect();
    let end = ranges.iter().map(|range| range.end).max().unwrap_or(1);
    if end > sectors {
        return refuse(format!("partitions up to sector {end} on a disk of {sectors}"));
    }
    let first = ranges.iter().map(|range| range.start).min().unwrap_or(sectors);
    if gap.size() > first.saturating_sub(1) * SECTOR {
        return refuse(format!(
            "{} bytes between it and a partition at sector {first}",
            gap.size()
        ));
    }
    disk.append(gap);
    fill(&mut disk, &ranges, contents, FORMAT)?;
    disk.zeros_to(sectors * SECTOR);
    Ok(disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_by_cylinder_head_and_sector() {
        for (sector, expect) in [
            (0, [0, 1, 0]),
            (1, [0, 2, 0]),
            (63, [1, 1, 0]),
            (2048, [32, 33, 0]),
            (255 * 63 * 1024 - 1, [254, 0xff, 0xff]),
            (255 * 63 * 1024, CHS_LAST),
            (u32::MAX, CHS_LAST),
        ] {
            assert_eq!(chs(sector), expect, "{sector}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let partition = |start, sectors| Partition {
            active: false,
            kind: 0x83,
            start,
            sectors,
        };
        let table = |partitions| Table {
            partitions,
            ..Table::default()
        };
        for (partitions, message) in [
            (vec![partition(0, 1)], "partition 1 at sectors 0..1"),
            (vec![partition(1, 0)], "partition 1 at sectors 1..1"),
            (
                vec![partition(10, 10), partition(1, 10)],
                "partitions 2 and 1, which overlap",
            ),
            (vec![partition(1, 1); 5], "5 partitions"),
        ] {
            let error = table(partitions).sector().unwrap_err().to_string();
            assert_eq!(error, format!("a master boot record cannot hold {message}"));
        }
        let long = Table {
            boot_code: vec![1; 441],
            ..Table::default()
        };
        assert!(long.sector().is_err());
        let disk = table(vec![partition(4, 4)]);
        let bytes = |count: usize| {
            let mut extents = Extents::new();
            extents.bytes(vec![1; count]);
            extents
        };
        let layout = |sectors, gap, content| layout(&disk, sectors, bytes(gap), vec![bytes(content)]);
        assert_eq!(layout(8, 1536, 2048).unwrap().size(), 8 * SECTOR);
        assert!(layout(7, 0, 0).is_err());
        assert!(layout(8, 1537, 0).is_err());
        assert!(layout(8, 0, 2049).is_err());
    }
}
