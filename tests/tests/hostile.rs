//! Layers whose author means harm: each is refused, or applied, within a bound of time and memory, and never leaves its
//! place. A refusal names image, layer and where in it.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use ironkit_tests::layout::{DIRECTORY, FILE, HARD_LINK, Layout, SYMLINK, digest, entry, header, pax, tar};
use ironkit_tests::{Finished, Sandbox, bounded, succeed};
use serde_json::Value;

/// What is to become of a case: words of the refusal, which name the entry or place, or nothing, when it does no harm.
type Expect<'a> = Option<&'a str>;

/// Builds an init image of these layers, uncompressed, and checks the bounds.
#[track_caller]
fn check(name: &str, layers: &[Vec<u8>], expect: Expect) {
    check_image(name, &|layout| layout.image("amd64", layers), expect);
}

#[track_caller]
fn check_image(name: &str, image: &dyn Fn(&Layout) -> Value, expect: Expect) {
    let sandbox = Sandbox::new();
    let mut layout = Layout::new(&sandbox.cache());
    let descriptor = image(&layout);
    layout.name(descriptor, "docker.io/tests/bad:1");
    let finished = build(&sandbox, "init: [\"tests/bad:1\"]\n");
    match expect {
        None => assert_eq!(finished.code, Some(0), "{name}: {finished}"),
        Some(text) => {
            assert!(matches!(finished.code, Some(1 | 2)), "{name}: {finished}");
            for text in ["tests/bad:1", "sha256:", text] {
                assert!(
                    finished.stderr.contains(text),
                    "{name}: {text} is missing: {finished}"
                );
            }
            let left: Vec<_> = std::fs::read_dir(sandbox.path("out")).unwrap().collect();
            assert!(left.is_empty(), "{name}: {left:?} is left");
        }
    }
}

fn build(sandbox: &Sandbox, text: &str) -> Finished {
    sandbox.write("m.yml", text);
    std::fs::create_dir(sandbox.path("out")).unwrap();
    let arguments = [
        "--mirror",
        "http://127.0.0.1:9",
        "build",
        "--arch",
        "amd64",
        "--dir",
        "out",
        "m.yml",
    ];
    bounded(&mut sandbox.ironkit(arguments))
}

/// Headers without content, and the end of the archive.
fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.extend([0; 1024]);
    bytes
}

fn file(name: &str, size: u64) -> Vec<u8> {
    header(FILE, name, "", size).to_vec()
}

/// Ways out of the root.
#[test]
fn no_name_or_link_leaves_the_root() {
    let outside = |name: &str| tar(&[entry(FILE, name, "x")]);
    check("a name", &[outside("../evil")], Some("`../evil`"));
    check(
        "a name further in",
        &[outside("a/b/../../../evil")],
        Some("`a/b/../../../evil`"),
    );
    let link = |target| tar(&[entry(HARD_LINK, "link", target)]);
    check("a hard link", &[link("../../etc/passwd")], Some("`link`"));
    check("a hard link to nothing", &[link("/etc/passwd")], Some("`link`"));
    check(
        "a whiteout",
        &[tar(&[entry(FILE, "../.wh.tmp", "")])],
        Some("`../tmp`"),
    );
    // Links lead below the root, whatever they say.
    let lower = tar(&[
        entry(SYMLINK, "up", "../../../../tmp"),
        entry(SYMLINK, "abs", "/tmp/ironkit-evil"),
    ]);
    let within = tar(&[
        entry(SYMLINK, "up", "../../../../tmp"),
        entry(FILE, "up/ironkit-evil", "x"),
    ]);
    check("a link in the layer", &[within], None);
    let across = tar(&[entry(FILE, "up/ironkit-evil", "x"), entry(FILE, "abs/x", "x")]);
    check("a link across layers", &[lower.clone(), across], None);
    let gone = tar(&[entry(FILE, "up/.wh.x", ""), entry(FILE, "abs/.wh..wh..opq", "")]);
    check("a whiteout across layers", &[lower.clone(), gone], None);
    check(
        "a hard link through a link",
        &[lower, link("up/passwd")],
        Some("`link`"),
    );
    assert!(!Path::new("/tmp/ironkit-evil").exists());
    let round = tar(&[
        entry(SYMLINK, "a", "b"),
        entry(SYMLINK, "b", "a"),
        entry(FILE, "a/x", "x"),
    ]);
    check("links in a circle", &[round], None);
}

/// Headers that say what is not so.
#[test]
fn headers_that_lie_are_refused() {
    let gib = 1 << 30;
    check("a size", &[archive(&[file("big", gib)])], Some("offset"));
    let huge = [pax(&[("size", "9223372036854775807")]), file("big", 0)];
    check("a size in a record", &[archive(&huge)], Some("offset"));
    let negative = [pax(&[("size", "-1")]), file("big", 0)];
    check("a negative size", &[archive(&negative)], Some("offset"));
    check(
        "a record of the wrong length",
        &[archive(&[wrong_record()])],
        Some("offset"),
    );
    let mut cut = tar(&[entry(FILE, "a", &"x".repeat(5000))]);
    cut.truncate(3000);
    check("an end too early", &[cut], Some("offset"));
    let mut sum = tar(&[entry(FILE, "a", "x")]);
    sum[0] = b'b';
    check("a checksum", &[sum], Some("checksum"));
    check(
        "an extended header",
        &[archive(&[header(b'x', "p", "", gib).to_vec()])],
        Some("extended"),
    );
    check(
        "a long name",
        &[archive(&[header(b'L', "p", "", gib).to_vec()])],
        Some("extended"),
    );
    for (major, size) in [("0", "GNU.sparse.size"), ("1", "GNU.sparse.realsize")] {
        let records = [("GNU.sparse.major", major), (size, "9000000000000000000")];
        check(
            "a sparse file",
            &[archive(&[pax(&records), file("hole", 0)])],
            Some("`hole`"),
        );
    }
    check(
        "an old sparse file",
        &[archive(&[header(b'S', "hole", "", 0).to_vec()])],
        Some("`hole`"),
    );
    check(
        "a type",
        &[archive(&[header(b'Z', "odd", "", 0).to_vec()])],
        Some("`odd`"),
    );
    check(
        "a name with a zero",
        &[archive(&[pax(&[("path", "a\0b")]), file("x", 0)])],
        Some("NUL"),
    );
    let other = |layout: &Layout| {
        let layer = layout.blob("layer.v1.tar", &tar(&[entry(FILE, "a", "x")]));
        layout.image_of("amd64", &[layer], &[digest(b"something else")])
    };
    check_image("a content", &other, Some("expected content"));
}

/// A record that claims to be longer than its header.
fn wrong_record() -> Vec<u8> {
    let mut bytes = header(b'x', "pax", "", 20).to_vec();
    bytes.extend(b"99999999 path=abcde\n");
    bytes.resize(1024, 0);
    bytes
}

/// More of something than anybody needs.
#[test]
fn more_than_anybody_needs_is_refused() {
    let many = |count: usize| -> Vec<u8> {
        let entries: Vec<Vec<u8>> = (0..count)
            .map(|number| file(&format!("d/{number:07}"), 0))
            .collect();
        archive(&entries)
    };
    check("100 000 files", &[many(100_000)], None);
    check(
        "a million files",
        &[many(1_000_000)],
        Some("entries of the layer, more than 200000"),
    );
    let name = format!("{}/x", "n".repeat(65_536));
    check(
        "a name of 64 KiB",
        &[archive(&[pax(&[("path", &name)]), file("x", 0)])],
        Some("`nnnn"),
    );
    let value = "v".repeat(1_000_000);
    let attributes: Vec<Vec<u8>> = (0..60)
        .flat_map(|number| {
            [
                pax(&[("SCHILY.xattr.user.a", &value)]),
                file(&format!("f{number}"), 0),
            ]
        })
        .collect();
    check(
        "60 MB of attributes",
        &[archive(&attributes)],
        Some("bytes of names and attributes"),
    );
    let before: Vec<Vec<u8>> = (0..100)
        .map(|number| pax(&[(&format!("k{number}"), &value)]))
        .collect();
    check(
        "100 MB of records for one file",
        &[archive(&before)],
        Some("extended headers"),
    );
    let mut global: Vec<Vec<u8>> = (0..20)
        .map(|number| {
            let mut header = pax(&[(&format!("SCHILY.xattr.user.{number}"), &value[..900_000])]);
            header[156] = b'g';
            let sum: u32 = (0..512)
                .map(|at| {
                    if (148..156).contains(&at) {
                        32
                    } else {
                        u32::from(header[at])
                    }
                })
                .sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            [header, file(&format!("g{number}"), 0)].concat()
        })
        .collect();
    global.extend((0..50_000).map(|number| file(&format!("{number}"), 0)));
    check("18 MB of global records", &[archive(&global)], None);
    // Each name makes 2 000 directories.
    let wide: Vec<Vec<u8>> = (0..5000)
        .flat_map(|number| {
            let name = format!("{number}{}", "/d".repeat(2000));
            [pax(&[("path", &name)]), file("x", 0)]
        })
        .collect();
    check(
        "ten million directories",
        &[archive(&wide)],
        Some("bytes of names and attributes of the image"),
    );
    // And takes them away again.
    let again: Vec<Vec<u8>> = (0..5000)
        .flat_map(|_| {
            let name = format!("top{}", "/d".repeat(2000));
            [pax(&[("path", &name)]), file("x", 0), file("top", 0)]
        })
        .collect();
    check(
        "directories over and over",
        &[archive(&again)],
        Some("bytes of names and attributes of the image"),
    );
    // 40 links on the way, each through 2 000 directories.
    let dots = "./".repeat(1990);
    let mut chain: Vec<Vec<u8>> = (0..39)
        .flat_map(|number| {
            let target = format!("{dots}l{}", number + 1);
            [
                pax(&[("linkpath", &target)]),
                header(SYMLINK, &format!("l{number}"), "x", 0).to_vec(),
            ]
        })
        .collect();
    chain.push(header(DIRECTORY, "l39", "", 0).to_vec());
    chain.extend((0..20_000).map(|number| file(&format!("l0/{number}"), 0)));
    check(
        "a chain of long links",
        &[archive(&chain)],
        Some("symbolic links to follow"),
    );
}

/// Directories in directories.
#[test]
fn directories_in_directories_are_bounded() {
    let name = format!("{}x", "d/".repeat(2000));
    let path = |name: &str| archive(&[pax(&[("path", name)]), file("x", 0)]);
    check("2 000 levels", &[path(&name)], None);
    check(
        "5 000 levels",
        &[path(&format!("{}x", "d/".repeat(5000)))],
        Some("bytes of a name"),
    );
    // The same directory is the parent of all: it is not walked through for each.
    let below: Vec<Vec<u8>> = (0..2000)
        .flat_map(|number| {
            [
                pax(&[("path", &format!("{}{number}", "d/".repeat(2000)))]),
                file("x", 0),
            ]
        })
        .collect();
    check("2 000 files at 2 000 levels", &[archive(&below)], None);
    // Longer than any name that an archive may have, by links.
    let half = "d/".repeat(1500);
    let twice = [
        pax(&[("linkpath", &half)]),
        header(SYMLINK, "a", "x", 0).to_vec(),
        pax(&[("path", &format!("{half}b")), ("linkpath", &half)]),
        header(SYMLINK, "b", "x", 0).to_vec(),
        file("a/b/x", 0),
    ];
    check(
        "3 000 levels by links",
        &[archive(&twice)],
        Some("behind symbolic links"),
    );
}

/// Little that becomes much.
#[test]
fn little_that_becomes_much_is_refused() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
    let zeros = vec![0; 1 << 20];
    let megabytes = 1024;
    for out in [&mut gzip as &mut dyn Write, &mut zstd] {
        out.write_all(&file("zeros", megabytes << 20)).unwrap();
        (0..megabytes).for_each(|_| out.write_all(&zeros).unwrap());
    }
    for (kind, bytes) in [
        ("layer.v1.tar+gzip", gzip.finish().unwrap()),
        ("layer.v1.tar+zstd", zstd.finish().unwrap()),
    ] {
        let image = |layout: &Layout| {
            let layer = layout.blob(kind, &bytes);
            layout.image_of("amd64", &[layer], &[digest(b"unknown")])
        };
        check_image(kind, &image, Some("times its size"));
    }
}

/// Files of the builder's machine that never end, or are none.
#[test]
fn files_that_are_none_are_refused() {
    let sandbox = Sandbox::new();
    succeed(Command::new("mkfifo").arg(sandbox.path("pipe")));
    for source in [
        "/dev/zero",
        "/dev/null",
        "pipe",
        "/",
        "/proc/self/mem",
        "/proc/kmsg",
        "/dev/stdin",
    ] {
        let _ = std::fs::remove_dir(sandbox.path("out"));
        let finished = build(&sandbox, &format!("files: [{{path: a, source: {source}}}]\n"));
        assert_eq!(finished.code, Some(1), "{finished}");
        assert!(finished.stderr.contains(source), "{finished}");
    }
}
