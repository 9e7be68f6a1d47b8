//! FAT file systems, judged by `fsck.fat` and mtools.

use std::fs;
use std::io::Write;
use std::path::Path as FilePath;
use std::process::Command;
use std::sync::Arc;

use ironkit_formats::extents::{Data, Extents, Sink};
use ironkit_formats::filesystem::fat::{self, File, Kind, Options, Width};
use ironkit_tests::{judge, succeed};
use ironkit_tree::Path;

const MIB: u64 = 1 << 20;

fn options(kind: Kind, size: Option<u64>) -> Options {
    Options {
        kind,
        size,
        label: "IRONKIT".into(),
        serial: 0xcafe_f00d,
        time: 1_600_000_000,
        hidden_sectors: 2048,
    }
}

fn file(path: &str, content: impl Into<Vec<u8>>) -> File<'static> {
    let mut extents = Extents::new();
    extents.bytes(content.into());
    (Path::parse(path).unwrap(), Arc::new(extents))
}

/// A file of zeros, which is a hole in the image.
fn zeros(path: &str, size: u64) -> File<'static> {
    let mut extents = Extents::new();
    extents.zeros(size);
    (Path::parse(path).unwrap(), Arc::new(extents))
}

/// A file with holes.
struct Sparse {
    file: fs::File,
    at: u64,
}

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = std::os::unix::fs::FileExt::write_at(&self.file, bytes, self.at)?;
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Sink for Sparse {
    fn zeros(&mut self, count: u64) -> std::io::Result<()> {
        self.at += count;
        self.file.set_len(self.at)
    }
}

fn write(volume: &fat::Volume, path: &FilePath) {
    let file = fs::File::create(path).unwrap();
    let mut sparse = Sparse { file, at: 0 };
    volume.extents.write_to(&mut sparse).unwrap();
}

#[test]
fn fsck_has_nothing_to_say() {
    let Some(fsck) = judge("fsck.fat") else { return };
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let mut deep = String::from("d");
    for level in 0..40 {
        deep += &format!("/directory number {level}");
    }
    let some = || {
        vec![
            file("EFI/BOOT/BOOTX64.EFI", vec![1; 300_000]),
            file("empty", ""),
            file(&deep, "deep"),
            file(&"long".repeat(63), "a long name"),
            file("ümläut 🐧.txt", "more than ASCII"),
        ]
    };
    let crowd = || {
        (0..20_000)
            .map(|number| file(&format!("crowd/file{number}.txt"), "x"))
            .collect::<Vec<_>>()
    };
    let large = || {
        vec![
            zeros("a", (4 << 30) - 65_536),
            zeros("b/c", 3 << 30),
            file("d", "end"),
        ]
    };
    for (files, kind, size, width) in [
        (vec![], Kind::Auto, None, Width::Fat12),
        (vec![], Kind::Fat32, None, Width::Fat32),
        (some(), Kind::Auto, None, Width::Fat12),
        (some(), Kind::Auto, Some(5 * MIB + 1000), Width::Fat12),
        (some(), Kind::Auto, Some(17 * MIB), Width::Fat16),
        (some(), Kind::Auto, Some(500 * MIB), Width::Fat16),
        (some(), Kind::Auto, Some(513 * MIB), Width::Fat32),
        (some(), Kind::Fat32, None, Width::Fat32),
        (some(), Kind::Fat32, Some(64 * MIB), Width::Fat32),
        (some(), Kind::Fat32, Some(1000 * MIB), Width::Fat32),
        (crowd(), Kind::Auto, None, Width::Fat16),
        (crowd(), Kind::Fat32, None, Width::Fat32),
        (large(), Kind::Fat32, None, Width::Fat32),
        (large(), Kind::Auto, Some(40 << 30), Width::Fat32),
    ] {
        let volume = fat::layout(&files, &options(kind, size)).unwrap();
        assert_eq!(volume.width, width, "{kind:?} {size:?}");
        write(&volume, &image);
        // Its version and a summary are two lines; whatever it finds is another.
        let said = succeed(Command::new(&fsck).arg("-n").arg(&image));
        let summary = said.lines().last().unwrap_or_default();
        assert!(summary.contains(" files, "), "{said}");
        assert_eq!(said.lines().count(), 2, "{kind:?} {size:?}: {said}");
    }
}

#[test]
fn mtools_reads_what_was_written() {
    let (Some(mdir), Some(mcopy)) = (judge("mdir"), judge("mcopy")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let kernel: Vec<u8> = (0..200_000u32).flat_map(|number| number.to_le_bytes()).collect();
    let files = [
        file("EFI/BOOT/BOOTX64.EFI", kernel.clone()),
        file("loader/entries/a long name.conf", "title"),
        file("cmdline.txt", "console=ttyS0"),
    ];
    for (kind, size) in [
        (Kind::Auto, None),
        (Kind::Auto, Some(30 * MIB)),
        (Kind::Fat32, None),
    ] {
        let volume = fat::layout(&files, &options(kind, size)).unwrap();
        write(&volume, &image);
        let listed = succeed(
            Command::new(&mdir)
                .args(["-/", "-b", "-i"])
                .arg(&image)
                .arg("::/"),
        );
        let mut names: Vec<&str> = listed.lines().collect();
        names.sort_unstable();
        let expect = [
            "::/EFI/",
            "::/EFI/BOOT/",
            "::/EFI/BOOT/BOOTX64.EFI",
            "::/cmdline.txt",
            "::/loader/",
            "::/loader/entries/",
            "::/loader/entries/a long name.conf",
        ];
        assert_eq!(names, expect);
        let copy = folder.path().join("copy");
        for (path, expect) in [
            ("::/EFI/BOOT/BOOTX64.EFI", kernel.as_slice()),
            ("::/loader/entries/a long name.conf", b"title"),
            ("::/LOADER/ENTRIES/ALONGN~1.CON", b"title"),
        ] {
            succeed(
                Command::new(&mcopy)
                    .args(["-n", "-o", "-i"])
                    .arg(&image)
                    .arg(path)
                    .arg(&copy),
            );
            assert!(fs::read(&copy).unwrap() == expect, "{path}");
        }
        let about = succeed(Command::new(&mdir).arg("-i").arg(&image).arg("::/"));
        for expect in ["IRONKIT", "CAFE-F00D", "2020-09-13", "12:26"] {
            assert!(about.contains(expect), "{about}");
        }
    }
}
