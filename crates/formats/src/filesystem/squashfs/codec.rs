//! How single blocks are compressed.

use std::io::{self, Read};

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

/// A way to compress the blocks of a file system, and how thoroughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// zlib (RFC 1950), level 1 to 9: every kernel with squashfs unpacks it.
    Gzip(u32),
    /// Zstandard (RFC 8878), level 1 to 22.
    Zstd(u32),
}

/// Numbers of the compressors.
const GZIP: u16 = 1;
const XZ: u16 = 4;
const ZSTD: u16 = 6;
/// The levels that readers assume where there are no options.
const GZIP_DEFAULT: u32 = 9;
const ZSTD_DEFAULT: u32 = 15;
/// Base 2 logarithm of zlib's window, which the kernel expects to be this.
const GZIP_WINDOW: u16 = 15;
/// An xz block may want a dictionary as large as a block, and some working space, in KiB.
const XZ_MEMORY: u32 = 4096;

impl Compression {
    /// Name of the compressor.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip(_) => "gzip",
            Compression::Zstd(_) => "zstd",
        }
    }

    /// The level.
    pub fn level(self) -> u32 {
        let (Compression::Gzip(level) | Compression::Zstd(level)) = self;
        level
    }

    /// The number in the superblock.
    pub(super) fn number(self) -> u16 {
        match self {
            Compression::Gzip(_) => GZIP,
            Compression::Zstd(_) => ZSTD,
        }
    }

    /// The options behind the superblock; empty where they are what readers assume.
    pub(super) fn options(self) -> Vec<u8> {
        match self {
            Compression::Gzip(GZIP_DEFAULT) | Compression::Zstd(ZSTD_DEFAULT) => Vec::new(),
            Compression::Gzip(level) => {
                [&level.to_le_bytes()[..], &GZIP_WINDOW.to_le_bytes(), &[0, 0]].concat()
            }
            Compression::Zstd(level) => level.to_le_bytes().to_vec(),
        }
    }
}

/// Compresses block after block. What comes out depends on nothing but the block.
pub(super) struct Compressor(Inner);

enum Inner {
    Gzip(Compress),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Compressor {
    pub fn new(compression: Compression) -> io::Result<Compressor> {
        Ok(Compressor(match compression {
            Compression::Gzip(level) => Inner::Gzip(Compress::new(flate2::Compression::new(level), true)),
            Compression::Zstd(level) => Inner::Zstd(zstd::bulk::Compressor::new(
                i32::try_from(level).map_err(io::Error::other)?,
            )?),
        }))
    }

    /// The compressed bytes; `None` when they would not be fewer.
    pub fn compress(&mut self, block: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match &mut self.0 {
            Inner::Gzip(stream) => {
                let mut out = vec![0; block.len()];
                stream.reset();
                let status = stream.compress(block, &mut out, FlushCompress::Finish)?;
                let size = usize::try_from(stream.total_out()).unwrap_or(usize::MAX);
                out.truncate(size);
                Ok((status == Status::StreamEnd && size < block.len()).then_some(out))
            }
            Inner::Zstd(context) => {
                let out = context.compress(block)?;
                Ok((out.len() < block.len()).then_some(out))
            }
        }
    }
}

/// Unpacks block after block.
pub(super) struct Decompressor(Unpack);

enum Unpack {
    Gzip,
    Xz,
    Zstd,
}

impl Decompressor {
    /// For the compressor of this number in the superblock.
    ///
    /// # Errors
    /// The name of one that is not known here.
    pub fn new(number: u16) -> Result<Decompressor, String> {
        Ok(Decompressor(match number {
            GZIP => Unpack::Gzip,
            XZ => Unpack::Xz,
            ZSTD => Unpack::Zstd,
            2 => return Err("lzma".to_owned()),
            3 => return Err("lzo".to_owned()),
            5 => return Err("lz4".to_owned()),
            other => return Err(format!("number {other}")),
        }))
    }

    pub fn name(&self) -> &'static str {
        match self.0 {
            Unpack::Gzip => "gzip",
            Unpack::Xz => "xz",
            Unpack::Zstd => "zstd",
        }
    }

    /// The bytes of a block; an error when there are more than `limit`, or none.
    pub fn decompress(&self, block: &[u8], limit: usize) -> io::Result<Vec<u8>> {
        let too_long = || io::Error::other("it unpacks to more than a block");
        let out = match self.0 {
            Unpack::Gzip => {
                let mut out = vec![0; limit];
                let mut stream = Decompress::new(true);
                let status = stream.decompress(block, &mut out, FlushDecompress::Finish)?;
                if status != Status::StreamEnd {
                    return Err(too_long());
                }
                out.truncate(usize::try_from(stream.total_out()).unwrap_or(0));
                out
            }
            Unpack::Zstd => {
                let mut out = Vec::with_capacity(limit);
                zstd::bulk::Decompressor::new()?.decompress_to_buffer(block, &mut out)?;
                out
            }
            Unpack::Xz => {
                let mut out = Vec::new();
                lzma_rust2::XzReader::new_mem_limit(block, false, XZ_MEMORY)
                    .take(limit as u64 + 1)
                    .read_to_end(&mut out)?;
                out
            }
        };
        match out.len() {
            0 => Err(io::Error::other("it is empty")),
            length if length > limit => Err(too_long()),
            _ => Ok(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_round_trip_within_their_limit() {
        let block: Vec<u8> = (0..40_000_u32)
            .flat_map(|number| (number / 9).to_le_bytes())
            .collect();
        for compression in [Compression::Gzip(9), Compression::Gzip(1), Compression::Zstd(15)] {
            let mut compressor = Compressor::new(compression).unwrap();
            let one = compressor.compress(&block).unwrap().unwrap();
            let again = compressor.compress(&block).unwrap().unwrap();
            assert!(one == again, "{compression:?} remembers");
            assert_eq!(compressor.compress(b"x").unwrap(), None);
            let decompressor = Decompressor::new(compression.number()).unwrap();
            assert!(decompressor.decompress(&one, block.len()).unwrap() == block);
            assert!(decompressor.decompress(&one, block.len() - 1).is_err());
            assert!(
                decompressor
                    .decompress(&one[..one.len() - 9], block.len())
                    .is_err()
            );
        }
    }
}
