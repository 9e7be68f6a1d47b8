//! What is written is read back the same, whatever it is.

mod refusals;

use std::collections::BTreeSet;
use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::Arc;

use ironkit_tree::{BoxError, Content, Digest, FileSet, Kind, Node, Source};

use super::*;
use crate::extents::{Data, Extents};
use crate::filesystem::samples::{self, expected, path};
use crate::filesystem::{Entry, EntryKind};
use crate::read_at::{ReadAt, ReadError};

/// Layers that are not there: each byte is a function of the offset, or zero.
struct Pattern;

/// The bytes of a layer repeat after so many.
const PERIOD: u64 = 37 * 251;

impl Source for Pattern {
    fn files(&self, key: &Digest) -> Result<FileSet, BoxError> {
        Err(format!("no files {key}").into())
    }

    fn layer(&self, layer: &Digest, offset: u64, size: u64) -> Result<Box<dyn Read + '_>, BoxError> {
        if *layer == Digest::of(b"zeros, then a tail") {
            return Ok(Box::new(std::io::repeat(0).take(4 << 30).chain(&b"tail"[..])));
        }
        let byte = |at: u64| u8::try_from(at % PERIOD / 37).unwrap();
        let bytes: Vec<u8> = (offset..offset + size).map(byte).collect();
        Ok(Box::new(std::io::Cursor::new(bytes)))
    }

    fn is_verified(&self, _: &Digest) -> bool {
        true
    }
}

fn pattern(offset: u64, size: u64) -> Content {
    let name = format!("{offset} {size}");
    Content::Blob {
        layer: Digest::of(b"pattern"),
        offset,
        size,
        digest: Digest::of(name.as_bytes()),
    }
}

fn file(content: impl Into<Content>) -> Node {
    Node::new(Kind::File(content.into()), 0o644)
}

fn gzip() -> Options {
    Options {
        block_size: 4096,
        ..Options::new(Compression::Gzip(6))
    }
}

/// A file system whose contents are in as many pieces as there are `parts`.
fn write_parts(parts: &[&FileSet], options: &Options, threads: usize) -> Result<Vec<u8>, FormatError> {
    let (mut placed, mut whole) = (BTreeSet::new(), FileSet::new());
    let (mut tables, mut pieces) = (Vec::new(), Vec::new());
    for part in parts {
        let contents = Contents::of(part, &mut placed);
        let mut piece = Vec::new();
        let threads = NonZeroUsize::new(threads).unwrap();
        let table = blocks(&contents, &Pattern, options, threads, &mut piece)?;
        assert_eq!(table.size(), piece.len() as u64);
        assert_eq!(Table::parse(&table.to_bytes()).as_ref(), Some(&table));
        tables.push(table);
        pieces.push(piece);
        whole.extend((*part).clone());
    }
    let linked = link(&whole, &tables.iter().collect::<Vec<_>>(), options)?;
    let pieces = pieces.into_iter().map(|piece| {
        let mut extents = Extents::new();
        extents.bytes(piece);
        Arc::new(extents) as Arc<dyn Data>
    });
    let mut image = Vec::new();
    linked.extents(pieces).write_to(&mut image).unwrap();
    assert_eq!(image.len() % 4096, 0);
    Ok(image)
}

fn write(files: &FileSet, options: &Options) -> Result<Vec<u8>, FormatError> {
    write_parts(&[files], options, 2)
}

/// All entries with the digests of their contents.
fn listing(image: &dyn ReadAt) -> Result<Vec<(Entry, Digest)>, ReadError> {
    samples::listing(|visitor| read(image, visitor))
}

/// One of everything, with blocks of 4 KiB in mind.
fn everything() -> FileSet {
    let mut files = FileSet::new();
    for size in [0, 1, 100, 4095, 4096, 4097, 8192, 50_000] {
        files.insert(
            path(format!("sizes/{size}")),
            file(pattern(size, size)).at(size as i64),
        );
    }
    files.insert(path("holes/all"), file(vec![0; 12_288]));
    files.insert(path("holes/tail"), file(vec![0; 10_000]));
    let mut bytes = vec![0; 20_000];
    bytes[9000] = 1;
    files.insert(path("holes/some"), file(bytes));
    files.insert(path("same"), file(pattern(50_000, 50_000)));
    files.link(path("sizes/link"), &path("same"));
    files.insert(path("dev/null"), Node::new(Kind::CharDevice(1, 3), 0o666));
    files.insert(
        path("dev/sda"),
        Node::new(Kind::BlockDevice(0xfff, 0xf_ffff), 0o660),
    );
    files.link(path("dev/sdb"), &path("dev/sda"));
    files.insert(path("dev/initctl"), Node::new(Kind::Fifo, 0o600));
    files.insert(
        path("etc/mtab"),
        Node::new(Kind::Symlink(b"../proc/mounts".to_vec()), 0o777),
    );
    files.insert(path([b'n', b'/', 0xff, 0xfe, b'\n']), file(b"odd".to_vec()));
    files.insert(path(vec![b'x'; 255]), file(b"long".to_vec()));
    files.insert(path("a-b"), file(b"sorted".to_vec()));
    files.insert(path("a/b"), file(b"before".to_vec()));
    let mut odd = file(b"owned".to_vec()).at(4_294_967_295);
    (odd.uid, odd.gid, odd.mode) = (u32::MAX, 70_000, 0o7777);
    files.insert(path("owned"), odd);
    for (name, xattrs) in [
        ("ping", "security.capability"),
        ("pong", "security.capability"),
        ("dev", "user.a"),
    ] {
        let mut node = if name == "dev" {
            Node::new(Kind::Directory, 0o750)
        } else {
            file(b"ping".to_vec())
        };
        node.xattrs.insert(xattrs.into(), vec![1, 0, 2]);
        node.xattrs.insert(b"trusted.empty".to_vec(), Vec::new());
        files.insert(path(name), node);
    }
    let mut link = Node::new(Kind::Symlink(b"x".to_vec()), 0o777);
    link.xattrs.insert(b"trusted.large".to_vec(), vec![7; 65_536]);
    files.insert(path("attributed"), link);
    files
}

fn check(files: &FileSet, options: &Options) {
    let image = write(files, options).unwrap();
    let (found, expected) = (listing(&image).unwrap(), expected(files, &Pattern));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
}

#[test]
fn everything_round_trips() {
    for compression in [
        Compression::Gzip(9),
        Compression::Gzip(1),
        Compression::Zstd(15),
        Compression::Zstd(3),
    ] {
        for block_size in [4096, 16_384, 131_072, 1 << 20] {
            let options = Options {
                compression,
                block_size,
                time: 7,
            };
            check(&everything(), &options);
        }
    }
    check(&FileSet::new(), &gzip());
}

#[test]
fn large_and_deep_directories_round_trip() {
    let mut files = FileSet::new();
    for number in 0..40_000 {
        let node = if number % 3 == 0 {
            Node::new(Kind::Directory, 0o700)
        } else {
            file(Vec::new())
        };
        files.insert(path(format!("many/{number:0>40}")), node);
        files.insert(path(format!("many/{number:0>40}/deeper")), file(b"x".to_vec()));
    }
    files.insert(path("d/".repeat(2000)), file(b"deep".to_vec()));
    check(&files, &Options::new(Compression::Zstd(1)));
}

#[test]
fn a_file_of_more_than_4_gib_round_trips() {
    let content = Content::Blob {
        layer: Digest::of(b"zeros, then a tail"),
        offset: 0,
        size: (4 << 30) + 4,
        digest: Digest::of(b"of no matter"),
    };
    let mut files = FileSet::new();
    files.insert(path("large"), file(content));
    let options = Options {
        block_size: 1 << 20,
        ..Options::new(Compression::Zstd(1))
    };
    let image = write(&files, &options).unwrap();
    assert!(image.len() < 16_384, "{}", image.len());
    let mut tail = Vec::new();
    read(&image, &mut |entry, content| {
        if let EntryKind::File(size) = entry.kind {
            assert_eq!(size, (4 << 30) + 4);
            std::io::copy(&mut content.take(4 << 30), &mut std::io::sink())?;
            content.read_to_end(&mut tail)?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(tail, b"tail");
}

/// An image with a gap of zeros.
struct Gap<'a> {
    image: &'a [u8],
    at: u64,
    size: u64,
}

impl ReadAt for Gap<'_> {
    fn size(&self) -> u64 {
        self.image.len() as u64 + self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        match offset < self.at {
            true => self.image.read_exact_at(buffer, offset),
            false => self.image.read_exact_at(buffer, offset - self.size),
        }
    }
}

#[test]
fn data_behind_4_gib_is_found() {
    let size = 5 << 30;
    let before = Table {
        size,
        ..Table::default()
    };
    let contents = Contents::of(&everything(), &mut BTreeSet::new());
    let mut piece = Vec::new();
    let table = blocks(&contents, &Pattern, &gzip(), NonZeroUsize::MIN, &mut piece).unwrap();
    let linked = link(&everything(), &[&before, &table], &gzip()).unwrap();
    let at = linked.head.len() as u64;
    let image = Gap {
        image: &[linked.head, piece, linked.tail].concat(),
        at,
        size,
    };
    assert_eq!(listing(&image).unwrap(), expected(&everything(), &Pattern));
}

#[test]
fn pieces_are_linked_without_a_difference_in_what_is_read() {
    let mut other = FileSet::new();
    other.insert(path("more/same"), file(pattern(50_000, 50_000)));
    other.insert(path("more/own"), file(pattern(5, 6000)));
    let mut whole = everything();
    whole.extend(other.clone());
    let image = write_parts(&[&everything(), &other], &gzip(), 2).unwrap();
    assert_eq!(listing(&image).unwrap(), expected(&whole, &Pattern));
    let alone = Contents::of(&other, &mut BTreeSet::new());
    let mut placed = BTreeSet::new();
    Contents::of(&everything(), &mut placed);
    assert_eq!(
        (alone.size(), Contents::of(&other, &mut placed).size()),
        (56_000, 6000)
    );
}

#[test]
fn threads_do_not_matter() {
    for options in [gzip(), Options::new(Compression::Zstd(3))] {
        let one = write_parts(&[&everything()], &options, 1).unwrap();
        for threads in [2, 5] {
            assert!(write_parts(&[&everything()], &options, threads).unwrap() == one);
        }
    }
}

#[test]
fn the_bytes_are_always_the_same() {
    for (options, expect) in [
        (
            gzip(),
            "15a1ea40b961df2dc6ad329363b733b74ea40afbc08f72f88df980a90a2ed876",
        ),
        (
            Options::new(Compression::Zstd(15)),
            "51f59c732f64b00155aa957b7bc52555d27099b5e2c4b7543ecb3868cbf8cad6",
        ),
    ] {
        let image = write(&everything(), &options).unwrap();
        assert_eq!(
            Digest::of(&image).hex(),
            expect,
            "{:?}: the bytes changed, so must VERSION",
            options
        );
    }
}

#[test]
fn the_summary_says_what_it_is() {
    let image = write(&everything(), &Options { time: 99, ..gzip() }).unwrap();
    let summary = summary(&image).unwrap();
    assert_eq!(
        (summary.compression, summary.block_size, summary.time),
        ("gzip", 4096, 99)
    );
    assert!(summary.used <= image.len() as u64 && summary.used + 4096 > image.len() as u64);
}
