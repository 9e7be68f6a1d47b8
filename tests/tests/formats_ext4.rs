//! ext4 volumes, judged by `e2fsck`, `debugfs`, `dumpe2fs` and `resize2fs`; and volumes of `mkfs.ext4`, read by us.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path as FsPath;
use std::process::Command;

use ironkit_formats::extents::{Data, Sink};
use ironkit_formats::filesystem::ext4::{Options, Volume, layout};
use ironkit_formats::filesystem::{Entry, EntryKind};
use ironkit_tests::{judge, run, succeed};
use ironkit_tree::{FileSet, Inline, Kind, Node, Path};

/// A file that zeros are holes of.
struct Sparse(fs::File);

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Sink for Sparse {
    fn zeros(&mut self, count: u64) -> std::io::Result<()> {
        let end = self.0.stream_position()? + count;
        self.0.set_len(end)?;
        self.0.seek(SeekFrom::Start(end)).map(drop)
    }
}

const TIME: i64 = 1_500_000_000;
const MIB: u64 = 1 << 20;

fn path(name: impl AsRef<[u8]>) -> Path {
    Path::parse(name).unwrap()
}

fn file(seed: usize, size: usize) -> Node {
    let byte = |at: usize| (at.wrapping_mul(at) / 7 + seed).to_le_bytes()[0];
    Node::new(Kind::File((0..size).map(byte).collect::<Vec<u8>>().into()), 0o644).at(TIME)
}

fn attribute(node: Node, name: &str, value: &[u8]) -> Node {
    let mut node = node;
    node.xattrs.insert(name.into(), value.to_vec());
    node
}

/// Something of everything.
fn sample(count: usize) -> FileSet {
    let mut files = FileSet::new();
    for number in 0..count {
        let size = number * 7919 % 20_000;
        files.insert(path(format!("usr/{}/{number}", number % 10)), file(number, size));
    }
    files.insert(
        path([b"usr/\xff\xfe-".as_slice(), &[b'n'; 200]].concat()),
        file(1, 10),
    );
    files.insert(path(["d"; 200].join("/")), file(2, 4096));
    files.insert(path("large"), file(3, 5_000_001));
    files.link(path("usr/hard"), &path("large"));
    for length in [7, 59, 60, 4000] {
        let link = Node::new(Kind::Symlink(vec![b'l'; length]), 0o777);
        files.insert(path(format!("link-{length}")), link);
    }
    files.insert(path("pipe"), Node::new(Kind::Fifo, 0o600));
    files.insert(path("dev/null"), Node::new(Kind::CharDevice(1, 3), 0o666));
    files.insert(path("dev/disk"), Node::new(Kind::BlockDevice(259, 300), 0o660));
    let owned = Node {
        uid: 70_000,
        gid: 80_000,
        ..file(5, 5).at((1 << 33) + 5)
    };
    files.insert(path("owned"), owned);
    let inside = attribute(file(4, 100), "user.name", b"value");
    files.insert(
        path("attributes/inside"),
        attribute(inside.clone(), "security.capability", &[1; 20]),
    );
    let block = attribute(inside, "trusted.large", &[b'v'; 3001]);
    files.insert(path("attributes/block"), attribute(block, "user.empty", b""));
    let mut list = vec![2, 0, 0, 0];
    for (tag, id) in [
        (1, u32::MAX),
        (2, 1000),
        (4, u32::MAX),
        (16, u32::MAX),
        (32, u32::MAX),
    ] {
        list.extend([tag, 0, 5, 0]);
        list.extend(id.to_le_bytes());
    }
    let folder = Node::new(Kind::Directory, 0o755).at(TIME);
    files.insert(
        path("attributes/list"),
        attribute(folder, "system.posix_acl_default", &list),
    );
    files
}

/// The volume in a file.
fn write(files: &FileSet, size: u64, to: &FsPath) {
    let options = Options {
        size,
        uuid: *b"\x42\x42\x42\x42\x42\x42\x42\x42\x82\x42\x42\x42\x42\x42\x42\x42",
        label: b"data".to_vec(),
        time: TIME,
    };
    let image = layout(files, &Inline, &options).unwrap();
    assert_eq!(image.size(), size);
    let mut sparse = Sparse(fs::File::create(to).unwrap());
    image.write_to(&mut sparse).unwrap();
}

#[test]
fn e2fsck_finds_nothing() {
    let Some(e2fsck) = judge("e2fsck") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    for (files, size) in [
        (FileSet::new(), 8 * MIB),
        (FileSet::new(), 64 * MIB + 512),
        (FileSet::new(), 129 * MIB),
        (FileSet::new(), 140 * MIB),
        (FileSet::new(), 1025 * MIB),
        (FileSet::new(), 17 << 30),
        (FileSet::new(), 1 << 40),
        (sample(500), 32 * MIB),
        (sample(3000), 200 * MIB),
    ] {
        write(&files, size, &image);
        let said = run(Command::new(&e2fsck).arg("-fn").arg(&image));
        assert_eq!(said.code, Some(0), "{size}: {said}");
    }
}

#[test]
fn many_files_and_links_are_right() {
    let Some(e2fsck) = judge("e2fsck") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let mut files = FileSet::new();
    for number in 0..100_000 {
        files.insert(path(format!("many/{number}")), file(0, 0));
    }
    for number in 0..64_999 {
        files.link(path(format!("links/{number}")), &path("many/7"));
    }
    for number in 0..65_100 {
        files.insert(
            path(format!("folders/{number}")),
            Node::new(Kind::Directory, 0o700),
        );
    }
    write(&files, 2000 * MIB, &image);
    let said = run(Command::new(&e2fsck).arg("-fn").arg(&image));
    assert_eq!(said.code, Some(0), "{said}");
}

#[test]
fn debugfs_and_dumpe2fs_see_what_was_written() {
    let (Some(debugfs), Some(dumpe2fs)) = (judge("debugfs"), judge("dumpe2fs")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (image, out) = (folder.path().join("image"), folder.path().join("out"));
    let files = sample(100);
    write(&files, 64 * MIB, &image);
    let ask = |request: &str| succeed(Command::new(&debugfs).args(["-R", request]).arg(&image));
    for name in ["/large", "/usr/hard", "/usr/3/33", "/owned"] {
        ask(&format!("dump {name} {}", out.display()));
        let Some(Kind::File(content)) = files.get(&path(name)).map(|node| &node.kind) else {
            panic!("{name} is a file");
        };
        assert!(
            fs::read(&out).unwrap() == content.read(&Inline).unwrap(),
            "{name}"
        );
    }
    for (request, expect) in [
        ("stat /large", "Links: 2"),
        ("stat /owned", "User: 70000   Group: 80000"),
        ("stat /dev/disk", "Device major/minor number: 259:300"),
        ("stat /link-59", "Fast link dest: \"lllll"),
        ("ea_get /attributes/inside user.name", "user.name (5) = \"value\""),
        ("ea_get /attributes/block trusted.large", "vvvvvvvv"),
        ("ea_list /attributes/list", "system.posix_acl_default (28)"),
    ] {
        let said = ask(request);
        assert!(said.contains(expect), "{request}: {said}");
    }
    let said = succeed(Command::new(&dumpe2fs).arg(&image));
    for expect in [
        "has_journal ext_attr resize_inode dir_index filetype extent 64bit flex_bg sparse_super large_file huge_file dir_nlink \
         extra_isize metadata_csum",
        "Filesystem state:         clean",
        "Filesystem volume name:   data",
        "Total journal blocks:     1024",
        "Reserved GDT blocks:      7",
    ] {
        assert!(said.contains(expect), "{expect}: {said}");
    }
}

#[test]
fn resize2fs_grows_it_a_thousand_times() {
    let (Some(resize2fs), Some(e2fsck)) = (judge("resize2fs"), judge("e2fsck")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    write(&sample(100), 64 * MIB, &image);
    fs::File::options()
        .write(true)
        .open(&image)
        .unwrap()
        .set_len(64_000 * MIB)
        .unwrap();
    // It wants a volume that was just checked.
    succeed(Command::new(&e2fsck).arg("-fp").arg(&image));
    succeed(Command::new(&resize2fs).arg(&image));
    let said = run(Command::new(&e2fsck).arg("-fn").arg(&image));
    assert_eq!(said.code, Some(0), "{said}");
}

#[test]
fn volumes_of_mkfs_are_read() {
    let (Some(mkfs), Some(debugfs)) = (judge("mkfs.ext4"), judge("debugfs")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (tree, image) = (folder.path().join("tree"), folder.path().join("image"));
    let files: FileSet = {
        let mut files = sample(2000);
        // A block of 1 KiB is too small for the longest link.
        for name in ["dev", "owned", "attributes", "link-4000"] {
            files.remove(&path(name));
        }
        files
    };
    for (path, _, node) in files.iter() {
        let to = tree.join(std::str::from_utf8(path.as_bytes()).unwrap_or("odd"));
        match &node.kind {
            Kind::Directory => fs::create_dir_all(&to).unwrap(),
            Kind::File(content) => fs::write(&to, content.read(&Inline).unwrap()).unwrap(),
            Kind::Symlink(target) => {
                std::os::unix::fs::symlink(std::str::from_utf8(target).unwrap(), &to).unwrap();
            }
            _ => {}
        }
    }
    for options in [
        &["-b", "4096"][..],
        &["-b", "1024", "-O", "^64bit"],
        &["-O", "meta_bg,^resize_inode"],
    ] {
        let _ = fs::remove_file(&image);
        let mut line = Command::new(&mkfs);
        line.arg("-q")
            .args(options)
            .arg("-d")
            .arg(&tree)
            .arg(&image)
            .arg("100M");
        succeed(&mut line);
        let request = "ea_set /large user.name value";
        succeed(Command::new(&debugfs).args(["-w", "-R", request]).arg(&image));
        let image = fs::read(&image).unwrap();
        let volume = Volume::open(&image).unwrap().unwrap();
        let mut count = 0;
        let visit = &mut |entry: &Entry, content: &mut dyn Read| {
            if let Some(node) = files.get(&entry.path) {
                match (&node.kind, &entry.kind) {
                    (Kind::File(stored), EntryKind::File(_)) => {
                        let mut bytes = Vec::new();
                        content.read_to_end(&mut bytes)?;
                        assert!(bytes == stored.read(&Inline)?, "{}", entry.path);
                    }
                    (Kind::Symlink(target), EntryKind::Symlink(found)) => assert_eq!(target, found),
                    (Kind::Directory, EntryKind::Directory) => {}
                    (_, other) => panic!("{}: {other:?}", entry.path),
                }
                count += 1;
            }
            if entry.path == path("large") {
                assert_eq!(entry.xattrs[b"user.name".as_slice()], b"value");
            }
            Ok(())
        };
        volume.visit(visit).unwrap();
        // One has another name here, and pipes are not made.
        assert!(
            count + 2 >= files.len(),
            "{count} of {} with {options:?}",
            files.len()
        );
    }
    let mut line = Command::new(&mkfs);
    line.arg("-Fq")
        .args(["-O", "inline_data"])
        .arg(&image)
        .arg("100M");
    succeed(&mut line);
    let image = fs::read(&image).unwrap();
    let error = Volume::open(&image).err().unwrap().to_string();
    assert!(error.contains("unknown features 0x8000"), "{error}");
}
