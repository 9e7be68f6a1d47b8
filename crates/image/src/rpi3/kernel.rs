//! The kernel as U-Boot takes it: an arm64 `Image`, compressed with gzip (Documentation/arch/arm64/booting.rst).

use std::io::{self, Read};
use std::sync::Arc;

use flate2::read::GzDecoder;
use ironkit_formats::boot::uimage::{self, Header};
use ironkit_formats::extents::{Extents, Stored};
use ironkit_formats::gzip;
use ironkit_tree::{BoxError, Content, Source};

use super::{header, unsuitable, wrapped};
use crate::read::kind::Kind;
use crate::wrap::Kept;
use crate::{Error, Format, Parts, Result, uki};

/// Where U-Boot unpacks the kernel and enters it, as LinuxKit has it. U-Boot moves it to where it can run.
pub(super) const ADDRESS: u32 = 0x8_0000;
/// How much U-Boot unpacks at most (`CONFIG_SYS_BOOTM_LEN` of Debian's), in bytes.
const MOST: u64 = 64 << 20;
/// What is taken for the size in memory of kernels older than 3.17, which do not say it.
const USUAL: u64 = 16 << 20;

/// The kernel, laid out.
pub(super) struct Kernel<'p> {
    /// The file.
    pub image: Extents<'p>,
    /// How many bytes it takes in memory, from a multiple of 2 MiB on.
    pub occupied: u64,
}

/// The beginning of an `Image`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    /// Distance from a multiple of 2 MiB.
    text_offset: u64,
    /// Size in memory; 0 where it is not known.
    image_size: u64,
}

impl Head {
    const SIZE: usize = 64;
    const MAGIC: (usize, &'static [u8]) = (56, b"ARM\x64");

    fn parse(bytes: &[u8]) -> Option<Head> {
        let number = |at: usize| {
            let bytes = bytes.get(at..at + 8)?.try_into().ok()?;
            Some(u64::from_le_bytes(bytes))
        };
        let (at, magic) = Head::MAGIC;
        (bytes.get(at..at + magic.len())? == magic).then_some(Head {
            text_offset: number(8)?,
            image_size: number(16)?,
        })
    }

    /// Bytes of memory from a multiple of 2 MiB on, for a file of `size` bytes.
    fn occupied(self, size: u64) -> Option<u64> {
        let image = match self.image_size {
            0 => size.max(USUAL),
            known => known,
        };
        image.checked_add(self.text_offset)
    }
}

impl<'p> Kernel<'p> {
    /// That of the manifest.
    pub fn of(parts: &'p Parts) -> Result<Kernel<'p>> {
        let source = parts.image.source;
        let kernel = uki::kernel(parts, Format::Rpi3)?;
        let (head, compressed) = beginning(kernel, source).map_err(Error::Contents)?;
        let Some(head) = Head::parse(&head) else {
            return Err(unsuitable(
                "the kernel is no arm64 `Image`, nor one compressed with gzip",
                "take a kernel for arm64; --decompress-kernel unpacks one that is compressed otherwise",
            ));
        };
        let occupied = head.occupied(kernel.size()).filter(|&size| size <= MOST);
        let occupied = occupied.ok_or_else(|| {
            unsuitable(
                format!(
                    "the kernel takes more than the {} MiB that U-Boot unpacks",
                    MOST >> 20
                ),
                "take a smaller kernel",
            )
        })?;
        let stored = Stored::new(kernel.clone(), source);
        let mut content = Extents::new();
        if compressed {
            content.data(Arc::new(stored));
        } else {
            let (packed, _) = Kept::new(&stored, parts.image, "kernel", |out, threads| {
                gzip::compress(&stored, threads, out)?;
                Ok(Vec::new())
            })?;
            content.data(Arc::new(packed));
        }
        let header = Header {
            kind: uimage::KERNEL,
            compression: uimage::GZIP,
            load: ADDRESS,
            entry: ADDRESS,
            name: b"kernel".to_vec(),
            ..header(parts)
        };
        Ok(Kernel {
            image: wrapped(header, content)?,
            occupied,
        })
    }
}

/// How the kernel begins, and whether that was compressed with gzip.
fn beginning(kernel: &Content, source: &dyn Source) -> std::result::Result<(Vec<u8>, bool), BoxError> {
    let mut reader: Box<dyn Read + '_> = match kernel {
        Content::Inline(bytes) => Box::new(&bytes[..]),
        Content::Blob {
            layer, offset, size, ..
        } => source.layer(layer, *offset, *size)?,
    };
    let mut head = Vec::new();
    let mut limited = (&mut reader).take(Head::SIZE as u64);
    limited.read_to_end(&mut head)?;
    if Kind::of_head(&head) != Kind::Gzip {
        return Ok((head, false));
    }
    let mut unpacked = Vec::new();
    let stream = GzDecoder::new(io::Cursor::new(head).chain(reader));
    // What cannot be unpacked is no kernel.
    let _ = stream.take(Head::SIZE as u64).read_to_end(&mut unpacked);
    Ok((unpacked, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let mut image = vec![0; Head::SIZE];
        image[56..60].copy_from_slice(b"ARM\x64");
        image[18] = 0x20;
        let head = Head::parse(&image).unwrap();
        assert_eq!((head.text_offset, head.image_size), (0, 0x20_0000));
        assert_eq!(head.occupied(7), Some(0x20_0000));
        image[10] = 8;
        image[18] = 0;
        let old = Head::parse(&image).unwrap();
        assert_eq!(old.occupied(7), Some(USUAL + 0x8_0000));
        assert_eq!(old.occupied(USUAL + 1), Some(USUAL + 1 + 0x8_0000));
        image[8..24].fill(0xff);
        assert_eq!(Head::parse(&image).unwrap().occupied(7), None);
        image[56] = 0;
        assert_eq!(Head::parse(&image), None);
        assert_eq!(Head::parse(&image[..59]), None);
    }
}
