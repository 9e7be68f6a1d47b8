//! Lays out a file: its tables, then the clusters.

use std::sync::Arc;

use super::compressed::Clusters;
use super::format::{
    CLUSTER, COMPRESSED, COPIED, DISK_MAX, Header, L2_ENTRIES, NAME, OFFSET, REFCOUNTS, SECTOR, sectors_shift,
};
use crate::FormatError;
use crate::disk::blocks::{self, Present};
use crate::extents::{Data, Extents};

/// A disk of which the clusters that are more than a hole are there, as they are.
///
/// # Errors
/// [`FormatError::Image`] for a size that it cannot have.
pub fn plain<'a>(disk: Arc<dyn Data + 'a>) -> Result<Extents<'a>, FormatError> {
    check(disk.size())?;
    let present = blocks::present(&*disk, CLUSTER);
    let mut entries = Vec::new();
    for (place, cluster) in present.iter().cloned().flatten().enumerate() {
        entries.push((cluster, COPIED | (place as u64 * CLUSTER)));
    }
    let clusters = Arc::new(Present {
        block: CLUSTER,
        present,
        front: Vec::new(),
        disk: disk.clone(),
    });
    lay_out(disk.size(), &entries, None, clusters)
}

/// The whole file for a disk of `size` bytes whose clusters were [compressed](super::compress) into `clusters`.
///
/// # Errors
/// [`FormatError::Image`] for a size that it cannot have.
pub fn linked<'a>(
    size: u64,
    table: &Clusters,
    clusters: Arc<dyn Data + 'a>,
) -> Result<Extents<'a>, FormatError> {
    check(size)?;
    lay_out(size, &table.entries, table.compression.number(), clusters)
}

/// Refuses a disk that does not fit.
///
/// # Errors
/// [`FormatError::Image`].
pub fn check(size: u64) -> Result<(), FormatError> {
    blocks::check_size(size, DISK_MAX, NAME)
}

/// `entries` are the L2 tables' by number, with offsets from where the clusters begin.
fn lay_out<'a>(
    size: u64,
    entries: &[(u64, u64)],
    compression: Option<u8>,
    clusters: Arc<dyn Data + 'a>,
) -> Result<Extents<'a>, FormatError> {
    let covered = L2_ENTRIES * CLUSTER;
    let l1_entries = u32::try_from(size.div_ceil(covered)).map_err(|_| FormatError::Image {
        format: NAME,
        what: format!("a disk of {size} bytes"),
    })?;
    let tables: Vec<&[(u64, u64)]> = entries
        .chunk_by(|one, other| one.0 / L2_ENTRIES == other.0 / L2_ENTRIES)
        .collect();
    let l1_clusters = (u64::from(l1_entries) * 8).div_ceil(CLUSTER);
    let data = clusters.size().div_ceil(CLUSTER);
    let (table, blocks) = refcounts_for(1 + l1_clusters + tables.len() as u64 + data);
    let l1 = (1 + table + blocks) * CLUSTER;
    let l2 = l1 + l1_clusters * CLUSTER;
    let first = l2 + tables.len() as u64 * CLUSTER;

    let mut extents = Extents::new();
    let header = Header {
        size,
        l1: (l1, l1_entries),
        refcounts: (CLUSTER, u32::try_from(table).unwrap_or(u32::MAX)),
        compression,
    };
    extents.bytes(header.encode());
    extents.align(CLUSTER);
    let offsets = (0..blocks).flat_map(|block| ((1 + table + block) * CLUSTER).to_be_bytes());
    extents.bytes(offsets.collect::<Vec<u8>>());
    extents.align(CLUSTER);
    extents.bytes(refcounts(first / CLUSTER, data, entries));
    extents.align(CLUSTER);
    for (index, entries) in (0..).zip(&tables) {
        extents.zeros_to(l1 + entries[0].0 / L2_ENTRIES * 8);
        extents.bytes((COPIED | (l2 + index * CLUSTER)).to_be_bytes());
    }
    extents.zeros_to(l2);
    for entries in &tables {
        extents.bytes(l2_table(entries, first));
    }
    extents.data(clusters);
    extents.align(CLUSTER);
    Ok(extents)
}

/// How many clusters the refcount table and the refcount blocks take beside so many others.
fn refcounts_for(others: u64) -> (u64, u64) {
    let (mut table, mut blocks) = (1, 1);
    loop {
        let needed = (others + table + blocks).div_ceil(REFCOUNTS);
        let entries = (needed * 8).div_ceil(CLUSTER);
        if (entries, needed) == (table, blocks) {
            return (table, blocks);
        }
        // Both only grow.
        (table, blocks) = (entries, needed);
    }
}

/// One for each of `tables` clusters, and of the `data` clusters after them as many as there are clusters of the disk in it.
fn refcounts(tables: u64, data: u64, entries: &[(u64, u64)]) -> Vec<u8> {
    let mut counts: Vec<u16> = vec![0; usize::try_from(data).unwrap_or(0)];
    for (_, entry) in entries {
        let (start, end) = match entry & COMPRESSED {
            0 => (entry & OFFSET, (entry & OFFSET) + CLUSTER),
            _ => compressed_range(*entry),
        };
        for cluster in start / CLUSTER..end.div_ceil(CLUSTER) {
            if let Some(count) = usize::try_from(cluster)
                .ok()
                .and_then(|index| counts.get_mut(index))
            {
                *count += 1;
            }
        }
    }
    let tables = (0..tables).map(|_| 1);
    tables.chain(counts).flat_map(u16::to_be_bytes).collect()
}

/// The sectors that a compressed cluster is in, as bytes.
fn compressed_range(entry: u64) -> (u64, u64) {
    let shift = sectors_shift(super::format::CLUSTER_BITS);
    let offset = entry & ((1 << shift) - 1);
    let start = offset / SECTOR * SECTOR;
    let more = (entry & !COMPRESSED) >> shift;
    (start, start + (more + 1) * SECTOR)
}

fn l2_table(entries: &[(u64, u64)], first: u64) -> Vec<u8> {
    let mut table = vec![0_u64; usize::try_from(L2_ENTRIES).unwrap_or(0)];
    for (number, entry) in entries {
        let index = usize::try_from(number % L2_ENTRIES).unwrap_or(0);
        // Both kinds have the offset in their lowest bits, and the clusters' beginning is a multiple of a cluster.
        table[index] = entry + first;
    }
    table.into_iter().flat_map(u64::to_be_bytes).collect()
}
