//! The table of chains, made while it is written: it grows with the contents, and memory should not.

use ironkit_tree::{BoxError, Digest, Hasher};

use super::format::{FIRST_CLUSTER, Width};
use crate::extents::{Data, Sink};

/// Bytes that are handed over at once. Entries do not straddle them.
const PIECE: usize = 48 * 1024;

/// The used part of a table: chains one behind the other, each in one run of clusters.
#[derive(Debug, Clone)]
pub struct Table {
    /// Entries' width.
    pub width: Width,
    /// Clusters of each chain, none of which is 0.
    pub chains: Vec<u32>,
}

impl Table {
    /// Used entries, with the two in front of the first cluster's.
    fn entries(&self) -> u64 {
        let used: u64 = self.chains.iter().map(|&count| u64::from(count)).sum();
        used + u64::from(FIRST_CLUSTER)
    }

    /// What each entry is, in order.
    fn values(&self) -> impl Iterator<Item = u32> {
        let mut next = FIRST_CLUSTER;
        let chained = self.chains.iter().flat_map(move |&count| {
            let (first, end) = (next, next + count);
            next = end;
            (first + 1..end).chain([self.width.end()])
        });
        [self.width.first(), self.width.end()].into_iter().chain(chained)
    }
}

impl Data for Table {
    fn size(&self) -> u64 {
        (self.entries() * self.width.bits()).div_ceil(8)
    }

    fn key(&self) -> Digest {
        let mut hasher = Hasher::new();
        hasher.field(b"FAT");
        hasher.update(&self.width.bits().to_le_bytes());
        for chain in &self.chains {
            hasher.update(&chain.to_le_bytes());
        }
        hasher.finish()
    }

    fn write_to(&self, out: &mut dyn Sink) -> Result<(), BoxError> {
        let mut piece = Vec::with_capacity(PIECE);
        let mut half = None;
        for value in self.values() {
            let [a, b, c, d] = value.to_le_bytes();
            match (self.width, half.take()) {
                (Width::Fat32, _) => piece.extend([a, b, c, d]),
                (Width::Fat16, _) => piece.extend([a, b]),
                // Two entries share three bytes.
                (Width::Fat12, None) => half = Some((a, b)),
                (Width::Fat12, Some((low, high))) => piece.extend([low, high | a << 4, a >> 4 | b << 4]),
            }
            if piece.len() >= PIECE {
                out.write_all(&piece)?;
                piece.clear();
            }
        }
        if let Some((low, high)) = half {
            piece.extend([low, high]);
        }
        Ok(out.write_all(&piece)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_runs() {
        for (width, chains, expect) in [
            (Width::Fat12, vec![1], vec![0xf8, 0xff, 0xff, 0xff, 0x0f]),
            (Width::Fat12, vec![2], vec![0xf8, 0xff, 0xff, 0x03, 0xf0, 0xff]),
            (
                Width::Fat16,
                vec![1, 2],
                vec![0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 4, 0, 0xff, 0xff],
            ),
            (
                Width::Fat32,
                vec![2],
                vec![
                    0xf8, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0x0f, 3, 0, 0, 0, 0xff, 0xff, 0xff, 0x0f,
                ],
            ),
        ] {
            let table = Table { width, chains };
            let mut written = Vec::new();
            table.write_to(&mut written).unwrap();
            assert_eq!(written, expect);
            assert_eq!(table.size(), written.len() as u64);
        }
    }
}
