//! What a kernel can do, read from its image: the kernel proper carries the decompressors for initrds, and each of those
//! has messages of its own, which is how they are found.

use std::io::{self, Read};

use ironkit_formats::compress::Codec;
use ironkit_formats::kernel::payload;
use ironkit_tree::{Content, FileSet, Hasher, Kind, Source};

use crate::{Cache, Error, Result};

/// Part of the messages of lib/decompress_unzstd.c, which is there when the kernel unpacks zstd.
const ZSTD_MESSAGE: &[u8] = b"ZSTD-compressed data";
/// Part of the messages of fs/squashfs/zstd_wrapper.c, which is there when the kernel reads squashfs with zstd. The name of the
/// compressor is always there.
const SQUASHFS_MESSAGE: &[u8] = b"SQUASHFS error: Failed to allocate zstd workspace";
/// How the module begins its name, whatever it is compressed with.
const SQUASHFS_MODULE: &[u8] = b"squashfs.ko";

/// The best codec for an initrd that this kernel unpacks. Without a kernel it is gzip, which all do.
///
/// # Errors
/// Those of `source` and `cache`. A kernel that cannot be looked into is taken to know gzip only.
pub fn initrd_codec(kernel: Option<&Content>, source: &dyn Source, cache: &dyn Cache) -> Result<Codec> {
    let Some(kernel) = kernel else {
        return Ok(Codec::Gzip);
    };
    Ok(
        match has("initrd codec 1", kernel, ZSTD_MESSAGE, source, cache)? {
            true => Codec::Zstd,
            false => Codec::Gzip,
        },
    )
}

/// Whether the kernel reads squashfs with zstd: all modules for it in `files` do, or the kernel itself does where there are
/// none.
///
/// # Errors
/// Those of `source` and `cache`. What cannot be looked into is taken to know gzip only.
pub fn reads_zstd_squashfs(
    files: &FileSet,
    kernel: Option<&Content>,
    source: &dyn Source,
    cache: &dyn Cache,
) -> Result<bool> {
    let modules = files.iter().filter_map(|(path, _, node)| match &node.kind {
        Kind::File(content) if path.file_name().starts_with(SQUASHFS_MODULE) => Some(content),
        _ => None,
    });
    let mut readers: Vec<&Content> = modules.collect();
    if readers.is_empty() {
        readers.extend(kernel);
    }
    for reader in &readers {
        if !has("squashfs codec 1", reader, SQUASHFS_MESSAGE, source, cache)? {
            return Ok(false);
        }
    }
    Ok(!readers.is_empty())
}

/// Whether a kernel or a module contains `needle`, as it was found before or is found now. `what` names the question.
fn has(what: &str, content: &Content, needle: &[u8], source: &dyn Source, cache: &dyn Cache) -> Result<bool> {
    let mut hasher = Hasher::new();
    hasher.field(what.as_bytes());
    hasher.field(content.digest().bytes());
    let key = hasher.finish();
    let (yes, no) = (Codec::Zstd.name(), Codec::Gzip.name());
    if let Some(name) = cache.read(&key).map_err(Error::Cache)? {
        return Ok(name == yes.as_bytes());
    }
    let found = match content {
        Content::Inline(bytes) => payload_has(&mut bytes.as_ref(), needle),
        Content::Blob {
            layer, offset, size, ..
        } => {
            let reader = source.layer(layer, *offset, *size);
            payload_has(&mut reader.map_err(Error::Contents)?, needle)
        }
    };
    let name = if found { yes } else { no };
    let put = cache.put(&key, &mut |out| Ok(out.write_all(name.as_bytes())?));
    put.map_err(Error::Cache)?;
    Ok(found)
}

/// Whether the kernel proper contains `needle`. False when it cannot be unpacked.
fn payload_has(image: &mut dyn Read, needle: &[u8]) -> bool {
    payload(image).is_ok_and(|mut payload| contains(&mut payload.reader, needle).unwrap_or(false))
}

fn contains(stream: &mut dyn Read, needle: &[u8]) -> io::Result<bool> {
    let mut window = vec![0; 256 * 1024];
    let mut kept = 0;
    loop {
        // The size of the kernel proper follows the payload, where a decoder may stumble over it: that is the end too.
        let count = stream.read(&mut window[kept..]).unwrap_or_default();
        if count == 0 {
            return Ok(false);
        }
        let filled = kept + count;
        if window[..filled]
            .windows(needle.len())
            .any(|bytes| bytes == needle)
        {
            return Ok(true);
        }
        kept = filled.min(needle.len() - 1);
        window.copy_within(filled - kept..filled, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_found_across_the_ends_of_buffers() {
        let message = [ZSTD_MESSAGE, b" is truncated"].concat();
        for before in [0, 300_000, 256 * 1024 - 5] {
            let mut kernel = vec![7; before];
            assert!(!payload_has(&mut kernel.as_slice(), ZSTD_MESSAGE));
            kernel.extend_from_slice(&message);
            let compressed = zstd::encode_all(kernel.as_slice(), 1).unwrap();
            for image in [kernel, compressed] {
                assert!(payload_has(&mut image.as_slice(), ZSTD_MESSAGE));
            }
        }
    }
}
