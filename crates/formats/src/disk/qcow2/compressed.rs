//! Compresses the clusters of a disk and tells where they are.
//!
//! ```text
//! ┌───┬─────┬──┬────┬────┬──────────┬──────────┬───┬────┬───
//! │ c │ c   │ c│ c  │ pad│ plain    │ plain    │ c │ c  │ …      by batches: first what got smaller,
//! └───┴─────┴──┴────┴────┴──────────┴──────────┴───┴────┴───    then what did not, at multiples of a cluster
//! ```

use std::io::{self, Write};
use std::num::NonZeroUsize;

use ironkit_tree::BoxError;

use super::format::{CLUSTER, COMPRESSED, COPIED, SECTOR, sectors_shift};
use super::writer::check;
use crate::disk::blocks::{cut, is_zero};
use crate::extents::Data;
use crate::parallel;

/// How clusters are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Deflate: every reader has it.
    Deflate,
    /// Zstandard: QEMU since 5.1.
    Zstd,
}

/// Search efforts.
const DEFLATE_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 6;
/// QEMU unpacks with a window of so many bytes, as a power of two.
pub(super) const DEFLATE_WINDOW: u8 = 12;
/// Clusters that are ordered together: padding is once for so many, at most.
const BATCH: usize = 64;

impl Compression {
    /// What the header says, if it has to.
    pub(super) fn number(self) -> Option<u8> {
        match self {
            Compression::Deflate => None,
            Compression::Zstd => Some(1),
        }
    }
}

/// Where compressed clusters are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    pub(super) compression: Compression,
    /// Numbers of clusters, and their entries of L2 tables with offsets from where the first of them is.
    pub(super) entries: Vec<(u64, u64)>,
}

impl Clusters {
    /// A form to keep.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.compression.number().unwrap_or(0)];
        for (number, entry) in &self.entries {
            bytes.extend(number.to_be_bytes());
            bytes.extend(entry.to_be_bytes());
        }
        bytes
    }

    /// What was kept; `None` for what never was.
    pub fn from_bytes(bytes: &[u8]) -> Option<Clusters> {
        let (compression, entries) = bytes.split_first()?;
        let (entries, []) = entries.as_chunks::<16>() else {
            return None;
        };
        let entries = entries.iter().map(|entry| {
            let (numbers, _) = entry.as_chunks::<8>();
            (u64::from_be_bytes(numbers[0]), u64::from_be_bytes(numbers[1]))
        });
        Some(Clusters {
            compression: match compression {
                0 => Compression::Deflate,
                1 => Compression::Zstd,
                _ => return None,
            },
            entries: entries.collect(),
        })
    }
}

/// A cluster after its compression.
enum Cluster {
    Zero,
    Compressed(Vec<u8>),
    Plain(Vec<u8>),
}

/// Writes the clusters of `disk` that are not zero, compressed where that makes them smaller, with `threads` threads.
///
/// # Errors
/// Those of the disk and the output, and a size that the format cannot have.
pub fn compress(
    disk: &dyn Data,
    compression: Compression,
    threads: NonZeroUsize,
    out: &mut (dyn Write + Send),
) -> Result<Clusters, BoxError> {
    check(disk.size())?;
    let cluster = usize::try_from(CLUSTER)?;
    let mut packer = Packer::new(out);
    parallel::ordered(
        threads,
        |next| {
            cut(disk, cluster, &mut |number, bytes| {
                next((number, bytes)).map_err(io::Error::other)
            })
        },
        || Compressor::new(compression),
        |compressor, (number, mut bytes): (u64, Vec<u8>)| {
            bytes.resize(cluster, 0);
            let packed = match is_zero(&bytes) {
                true => Ok(Cluster::Zero),
                false => compressor.compress(bytes),
            };
            (number, packed)
        },
        |(number, packed)| Ok::<_, BoxError>(packer.add(number, packed?)?),
    )?;
    packer.finish()?;
    let mut entries = packer.entries;
    entries.sort_unstable();
    Ok(Clusters { compression, entries })
}

/// A worker's state.
enum Compressor {
    Deflate(flate2::Compress),
    Zstd(io::Result<zstd::bulk::Compressor<'static>>),
}

impl Compressor {
    fn new(compression: Compression) -> Compressor {
        match compression {
            Compression::Deflate => {
                let level = flate2::Compression::new(DEFLATE_LEVEL);
                Compressor::Deflate(flate2::Compress::new_with_window_bits(
                    level,
                    false,
                    DEFLATE_WINDOW,
                ))
            }
            Compression::Zstd => Compressor::Zstd(zstd::bulk::Compressor::new(ZSTD_LEVEL)),
        }
    }

    fn compress(&mut self, bytes: Vec<u8>) -> io::Result<Cluster> {
        let packed = match self {
            Compressor::Deflate(deflate) => {
                deflate.reset();
                let mut packed = Vec::with_capacity(bytes.len());
                let status = deflate.compress_vec(&bytes, &mut packed, flate2::FlushCompress::Finish)?;
                (status == flate2::Status::StreamEnd).then_some(packed)
            }
            Compressor::Zstd(Ok(zstd)) => Some(zstd.compress(&bytes)?),
            Compressor::Zstd(Err(error)) => return Err(io::Error::other(error.to_string())),
        };
        // A sector less is the least that is won.
        let limit = bytes.len() - usize::try_from(SECTOR).unwrap_or(0);
        Ok(match packed.filter(|packed| packed.len() <= limit) {
            Some(packed) => Cluster::Compressed(packed),
            None => Cluster::Plain(bytes),
        })
    }
}

/// Puts clusters one after the other.
struct Packer<'p> {
    out: &'p mut (dyn Write + Send),
    at: u64,
    entries: Vec<(u64, u64)>,
    compressed: Vec<(u64, Vec<u8>)>,
    plain: Vec<(u64, Vec<u8>)>,
}

impl<'p> Packer<'p> {
    fn new(out: &'p mut (dyn Write + Send)) -> Packer<'p> {
        Packer {
            out,
            at: 0,
            entries: Vec::new(),
            compressed: Vec::new(),
            plain: Vec::new(),
        }
    }

    fn add(&mut self, number: u64, cluster: Cluster) -> io::Result<()> {
        match cluster {
            Cluster::Zero => return Ok(()),
            Cluster::Compressed(bytes) => self.compressed.push((number, bytes)),
            Cluster::Plain(bytes) => self.plain.push((number, bytes)),
        }
        match self.compressed.len() + self.plain.len() >= BATCH {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        for (number, bytes) in std::mem::take(&mut self.compressed) {
            let last = (self.at + bytes.len() as u64 - 1) / SECTOR;
            let more = last - self.at / SECTOR;
            let shift = sectors_shift(super::format::CLUSTER_BITS);
            self.entries
                .push((number, COMPRESSED | (more << shift) | self.at));
            self.write(&bytes)?;
        }
        for (number, bytes) in std::mem::take(&mut self.plain) {
            self.pad()?;
            self.entries.push((number, COPIED | self.at));
            self.write(&bytes)?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Zeros up to the next cluster.
    fn pad(&mut self) -> io::Result<()> {
        let count = self.at.next_multiple_of(CLUSTER) - self.at;
        let zeros = vec![0; usize::try_from(count).unwrap_or(0)];
        self.write(&zeros)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        self.pad()
    }
}
