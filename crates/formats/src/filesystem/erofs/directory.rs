//! The content of directories: blocks of entries, sorted by name over all of them.
//!
//! ```text
//! ┌───────┬───────┬─────┬──────┬──────┬─────┬───────┐
//! │ entry │ entry │  …  │ name │ name │  …  │ zeros │   of each block but the last one, which just ends
//! └───────┴───────┴─────┴──────┴──────┴─────┴───────┘
//! ```

use super::format::{BLOCK, BLOCK_BITS, DIRENT};

/// A name in a directory, and what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name<'a> {
    pub name: &'a [u8],
    /// Index of the inode.
    pub inode: usize,
}

const BLOCK_SIZE: usize = 1 << BLOCK_BITS;

/// Which of the sorted `names` are together in a block.
fn blocks<'s, 'a>(mut names: &'s [Name<'a>]) -> impl Iterator<Item = &'s [Name<'a>]> {
    std::iter::from_fn(move || {
        let mut used = 0;
        let fits = |name: &&Name| {
            used += DIRENT + name.name.len();
            used <= BLOCK_SIZE
        };
        let count = names.iter().take_while(fits).count();
        let (block, rest) = names.split_at(count);
        names = rest;
        (count > 0).then_some(block)
    })
}

/// Length in bytes of the content of a directory with these sorted names.
pub(super) fn size(names: &[Name]) -> u64 {
    let length = |block: &[Name]| {
        let lengths = block.iter().map(|name| (DIRENT + name.name.len()) as u64);
        lengths.sum::<u64>()
    };
    // Each block but the last one is filled up.
    blocks(names).fold(0, |size, block| size.next_multiple_of(BLOCK) + length(block))
}

/// The content itself. `look` tells the number and the `file_type` of an inode.
pub(super) fn content(names: &[Name], look: impl Fn(usize) -> (u64, u8)) -> Vec<u8> {
    let mut out = Vec::new();
    for block in blocks(names) {
        out.resize(out.len().next_multiple_of(BLOCK_SIZE), 0);
        let mut offset = block.len() * DIRENT;
        for name in block {
            let (nid, file_type) = look(name.inode);
            out.extend(nid.to_le_bytes());
            // Inside of a block, so it fits.
            out.extend(u16::try_from(offset).unwrap_or(u16::MAX).to_le_bytes());
            out.extend([file_type, 0]);
            offset += name.name.len();
        }
        block.iter().for_each(|name| out.extend(name.name));
    }
    out
}
