//! Kernels that unpack themselves: an x86 `bzImage` (Documentation/arch/x86/boot.rst) carries the compressed kernel proper,
//! and an arm64 `Image.gz` is nothing else.

use std::io::{self, BufReader, Read};

/// Offset of the setup sectors' number in a bzImage.
const SETUP_SECTORS: usize = 0x1f1;
/// Offset of the boot flag 0xaa55 and of the magic `HdrS`.
const BOOT_FLAG: usize = 0x1fe;
const MAGIC: usize = 0x202;
/// Offsets of the payload's offset and length (protocol 2.08).
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
/// Memory of an xz decoder, in KiB: kernels are compressed with dictionaries of up to 128 MiB (scripts/xz_wrap.sh).
const XZ_MEMORY: u32 = 192 << 10;
/// Where the header ends.
const HEADER_END: usize = 0x250;

/// The kernel proper inside a kernel.
pub struct Payload<'a> {
    /// Whether it was compressed.
    pub compressed: bool,
    /// Its bytes.
    pub reader: Box<dyn Read + 'a>,
}

/// Finds the kernel proper in `image`. It is `image` itself where that carries nothing.
///
/// # Errors
/// An image that is too short for any kernel, and those of `image`.
pub fn payload(image: &mut dyn Read) -> io::Result<Payload<'_>> {
    let mut head = Vec::with_capacity(HEADER_END);
    (&mut *image).take(HEADER_END as u64).read_to_end(&mut head)?;
    let is_bzimage = head.len() == HEADER_END
        && head[BOOT_FLAG..BOOT_FLAG + 2] == [0x55, 0xaa]
        && head[MAGIC..MAGIC + 4] == *b"HdrS";
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
    let length = u64::from(number(PAYLOAD_LENGTH));
    let mut rest = io::Cursor::new(head).chain(image);
    io::copy(&mut (&mut rest).take(start), &mut io::sink())?;
    decompressed(Box::new(rest.take(length)))
}

fn decompressed<'a>(stream: Box<dyn Read + 'a>) -> io::Result<Payload<'a>> {
    let mut stream = BufReader::new(stream);
    let magic = io::BufRead::fill_buf(&mut stream)?
        .get(..6)
        .unwrap_or_default()
        .to_vec();
    let reader: Box<dyn Read + 'a> = match magic.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::GzDecoder::new(stream)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::Decoder::with_buffer(stream)?;
            // Kernels are compressed with windows as large as themselves.
            decoder.window_log_max(27)?;
            Box::new(decoder.single_frame())
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            Box::new(lzma_rust2::XzReader::new_mem_limit(stream, false, XZ_MEMORY))
        }
        _ => {
            return Ok(Payload {
                compressed: false,
                reader: Box::new(stream),
            });
        }
    };
    Ok(Payload {
        compressed: true,
        reader,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

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
    fn the_kernel_proper_is_found_behind_any_compression() {
        let kernel = vec![7; 300_000];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&kernel).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(kernel.as_slice(), 1).unwrap();
        for (image, compressed) in [
            (bzimage(&gzip), true),
            (bzimage(&zstd), true),
            (bzimage(&kernel), false),
            (gzip, true),
            (kernel.clone(), false),
        ] {
            let mut bytes = Vec::new();
            let mut image = image.as_slice();
            let mut found = payload(&mut image).unwrap();
            found.reader.read_to_end(&mut bytes).unwrap();
            assert_eq!((found.compressed, bytes == kernel), (compressed, true));
        }
        let mut short = b"short".as_slice();
        assert!(!payload(&mut short).unwrap().compressed);
    }
}
