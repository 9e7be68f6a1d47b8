//! How large clusters and tables are.

use super::format::{ENTRY, FORMAT, Geometry, RESERVED_FAT32, SECTOR, TRACK, Width};
use super::writer::Kind;
use crate::FormatError;

/// Clusters begin at a multiple of this many sectors: 4 KiB.
const ALIGNMENT: u64 = 8;
/// Entries of a root directory of fixed size are at least as many as everybody's.
const ROOT_ENTRIES: u64 = 512;
/// From how many bytes on a FAT32 has clusters of that many sectors, as Microsoft's tools choose them. Smaller ones get
/// smaller clusters where they would have too few.
const CLUSTERS_FAT32: [(u64, u32); 7] = [
    (32 << 30, 64),
    (16 << 30, 32),
    (8 << 30, 16),
    (0, 8),
    (0, 4),
    (0, 2),
    (0, 1),
];

/// What has to find place.
pub struct Demand {
    /// Bytes of each chain: files, and directories but the root.
    pub chains: Vec<u64>,
    /// Entries of the root directory.
    pub root: u64,
}

impl Demand {
    /// How many clusters of so many sectors it takes.
    fn clusters(&self, width: Width, cluster: u32) -> u64 {
        let bytes = u64::from(cluster) * SECTOR;
        let root = match width {
            Width::Fat32 => (self.root * ENTRY as u64).div_ceil(bytes).max(1),
            _ => 0,
        };
        root + self.chains.iter().map(|chain| chain.div_ceil(bytes)).sum::<u64>()
    }

    /// Entries that a root directory of fixed size gets: whole multiples of 4 KiB.
    fn root_entries(&self, width: Width) -> u64 {
        let step = ALIGNMENT * SECTOR / ENTRY as u64;
        match width {
            Width::Fat32 => 0,
            _ => self.root.max(ROOT_ENTRIES).next_multiple_of(step),
        }
    }
}

/// The geometry of a file system of `size` bytes, or of the smallest one that holds what is demanded.
///
/// # Errors
/// What does not fit.
pub fn choose(demand: &Demand, kind: Kind, size: Option<u64>) -> Result<Geometry, FormatError> {
    let Some(size) = size else {
        return smallest(demand, kind).ok_or_else(|| FormatError::Image {
            format: FORMAT,
            what: "so much: it has up to 2^32 sectors".to_owned(),
        });
    };
    let sectors = (size / SECTOR).min(u64::from(u32::MAX)) / u64::from(TRACK) * u64::from(TRACK);
    let bytes = sectors * SECTOR;
    let fitting = candidates(kind, bytes)
        .filter_map(|(width, cluster)| of_size(demand, width, cluster, sectors))
        .next();
    fitting.ok_or_else(|| {
        let needed = match smallest(demand, kind) {
            Some(geometry) => format!("{} are needed", u64::from(geometry.sectors) * SECTOR),
            None => "no number is enough".to_owned(),
        };
        FormatError::Image {
            format: FORMAT,
            what: format!("these files in {size} bytes: {needed}"),
        }
    })
}

/// Widths and clusters' sectors for a file system of so many bytes, the best first.
fn candidates(kind: Kind, bytes: u64) -> impl Iterator<Item = (Width, u32)> {
    let narrow = match kind {
        Kind::Auto => &[
            (Width::Fat12, 1),
            (Width::Fat12, 2),
            (Width::Fat12, 4),
            (Width::Fat16, 1),
            (Width::Fat16, 2),
            (Width::Fat16, 4),
            (Width::Fat16, 8),
            (Width::Fat16, 16),
        ][..],
        Kind::Fat32 => &[],
    };
    let wide = CLUSTERS_FAT32.iter().filter(move |(from, _)| bytes >= *from);
    let wide = wide.map(|(_, cluster)| (Width::Fat32, *cluster));
    narrow.iter().copied().chain(wide)
}

fn smallest(demand: &Demand, kind: Kind) -> Option<Geometry> {
    let bytes = demand.chains.iter().sum();
    let mut best = None;
    for (width, cluster) in candidates(kind, bytes) {
        let clusters = demand.clusters(width, cluster);
        let (min, max) = width.clusters();
        if clusters > max {
            continue;
        }
        best = Some((width, cluster, clusters.max(min)));
        // Too few of them for FAT32 are more when they are smaller.
        if clusters >= min || width != Width::Fat32 {
            break;
        }
    }
    let (width, cluster, clusters) = best?;
    let table = table(width, clusters);
    let root_entries = demand.root_entries(width);
    let data = data(width, table, root_entries);
    let sectors = data + clusters * u64::from(cluster);
    let sectors = sectors.next_multiple_of(u64::from(TRACK));
    // What the last track adds to the clusters is at most a handful: the next size of the table takes them in.
    of_size(demand, width, cluster, sectors)
        .or_else(|| of_size(demand, width, cluster, sectors + 4 * u64::from(TRACK)))
}

/// The geometry of so many sectors, if it is one of that width and holds what is demanded.
fn of_size(demand: &Demand, width: Width, cluster: u32, sectors: u64) -> Option<Geometry> {
    let root_entries = demand.root_entries(width);
    let clusters = |table: u64| sectors.saturating_sub(data(width, table, root_entries)) / u64::from(cluster);
    // The smallest table that has room for all clusters beside it: the larger the table, the fewer they are.
    let (mut low, mut high) = (1, table(width, sectors / u64::from(cluster)));
    while low < high {
        let middle = (low + high) / 2;
        if table(width, clusters(middle)) <= middle {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    let count = clusters(low);
    let (min, max) = width.clusters();
    if !(min..=max).contains(&count) || count < demand.clusters(width, cluster) {
        return None;
    }
    let fit = |value: u64| u32::try_from(value).ok();
    let front = data(width, low, root_entries);
    Some(Geometry {
        width,
        cluster,
        reserved: fit(front - 2 * low - root_entries * ENTRY as u64 / SECTOR)?,
        table: fit(low)?,
        root_entries: fit(root_entries).filter(|entries| *entries <= u32::from(u16::MAX))?,
        clusters: fit(count)?,
        sectors: fit(sectors)?,
    })
}

/// Sectors of a table for so many clusters.
fn table(width: Width, clusters: u64) -> u64 {
    ((clusters + 2) * width.bits()).div_ceil(8 * SECTOR)
}

/// Sectors in front of the clusters.
fn data(width: Width, table: u64, root_entries: u64) -> u64 {
    let reserved = match width {
        Width::Fat32 => u64::from(RESERVED_FAT32),
        _ => 1,
    };
    let root = root_entries * ENTRY as u64 / SECTOR;
    (reserved + 2 * table + root).next_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn demand(chains: &[u64]) -> Demand {
        Demand {
            chains: chains.to_vec(),
            root: 3,
        }
    }

    #[test]
    fn sizes_choose_widths_and_clusters() {
        use Width::{Fat12, Fat16, Fat32};
        for (kind, size, expect) in [
            (Kind::Auto, MIB, (Fat12, 1)),
            (Kind::Auto, 4 * MIB, (Fat12, 2)),
            (Kind::Auto, 20 * MIB, (Fat16, 1)),
            (Kind::Auto, 500 * MIB, (Fat16, 16)),
            (Kind::Auto, 600 * MIB, (Fat32, 8)),
            (Kind::Fat32, 40 * MIB, (Fat32, 1)),
            (Kind::Fat32, 300 * MIB, (Fat32, 8)),
            (Kind::Fat32, 9 << 30, (Fat32, 16)),
            (Kind::Fat32, 2 << 40, (Fat32, 64)),
        ] {
            let found = choose(&demand(&[1, 5000]), kind, Some(size)).unwrap();
            assert_eq!((found.width, found.cluster), expect, "{kind:?} {size}");
            assert_eq!(Width::of(found.clusters.into()), found.width);
            let end = found.data() + u64::from(found.clusters) * found.cluster_bytes();
            assert!(end <= size && size - end < 64 * 1024 + 16384, "{end} of {size}");
            assert_eq!(found.data() % 4096, 0);
            let room = u64::from(found.table) * SECTOR * 8 / found.width.bits();
            assert!(room >= u64::from(found.clusters) + 2);
        }
    }

    #[test]
    fn the_smallest_is_large_enough() {
        for kind in [Kind::Auto, Kind::Fat32] {
            for bytes in (0..40).map(|shift| (1u64 << shift) + 12345) {
                let demand = demand(&[bytes; 3]);
                let found = choose(&demand, kind, None).unwrap();
                let size = u64::from(found.sectors) * SECTOR;
                assert!(choose(&demand, kind, Some(size)).is_ok(), "{bytes}");
                assert!(u64::from(found.clusters) >= demand.clusters(found.width, found.cluster));
                let reserve = if kind == Kind::Fat32 { 36 * MIB } else { 300_000 };
                assert!(
                    size < 3 * bytes + 3 * bytes / 40 + reserve,
                    "{kind:?} {bytes}: {size}"
                );
            }
        }
        let small = choose(&demand(&[]), Kind::Fat32, None).unwrap();
        assert!(u64::from(small.sectors) * SECTOR < 34_200_000, "{small:?}");
    }

    #[test]
    fn too_small_says_how_much_is_needed() {
        let found = choose(&demand(&[10 * MIB]), Kind::Auto, Some(5 * MIB))
            .unwrap_err()
            .to_string();
        let (_, needed) = found.split_once("bytes: ").unwrap();
        let needed: u64 = needed.trim_end_matches(" are needed").parse().unwrap();
        assert!(choose(&demand(&[10 * MIB]), Kind::Auto, Some(needed)).is_ok());
        assert!(choose(&demand(&[1 << 42]), Kind::Auto, None).is_err());
        assert!(choose(&demand(&[]), Kind::Auto, Some(100)).is_err());
    }
}
