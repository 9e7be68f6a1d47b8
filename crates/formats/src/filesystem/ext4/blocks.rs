//! Which blocks are used: those that have their place, and from the first free one on all that are asked for.

use std::ops::Range;

use super::format::{EXTENT_MAX, FORMAT};
use super::geometry::Geometry;
use crate::FormatError;

/// Gives blocks away, from the first to the last.
pub(super) struct Blocks {
    /// Blocks that have their place, in order.
    fixed: Vec<Range<u64>>,
    /// Index of the first of these that is behind `next`.
    behind: usize,
    next: u64,
    end: u64,
}

impl Blocks {
    pub fn new(geometry: &Geometry) -> Blocks {
        Blocks {
            fixed: geometry.fixed(),
            behind: 0,
            next: 0,
            end: geometry.blocks,
        }
    }

    /// The next `count` free blocks, in runs that are no longer than an extent can be.
    pub fn take(&mut self, count: u64) -> Result<Vec<Range<u64>>, FormatError> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        let mut left = count;
        while left > 0 {
            let limit = match self.fixed.get(self.behind) {
                Some(fixed) if fixed.start <= self.next => {
                    self.next = fixed.end;
                    self.behind += 1;
                    continue;
                }
                Some(fixed) => fixed.start,
                None => self.end,
            };
            let length = left.min(limit - self.next).min(EXTENT_MAX);
            if length == 0 {
                return Err(FormatError::Image {
                    format: FORMAT,
                    what: format!("its files: {left} blocks are missing"),
                });
            }
            runs.push(self.next..self.next + length);
            self.next += length;
            left -= length;
        }
        Ok(runs)
    }

    /// The next free block.
    pub fn one(&mut self) -> Result<u64, FormatError> {
        Ok(self.take(1)?.first().map_or(0, |run| run.start))
    }

    /// Which blocks of a group are used.
    pub fn used(&self, group: Range<u64>) -> Vec<Range<u64>> {
        let given = group.start..self.next.clamp(group.start, group.end);
        let first = self.fixed.partition_point(|fixed| fixed.end <= given.end);
        let rest = self.fixed[first..]
            .iter()
            .take_while(|fixed| fixed.start < group.end)
            .map(|fixed| fixed.start.max(given.end)..fixed.end.min(group.end));
        let mut used = vec![given.clone()];
        used.extend(rest);
        used.retain(|range| !range.is_empty());
        used
    }
}

/// Sets these bits of a bitmap.
pub(super) fn set(bitmap: &mut [u8], bits: Range<u64>) {
    for bit in bits {
        let byte = usize::try_from(bit / 8).unwrap_or(usize::MAX);
        bitmap[byte] |= 1 << (bit % 8);
    }
}
