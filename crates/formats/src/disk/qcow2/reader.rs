//! The disk in a qcow2 file.

use std::io;

use super::compressed::DEFLATE_WINDOW;
use super::format::{
    COMPRESSED, COMPRESSION_TYPE, DIRTY, HEADER, HEADER_2, L1_MAX, MAGIC, NAME, OFFSET, SECTOR, ZERO,
    sectors_shift,
};
use crate::disk::blocks::{self, Last, Place};
use crate::read_at::{ReadAt, ReadError, be32, be64, broken, bytes};

/// The disk in an image, which is read when the disk is.
pub struct Qcow2<'a> {
    image: &'a dyn ReadAt,
    size: u64,
    cluster_bits: u32,
    l1: u64,
    zstd: bool,
    /// Version 2 does not know it.
    zero_flag: bool,
    last: Last,
}

/// Sizes of clusters, as powers of two.
const CLUSTER_BITS: std::ops::RangeInclusive<u32> = 9..=21;
/// Largest window of a cluster's zstd frame, as a power of two; QEMU's have a cluster's size.
const ZSTD_WINDOW_LOG: u32 = 25;

impl<'a> Qcow2<'a> {
    /// Whether `image` begins as such a file.
    pub fn is(image: &dyn ReadAt) -> bool {
        bytes(image, NAME, 0, MAGIC.len()).is_ok_and(|begins| begins == MAGIC)
    }

    /// Reads the header.
    ///
    /// # Errors
    /// [`ReadError`] for what is no such image, or one of a kind that is not read.
    pub fn open(image: &'a dyn ReadAt) -> Result<Qcow2<'a>, ReadError> {
        let header = bytes(image, NAME, 0, HEADER_2)?;
        let wrong = |offset, what: String| Err(broken(NAME, offset, what));
        if !header.starts_with(MAGIC) {
            return wrong(0, "there is no header".to_owned());
        }
        let version = be32(&header, 4);
        let zstd = match version {
            2 => false,
            3 => features(image)?,
            _ => return wrong(4, format!("version {version} is not read")),
        };
        if be64(&header, 8) != 0 {
            return wrong(8, "it has a backing file, which is not read".to_owned());
        }
        let cluster_bits = be32(&header, 20);
        if !CLUSTER_BITS.contains(&cluster_bits) {
            return wrong(20, format!("clusters have 2^{cluster_bits} bytes"));
        }
        if be32(&header, 32) != 0 {
            return wrong(32, "it is encrypted".to_owned());
        }
        let (size, entries, l1) = (be64(&header, 24), be32(&header, 36), be64(&header, 40));
        // An entry for each L2 table, which is a cluster of entries.
        let covered = 1_u64 << (2 * cluster_bits - 3);
        let needed = size.div_ceil(covered);
        let end = l1.checked_add(needed.saturating_mul(8));
        if needed * 8 > L1_MAX || needed > u64::from(entries) || end.is_none_or(|end| end > image.size()) {
            return wrong(
                36,
                format!("a disk of {size} bytes has an L1 table of {entries} entries"),
            );
        }
        Ok(Qcow2 {
            image,
            size,
            cluster_bits,
            l1,
            zstd,
            zero_flag: version > 2,
            last: Last::default(),
        })
    }

    /// The entry at `offset` of a table.
    fn entry(&self, offset: u64) -> io::Result<u64> {
        let mut entry = [0; 8];
        self.image.read_exact_at(&mut entry, offset)?;
        Ok(u64::from_be_bytes(entry))
    }

    fn find(&self, cluster: u64) -> io::Result<Place> {
        let entries_bits = self.cluster_bits - 3;
        let l2 = self.entry(self.l1 + (cluster >> entries_bits) * 8)? & OFFSET;
        if l2 == 0 {
            return Ok(Place::Zeros);
        }
        let index = cluster & ((1 << entries_bits) - 1);
        let entry = self.entry(l2 + index * 8)?;
        if entry & COMPRESSED != 0 {
            return self.last.or_unpack(entry, || self.unpack(entry));
        }
        match entry & OFFSET {
            0 => Ok(Place::Zeros),
            _ if self.zero_flag && entry & ZERO != 0 => Ok(Place::Zeros),
            offset => Ok(Place::At(offset)),
        }
    }

    /// The cluster of an entry.
    fn unpack(&self, entry: u64) -> Result<Vec<u8>, ReadError> {
        let shift = sectors_shift(self.cluster_bits);
        let offset = entry & ((1 << shift) - 1);
        let sectors = ((entry & !(COMPRESSED | 1 << 63)) >> shift) + 1;
        let end = (offset / SECTOR + sectors) * SECTOR;
        // The last sectors need not be there as a whole.
        let length = end.min(self.image.size()).saturating_sub(offset);
        let length = usize::try_from(length).map_err(|_| broken(NAME, offset, "a cluster is too large"))?;
        let packed = bytes(self.image, NAME, offset, length)?;
        let mut cluster = vec![0; 1 << self.cluster_bits];
        let unpacked = match self.zstd {
            true => unpack_zstd(&packed, &mut cluster),
            false => inflate(&packed, &mut cluster),
        };
        match unpacked {
            true => Ok(cluster),
            false => Err(broken(NAME, offset, "a compressed cluster is damaged")),
        }
    }
}

/// Whether clusters are compressed with zstd; what else a header of version 3 asks for is refused.
fn features(image: &dyn ReadAt) -> Result<bool, ReadError> {
    let header = bytes(image, NAME, 0, HEADER)?;
    let incompatible = be64(&header, 72);
    if incompatible & !(COMPRESSION_TYPE | DIRTY) != 0 {
        let what = format!("it needs features that are not read: {incompatible:#x}");
        return Err(broken(NAME, 72, what));
    }
    if incompatible & COMPRESSION_TYPE == 0 {
        return Ok(false);
    }
    match bytes(image, NAME, HEADER as u64, 1)?[0] {
        0 => Ok(false),
        1 => Ok(true),
        kind => {
            let what = format!("compression type {kind} is not read");
            Err(broken(NAME, HEADER as u64, what))
        }
    }
}

/// Fills `cluster`; what follows in the sectors is no part of it.
fn inflate(packed: &[u8], cluster: &mut [u8]) -> bool {
    let mut inflate = flate2::Decompress::new_with_window_bits(false, DEFLATE_WINDOW);
    let done = inflate.decompress(packed, cluster, flate2::FlushDecompress::Finish);
    done.is_ok() && inflate.total_out() == cluster.len() as u64
}

fn unpack_zstd(packed: &[u8], cluster: &mut [u8]) -> bool {
    let Ok(mut reader) = zstd::stream::read::Decoder::with_buffer(packed) else {
        return false;
    };
    // Its memory is as large as it asks for; no cluster has that many bytes.
    if reader.window_log_max(ZSTD_WINDOW_LOG).is_err() {
        return false;
    }
    io::Read::read_exact(&mut reader, cluster).is_ok()
}

impl ReadAt for Qcow2<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let cluster = 1 << self.cluster_bits;
        blocks::read(self.image, (self.size, cluster), buffer, offset, |cluster| {
            self.find(cluster)
        })
    }
}
