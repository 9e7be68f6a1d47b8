//! Partition tables, judged by `sgdisk` and `sfdisk`.

use std::process::Command;
use std::sync::Arc;

use ironkit_formats::extents::{Data, Extents};
use ironkit_formats::partition::{ALIGNMENT, Guid, SECTOR, gpt, mbr};
use ironkit_tests::{judge, succeed};
use ironkit_tree::Digest;

/// Writes a disk into a sparse file.
fn write(disk: &Extents, path: &std::path::Path) {
    // Few bytes and large holes: what is occupied is all that is written.
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::create(path).unwrap();
    file.set_len(disk.size()).unwrap();
    let mut out = Sparse { file, at: 0 };
    disk.write_to(&mut out).unwrap();

    struct Sparse {
        file: std::fs::File,
        at: u64,
    }
    impl std::io::Write for Sparse {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.file.write_all_at(bytes, self.at)?;
            self.at += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl ironkit_formats::extents::Sink for Sparse {
        fn zeros(&mut self, count: u64) -> std::io::Result<()> {
            self.at += count;
            Ok(())
        }
    }
}

fn text(count: usize) -> Extents<'static> {
    let mut inner = Extents::new();
    inner.bytes(vec![7; count]);
    let mut extents = Extents::new();
    extents.data(Arc::new(inner));
    extents
}

fn table(sectors: u64) -> gpt::Table {
    let digest = Digest::of(b"a test");
    let first = ALIGNMENT / SECTOR;
    gpt::Table {
        guid: Guid::derived(&digest, "disk"),
        sectors,
        partitions: vec![
            gpt::Partition {
                kind: gpt::BIOS_BOOT,
                guid: Guid::derived(&digest, "bios"),
                name: "BIOS boot".to_owned(),
                attributes: 0,
                start: first,
                sectors: 2048,
            },
            gpt::Partition {
                kind: gpt::ESP,
                guid: Guid::derived(&digest, "esp"),
                name: "EFI \u{fc}".to_owned(),
                attributes: gpt::LEGACY_BOOTABLE,
                start: first + 2048,
                sectors: sectors - first - 2048 - gpt::RESERVED_END,
            },
        ],
        boot_code: vec![0xeb; 440],
        hybrid: Vec::new(),
    }
}

#[test]
fn guid_partition_tables() {
    let (Some(sgdisk), Some(sfdisk)) = (judge("sgdisk"), judge("sfdisk")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // 20 MiB and a bit, and 3 TiB, which a master boot record cannot say.
    for sectors in [40_961, 3 << 31] {
        let table = table(sectors);
        let path = folder.path().join(sectors.to_string());
        let disk = gpt::layout(&table, vec![text(1000), text(5000)]).unwrap();
        write(&disk, &path);
        let said = succeed(Command::new(&sgdisk).arg("-v").arg(&path));
        assert!(said.contains("No problems found"), "{said}");
        let said = succeed(Command::new(&sgdisk).arg("-i2").arg(&path));
        for expect in [
            "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
            &table.partitions[1].guid.to_string().to_uppercase(),
            "EFI \u{fc}",
            "Attribute flags: 0000000000000004",
        ] {
            assert!(said.contains(expect), "{expect}\n{said}");
        }
        let said = succeed(Command::new(&sfdisk).arg("-V").arg(&path));
        assert!(said.contains("No errors detected"), "{said}");
        let json = succeed(Command::new(&sfdisk).arg("--json").arg(&path));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let found = &json["partitiontable"];
        assert_eq!(found["label"], "gpt");
        assert_eq!(found["id"], table.guid.to_string().to_uppercase());
        assert_eq!(found["partitions"][0]["start"], 2048);
        assert_eq!(found["partitions"][1]["size"], table.partitions[1].sectors);
    }
}

#[test]
fn hybrid_tables() {
    let Some(sgdisk) = judge("sgdisk") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let mut table = table(40_960);
    table.hybrid = vec![mbr::Partition {
        active: true,
        kind: mbr::ESP,
        start: 4096,
        sectors: u32::try_from(table.partitions[1].sectors).unwrap(),
    }];
    write(&gpt::layout(&table, vec![text(1), text(1)]).unwrap(), &path);
    let said = succeed(Command::new(&sgdisk).arg("-v").arg(&path));
    assert!(said.contains("No problems found"), "{said}");
    // Of the same package; only this one tells.
    let said = succeed(Command::new(sgdisk.with_file_name("gdisk")).arg("-l").arg(&path));
    assert!(said.contains("MBR: hybrid"), "{said}");
}

#[test]
fn master_boot_records() {
    let Some(sfdisk) = judge("sfdisk") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let table = mbr::Table {
        boot_code: vec![0xeb; 440],
        signature: 0x1234_abcd,
        partitions: vec![
            mbr::Partition {
                active: true,
                kind: mbr::FAT32,
                start: 2048,
                sectors: 20_000,
            },
            mbr::Partition {
                active: false,
                kind: mbr::LINUX,
                start: 32_768,
                sectors: u32::MAX - 32_767,
            },
        ],
    };
    let disk = mbr::layout(&table, 1 << 32, text(1_047_552), vec![text(10), text(10)]).unwrap();
    write(&disk, &path);
    let said = succeed(Command::new(&sfdisk).arg("-V").arg(&path));
    assert!(said.contains("No errors detected"), "{said}");
    let json = succeed(Command::new(&sfdisk).arg("--json").arg(&path));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let found = &json["partitiontable"];
    assert_eq!(found["label"], "dos");
    assert_eq!(found["id"], "0x1234abcd");
    assert_eq!(found["partitions"][0]["bootable"], true);
    assert_eq!(found["partitions"][0]["type"], "c");
    assert_eq!(found["partitions"][1]["size"], u32::MAX - 32_767);
}
