//! Compression of whole outputs: which codecs there are, and how each is told to give the same bytes everywhere.

use std::io::{self, Write};

/// A way to compress, in the order in which a kernel's initrd would prefer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Zstandard (RFC 8878): unpacked fastest.
    Zstd,
    /// gzip (RFC 1952): understood everywhere.
    Gzip,
    /// No compression.
    Plain,
}

/// Changes whenever the same input gives other bytes: part of every cache key.
pub const VERSION: u32 = 2;
/// What is written is compressed in blocks of this many bytes: a compressor's output may depend on how its input is cut, and
/// that is to depend on nothing.
const BLOCK: usize = 128 * 1024;

/// How much time compressing may take, for its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// For what is small or kept for long.
    Thorough,
    /// For bulk: a few times faster, some per cent larger.
    Quick,
}

impl Effort {
    /// The effort for so many bytes. It depends on nothing else, so the same input gives the same bytes.
    pub fn for_size(bytes: u64) -> Effort {
        if bytes > BULK {
            Effort::Quick
        } else {
            Effort::Thorough
        }
    }
}

/// From here on, bytes: at this size the thorough way takes several seconds.
const BULK: u64 = 48 << 20;
/// Search effort of zstd, thorough and quick.
const ZSTD_LEVELS: (i32, i32) = (15, 4);
/// 2 MiB, and tables to match: an encoder stays below 16 MiB of memory whatever it compresses, and any kernel can
/// decode the window.
const ZSTD_WINDOW_LOG: u32 = 21;
const ZSTD_TABLE_LOG: u32 = 19;
/// Search effort of gzip, thorough and quick; levels above 6 win less than 1 %.
const GZIP_LEVELS: (u32, u32) = (6, 3);

impl Codec {
    /// Name in messages and keys.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Zstd => "zstd",
            Codec::Gzip => "gzip",
            Codec::Plain => "plain",
        }
    }
}

/// Compresses what is written to it. Must be ended with [`finish`](Encoder::finish).
pub struct Encoder<W: Write> {
    inner: Inner<W>,
    /// What was written and is no whole block yet.
    block: Vec<u8>,
}

enum Inner<W: Write> {
    Zstd(zstd::Encoder<'static, W>),
    Gzip(flate2::write::GzEncoder<W>),
    Plain(W),
}

impl<W: Write> Encoder<W> {
    /// An encoder for `codec` that writes to `out`.
    pub fn new(codec: Codec, effort: Effort, out: W) -> io::Result<Encoder<W>> {
        let thorough = effort == Effort::Thorough;
        let inner = match codec {
            Codec::Zstd => {
                let level = if thorough { ZSTD_LEVELS.0 } else { ZSTD_LEVELS.1 };
                let mut encoder = zstd::Encoder::new(out, level)?;
                encoder.set_parameter(zstd::zstd_safe::CParameter::WindowLog(ZSTD_WINDOW_LOG))?;
                encoder.set_parameter(zstd::zstd_safe::CParameter::HashLog(ZSTD_TABLE_LOG))?;
                encoder.set_parameter(zstd::zstd_safe::CParameter::ChainLog(ZSTD_TABLE_LOG + 1))?;
                Inner::Zstd(encoder)
            }
            Codec::Gzip => {
                // No name, no time, and the system "unknown": nothing of the machine gets into the header.
                let builder = flate2::GzBuilder::new().mtime(0).operating_system(255);
                let level = if thorough { GZIP_LEVELS.0 } else { GZIP_LEVELS.1 };
                Inner::Gzip(builder.write(out, flate2::Compression::new(level)))
            }
            Codec::Plain => Inner::Plain(out),
        };
        Ok(Encoder {
            inner,
            block: Vec::with_capacity(BLOCK),
        })
    }

    /// Writes what is left and gives the output back.
    pub fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&self.block)?;
        match self.inner {
            Inner::Zstd(encoder) => encoder.finish(),
            Inner::Gzip(encoder) => encoder.finish(),
            Inner::Plain(out) => Ok(out),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..count]);
        if self.block.len() == BLOCK {
            self.inner.write_all(&self.block)?;
            self.block.clear();
        }
        Ok(count)
    }

    /// What is no whole block yet stays.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Inner<W> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Inner::Zstd(encoder) => encoder.write_all(bytes),
            Inner::Gzip(encoder) => encoder.write_all(bytes),
            Inner::Plain(out) => out.write_all(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_not_matter_how_the_input_is_cut() {
        let text: Vec<u8> = (0..400_000_u32)
            .flat_map(|number| (number / 7).to_le_bytes())
            .collect();
        for codec in [Codec::Zstd, Codec::Gzip, Codec::Plain] {
            let compressed = |cut: usize| {
                let mut encoder = Encoder::new(codec, Effort::Thorough, Vec::new()).unwrap();
                for chunk in text.chunks(cut) {
                    encoder.write_all(chunk).unwrap();
                }
                encoder.finish().unwrap()
            };
            let whole = compressed(text.len());
            for cut in [1000, 65_536, 131_073] {
                assert!(compressed(cut) == whole, "{} in pieces of {cut}", codec.name());
            }
        }
    }
}
