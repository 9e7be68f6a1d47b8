//! What a kernel can do, read from its image.
//!
//! An x86 `bzImage` (Documentation/arch/x86/boot.rst) carries the compressed kernel proper; the kernel proper carries
//! the decompressors for initrds. Each of those has messages of its own, which is how they are found.

use std::io::{self, BufReader, Read, Write};

use ironkit_formats::compress::Codec;
use ironkit_tree::{Content, Hasher, Source};

use crate::{Cache, Error, Result};

/// Part of the messages of lib/decompress_unzstd.c, which is there when the kernel unpacks zstd.
const ZSTD_MESSAGE: &[u8] = b"ZSTD-compressed data";
/// Offset of the setup sectors' number in a bzImage.
const SETUP_SECTORS: usize = 0x1f1;
/// Offset of the boot flag 0xaa55 and of the magic `HdrS`.
const BOOT_FLAG: usize = 0x1fe;
const MAGIC: usize = 0x202;
/// Offsets of the payload's offset and length (protocol 2.08).
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
/// Where the header ends.
const HEADER_END: usize = 0x250;

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
    let mut write = |out: &mut dyn Write| Ok(out.write_all(codec.name().as_bytes())?);
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
    payload(image).is_ok_and(|mut payload| contains(&mut payload, needle).unwrap_or(false))
}

/// The kernel proper, decompressed.
fn payload(image: &mut dyn Read) -> io::Result<Box<dyn Read + '_>> {
    let mut head = vec![0; HEADER_END];
    image.read_exact(&mut head)?;
    let is_bzimage = head[BOOT_FLAG..BOOT_FLAG + 2] == [0x55, 0xaa] && head[MAGIC..MAGIC + 4] == *b"HdrS";
    if !is_bzimage {
        return decompressed(Box::new(io::Cursor::new(head).chain(image)));
    }
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let sectors = if head[SETUP_SECTORS] == 0 {
        4
    } else {
        u64::from(head[SETUP_SECTORS])
    };
    let start = (sectors + 1) * 512 + u64::from(number(PAYLOAD_OFFSET));
    let skip = start.saturating_sub(HEADER_END as u64);
    io::copy(&mut image.take(skip), &mut io::sink())?;
    decompressed(Box::new(image.take(u64::from(number(PAYLOAD_LENGTH)))))
}

fn decompressed<'a>(stream: Box<dyn Read + 'a>) -> io::Result<Box<dyn Read + 'a>> {
    let mut stream = BufReader::new(stream);
    let magic = io::BufRead::fill_buf(&mut stream)?
        .get(..6)
        .unwrap_or_default()
        .to_vec();
    Ok(match magic.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::GzDecoder::new(stream)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::Decoder::with_buffer(stream)?;
            // Kernels are compressed with windows as large as themselves.
            decoder.window_log_max(27)?;
            Box::new(decoder.single_frame())
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Box::new(lzma_rust2::XzReader::new(stream, false)),
        _ => Box::new(stream),
    })
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

    /// A bzImage with one setup sector, `payload` behind it.
    fn bzimage(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[SETUP_SECTORS] = 1;
        image[BOOT_FLAG..BOOT_FLAG + 2].copy_from_slice(&[0x55, 0xaa]);
        image[MAGIC..MAGIC + 4].copy_from_slice(b"HdrS");
        let length = u32::try_from(payload.len()).unwrap();
        image[PAYLOAD_LENGTH..PAYLOAD_LENGTH + 4].copy_from_slice(&length.to_le_bytes());
        image.extend_from_slice(payload);
        image
    }

    #[test]
    fn the_message_is_found_behind_any_compression() {
        let with = [
            vec![7; 300_000],
            b"... ZSTD-compressed data is truncated".to_vec(),
        ]
        .concat();
        let without = vec![7; 300_000];
        for (kernel, expect) in [(&with, true), (&without, false)] {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(kernel).unwrap();
            let zstd = zstd::encode_all(kernel.as_slice(), 1).unwrap();
            for image in [
                bzimage(&gzip.finish().unwrap()),
                bzimage(&zstd),
                bzimage(kernel),
                kernel.clone(),
            ] {
                assert_eq!(payload_has(&mut image.as_slice(), ZSTD_MESSAGE), expect);
            }
        }
        assert!(!payload_has(&mut b"short".as_slice(), ZSTD_MESSAGE));
    }
}
