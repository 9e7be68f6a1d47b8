//! squashfs images, judged by `unsquashfs`; and images of `mksquashfs`, read by us and compared in size.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path as FsPath, PathBuf};
use std::process::Command;

use ironkit_formats::filesystem::squashfs::{self, Compression, Contents, Options};
use ironkit_formats::filesystem::{Entry, EntryKind};
use ironkit_tests::{judge, succeed};
use ironkit_tree::{BoxError, Digest, FileSet, Inline, Kind, Node, Path};

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

fn path(name: impl AsRef<[u8]>) -> Path {
    Path::parse(name).unwrap()
}

/// A text that compresses as texts do.
fn file(seed: usize, size: usize) -> Node {
    let word = |at: usize| format!("{} ", (at * at + seed) % 4099 * 37);
    let text: Vec<u8> = (0..).flat_map(|at| word(at).into_bytes()).take(size).collect();
    Node::new(Kind::File(text.into()), 0o644).at(1_500_000_000)
}

/// A tree with a bit of everything that this user can make.
fn sample() -> FileSet {
    let mut files = FileSet::new();
    files.insert(Path::ROOT, Node::new(Kind::Directory, 0o711).at(1_400_000_000));
    for number in 0..600 {
        files.insert(
            path(format!("usr/{}/{number:0>30}", number % 7)),
            file(number, number * 7919 % 9000),
        );
    }
    for number in 0..1000 {
        files.insert(path(format!("many/{number:0>60}")), file(number, 3));
    }
    files.insert(
        path([b"usr/\xff\xfe-".as_slice(), &[b'n'; 240]].concat()),
        file(1, 10),
    );
    files.insert(path(["d"; 100].join("/")), file(2, 4096));
    files.insert(path("large"), file(3, 1_000_001));
    let mut holes = vec![0; 2_000_000];
    holes[1_000_000] = 1;
    files.insert(path("holes"), Node::new(Kind::File(holes.into()), 0o600));
    files.insert(path("noise"), Node::new(Kind::File(noise(300_000).into()), 0o600));
    files.insert(path("same"), file(3, 1_000_001).at(5));
    files.insert(path("bin"), Node::new(Kind::Symlink(b"usr/bin".to_vec()), 0o777));
    files.insert(path("link"), Node::new(Kind::Symlink(vec![b'l'; 4000]), 0o777));
    files.link(path("usr/hard"), &path("large"));
    files.link(path("zzz/hard"), &path("large"));
    files.insert(path("pipe"), Node::new(Kind::Fifo, 0o600));
    for name in ["ping", "ping-too"] {
        let mut capable = file(4, 100);
        capable
            .xattrs
            .insert(b"user.attribute".to_vec(), b"value".to_vec());
        if root() {
            let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
            capable.xattrs.insert(b"security.capability".to_vec(), capability);
            capable
                .xattrs
                .insert(b"trusted.attribute".to_vec(), vec![0; 1000]);
        }
        files.insert(path(name), capable);
    }
    if root() {
        files.insert(path("dev/null"), Node::new(Kind::CharDevice(1, 3), 0o666));
        files.insert(path("dev/disk"), Node::new(Kind::BlockDevice(259, 300), 0o660));
        let mut owned = file(5, 5);
        (owned.uid, owned.gid, owned.mode) = (70_000, 1 << 31, 0o4755);
        files.insert(path("owned"), owned);
    }
    files
}

/// Bytes that do not compress.
fn noise(size: usize) -> Vec<u8> {
    let blocks = (0..size as u64 / 32).map(|number| Digest::of(&number.to_le_bytes()));
    blocks.flat_map(|digest| *digest.bytes()).collect()
}

fn write(files: &FileSet, options: &Options, to: &FsPath) {
    let contents = Contents::of(files, &mut BTreeSet::new());
    let threads = NonZeroUsize::new(2).unwrap();
    let mut piece = Vec::new();
    let table = squashfs::blocks(&contents, &Inline, options, threads, &mut piece).unwrap();
    let linked = squashfs::link(files, &[&table], options).unwrap();
    fs::write(to, [linked.head, piece, linked.tail].concat()).unwrap();
}

/// What `unsquashfs` or we extracted is what `files` say.
fn compare(files: &FileSet, out: &FsPath) {
    let mut inodes = BTreeMap::new();
    for (path, id, node) in files.iter() {
        let found = out.join(OsStr::from_bytes(path.as_bytes()));
        let metadata = fs::symlink_metadata(&found).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(metadata.mode(), node.st_mode(), "{path}");
        if !path.is_root() {
            assert_eq!(metadata.mtime(), node.mtime, "{path}");
        }
        let first = *inodes.entry(id).or_insert(metadata.ino());
        assert_eq!(metadata.ino(), first, "{path} is a hard link");
        if root() {
            assert_eq!((metadata.uid(), metadata.gid()), (node.uid, node.gid), "{path}");
        }
        match &node.kind {
            Kind::File(content) => {
                assert!(
                    fs::read(&found).unwrap() == content.read(&Inline).unwrap(),
                    "{path}"
                );
            }
            Kind::Symlink(target) => {
                assert_eq!(
                    fs::read_link(&found).unwrap().as_os_str().as_bytes(),
                    target,
                    "{path}"
                );
            }
            Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
                assert_eq!(metadata.rdev(), rustix::fs::makedev(*major, *minor), "{path}");
            }
            Kind::Directory | Kind::Fifo => {}
        }
        for (name, value) in &node.xattrs {
            let mut buffer = vec![0; 2000];
            let size = rustix::fs::lgetxattr(&found, OsStr::from_bytes(name), &mut buffer[..]);
            assert_eq!(&buffer[..size.unwrap()], value, "{path}");
        }
    }
    // Nothing else is there.
    let found = succeed(Command::new("find").arg(out).args(["-printf", "x"]));
    assert_eq!(found.len(), files.len());
}

fn all_options() -> [Options; 4] {
    let small = |compression| Options {
        block_size: 4096,
        ..Options::new(compression)
    };
    [
        Options::new(Compression::Gzip(9)),
        Options::new(Compression::Zstd(15)),
        small(Compression::Gzip(6)),
        Options {
            block_size: 1 << 20,
            time: 1_600_000_000,
            ..Options::new(Compression::Zstd(3))
        },
    ]
}

/// Places where attributes can be: not every file system has them.
fn folder() -> tempfile::TempDir {
    let target = FsPath::new(env!("CARGO_TARGET_TMPDIR"));
    tempfile::tempdir_in(target).unwrap()
}

#[test]
fn unsquashfs_extracts_what_was_written() {
    let Some(unsquashfs) = judge("unsquashfs") else {
        return;
    };
    let files = sample();
    for options in all_options() {
        let folder = folder();
        let (image, out) = (folder.path().join("image"), folder.path().join("out"));
        write(&files, &options, &image);
        let mut extract = Command::new(&unsquashfs);
        let said = succeed(
            extract
                .arg("-strict-errors")
                .arg("-q")
                .arg("-n")
                .arg("-d")
                .arg(&out)
                .arg(&image),
        );
        assert!(!said.contains("FATAL") && !said.contains("error"), "{said}");
        compare(&files, &out);
        let summary = succeed(Command::new(&unsquashfs).arg("-s").arg(&image));
        for line in [
            format!("Compression {}", options.compression.name()),
            format!("Block size {}", options.block_size),
            format!("compression-level {}", options.compression.level()),
        ] {
            // The level is only said where it is not the usual one.
            let usual = [Compression::Gzip(9), Compression::Zstd(15)].contains(&options.compression);
            assert!(
                summary.contains(&line) || (usual && line.contains("level")),
                "{line}: {summary}"
            );
        }
    }
}

#[test]
fn images_are_as_small_as_those_of_mksquashfs() {
    let (Some(mksquashfs), Some(unsquashfs)) = (judge("mksquashfs"), judge("unsquashfs")) else {
        return;
    };
    let files = sample();
    for options in all_options() {
        let folder = folder();
        let (image, out) = (folder.path().join("image"), folder.path().join("out"));
        write(&files, &options, &image);
        succeed(
            Command::new(&unsquashfs)
                .arg("-q")
                .arg("-n")
                .arg("-d")
                .arg(&out)
                .arg(&image),
        );
        let theirs = make(&mksquashfs, &out, options.compression.name(), &options, &[]);
        let sizes = [&image, &theirs].map(|file| fs::metadata(file).unwrap().len());
        assert!(sizes[0] * 100 <= sizes[1] * 103, "{options:?}: {sizes:?}");
    }
}

/// `mksquashfs` of a folder.
fn make(program: &FsPath, from: &FsPath, compressor: &str, options: &Options, more: &[&str]) -> PathBuf {
    let image = from.with_extension(compressor);
    let _ = fs::remove_file(&image);
    let mut command = Command::new(program);
    command
        .arg(from)
        .arg(&image)
        .args(["-no-progress", "-quiet", "-comp", compressor]);
    command.arg("-b").arg(options.block_size.to_string());
    if compressor != "xz" {
        command.args(["-Xcompression-level", &options.compression.level().to_string()]);
    }
    succeed(command.args(more));
    image
}

/// Whatever `mksquashfs` does, we read the tree that it was given.
#[test]
fn images_of_mksquashfs_are_read() {
    let (Some(mksquashfs), Some(unsquashfs)) = (judge("mksquashfs"), judge("unsquashfs")) else {
        return;
    };
    let files = sample();
    let folder = folder();
    let (image, out) = (folder.path().join("image"), folder.path().join("out"));
    let options = Options::new(Compression::Gzip(3));
    write(&files, &options, &image);
    succeed(
        Command::new(&unsquashfs)
            .arg("-q")
            .arg("-n")
            .arg("-d")
            .arg(&out)
            .arg(&image),
    );
    for (compressor, more) in [
        ("gzip", &["-tailends"][..]),
        ("zstd", &["-no-fragments", "-no-exports"]),
        ("xz", &["-b", "16384"]),
        ("gzip", &["-noI", "-noD", "-noF", "-noX", "-noId"]),
    ] {
        let theirs = make(&mksquashfs, &out, compressor, &options, more);
        let image = fs::read(theirs).unwrap();
        assert_eq!(squashfs::summary(&image).unwrap().compression, compressor);
        let mut expected = files.iter();
        let mut check = |entry: &Entry, content: &mut dyn Read| -> Result<(), BoxError> {
            let (path, _, node) = expected.next().unwrap();
            assert_eq!(
                (&entry.path, entry.mode, &entry.xattrs),
                (path, node.mode, &node.xattrs)
            );
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            if let Kind::File(content) = &node.kind {
                assert_eq!(entry.kind, EntryKind::File(content.size()));
                assert!(bytes == content.read(&Inline)?, "{path}");
            }
            Ok(())
        };
        squashfs::read(&image, &mut check).unwrap();
        assert!(expected.next().is_none());
    }
}
