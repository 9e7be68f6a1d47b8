//! What the fuzzers call: one function for each parser of input that others write.
//!
//! Each takes any bytes, must not panic, and asserts what has to hold whatever the bytes are. The fuzzers in
//! `fuzz_targets/` feed them for as long as one likes; `tests/corpus.rs` feeds them the kept inputs in every test run.

mod disks;
pub mod erofs;
mod executables;
pub mod ext4;
mod images;
mod layers;
mod partitions;
pub mod squashfs;
mod uimage;

use std::io::Read;

use ironkit_formats::filesystem::Entry;
use ironkit_manifest::{Diagnostic, LABEL_FILE, SourceFile};
use ironkit_oci::document::{Document, Index};
use ironkit_oci::{ImageConfig, Platform, Reference};
use ironkit_sbom::{Container, Fragment, Merge, Placed};
use ironkit_tree::{BoxError, FileSet};

/// A function that must stand any input.
pub type Target = fn(&[u8]);

/// Every target by name: that of its file in `fuzz_targets/` and its folder in `corpus/`.
pub const TARGETS: [(&str, Target); 19] = [
    ("manifest", manifest),
    ("label", label),
    ("recipe", recipe),
    ("document", document),
    ("layer", layer),
    ("reference", reference),
    ("tree", tree),
    ("sbom", sbom),
    ("disk", disk),
    ("partition", partition),
    ("executable", executable),
    ("erofs", erofs::check),
    ("ext4", ext4::check),
    ("fat", fat),
    ("squashfs", squashfs::check),
    ("iso9660", iso9660),
    ("uimage", uimage),
    ("medium", medium),
    ("inspect", inspect),
];

/// The image of a virtual disk, in whatever format.
pub fn disk(data: &[u8]) {
    disks::check(data);
}

/// What U-Boot loads.
pub fn uimage(data: &[u8]) {
    uimage::check(data);
}

/// A manifest, alone and merged with itself. Every mistake has a place in the text.
pub fn manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let file = SourceFile {
        name: "fuzz.yml".into(),
        text: text.into(),
        directory: Some("/".into()),
    };
    let package = |path: &str, _: &SourceFile| match path {
        "none" => Err("there is none".to_owned()),
        path => Ok(format!("example/{path}:v1")),
    };
    match ironkit_manifest::parse(std::slice::from_ref(&file), &package) {
        Err(mistakes) => placed(text, &mistakes),
        Ok((manifest, warnings)) => {
            placed(text, &warnings);
            ironkit_rootfs::references(&manifest);
            let twice = ironkit_manifest::parse(&[file.clone(), file], &package);
            let mistakes = twice.map_or_else(|mistakes| mistakes, |(_, warnings)| warnings);
            placed(text, &mistakes);
        }
    }
}

/// The label of an image.
pub fn label(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Err(mistakes) = ironkit_manifest::parse_label(text, "docker.io/example/image:v1")
    {
        assert!(!mistakes.is_empty(), "a refusal says why");
        assert!(mistakes.iter().all(|mistake| mistake.span.file == LABEL_FILE));
    }
}

/// What an image says of its packages: an attestation, at two places and beside another image that says the same, and a
/// package database. What comes out is JSON.
pub fn sbom(data: &[u8]) {
    let mut container = Container::default();
    for path in ["var/lib/dpkg/status", "lib/apk/db/installed", "etc/os-release"] {
        let files = [(path.to_owned(), data.to_vec())].into();
        if let Ok(packages) = ironkit_sbom::database::read(&files, &mut container) {
            joined(
                &[(0, ""), (0, "a"), (1, "")],
                &Fragment::of_packages(&container, &packages),
            );
        }
    }
    if let Ok(fragment) = Fragment::from_statement(data) {
        joined(&[(0, ""), (0, "a"), (1, "b")], &fragment);
    }
}

fn joined(places: &[(u8, &str)], fragment: &Fragment) {
    let mut merge = Merge::default();
    for (image, directory) in places {
        let placed = Placed {
            image: [*image; 32].into(),
            keeps: true,
            directory: (*directory).to_owned(),
            fragment: fragment.clone(),
        };
        if merge.add(&placed).is_err() {
            return;
        }
    }
    let merged = merge.finish();
    for document in [
        ironkit_sbom::spdx::document(&merged, 0, "1"),
        ironkit_sbom::cyclonedx::document(&merged, 0, "1"),
    ] {
        let read = serde_json::from_slice::<serde_json::Value>(&document);
        assert!(read.is_ok(), "{read:?}");
    }
}

/// A component's `build.yml`.
pub fn recipe(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let result = ironkit_package::recipe::parse("build.yml", text);
        placed(
            text,
            &result.map_or_else(|mistakes| mistakes, |(_, warnings)| warnings),
        );
    }
}

/// The JSON documents of an image. An index that was read and written again is the same.
pub fn document(data: &[u8]) {
    if let Ok(config) = ImageConfig::parse(data) {
        config.platform();
    }
    let document = Document::parse("fuzz", data, None);
    if let Ok(Document::Index(index)) = &document {
        let again = serde_json::to_vec(index).expect("an index can be written");
        assert_eq!(serde_json::from_slice::<Index>(&again).ok().as_ref(), Some(index));
    }
    if let Ok(document) = document {
        assert!(Document::parse("fuzz", data, Some(document.media_type())).is_ok());
    }
}

/// The layers of an image: see [`layers::check`].
pub fn layer(data: &[u8]) {
    layers::check(data);
}

/// The partition tables of a disk: see [`partitions::check`].
pub fn partition(data: &[u8]) {
    partitions::check(data);
}

/// The sections of an executable: see [`executables::check`].
pub fn executable(data: &[u8]) {
    executables::check(data);
}

/// What a machine can be started from: see [`images::medium`].
pub fn medium(data: &[u8]) {
    images::medium(data);
}

/// What a file is and contains: see [`images::inspect`].
pub fn inspect(data: &[u8]) {
    images::inspect(data);
}

/// One of `images`, which are too large to be inputs, with changes: the first byte says which one, and then each of the rest is
/// four bytes of an offset, one of a length, and so many bytes that are put there.
fn changed(images: &[Vec<u8>], data: &[u8]) -> Option<Vec<u8>> {
    let (&kind, mut changes) = data.split_first()?;
    let mut image = images.get(usize::from(kind) % images.len())?.clone();
    while let Some((&[a, b, c, d, length], rest)) = changes.split_first_chunk() {
        let (bytes, rest) = rest.split_at(rest.len().min(length.into()));
        let offset = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(0) % image.len();
        // Counted from the end, too: some formats begin there.
        for (index, byte) in bytes.iter().enumerate() {
            let place = (offset + index) % image.len();
            image[place] = *byte;
        }
        changes = rest;
    }
    Some(image)
}

/// Names of images and platforms. What was understood is written so that it means the same.
pub fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(reference) = text.parse::<Reference>() {
        let again = reference.to_string().parse::<Reference>();
        assert_eq!(again.ok().as_ref(), Some(&reference), "{text:?}");
    }
    if let Ok(platform) = text.parse::<Platform>() {
        let again = platform.to_string().parse::<Platform>();
        assert_eq!(again.ok(), Some(platform), "{text:?}");
    }
}

/// The text form of a file set, which is read back from the store.
pub fn tree(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(files) = text.parse::<FileSet>() {
        let written = files.to_string();
        let again: FileSet = written.parse().expect("what was written is read");
        assert_eq!(again.to_string(), written);
        assert_eq!(again.key(), files.key());
    }
}

/// A FAT file system.
pub fn fat(data: &[u8]) {
    let _ = ironkit_formats::filesystem::fat::read(&data.to_vec(), &mut begin);
}

/// An ISO 9660 file system. Its system area, of 32 KiB, is left out, so that inputs are small.
pub fn iso9660(data: &[u8]) {
    let image = [vec![0; 32 * 1024].as_slice(), data].concat();
    let _ = ironkit_formats::filesystem::iso9660::read(&image, &mut begin);
}

/// Reads the beginning of a file.
fn begin(_: &Entry, content: &mut dyn Read) -> Result<(), BoxError> {
    std::io::copy(&mut Read::take(content, 1 << 20), &mut std::io::sink())?;
    Ok(())
}

/// Each diagnostic points into the text.
fn placed(text: &str, diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        let span = diagnostic.span;
        assert!(span.start <= span.end && span.end <= text.len(), "{diagnostic:?}");
        assert!(
            text.is_char_boundary(span.start) && text.is_char_boundary(span.end),
            "{diagnostic:?}"
        );
    }
}
