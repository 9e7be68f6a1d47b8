//! EROFS images: whatever they say, reading ends.

use std::io::Read;

use ironkit_formats::filesystem::erofs::Volume;

/// Offset of the superblock's features, the first of which is its checksum.
const FEATURES: usize = 1024 + 8;
/// Bytes of each content that are read.
const CONTENT: u64 = 10_000;

/// Reads the image with its checksum, and without: no fuzzer would find the right one.
pub fn check(data: &[u8]) {
    read(data);
    if let Some(features) = data.get(FEATURES) {
        let mut unchecked = data.to_vec();
        unchecked[FEATURES] = features & !1;
        read(&unchecked);
    }
}

fn read(image: &[u8]) {
    let image = image.to_vec();
    if let Ok(Some(volume)) = Volume::open(&image) {
        let _ = volume.visit(&mut |_, content| {
            std::io::copy(&mut content.take(CONTENT), &mut std::io::sink())?;
            Ok(())
        });
    }
}
