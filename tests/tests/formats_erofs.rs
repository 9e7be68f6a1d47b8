//! EROFS images, judged by `fsck.erofs` and `dump.erofs`; and images of `mkfs.erofs`, read by us.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path as FsPath;
use std::process::Command;

use ironkit_formats::extents::Data;
use ironkit_formats::filesystem::erofs::{Options, Volume, layout};
use ironkit_formats::filesystem::{Entry, EntryKind};
use ironkit_tests::layout::{DIRECTORY, FILE, HARD_LINK, Layout, SYMLINK, entry, tar};
use ironkit_tests::{Sandbox, judge, succeed};
use ironkit_tree::{FileSet, Inline, Kind, Node, Path};

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

fn file(seed: usize, size: usize) -> Node {
    let byte = |at: usize| (at.wrapping_mul(at) / 7 + seed).to_le_bytes()[0];
    Node::new(Kind::File((0..size).map(byte).collect::<Vec<u8>>().into()), 0o644).at(1_500_000_000)
}

fn path(name: impl AsRef<[u8]>) -> Path {
    Path::parse(name).unwrap()
}

/// A tree of `count` files and something of everything that this user can make.
fn sample(count: usize) -> FileSet {
    let mut files = FileSet::new();
    files.insert(Path::ROOT, Node::new(Kind::Directory, 0o755).at(1_500_000_000));
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
    files.insert(path("link"), Node::new(Kind::Symlink(vec![b'l'; 4000]), 0o777));
    files.insert(path("bin"), Node::new(Kind::Symlink(b"usr/bin".to_vec()), 0o777));
    files.link(path("usr/hard"), &path("large"));
    let mut capable = file(4, 100);
    capable.mode = 0o4755;
    let name = b"user.attribute".to_vec();
    capable.xattrs.insert(name, b"value".to_vec());
    files.insert(path("ping"), capable.clone());
    files.insert(path("ping-too"), capable.at(7));
    files.insert(path("pipe"), Node::new(Kind::Fifo, 0o600));
    if root() {
        files.insert(path("dev/null"), Node::new(Kind::CharDevice(1, 3), 0o666));
        files.insert(path("dev/disk"), Node::new(Kind::BlockDevice(259, 300), 0o660));
        files.insert(
            path("owned"),
            Node {
                uid: 70_000,
                gid: 7,
                ..file(5, 5)
            },
        );
    }
    files
}

/// The image in a file, and its size.
fn write(files: &FileSet, to: &FsPath) -> u64 {
    let options = Options {
        uuid: [0x42; 16],
        label: b"ironkit".to_vec(),
    };
    let image = layout(files, &Inline, &options).unwrap();
    let mut bytes = Vec::new();
    image.write_to(&mut bytes).unwrap();
    fs::write(to, &bytes).unwrap();
    image.size()
}

fn run(program: &FsPath, arguments: &[&std::ffi::OsStr]) -> String {
    succeed(Command::new(program).args(arguments))
}

#[test]
fn fsck_extracts_what_was_written() {
    let Some(fsck) = judge("fsck.erofs") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (image, out) = (folder.path().join("image"), folder.path().join("out"));
    let files = sample(500);
    write(&files, &image);
    let mut extract = std::ffi::OsString::from("--extract=");
    extract.push(&out);
    run(&fsck, &[extract.as_ref(), "--preserve".as_ref(), image.as_ref()]);
    for (path, _, node) in files.iter() {
        let found = out.join(std::ffi::OsStr::from_bytes(path.as_bytes()));
        let metadata = fs::symlink_metadata(&found).unwrap_or_else(|error| panic!("{path}: {error}"));
        // Set-id bits are gone again when the owner is set; links have the mode of links.
        let compared = match node.kind {
            Kind::Symlink(_) => 0o170_000,
            _ => 0o171_777,
        };
        let mode = metadata.permissions().mode();
        assert_eq!(mode & compared, node.st_mode() & compared, "{path}");
        match &node.kind {
            Kind::File(content) => {
                let content = content.read(&Inline).unwrap();
                assert!(fs::read(&found).unwrap() == content, "{path}");
            }
            Kind::Symlink(target) => {
                let found = fs::read_link(&found).unwrap();
                assert_eq!(found.as_os_str().as_bytes(), target, "{path}");
            }
            Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
                assert_eq!(metadata.rdev(), rustix::fs::makedev(*major, *minor), "{path}");
            }
            Kind::Directory | Kind::Fifo => {}
        }
        if root() {
            assert_eq!((metadata.uid(), metadata.gid()), (node.uid, node.gid), "{path}");
        }
    }
    let count = walk(&out);
    assert_eq!(count + 1, files.len());
}

fn walk(folder: &FsPath) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: std::path::PathBuf| match path.is_dir() && !path.is_symlink() {
        true => 1 + walk(&path),
        false => 1,
    };
    entries.map(below).sum()
}

#[test]
fn dump_shows_the_superblock_and_an_inode() {
    let Some(dump) = judge("dump.erofs") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    write(&sample(10), &image);
    let superblock = run(&dump, &["-s".as_ref(), image.as_ref()]);
    assert!(
        superblock.contains("0x42424242") || superblock.contains("42424242-4242-4242"),
        "{superblock}"
    );
    assert!(superblock.contains("sb_csum mtime"), "{superblock}");
    let inode = run(&dump, &["--path=/large".as_ref(), image.as_ref()]);
    assert!(
        inode.contains("Links: 2") && inode.contains("Size: 5000001"),
        "{inode}"
    );
}

/// All that `sample` has, as files on the disk.
fn unpack(files: &FileSet, to: &FsPath) {
    for (path, _, node) in files.iter() {
        let to = to.join(std::ffi::OsStr::from_bytes(path.as_bytes()));
        match &node.kind {
            Kind::Directory => fs::create_dir_all(&to).unwrap(),
            Kind::File(content) => fs::write(&to, content.read(&Inline).unwrap()).unwrap(),
            Kind::Symlink(target) => {
                std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(target), &to).unwrap();
            }
            _ => {
                rustix::fs::mknodat(
                    rustix::fs::CWD,
                    &to,
                    rustix::fs::FileType::from_raw_mode(node.st_mode()),
                    rustix::fs::Mode::from_raw_mode(node.mode),
                    match node.kind {
                        Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
                            rustix::fs::makedev(major, minor)
                        }
                        _ => 0,
                    },
                )
                .unwrap();
            }
        }
        for (name, value) in &node.xattrs {
            let name = String::from_utf8(name.clone()).unwrap();
            let set = rustix::fs::lsetxattr(&to, name, value, rustix::fs::XattrFlags::empty());
            set.expect("this file system keeps attributes");
        }
    }
}

fn read(image: &FsPath) -> BTreeMap<Path, (Entry, Vec<u8>)> {
    let image = fs::read(image).unwrap();
    let volume = Volume::open(&image).unwrap().expect("it is an EROFS");
    let mut found = BTreeMap::new();
    let visit = &mut |entry: &Entry, content: &mut dyn Read| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        found.insert(entry.path.clone(), (entry.clone(), bytes));
        Ok(())
    };
    volume.visit(visit).unwrap();
    found
}

#[test]
fn images_of_mkfs_are_read_and_no_smaller() {
    let Some(mkfs) = judge("mkfs.erofs") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (tree, image) = (folder.path().join("tree"), folder.path().join("image"));
    let files = sample(1000);
    unpack(&files, &tree);
    let ours = write(&files, &image);
    for options in [&["-x1"][..], &["-T0"], &["--chunksize=4096"]] {
        let mut line: Vec<&std::ffi::OsStr> = options.iter().map(AsRef::as_ref).collect();
        line.extend([image.as_os_str(), tree.as_os_str()]);
        run(&mkfs, &line);
        let size = fs::metadata(&image).unwrap().len();
        if options != ["--chunksize=4096"] {
            assert!(
                ours * 100 <= size * 103,
                "{ours} bytes, and {size} with {options:?}"
            );
        }
        let found = read(&image);
        assert_eq!(found.len(), files.len(), "{options:?}");
        for (path, _, node) in files.iter() {
            let (entry, content) = &found[path];
            assert_eq!(entry.xattrs, node.xattrs, "{path}");
            match &node.kind {
                Kind::File(stored) => {
                    assert!(*content == stored.read(&Inline).unwrap(), "{options:?} {path}");
                }
                Kind::Symlink(target) => assert_eq!(entry.kind, EntryKind::Symlink(target.clone())),
                Kind::CharDevice(major, minor) => {
                    assert_eq!(entry.kind, EntryKind::CharDevice(*major, *minor));
                }
                Kind::BlockDevice(major, minor) => {
                    assert_eq!(entry.kind, EntryKind::BlockDevice(*major, *minor));
                }
                Kind::Directory => assert_eq!(entry.kind, EntryKind::Directory),
                Kind::Fifo => assert_eq!(entry.kind, EntryKind::Fifo),
            }
        }
    }
    run(&mkfs, &["-zlz4".as_ref(), image.as_os_str(), tree.as_os_str()]);
    let image = fs::read(&image).unwrap();
    let compressed = Volume::open(&image).unwrap().unwrap().visit(&mut |_, _| Ok(()));
    let error = compressed.unwrap_err().to_string();
    assert!(error.contains("compressed"), "{error}");
}

#[test]
fn a_root_file_system_has_everything_but_what_boots_it() {
    let sandbox = Sandbox::new();
    let mut layout = Layout::new(&sandbox.path("layout"));
    let kernel = layout.image("amd64", &[tar(&[entry(FILE, "kernel", "the kernel")])]);
    layout.name(kernel, "docker.io/tests/kernel:1");
    let files = [
        entry(DIRECTORY, "bin", ""),
        entry(FILE, "bin/busybox", "a program"),
        entry(HARD_LINK, "bin/ls", "bin/busybox"),
        entry(SYMLINK, "sbin", "bin"),
    ];
    let init = layout.image("amd64", &[tar(&files)]);
    layout.name(init, "docker.io/tests/init:1");
    sandbox.write("images.tar", layout.archive());
    succeed(&mut sandbox.ironkit(["cache", "import", "images.tar"]));
    sandbox.write(
        "m.yml",
        "kernel: {image: \"tests/kernel:1\", cmdline: console=ttyS0, tar: none}\n\
         init: [\"tests/init:1\"]\n\
         files: [{path: etc/motd, contents: hello}, {path: boot/more, contents: not here}]\n",
    );
    let build = ["build", "--arch", "amd64", "--format", "kernel+erofs", "m.yml"];
    succeed(&mut sandbox.ironkit(build));
    let image = sandbox.path("m-erofs.img");
    let found = read(&image);
    let content = |name: &str| found.get(&path(name)).map(|(_, content)| content.as_slice());
    for (name, expect) in [
        ("etc/motd", Some(&b"hello"[..])),
        ("bin/busybox", Some(b"a program")),
        ("bin/ls", Some(b"a program")),
        ("boot", Some(b"")),
        ("boot/more", None),
        ("boot/kernel", None),
    ] {
        assert_eq!(content(name), expect, "{name}");
    }
    assert_eq!(found[&Path::ROOT].0.mode, 0o755);
    assert_eq!(found[&path("sbin")].0.kind, EntryKind::Symlink(b"bin".to_vec()));
    if let Some(fsck) = judge("fsck.erofs") {
        run(&fsck, &[image.as_ref()]);
    }
    let bytes = fs::read(&image).unwrap();
    succeed(&mut sandbox.ironkit(build));
    assert!(fs::read(&image).unwrap() == bytes, "the same again");
}
