//! The header, and what the entries of the tables say.

/// Name in messages.
pub const NAME: &str = "qcow2";
/// How the file begins.
pub const MAGIC: &[u8; 4] = b"QFI\xfb";
/// QEMU's default, 64 KiB, as a power of two.
pub const CLUSTER_BITS: u32 = 16;
pub const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// Entries of an L2 table, which fills a cluster.
pub const L2_ENTRIES: u64 = CLUSTER / 8;
/// Bits of a refcount, as a power of two, and how many fill a cluster.
pub const REFCOUNT_ORDER: u32 = 4;
pub const REFCOUNTS: u64 = CLUSTER / 2;
/// The largest L1 table that QEMU opens, in bytes.
pub const L1_MAX: u64 = 32 << 20;
/// The largest disk, in bytes.
pub const DISK_MAX: u64 = L1_MAX / 8 * L2_ENTRIES * CLUSTER;

/// In an entry of an L1 or L2 table: nobody else has this cluster, so it can be written in place.
pub const COPIED: u64 = 1 << 63;
/// In an entry of an L2 table: the cluster is compressed.
pub const COMPRESSED: u64 = 1 << 62;
/// In an entry of an L2 table: the cluster reads as zeros.
pub const ZERO: u64 = 1;
/// Where in the file the cluster or the table is.
pub const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// What lengths of compressed clusters are counted in, in bytes.
pub const SECTOR: u64 = 512;

/// Incompatible features: how clusters are compressed is in the header.
pub const COMPRESSION_TYPE: u64 = 1 << 3;
/// Incompatible features that a reader can do without knowing: it was not closed properly, so refcounts may be wrong.
pub const DIRTY: u64 = 1;
/// The length of a header that has all fields of version 3, and with the kind of compression and its padding.
pub const HEADER: usize = 104;
pub const HEADER_WITH_COMPRESSION: usize = 112;
/// The length of a header of version 2.
pub const HEADER_2: usize = 72;

/// The lowest bit, in the entry of a compressed cluster, of the number of its sectors; below it is its offset.
pub const fn sectors_shift(cluster_bits: u32) -> u32 {
    62 - (cluster_bits - 8)
}

/// What a header says that differs.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// Size of the disk in bytes.
    pub size: u64,
    /// Offset and entries of the L1 table.
    pub l1: (u64, u32),
    /// Offset and clusters of the refcount table.
    pub refcounts: (u64, u32),
    /// The kind of compression, if it is not deflate.
    pub compression: Option<u8>,
}

impl Header {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(3_u32.to_be_bytes()); // version
        bytes.extend([0; 12]); // no backing file: offset, size
        bytes.extend(CLUSTER_BITS.to_be_bytes());
        bytes.extend(self.size.to_be_bytes());
        bytes.extend([0; 4]); // not encrypted
        bytes.extend(self.l1.1.to_be_bytes());
        bytes.extend(self.l1.0.to_be_bytes());
        bytes.extend(self.refcounts.0.to_be_bytes());
        bytes.extend(self.refcounts.1.to_be_bytes());
        bytes.extend([0; 12]); // no snapshots: number, offset
        let incompatible = self.compression.map_or(0, |_| COMPRESSION_TYPE);
        bytes.extend(incompatible.to_be_bytes());
        bytes.extend([0; 16]); // features: compatible, autoclear
        bytes.extend(REFCOUNT_ORDER.to_be_bytes());
        let length = match self.compression {
            Some(_) => HEADER_WITH_COMPRESSION,
            None => HEADER,
        };
        bytes.extend(u32::try_from(length).unwrap_or(0).to_be_bytes());
        bytes.extend(self.compression);
        bytes.resize(length, 0);
        bytes
    }
}
