//! What is written is read, and damage is survived.

use std::sync::Arc;

use ironkit_tree::{Digest, Path};

use super::{File, Kind, Options, Width, layout, read};
use crate::extents::{Data, Extents};
use crate::filesystem::EntryKind;
use crate::read_at::ReadAt;

fn options(kind: Kind) -> Options {
    Options {
        kind,
        size: None,
        label: "ESP".into(),
        serial: 0x1234_5678,
        time: 951_827_696,
        hidden_sectors: 2048,
    }
}

fn file(path: &str, content: impl Into<Vec<u8>>) -> File<'static> {
    let mut extents = Extents::new();
    extents.bytes(content.into());
    (Path::parse(path).unwrap(), Arc::new(extents))
}

fn sample() -> Vec<File<'static>> {
    vec![
        file("EFI/BOOT/BOOTX64.EFI", vec![7; 10_000]),
        file("empty", ""),
        file("EFI/a long name with ümläuts and 🐧.conf", "text"),
        file("loader.conf", vec![1; 4096]),
        file("\u{e5}", "first byte 0xe5"),
    ]
}

fn written(files: &[File], options: &Options) -> (Vec<u8>, Vec<u64>, Width) {
    let volume = layout(files, options).unwrap();
    let mut image = Vec::new();
    volume.extents.write_to(&mut image).unwrap();
    assert_eq!(image.len() as u64, volume.extents.size());
    (image, volume.offsets, volume.width)
}

fn listed(image: &dyn ReadAt) -> Vec<(String, Option<Vec<u8>>, i64)> {
    let mut found = Vec::new();
    let info = read(image, &mut |entry, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        let bytes = matches!(entry.kind, EntryKind::File(_)).then_some(bytes);
        found.push((entry.path.to_string(), bytes, entry.mtime));
        Ok(())
    });
    let info = info.unwrap();
    assert_eq!((info.label.as_str(), info.serial), ("ESP", 0x1234_5678));
    found
}

#[test]
fn what_is_written_is_read() {
    let sized = |kind, size| Options {
        size: Some(size),
        ..options(kind)
    };
    for (options, width) in [
        (options(Kind::Auto), Width::Fat12),
        (sized(Kind::Auto, (20 << 20) + 12_345), Width::Fat16),
        (options(Kind::Fat32), Width::Fat32),
        (sized(Kind::Auto, 600 << 20), Width::Fat32),
    ] {
        let files = sample();
        let (image, offsets, found) = written(&files, &options);
        assert_eq!(found, width);
        assert_eq!(options.size.unwrap_or(image.len() as u64), image.len() as u64);
        let listed = listed(&image);
        for ((path, data), offset) in files.iter().zip(offsets) {
            let mut expect = Vec::new();
            data.write_to(&mut expect).unwrap();
            let offset = usize::try_from(offset).unwrap();
            assert_eq!(&image[offset..offset + expect.len()], expect);
            let entry = (path.to_string(), Some(expect), 951_827_696);
            assert!(listed.contains(&entry), "{path}");
        }
        assert_eq!(listed.len(), files.len() + 2);
    }
}

#[test]
fn bytes_are_pinned() {
    let (image, ..) = written(&sample(), &options(Kind::Auto));
    let expect = "sha256:e519fdabf74b86809eed7179786baa738ef6371e7ef1c2840dd98f3663fda9aa";
    assert_eq!(Digest::of(&image).to_string(), expect);
}

#[test]
fn what_has_no_place_is_refused_before_anything_is_written() {
    struct Large(u64);
    impl Data for Large {
        fn size(&self) -> u64 {
            self.0
        }
        fn key(&self) -> Digest {
            Digest::of(b"")
        }
        fn write_to(&self, _: &mut dyn crate::extents::Sink) -> Result<(), ironkit_tree::BoxError> {
            Err("not to be read".into())
        }
    }
    let refused = |files: &[File]| match layout(files, &options(Kind::Fat32)) {
        Err(error) => error.to_string(),
        Ok(_) => String::new(),
    };
    let large = |size| (Path::parse("a").unwrap(), Arc::new(Large(size)) as Arc<dyn Data>);
    assert_eq!(
        refused(&[large(1 << 32)]),
        "`a`: size 4294967296 is more than a FAT file system can hold (4294967295)"
    );
    assert_eq!(refused(&[large((1 << 32) - 1)]), "");
    for files in [["a", "a"], ["a", "a/b"], ["a/b", "a"], ["x/a", "x/A"]] {
        let found = refused(&files.map(|name| file(name, "")));
        assert!(
            found.contains("a FAT file system cannot hold"),
            "{files:?} {found}"
        );
    }
    let crowd: Vec<File> = (0..30_000)
        .map(|number| file(&format!("d/a file of number {number}"), ""))
        .collect();
    assert!(refused(&crowd).contains("directory entries"));
}

#[test]
fn no_damage_makes_it_panic_or_go_on_forever() {
    let (image, ..) = written(&sample(), &options(Kind::Auto));
    let mut visit = |_: &_, content: &mut dyn std::io::Read| {
        std::io::copy(content, &mut std::io::sink())?;
        Ok(())
    };
    for cut in [0, 1, 511, 512, 4096, image.len() - 1] {
        assert!(read(&image[..cut].to_vec(), &mut visit).is_err(), "{cut}");
    }
    let interesting = (0..90).chain(512..560).chain(12 * 512..40 * 512).step_by(7);
    for at in interesting {
        for value in [0, 2, 0x0f, 0x10, 0x41, 0xff] {
            let mut damaged = image.clone();
            damaged[at] = value;
            let _ = read(&damaged, &mut visit);
        }
    }
}
