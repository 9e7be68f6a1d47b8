//! What is written is read, is the same every time, and is refused where there is no place for it.

use std::io::Read;

use ironkit_tree::{Content, Digest, FileSet, Kind, Node, Path};

use super::{Options, Volume, layout};
use crate::extents::Data;
use crate::filesystem::Entry;
use crate::filesystem::samples::{Pattern, attribute, expected, file, listing, path};

/// Something of everything.
fn sample() -> FileSet {
    let mut files = FileSet::new();
    for size in [0, 1, 4096, 4097, 100_000] {
        files.insert(path(format!("sizes/{size}")), file(Pattern::content(size, size)));
    }
    files.insert(path("inline"), file(b"content".to_vec()));
    files.link(path("sizes/linked"), &path("inline"));
    files.insert(path("links/59"), Node::new(Kind::Symlink(vec![b'l'; 59]), 0o777));
    files.insert(path("links/60"), Node::new(Kind::Symlink(vec![b'l'; 60]), 0o777));
    files.insert(
        path("links/4095"),
        Node::new(Kind::Symlink(vec![b'l'; 4095]), 0o777),
    );
    files.insert(path("dev/null"), Node::new(Kind::CharDevice(1, 3), 0o666).at(-5));
    files.insert(
        path("dev/disk"),
        Node::new(Kind::BlockDevice(4095, 0xfffff), 0o600),
    );
    files.insert(path("dev/pipe"), Node::new(Kind::Fifo, 0o600));
    let owned = Node {
        uid: 70_000,
        gid: 80_000,
        ..file(b"x".to_vec()).at((1 << 33) + 7)
    };
    files.insert(path("owned"), owned);
    for number in 0..500 {
        let name = [b"many/\xff-".as_slice(), format!("{number}").as_bytes()].concat();
        files.insert(path(name), file(vec![]));
    }
    files.insert(path([b"many/", [b'n'; 255].as_slice()].concat()), file(vec![]));
    let capable = attribute(file(b"p".to_vec()), "security.capability", &[1; 20]);
    files.insert(path("xattrs/inside"), capable.clone());
    let more = attribute(capable, "user.more", &[7; 3000]);
    files.insert(path("xattrs/block"), attribute(more, "trusted.empty", b""));
    let mut list = vec![2, 0, 0, 0];
    list.extend([1, 0, 7, 0, 255, 255, 255, 255]);
    list.extend([2, 0, 6, 0, 1, 2, 3, 4]);
    let listed = attribute(
        Node::new(Kind::Directory, 0o700),
        "system.posix_acl_default",
        &list,
    );
    files.insert(path("xattrs/list"), listed);
    files
}

fn options(size: u64) -> Options {
    Options {
        size,
        uuid: *b"0123456789abcdef",
        label: b"label".to_vec(),
        time: 1_500_000_000,
    }
}

fn written(files: &FileSet, size: u64) -> Vec<u8> {
    let image = layout(files, &Pattern, &options(size)).unwrap();
    let mut bytes = Vec::new();
    image.write_to(&mut bytes).unwrap();
    assert_eq!((bytes.len() as u64, image.size()), (size, size));
    bytes
}

fn read(image: &[u8]) -> Vec<(Entry, Digest)> {
    let image = image.to_vec();
    let volume = Volume::open(&image).unwrap().unwrap();
    listing(|visitor| volume.visit(visitor)).unwrap()
}

const SIZE: u64 = 16 << 20;

#[test]
fn what_is_written_is_read() {
    let mut files = sample();
    let image = written(&files, SIZE);
    let time = 1_500_000_000;
    files.insert(Path::ROOT, Node::new(Kind::Directory, 0o755).at(time));
    files.insert(path("lost+found"), Node::new(Kind::Directory, 0o700).at(time));
    assert_eq!(read(&image), expected(&files, &Pattern));
    let volume = Volume::open(&image).unwrap().unwrap();
    assert_eq!(volume.superblock.label, b"label");
    assert!(!volume.superblock.needs_recovery);
}

#[test]
fn the_bytes_stay_the_same() {
    let digest = Digest::of(&written(&sample(), SIZE));
    assert_eq!(digest, Digest::of(&written(&sample(), SIZE)));
    assert_eq!(digest.to_string(), PINNED);
}

/// Changes when the same files give other bytes, which the changelog has to say.
const PINNED: &str = "sha256:2636bae53746124e1d67df4b1459a01717eec8a639648b9c0ed28356424f0106";

#[test]
fn an_empty_volume_is_mostly_holes() {
    for size in [8 << 20, 1 << 30, 100 << 30, 5 << 40] {
        let image = layout(&FileSet::new(), &Pattern, &options(size)).unwrap();
        let occupied: u64 = image.occupied().iter().map(|range| range.end - range.start).sum();
        assert_eq!(image.size(), size);
        // A few tables, and copies of the descriptors of each 128 MiB in some 30 groups.
        assert!(occupied < (1 << 19) + size / 30_000, "{occupied} of {size}");
    }
}

#[test]
fn large_contents_go_around_tables() {
    let mut files = FileSet::new();
    // Behind the copies in group 1.
    let size = 140 << 20;
    files.insert(path("large"), file(Pattern::content(0, size)));
    files.insert(path("next"), file(b"next".to_vec()));
    let image = written(&files, 256 << 20);
    let found = read(&image);
    let large = found
        .iter()
        .find(|(entry, _)| entry.path == path("large"))
        .unwrap();
    assert_eq!(large.1, Pattern::content(0, size).digest());
    assert_eq!(found.last().unwrap().1, Digest::of(b"next"));
}

#[test]
fn what_has_no_place_is_refused() {
    let plain = || file(b"".to_vec());
    for (path, node, expect) in [
        (path(vec![b'n'; 256]), plain(), "a name of more than 255 bytes"),
        (
            path("a"),
            attribute(plain(), "nfs4.acl", b""),
            "the extended attribute `nfs4.acl`",
        ),
        (
            path("a"),
            attribute(plain(), "user.a", &[0; 4096]),
            "the extended attribute `user.a` of 4096 bytes",
        ),
        (
            path("a"),
            attribute(plain(), "user.a", &[0; 4050]),
            "extended attributes of 4072 bytes",
        ),
        (
            path("a"),
            Node::new(Kind::CharDevice(4096, 0), 0),
            "a device's number of more than 32 bits",
        ),
        (
            path("lost+found"),
            plain(),
            "something of that name that is no directory",
        ),
        (path("a"), file(Pattern::content(0, 0)), ""),
    ] {
        let mut files = FileSet::new();
        files.insert(path, node);
        match layout(&files, &Pattern, &options(SIZE)) {
            Err(error) => assert!(error.to_string().contains(expect), "{error}"),
            Ok(_) => assert_eq!(expect, ""),
        }
    }
    let mut files = FileSet::new();
    let large = Content::Blob {
        layer: Digest::of(b""),
        offset: 0,
        size: SIZE,
        digest: Digest::of(b""),
    };
    files.insert(path("a"), file(large));
    let error = layout(&files, &Pattern, &options(SIZE)).unwrap_err().to_string();
    assert!(error.contains("blocks are missing"), "{error}");
}

#[test]
fn a_damaged_volume_is_no_panic() {
    let mut files = FileSet::new();
    files.insert(
        path("a/b"),
        attribute(file(Pattern::content(3, 5000)), "user.a", b"b"),
    );
    files.insert(path("c"), Node::new(Kind::Symlink(vec![b'a'; 100]), 0o777));
    let mut image = written(&files, 8 << 20);
    // Without checksums more is tried.
    image[1024 + 100 + 1] &= !4;
    let tables = 5 * 4096;
    let inodes = (0..14 * 256).map(|at| tables + at);
    for at in (1024..2048).chain(4096..4096 + 64).chain(inodes) {
        for byte in [0, 1, 0x7f, 0xff] {
            let before = std::mem::replace(&mut image[at], byte);
            if let Ok(Some(volume)) = Volume::open(&image) {
                let _ = volume.visit(&mut |_, content| {
                    std::io::copy(&mut content.take(10_000), &mut std::io::sink())?;
                    Ok(())
                });
            }
            image[at] = before;
        }
    }
}
