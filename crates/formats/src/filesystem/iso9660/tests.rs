//! What is written is read, and damage is survived.

use std::io::Read;
use std::sync::Arc;

use ironkit_tree::{Digest, FileSet, Inline, Kind, Node, Path};

use super::{BLOCK, Boot, Options, Platform, SYSTEM_AREA, boot_info_table, front, layout, read};
use crate::extents::{Data, Extents};
use crate::filesystem::EntryKind;

fn options() -> Options<'static> {
    Options {
        volume: "IronKit".into(),
        time: 951_827_696,
        joliet: true,
        front: Vec::new(),
        boot: Vec::new(),
        tail: 0,
    }
}

fn sample() -> FileSet {
    let path = |name: &[u8]| Path::parse(name).unwrap();
    let file = |text: &str| Node::new(Kind::File(text.as_bytes().to_vec().into()), 0o644);
    let mut files = FileSet::new();
    let passwd = file("root").at(951_827_696);
    files.insert(
        path(b"etc/passwd"),
        Node {
            uid: 7,
            gid: 9,
            ..passwd
        },
    );
    files.link(path(b"etc/linked"), &path(b"etc/passwd"));
    files.insert(path(b"etc"), Node::new(Kind::Directory, 0o1755));
    files.insert(path(b"empty"), file(""));
    files.insert(path(&[b'n'; 255]), file("a long name"));
    files.insert(path(b"a/b/c/d/e/f/g/h/i/j/k/deep"), file("deep"));
    files.insert(path(b"not \xff UTF-8"), file("x"));
    for (name, target) in [
        ("one", "/".to_owned()),
        ("two", "../a/./b//c/".to_owned()),
        ("three", format!("/{}", "long/".repeat(800))),
        ("four", "y".repeat(4095)),
    ] {
        files.insert(
            path(name.as_bytes()),
            Node::new(Kind::Symlink(target.into()), 0o777),
        );
    }
    files.insert(path(b"dev/null"), Node::new(Kind::CharDevice(1, 3), 0o666));
    files.insert(
        path(b"dev/large"),
        Node::new(Kind::BlockDevice(259, 70_000), 0o600),
    );
    files.insert(path(b"dev/pipe"), Node::new(Kind::Fifo, 0o600));
    for number in 0..200 {
        files.insert(
            path(format!("many/file with a name {number}").as_bytes()),
            file(&number.to_string()),
        );
    }
    files
}

fn written(files: &FileSet, options: &Options) -> Vec<u8> {
    let image = layout(files, &Inline, options).unwrap();
    let size = image.size;
    let mut bytes = Vec::new();
    image
        .image(Vec::new(), Vec::new())
        .unwrap()
        .write_to(&mut bytes)
        .unwrap();
    assert_eq!(bytes.len() as u64, size);
    bytes
}

#[test]
fn what_is_written_is_read() {
    let files = sample();
    let image = written(&files, &options());
    let mut count = 0;
    let info = read(&image, &mut |entry, content| {
        let node = files
            .get(&entry.path)
            .unwrap_or_else(|| panic!("{} is new", entry.path));
        count += 1;
        let found = (entry.mode, entry.uid, entry.gid, entry.mtime);
        assert_eq!(
            found,
            (node.mode, node.uid.into(), node.gid.into(), node.mtime),
            "{}",
            entry.path
        );
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        let expect = match &node.kind {
            Kind::Directory => EntryKind::Directory,
            Kind::File(content) => {
                assert_eq!(bytes, content.read(&Inline).unwrap());
                EntryKind::File(content.size())
            }
            Kind::Symlink(target) => EntryKind::Symlink(target.clone()),
            Kind::CharDevice(major, minor) => EntryKind::CharDevice(*major, *minor),
            Kind::BlockDevice(major, minor) => EntryKind::BlockDevice(*major, *minor),
            Kind::Fifo => EntryKind::Fifo,
        };
        assert_eq!(entry.kind, expect, "{}", entry.path);
        Ok(())
    });
    let info = info.unwrap();
    assert_eq!(count, files.len());
    assert_eq!(
        (info.volume.as_str(), info.size, info.joliet),
        ("IronKit", image.len() as u64, true)
    );
}

#[test]
fn boot_images_are_where_they_were_said_to_be() {
    let data = |byte: u8, count: usize| {
        let mut extents = Extents::new();
        extents.bytes(vec![byte; count]);
        Arc::new(extents) as Arc<dyn Data>
    };
    let (places, end) = front(&[3000, 40_000_000]);
    assert_eq!(
        (places.as_slice(), end),
        (&[21 * BLOCK, 23 * BLOCK][..], 23 * BLOCK + 40_001_536)
    );
    let boot = |platform, front| Boot {
        platform,
        front,
        sectors: None,
    };
    let options = Options {
        front: vec![data(1, 3000), data(2, 5000)],
        boot: vec![boot(Platform::Bios, 0), boot(Platform::Efi, 1)],
        tail: 17 * 1024,
        ..options()
    };
    let volume = layout(&sample(), &Inline, &options).unwrap();
    let size = volume.size;
    let mut image = Vec::new();
    volume
        .image(vec![7; 512], vec![8; 16_896])
        .unwrap()
        .write_to(&mut image)
        .unwrap();
    assert_eq!(image.len() as u64, size);
    assert_eq!((image[0], image[image.len() - 16_896]), (7, 8));
    let info = read(&image, &mut |_, _| Ok(())).unwrap();
    assert_eq!(info.boot, [(0, 21 * BLOCK, 4), (0xef, 23 * BLOCK, 10)]);
    assert_eq!((image[21 * 2048], image[23 * 2048 + 4999]), (1, 2));
    let volume = layout(&sample(), &Inline, &options).unwrap();
    let area = usize::try_from(SYSTEM_AREA).unwrap();
    assert!(volume.image(vec![0; area + 1], Vec::new()).is_err());
    let mut image = vec![1; 65];
    boot_info_table(&mut image, 21 * BLOCK).unwrap();
    assert_eq!(
        image[8..28],
        [16, 0, 0, 0, 21, 0, 0, 0, 65, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    );
}

#[test]
fn bytes_are_pinned() {
    let expect = "sha256:e4d22585675e35ea62ef8390b4b97a46876256dc5e93aa25887beddafa3bfde0";
    assert_eq!(Digest::of(&written(&sample(), &options())).to_string(), expect);
}

#[test]
fn what_has_no_place_is_refused() {
    let refused = |path: &[u8], node: Node| {
        let mut files = FileSet::new();
        files.insert(Path::parse(path).unwrap(), node);
        match layout(&files, &Inline, &options()) {
            Err(error) => error.to_string(),
            Ok(_) => String::new(),
        }
    };
    let link = |length| Node::new(Kind::Symlink(vec![b'x'; length]), 0o777);
    assert!(refused(&[b'x'; 256], link(1)).contains("length 256"));
    assert!(refused(b"x", link(4096)).contains("length 4096"));
    let mut file = link(1);
    file.xattrs.insert(b"user.x".to_vec(), Vec::new());
    assert!(refused(b"x", file).ends_with("cannot hold extended attributes: `user.x`"));
    for volume in ["x".repeat(33), "ä".to_owned()] {
        let options = Options { volume, ..options() };
        assert!(layout(&FileSet::new(), &Inline, &options).is_err());
    }
}

#[test]
fn no_damage_makes_it_panic_or_go_on_forever() {
    let image = written(&sample(), &options());
    let mut visit = |_: &_, content: &mut dyn Read| {
        std::io::copy(content, &mut std::io::sink())?;
        Ok(())
    };
    for cut in [0, 32_768, 34_816, 60_000, image.len() / 2] {
        assert!(read(&image[..cut].to_vec(), &mut visit).is_err(), "{cut}");
    }
    let mut damaged = image.clone();
    for at in (32_768..33_000).chain(22 * 2048..36 * 2048).step_by(11) {
        for value in [0, 1, 0x7f, 0xff] {
            damaged[at] = value;
            let _ = read(&damaged, &mut visit);
        }
        damaged[at] = image[at];
    }
}
