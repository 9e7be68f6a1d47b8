//! Archives in and out, judged by skopeo and umoci.

mod support;

use std::fs;
use std::path::Path;

use ironkit_oci::{
    ArchiveFormat, Error, ExportOptions, ImportOptions, Reference, Result, Store, export, import,
};
use support::{Codec, Made, amd64, have, image, index, leftovers, noise, open, reference, run};

const NAME: &str = "docker.io/org/some:1.2";

fn sample() -> Made {
    let wanted = image(
        "amd64",
        &[("a", &noise(50_000, 1), Codec::Gzip), ("b", b"two", Codec::Zstd)],
    );
    index(&[("amd64", &wanted)])
}

fn exported(store: &Store, format: ArchiveFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    let options = ExportOptions { format, name: None };
    export(store, &reference(NAME), &amd64(), &options, &mut bytes).expect("an archive");
    bytes
}

fn import_bytes(store: &Store, bytes: &[u8], name: Option<Reference>) -> Result<Vec<Reference>> {
    import(store, bytes, &ImportOptions { name })
}

#[test]
fn what_is_exported_comes_back_with_its_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory.path().join("one"));
    sample().put(&store, &reference(NAME));
    let before = store
        .find(&reference(NAME), &amd64())
        .expect("readable")
        .expect("an image");
    for format in [ArchiveFormat::Oci, ArchiveFormat::Docker] {
        let bytes = exported(&store, format);
        assert_eq!(
            bytes,
            exported(&store, format),
            "{format:?} is the same each time"
        );
        let (_, gzip) = support::compress(&bytes, Codec::Gzip);
        let (_, zstd) = support::compress(&bytes, Codec::Zstd);
        for (what, bytes) in [("plain", bytes), ("gzip", gzip), ("zstd", zstd)] {
            let other = open(&directory.path().join(format!("{format:?}-{what}")));
            assert_eq!(
                import_bytes(&other, &bytes, None).expect(what),
                [reference(NAME)],
                "{format:?}, {what}"
            );
            let after = other
                .find(&reference(NAME), &amd64())
                .expect("readable")
                .expect("an image");
            assert_eq!(after.config, before.config, "{format:?}, {what}");
            if format == ArchiveFormat::Oci {
                assert_eq!(after, before);
                assert_eq!(
                    other.images().expect("a list")[0].digest,
                    store.images().expect("a list")[0].digest
                );
            }
            for layer in &after.layers {
                std::io::copy(&mut layer.open(&other).expect("a layer"), &mut std::io::sink())
                    .expect("whole");
            }
        }
    }
}

#[test]
fn skopeo_and_umoci_read_the_store() {
    if !have("skopeo") || !have("umoci") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store");
    let store = open(&path);
    // umoci knows no zstd.
    let made = image(
        "amd64",
        &[("a", b"hello", Codec::Gzip), ("b", b"two", Codec::Plain)],
    );
    let other = image("arm64", &[("absent", b"x", Codec::Gzip)]);
    let mut both = index(&[("amd64", &made), ("arm64", &other)]);
    for digest in other.blobs.keys() {
        both.blobs.remove(digest);
    }
    both.put(&store, &reference(NAME));
    made.put(&store, &reference("docker.io/org/single:1"));
    let layout = format!("oci:{}:{NAME}", path.display());
    let inspected = run("skopeo", &["--override-arch", "amd64", "inspect", &layout]);
    for layer in &made.layers {
        assert!(inspected.contains(&layer.to_string()), "{inspected}");
    }
    let copy = format!("oci:{}:x", directory.path().join("copy").display());
    run("skopeo", &["--override-arch", "amd64", "copy", &layout, &copy]);
    let bundle = directory.path().join("bundle");
    let single = format!("{}:docker.io/org/single:1", path.display());
    run(
        "umoci",
        &[
            "unpack",
            "--rootless",
            "--image",
            &single,
            &bundle.display().to_string(),
        ],
    );
    assert_eq!(fs::read(bundle.join("rootfs/a")).expect("a file"), b"hello");
    assert_eq!(fs::read(bundle.join("rootfs/b")).expect("a file"), b"two");
}

#[test]
fn skopeo_reads_and_writes_archives() {
    if !have("skopeo") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let store = open(&at("store"));
    // Docker's own format knows no zstd.
    let wanted = image("amd64", &[("a", b"one", Codec::Gzip), ("b", b"two", Codec::Gzip)]);
    index(&[("amd64", &wanted)]).put(&store, &reference(NAME));
    for (format, transport) in [
        (ArchiveFormat::Oci, "oci-archive"),
        (ArchiveFormat::Docker, "docker-archive"),
    ] {
        let file = at(&format!("{transport}.tar"));
        fs::write(&file, exported(&store, format)).expect("a file");
        let from = format!("{transport}:{}:{NAME}", file.display());
        let copy = |to: &str| run("skopeo", &["--override-arch", "amd64", "copy", &from, to]);
        copy(&format!("oci:{}:x", at(&format!("{transport}-copy")).display()));
        for (written, tag) in [
            ("oci-archive", "docker.io/org/back:2"),
            ("docker-archive", "org/back:2"),
        ] {
            let file = at(&format!("{transport}-{written}.tar"));
            copy(&format!("{written}:{}:{tag}", file.display()));
            let other = open(&at(&format!("{transport}-{written}-store")));
            let names = imported(&other, &file);
            assert_eq!(names, [reference("org/back:2")], "{transport} to {written}");
            let image = other
                .find(&names[0], &amd64())
                .expect("readable")
                .expect("an image");
            assert_eq!(image.layers.len(), 2);
            for layer in &image.layers {
                std::io::copy(&mut layer.open(&other).expect("a layer"), &mut std::io::sink())
                    .expect("whole");
            }
        }
    }
}

fn imported(store: &Store, file: &Path) -> Vec<Reference> {
    import(
        store,
        fs::File::open(file).expect("a file"),
        &ImportOptions::default(),
    )
    .expect("an import")
}

#[test]
fn names_are_given_or_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory.path().join("store"));
    let made = image("amd64", &[("a", b"x", Codec::Gzip)]);
    for (number, (annotations, given, expect)) in [
        (
            vec![("io.containerd.image.name", "docker.io/a/b:1")],
            None,
            Some("docker.io/a/b:1"),
        ),
        (
            vec![("org.opencontainers.image.ref.name", "b:1")],
            None,
            Some("docker.io/library/b:1"),
        ),
        (vec![("org.opencontainers.image.ref.name", "latest")], None, None),
        (
            vec![("org.opencontainers.image.ref.name", "latest")],
            Some("c"),
            Some("docker.io/library/c"),
        ),
        (
            vec![
                ("io.containerd.image.name", "a:1"),
                ("org.opencontainers.image.ref.name", "1"),
            ],
            None,
            Some("a:1"),
        ),
        (vec![], None, None),
        (vec![], Some("a"), Some("a")),
    ]
    .into_iter()
    .enumerate()
    {
        let annotations: std::collections::BTreeMap<_, _> = annotations.into_iter().collect();
        let mut root = serde_json::json!(made.root());
        root["annotations"] = serde_json::json!(annotations);
        let index = serde_json::json!({"schemaVersion": 2, "manifests": [root]}).to_string();
        let mut files = vec![("index.json".to_owned(), index.into_bytes())];
        files.extend(
            made.blobs
                .iter()
                .map(|(digest, bytes)| (format!("./blobs/sha256/{}", digest.hex()), bytes.clone())),
        );
        let result = import_bytes(&store, &archive(&files), given.map(reference));
        match expect {
            Some(name) => assert_eq!(result.expect("an import"), [reference(name)], "case {number}"),
            None => assert!(
                matches!(result, Err(Error::Nameless)),
                "case {number}: {result:?}"
            ),
        }
    }
}

#[test]
fn hostile_archives_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory.path().join("store"));
    sample().put(&store, &reference(NAME));
    let good = exported(&store, ArchiveFormat::Oci);
    let made = sample();
    let layer = format!("blobs/sha256/{}", made.layers[0].hex());
    let without: Vec<_> = entries(&good)
        .into_iter()
        .filter(|(name, _)| *name != layer)
        .collect();
    let mut flipped = entries(&good);
    for (name, bytes) in &mut flipped {
        if *name == layer {
            bytes[500] ^= 1;
        }
    }
    let file = |name: &str, content: &str| archive(&[(name.to_owned(), content.as_bytes().to_vec())]);
    let huge = {
        let mut header = tar::Header::new_ustar();
        header.set_size(1 << 40);
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    for (what, bytes, expect) in [
        ("empty", Vec::new(), "neither"),
        ("no archive", noise(5000, 3), "its checksum does not fit"),
        ("cut", good[..good.len() / 2].to_vec(), "is damaged"),
        ("a layer is missing", archive(&without), "is not in it"),
        ("a layer is damaged", archive(&flipped), "is damaged"),
        ("a huge header", huge, "more than 1048576"),
        (
            "a blob's name",
            file("blobs/sha256/../../x", "x"),
            "not a blob's name",
        ),
        ("no json", file("index.json", "{"), "cannot be used"),
        (
            "a missing layer",
            file(
                "manifest.json",
                r#"[{"Config":"x","Layers":["../../etc/passwd"]}]"#,
            ),
            "not in it",
        ),
        (
            "no images",
            file("index.json", r#"{"schemaVersion":2,"manifests":[]}"#),
            "no names",
        ),
    ] {
        let other = open(&directory.path().join("other"));
        let error = import_bytes(&other, &bytes, None).expect_err(what);
        assert!(
            support::chain(&error).contains(expect),
            "{what}: {}",
            support::chain(&error)
        );
        assert!(other.images().expect("a list").is_empty(), "{what}");
        assert_eq!(leftovers(&other), 0, "{what}");
        other.clean(ironkit_oci::Clean::Everything).expect("cleaned");
    }
}

fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // Set by hand, since names that lead outside are refused otherwise.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, bytes.as_slice()).expect("an entry");
    }
    builder.into_inner().expect("an archive")
}

fn entries(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in tar::Archive::new(bytes).entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        if entry.header().entry_type().is_file() {
            let name = entry.path().expect("a path").display().to_string();
            let mut content = Vec::new();
            std::io::copy(&mut entry, &mut content).expect("content");
            found.push((name, content));
        }
    }
    found
}
