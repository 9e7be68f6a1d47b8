//! What is written is read, is the same every time, and is refused where the format has no place for it.

use std::io::Read;

use ironkit_tree::{Content, Digest, FileSet, Kind, Node, Path};

use super::{Options, Volume, layout};
use crate::extents::Data;
use crate::filesystem::samples::{Pattern, attribute, expected, file, listing, path};
use crate::filesystem::{Entry, EntryKind};

/// Something of everything.
fn sample() -> FileSet {
    let mut files = FileSet::new();
    files.insert(Path::ROOT, Node::new(Kind::Directory, 0o755).at(1000));
    for size in [0, 1, 100, 4000, 4096, 4097, 8192, 9000, 70_000] {
        files.insert(
            path(format!("sizes/{size}")),
            file(Pattern::content(7 * size, size)),
        );
    }
    files.insert(path("again"), file(Pattern::content(7 * 9000, 9000)));
    files.insert(path("inline"), file(b"content".to_vec()));
    files.link(path("sizes/linked"), &path("inline"));
    let target = vec![b't'; 4095];
    files.insert(path("links/long"), Node::new(Kind::Symlink(target), 0o777));
    files.insert(
        path("links/short"),
        Node::new(Kind::Symlink(b"a".to_vec()), 0o777),
    );
    files.insert(path("dev/null"), Node::new(Kind::CharDevice(1, 3), 0o666).at(-5));
    files.insert(
        path("dev/disk"),
        Node::new(Kind::BlockDevice(4095, 0xfffff), 0o600),
    );
    files.insert(path("dev/pipe"), Node::new(Kind::Fifo, 0o600));
    let owned = Node {
        uid: 70_000,
        gid: 9,
        ..file(b"x".to_vec()).at(1 << 40)
    };
    files.insert(path("owned"), owned);
    for number in 0..1000 {
        let name = [b"many/\xff-".as_slice(), format!("{number}").as_bytes()].concat();
        files.insert(path(name), file(vec![]));
    }
    files.insert(path([b"many/", [b'n'; 255].as_slice()].concat()), file(vec![]));
    files.insert(path("many/!before the dots"), file(vec![]));
    let capable = attribute(file(b"p".to_vec()), "security.capability", &[1; 20]);
    files.insert(path("xattrs/a"), attribute(capable.clone(), "user.own", b"value"));
    files.insert(path("xattrs/b"), capable);
    let acl = attribute(
        Node::new(Kind::Directory, 0o700),
        "system.posix_acl_default",
        b"acl",
    );
    files.insert(path("xattrs/c"), acl);
    let large = attribute(file(Pattern::content(1, 5000)), "user.large", &[7; 60_000]);
    files.insert(path("xattrs/d"), large);
    files
}

fn written(files: &FileSet) -> Vec<u8> {
    let options = Options {
        uuid: *b"0123456789abcdef",
        label: b"label".to_vec(),
    };
    let image = layout(files, &Pattern, &options).unwrap();
    let mut bytes = Vec::new();
    image.write_to(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, image.size());
    bytes
}

fn read(image: &[u8]) -> Vec<(Entry, Digest)> {
    let image = image.to_vec();
    let volume = Volume::open(&image).unwrap().unwrap();
    listing(|visitor| volume.visit(visitor)).unwrap()
}

#[test]
fn what_is_written_is_read() {
    let files = sample();
    let image = written(&files);
    assert_eq!(read(&image), expected(&files, &Pattern));
    let volume = Volume::open(&image).unwrap().unwrap();
    assert_eq!(volume.superblock.label, b"label");
    assert_eq!(volume.superblock.uuid, *b"0123456789abcdef");
    assert_eq!(volume.superblock.build_time, 1000);
    assert_eq!(u64::from(volume.superblock.blocks) * 4096, image.len() as u64);
}

#[test]
fn the_bytes_stay_the_same() {
    let digest = Digest::of(&written(&sample()));
    assert_eq!(digest.to_string(), PINNED);
    assert_eq!(digest, Digest::of(&written(&sample())));
}

/// Changes when the same files give other bytes, which the changelog has to say.
const PINNED: &str = "sha256:632478cc2e9c54bf7b7ccffc61c649cc60d231a7ee23b680516af1d1714c029f";

#[test]
fn nothing_is_a_file_system_too() {
    let found = read(&written(&FileSet::new()));
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].0.mode, &found[0].0.kind),
        (0o755, &EntryKind::Directory)
    );
}

#[test]
fn equal_contents_are_there_once() {
    let mut files = FileSet::new();
    files.insert(path("a"), file(Pattern::content(0, 1 << 20)));
    let alone = written(&files).len();
    files.insert(path("b"), file(Pattern::content(0, 1 << 20)).at(77));
    assert_eq!(written(&files).len(), alone);
}

#[test]
fn deep_trees() {
    let deep = vec!["d"; 3000].join("/");
    let mut files = FileSet::new();
    files.insert(path(&deep), file(b"x".to_vec()));
    let found = read(&written(&files));
    assert_eq!(found.len(), 3001);
    assert_eq!(found[3000].1, Digest::of(b"x"));
}

#[test]
fn large_files_are_laid_out() {
    let mut files = FileSet::new();
    let content = |size| Content::Blob {
        layer: Digest::of(b""),
        offset: 0,
        size,
        digest: Digest::of(b"large"),
    };
    files.insert(path("a"), file(content((5 << 30) + 1)));
    let image = layout(&files, &Pattern, &Options::default()).unwrap();
    // The last byte is beside the inode.
    assert_eq!(image.size(), (5 << 30) + 2 * 4096);
    files.insert(path("b"), file(content(20 << 40)));
    let error = layout(&files, &Pattern, &Options::default()).unwrap_err();
    assert!(error.to_string().contains("16 TiB are the limit"), "{error}");
}

#[test]
fn what_has_no_place_is_refused() {
    let long = path(vec![b'n'; 256]);
    let plain = || file(b"".to_vec());
    for (path, node, expect) in [
        (long, plain(), "a name of more than 255 bytes"),
        (
            path("a"),
            attribute(plain(), "nfs4.acl", b""),
            "the extended attribute `nfs4.acl`",
        ),
        (
            path("a"),
            attribute(plain(), "user.a", &[0; 65_536]),
            "the extended attribute `user.a` of 65536 bytes",
        ),
        (
            path("a"),
            Node::new(Kind::CharDevice(4096, 0), 0),
            "a device's number of more than 32 bits",
        ),
        (
            path("a"),
            Node::new(Kind::Symlink(vec![b'a'; 4096]), 0),
            "a target of 4096 bytes or more",
        ),
    ] {
        let mut files = FileSet::new();
        files.insert(path, node);
        let error = layout(&files, &Pattern, &Options::default()).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    }
}

#[test]
fn a_damaged_image_is_no_panic() {
    let mut files = FileSet::new();
    files.insert(
        path("a/b"),
        attribute(file(Pattern::content(3, 5000)), "user.a", b"b"),
    );
    files.insert(path("c"), Node::new(Kind::Symlink(b"a".to_vec()), 0o777));
    let image = written(&files);
    for at in (1024..1152).chain(1152..4096 + 400) {
        for byte in [0, 1, 0x7f, 0xff] {
            let mut image = image.clone();
            image[at] = byte;
            // Without the checksum more is tried.
            image[1032] &= !1;
            if let Ok(Some(volume)) = Volume::open(&image) {
                let _ = volume.visit(&mut |_, content| {
                    std::io::copy(&mut content.take(10_000), &mut std::io::sink())?;
                    Ok(())
                });
            }
        }
    }
    // Sizes beyond all numbers.
    for at in (1152..4096 + 400).step_by(4) {
        let mut image = image.clone();
        image[at..at + 8].fill(0xff);
        image[1032] &= !1;
        if let Ok(Some(volume)) = Volume::open(&image) {
            let _ = volume.visit(&mut |_, _| Ok(()));
        }
    }
    let mut flipped = image;
    flipped[2000] ^= 1;
    let error = Volume::open(&flipped).err().unwrap().to_string();
    assert!(error.contains("the superblock has checksum"), "{error}");
}
