//! Partition tables: which range of a disk is what.

pub mod gpt;
mod guid;
pub mod mbr;

use std::ops::Range;

pub use guid::Guid;

use crate::FormatError;
use crate::extents::{Data, Extents};

/// Bytes of a sector. Disks with larger ones have these tables elsewhere, and are not written.
pub const SECTOR: u64 = 512;
/// Where partitions begin: at multiples of this many bytes, which suits every disk's inner block size.
pub const ALIGNMENT: u64 = 1024 * 1024;

/// The sectors that `bytes` take.
pub fn sectors(bytes: u64) -> u64 {
    bytes.div_ceil(SECTOR)
}

/// Whether two of these ranges share something; which ones.
fn overlap(ranges: &[Range<u64>]) -> Option<(usize, usize)> {
    let mut order: Vec<usize> = (0..ranges.len()).collect();
    order.sort_by_key(|&index| (ranges[index].start, ranges[index].end));
    let neighbours = order.windows(2).map(|pair| (pair[0], pair[1]));
    let mut overlapping = neighbours.filter(|&(one, next)| ranges[one].end > ranges[next].start);
    overlapping.next()
}

/// Appends the contents of partitions at their sectors. A content may be shorter than its partition.
fn fill<'a>(
    disk: &mut Extents<'a>,
    ranges: &[Range<u64>],
    contents: Vec<Extents<'a>>,
    format: &'static str,
) -> Result<(), FormatError> {
    let refuse = |what: String| FormatError::Image { format, what };
    if ranges.len() != contents.len() {
        let what = format!("{} contents in {} partitions", contents.len(), ranges.len());
        return Err(refuse(what));
    }
    let mut placed: Vec<_> = ranges.iter().zip(contents).enumerate().collect();
    placed.sort_by_key(|(_, (range, _))| range.start);
    for (index, (range, content)) in placed {
        let size = (range.end - range.start) * SECTOR;
        if content.size() > size {
            return Err(refuse(format!(
                "{} bytes in partition {}, which has {size}",
                content.size(),
                index + 1
            )));
        }
        disk.zeros_to(range.start * SECTOR);
        disk.append(content);
    }
    Ok(())
}
