//! A layer as the tar archive that it is: decompressed, verified on both sides, bounded.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::document::media;
use crate::store::{BlobReader, damaged};
use crate::{Digest, Error, Layer, Result, Store};
use ironkit_tree::Hasher;

/// The largest uncompressed layer that is read when nobody says otherwise: 64 GiB.
pub const MAX_UNCOMPRESSED: u64 = 64 << 30;

/// Uncompressed bytes of a layer for each of its compressed ones, and how many it may have in any case. Programs and texts
/// come to 20 at most; what is made to fill a disk, to thousands.
const MAX_EXPANSION: u64 = 64;
const FREE_EXPANSION: u64 = 256 << 20;

/// The most memory that a zstd layer may ask for, as a power of two: 64 MiB. `zstd -19` asks for 8.
const ZSTD_WINDOW_LOG: u32 = 26;

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Plain,
    Gzip,
    Zstd,
}

impl Layer {
    /// The uncompressed layer as a stream. Its end is an error when the blob is not what its digest says, or the
    /// content not what the configuration says; the [`Error`] is inside the [`io::Error`]. What would become many times
    /// as large as it is, is refused.
    pub fn open(&self, store: &Store) -> Result<LayerReader> {
        let limit = self
            .size
            .saturating_mul(MAX_EXPANSION)
            .saturating_add(FREE_EXPANSION);
        self.open_limited(store, limit.min(MAX_UNCOMPRESSED))
    }

    /// The same, refusing more than `limit` uncompressed bytes.
    pub fn open_limited(&self, store: &Store, limit: u64) -> Result<LayerReader> {
        let blob = store.open_blob(&self.digest)?;
        if blob.size() != self.size {
            let found = format!("{} bytes", blob.size());
            return Err(damaged(&self.digest, format!("{} bytes", self.size), found));
        }
        let mut blob = BufReader::with_capacity(256 * 1024, blob);
        let magic = blob.fill_buf().map_err(Error::stream("read a layer"))?;
        let codec = sniff(magic);
        let error = |reason: String| Error::Layer {
            digest: self.digest,
            offset: 0,
            reason,
        };
        if named_codec(&self.media_type).is_some_and(|named| named != codec) {
            let reason = format!(
                "its media type is {}, but it is {}",
                self.media_type,
                codec.name()
            );
            // Docker's own type means gzip, yet archives carry plain layers under it.
            if !(codec == Codec::Plain && self.media_type.starts_with("application/vnd.docker.")) {
                return Err(error(reason));
            }
        }
        let stream = match codec {
            Codec::Plain => Stream::Plain(blob),
            Codec::Gzip => Stream::Gzip(Box::new(MultiGzDecoder::new(blob))),
            Codec::Zstd => {
                let mut decoder =
                    zstd::Decoder::with_buffer(blob).map_err(|reason| error(reason.to_string()))?;
                decoder
                    .window_log_max(ZSTD_WINDOW_LOG)
                    .map_err(|reason| error(reason.to_string()))?;
                Stream::Zstd(Box::new(decoder))
            }
        };
        Ok(LayerReader {
            digest: self.digest,
            size: self.size,
            diff_id: self.diff_id,
            stream,
            hasher: Some(Hasher::new()),
            seen: 0,
            limit,
            failed: false,
        })
    }
}

/// An uncompressed layer as a stream.
pub struct LayerReader {
    digest: Digest,
    size: u64,
    diff_id: Digest,
    stream: Stream,
    hasher: Option<Hasher>,
    seen: u64,
    limit: u64,
    failed: bool,
}

enum Stream {
    Plain(BufReader<BlobReader>),
    Gzip(Box<MultiGzDecoder<BufReader<BlobReader>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<BlobReader>>>),
}

impl Read for LayerReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed {
            return Err(self.error("it failed before".to_owned()));
        }
        let result = self.next(buffer);
        self.failed = matches!(&result, Err(error) if error.kind() != io::ErrorKind::Interrupted);
        result
    }
}

impl LayerReader {
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.stream {
            Stream::Plain(stream) => stream.read(buffer),
            Stream::Gzip(stream) => stream.read(buffer),
            Stream::Zstd(stream) => stream.read(buffer),
        };
        let count = match read {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted || Error::inside(&error).is_some() => {
                return Err(error);
            }
            Err(error) => return Err(self.error(error.to_string())),
        };
        if count == 0 {
            if !buffer.is_empty() {
                self.finish()?;
            }
            return Ok(0);
        }
        self.seen += count as u64;
        if self.seen > self.limit {
            return Err(Error::Expansion {
                digest: self.digest,
                limit: self.limit,
                times: self.limit / self.size.max(1),
            }
            .into());
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        Ok(count)
    }

    /// Verifies both sides, once.
    fn finish(&mut self) -> io::Result<()> {
        let Some(hasher) = self.hasher.take() else {
            return Ok(());
        };
        let blob = match &mut self.stream {
            Stream::Plain(stream) => stream,
            Stream::Gzip(stream) => stream.get_mut(),
            Stream::Zstd(stream) => stream.get_mut(),
        };
        // Reading to its end verifies the blob. Decoders stop only there, so nothing is left but the verdict.
        let rest = io::copy(blob, &mut io::sink())?;
        if rest > 0 {
            return Err(self.error(format!("{rest} bytes follow the compressed data")));
        }
        let found = hasher.finish();
        if found != self.diff_id {
            return Err(self.error(format!("expected content {}, found {found}", self.diff_id)));
        }
        Ok(())
    }

    fn error(&self, reason: String) -> io::Error {
        Error::Layer {
            digest: self.digest,
            offset: self.seen,
            reason,
        }
        .into()
    }
}

impl Codec {
    fn name(self) -> &'static str {
        match self {
            Codec::Plain => "not compressed",
            Codec::Gzip => "compressed with gzip",
            Codec::Zstd => "compressed with zstd",
        }
    }
}

/// Whether a layer of this media type can be read; the reason when it cannot.
pub(crate) fn check_media_type(media_type: &str) -> std::result::Result<(), String> {
    let base = media_type.split(['+', ';']).next().unwrap_or_default();
    if base.contains("nondistributable") || media_type.contains(".foreign.") {
        return Err(format!(
            "layers of type {media_type} are not distributed with the image"
        ));
    }
    match named_codec(media_type) {
        Some(_) => Ok(()),
        None => Err(format!("layers of type `{media_type}` are not supported")),
    }
}

/// The media type of a layer that starts with these bytes.
pub(crate) fn media_type_of(magic: &[u8]) -> &'static str {
    match sniff(magic) {
        Codec::Plain => media::LAYER,
        Codec::Gzip => media::LAYER_GZIP,
        Codec::Zstd => media::LAYER_ZSTD,
    }
}

/// What a media type promises.
fn named_codec(media_type: &str) -> Option<Codec> {
    match media_type {
        media::LAYER | "application/vnd.docker.image.rootfs.diff.tar" => Some(Codec::Plain),
        media::LAYER_GZIP | "application/vnd.docker.image.rootfs.diff.tar.gzip" => Some(Codec::Gzip),
        media::LAYER_ZSTD | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Some(Codec::Zstd),
        _ => None,
    }
}

/// What the content is. A tar archive starts with a file name, so these bytes cannot be one.
fn sniff(magic: &[u8]) -> Codec {
    // zstd data may start with a skippable frame: 0x184D2A50 to 0x184D2A5F.
    let skippable = magic.get(1..4) == Some(&[0x2a, 0x4d, 0x18]) && magic[0] & 0xf0 == 0x50;
    match magic {
        [0x1f, 0x8b, ..] => Codec::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Codec::Zstd,
        _ if skippable => Codec::Zstd,
        _ => Codec::Plain,
    }
}
