//! The body of the target `layer`: bytes as the layers of an image.

use std::io::Read;

use ironkit_formats::archive::tar;
use ironkit_rootfs::layer::{self, Budget, Place};
use ironkit_tree::{BoxError, Digest, FileSet, Path, Source};

const BLOCK: usize = 512;

/// Reads the bytes as two layers, applies both, and checks the result: every name has its parents, the text form gives
/// the same set back, and an archive of the set, read as a layer, makes the same set.
///
/// The first byte says how many blocks the lower layer has. Checksums of what looks like a header are put right, as no
/// fuzzer would guess them.
pub fn check(data: &[u8]) {
    let Some((&blocks, rest)) = data.split_first() else {
        return;
    };
    let mut bytes = rest.to_vec();
    for header in bytes.chunks_exact_mut(BLOCK) {
        if header[257..262] == *b"ustar" {
            put_checksum(header);
        }
    }
    let (lower, upper) = bytes.split_at(bytes.len().min(usize::from(blocks) * BLOCK));
    let mut files = FileSet::new();
    let mut budget = Budget::default();
    for layer in [lower, upper] {
        let place = Place {
            layer: Digest::of(layer),
            offset: 0,
        };
        let Ok(entries) = layer::read(&mut &*layer, place, &mut budget) else {
            return;
        };
        if layer::apply(&mut files, entries, &mut budget).is_err() {
            return;
        }
    }
    for (path, ..) in files.iter() {
        for parent in path.ancestors() {
            let node = files.get(&parent);
            assert!(node.is_some_and(|node| node.is_directory()), "{parent} of {path}");
        }
    }
    let text = files.to_string();
    let again: FileSet = text.parse().expect("what was written is read");
    assert_eq!(again.to_string(), text);

    let stored = Layers([lower, upper]);
    let mut archive = Vec::new();
    tar::write_fileset(&files, &stored, &mut archive).expect("a file set fits into an archive");
    let place = Place {
        layer: Digest::of(&archive),
        offset: 0,
    };
    let entries =
        layer::read(&mut archive.as_slice(), place, &mut budget).expect("an archive of ours is read");
    let mut back = FileSet::new();
    layer::apply(&mut back, entries, &mut budget).expect("an archive of ours is applied");
    assert_eq!(explicit(back), explicit(files));
}

/// The set with its content's places forgotten: they differ from archive to archive.
fn explicit(mut files: FileSet) -> Digest {
    let names: Vec<Path> = files.iter().map(|(path, ..)| path.clone()).collect();
    for path in names {
        if let Some(node) = files.get_mut(&path) {
            node.implied = false;
        }
    }
    files.key()
}

fn put_checksum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

struct Layers<'a>([&'a [u8]; 2]);

impl Source for Layers<'_> {
    fn files(&self, key: &Digest) -> Result<FileSet, BoxError> {
        Err(format!("no file set {key} here").into())
    }

    fn layer(&self, layer: &Digest, offset: u64, size: u64) -> Result<Box<dyn Read + '_>, BoxError> {
        let bytes = self.0.iter().find(|bytes| Digest::of(bytes) == *layer);
        let start = usize::try_from(offset)?;
        let end = start.checked_add(usize::try_from(size)?).ok_or("too large")?;
        let range = bytes
            .and_then(|bytes| bytes.get(start..end))
            .ok_or("outside of the layer")?;
        Ok(Box::new(range))
    }
}
