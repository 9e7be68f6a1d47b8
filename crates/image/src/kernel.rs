//! What a kernel can do, read from its image: the kernel proper carries the decompressors for initrds, and each of those
//! has messages of its own, which is how they are found.

use std::io::{self, Read, Write};

use ironkit_formats::compress::Codec;
use ironkit_formats::kernel::payload;
use ironkit_tree::{Content, Hasher, Source};

use crate::{Cache, Error, Result};

/// Part of the messages of lib/decompress_unzstd.c, which is there when the kernel unpacks zstd.
const ZSTD_MESSAGE: &[u8] = b"ZSTD-compressed data";
/// The best codec for an initrd that this kernel unpacks. Without a kernel it is gzip, which all do.
///
/// # Errors
/// Those of `source` and `cache`. A kernel that cannot be looked into is taken to know gzip only.
pub fn initrd_codec(kernel: Option<&Content>, source: &dyn Source, cache: &dyn Cache) -> Result<Codec> {
    let Some(kernel) = kernel else {
        return Ok(Codec::Gzip);
    };
    let mut hasher = Hasher::new();
    hasher.field(b"initrd codec 1");
    hasher.field(kernel.digest().bytes());
    let key = hasher.finish();
    if let Some(name) = cache.read(&key).map_err(Error::Cache)? {
        return Ok(if name == Codec::Zstd.name().as_bytes() {
            Codec::Zstd
        } else {
            Codec::Gzip
        });
    }
    let codec = if unpacks_zstd(kernel, source)? {
        Codec::Zstd
    } else {
        Codec::Gzip
    };
    let mut write = |out: &mut (dyn Write + Send)| Ok(out.write_all(codec.name().as_bytes())?);
    cache.put(&key, &mut write).map_err(Error::Cache)?;
    Ok(codec)
}

fn unpacks_zstd(kernel: &Content, source: &dyn Source) -> Result<bool> {
    let (layer, offset, size) = match kernel {
        Content::Inline(bytes) => return Ok(payload_has(&mut bytes.as_ref(), ZSTD_MESSAGE)),
        Content::Blob {
            layer, offset, size, ..
        } => (layer, *offset, *size),
    };
    let mut reader = source.layer(layer, offset, size).map_err(Error::Contents)?;
    Ok(payload_has(&mut reader, ZSTD_MESSAGE))
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
