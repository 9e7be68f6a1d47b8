//! The GUID partition table (UEFI specification 2.10, chapter 5), on disks with sectors of 512 bytes.
//!
//! ```text
//! 0           protective or hybrid master boot record, with boot code for a BIOS
//! 1           header ─────────┐ CRC of itself and of the entries, and where
//! 2..34       128 entries     │ the other one is
//! 34..N-33    partitions      │
//! N-33..N-1   the entries     │
//! N-1         header again ◀──┘
//! ```
//!
//! Always 128 entries. `sgdisk --verify` and `sfdisk --verify` judge it.

mod format;
mod reader;
mod writer;

use std::ops::Range;

pub use format::{BIOS_BOOT, ESP, FIRST_USABLE, LEGACY_BOOTABLE, LINUX, RESERVED_END};
pub use reader::read;
pub use writer::layout;

use super::{Guid, mbr};

/// A disk's partition table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// Identifies the disk.
    pub guid: Guid,
    /// Sectors of the whole disk.
    pub sectors: u64,
    /// At most 128. The number of one is its place here, from 1.
    pub partitions: Vec<Partition>,
    /// What the master boot record has for a BIOS.
    pub boot_code: Vec<u8>,
    /// At most three partitions that the master boot record has beside the protective one, for firmware that looks at no other
    /// table. Empty for a standard protective record.
    pub hybrid: Vec<mbr::Partition>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// What it is: [`ESP`] and so on.
    pub kind: Guid,
    /// Identifies it: `root=PARTUUID=`.
    pub guid: Guid,
    /// At most 36 units of UTF-16.
    pub name: String,
    /// Attribute bits.
    pub attributes: u64,
    /// The first sector.
    pub start: u64,
    /// How many there are.
    pub sectors: u64,
}

impl Partition {
    /// Its sectors.
    pub fn range(&self) -> Range<u64> {
        self.start..self.start.saturating_add(self.sectors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extents::{Data, Extents};
    use crate::partition::SECTOR;
    use ironkit_tree::Digest;

    fn table() -> Table {
        let partition = |kind, name: &str, start, sectors| Partition {
            kind,
            guid: Guid::derived(&Digest::of(b"disk"), name),
            name: name.to_owned(),
            attributes: 0,
            start,
            sectors,
        };
        Table {
            guid: Guid::derived(&Digest::of(b"disk"), "disk"),
            sectors: 256,
            partitions: vec![
                partition(ESP, "EFI system \u{1f980}", 64, 32),
                partition(BIOS_BOOT, "boot", 40, 8),
            ],
            boot_code: b"code".to_vec(),
            hybrid: Vec::new(),
        }
    }

    fn contents() -> Vec<Extents<'static>> {
        let content = |byte, count| {
            let mut extents = Extents::new();
            extents.bytes(vec![byte; count]);
            extents
        };
        vec![content(1, 513), content(2, 4096)]
    }

    fn disk() -> Vec<u8> {
        let mut written = Vec::new();
        layout(&table(), contents())
            .unwrap()
            .write_to(&mut written)
            .unwrap();
        written
    }

    #[test]
    fn what_is_written_is_read() {
        let mut disk = disk();
        assert_eq!(disk.len(), 256 * 512);
        assert_eq!(read(&disk).unwrap(), table());
        assert_eq!(disk[64 * 512 + 512], 1);
        assert_eq!(disk[40 * 512 - 1], 0);
        assert_eq!(disk[40 * 512], 2);
        // The copy at the end is as good.
        disk[512 + 20] ^= 1;
        assert_eq!(read(&disk).unwrap(), table());
        disk[255 * 512] ^= 1;
        let error = read(&disk).unwrap_err().to_string();
        assert!(error.contains("offset 528"), "{error}");
    }

    #[test]
    fn bytes_stay_the_same() {
        assert_eq!(
            Digest::of(&disk()).to_string(),
            "sha256:fa48895a964a599be9eae45840a3b663561de79e2cb62c5f293facfa5ecb5dc3"
        );
    }

    #[test]
    fn hybrid_records_name_partitions_twice() {
        let mut table = table();
        table.hybrid = vec![mbr::Partition {
            active: true,
            kind: mbr::ESP,
            start: 64,
            sectors: 32,
        }];
        let mut written = Vec::new();
        let disk = layout(&table, contents()).unwrap();
        disk.write_to(&mut written).unwrap();
        let record = mbr::read(&written).unwrap();
        assert_eq!(record.partitions[0].kind, mbr::PROTECTIVE);
        assert_eq!(record.partitions[0].range(), 1..64);
        assert_eq!(record.partitions[1..], table.hybrid);
        assert_eq!(read(&written).unwrap(), table);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        type Change = fn(&mut Table);
        let change: [(&str, Change); 9] = [
            ("before the first", |table| table.partitions[1].start = 33),
            ("behind the last", |table| table.partitions[0].sectors = 160),
            ("empty", |table| table.partitions[0].sectors = 0),
            ("beyond numbers", |table| table.partitions[0].start = u64::MAX),
            ("overlap", |table| table.partitions[1].sectors = 25),
            ("name", |table| table.partitions[0].name = "x".repeat(37)),
            ("entries", |table| {
                table.partitions = vec![table.partitions[0].clone(); 129];
            }),
            ("small disk", |table| table.sectors = 66),
            ("code", |table| table.boot_code = vec![1; 441]),
        ];
        for (what, change) in change {
            let mut table = table();
            change(&mut table);
            assert!(layout(&table, contents()).is_err(), "{what}");
        }
        let largest = Table {
            partitions: vec![Partition {
                sectors: 256 - 33 - 64,
                ..table().partitions.remove(0)
            }],
            ..table()
        };
        let mut content = Extents::new();
        content.zeros((256 - 33 - 64) * SECTOR);
        assert!(layout(&largest, vec![content.clone()]).is_ok());
        content.zeros(1);
        assert!(layout(&largest, vec![content]).is_err());
    }

    #[test]
    fn large_disks_cost_nothing() {
        let table = Table {
            sectors: 1 << 40,
            partitions: vec![Partition {
                start: 1 << 39,
                ..table().partitions.remove(0)
            }],
            ..table()
        };
        let disk = layout(&table, vec![Extents::new()]).unwrap();
        assert_eq!(disk.size(), 512 << 40);
        assert_eq!(disk.occupied().len(), 2);
        // The record's field for the size is full.
        let record = table.record().unwrap();
        assert_eq!(record.partitions[0].range(), 1..1 << 32);
    }

    #[test]
    fn damage_is_told_and_never_panics() {
        let disk = disk();
        for length in [0, 511, 512, 1024, 34 * 512] {
            assert!(read(&disk[..length].to_vec()).is_err(), "{length}");
        }
        for at in 512..34 * 512 {
            let mut damaged = disk.clone();
            damaged[at] ^= 0xff;
            damaged.truncate(255 * 512);
            // Reserved bytes and the rest of the header's sector count for nothing.
            let _ = read(&damaged);
        }
    }
}
