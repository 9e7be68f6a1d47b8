//! The content of directories: blocks of entries, each of which ends with a checksum.

use super::format::{BLOCK_SIZE, DIRECTORY_TAIL, DIRECTORY_TAIL_SIZE};
use crate::crc32c;

/// Length of an entry without its name.
const ENTRY: usize = 8;
/// Bytes of a block for entries.
const SPACE: usize = BLOCK_SIZE - DIRECTORY_TAIL_SIZE;

/// A name in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name<'a> {
    pub name: &'a [u8],
    pub inode: u32,
    pub file_type: u8,
}

fn length(name: &[u8]) -> usize {
    (ENTRY + name.len()).next_multiple_of(4)
}

/// How many blocks these names take, in their order.
pub(super) fn blocks<'a>(names: impl Iterator<Item = &'a [u8]>) -> u64 {
    let (mut blocks, mut used) = (1, 0);
    for name in names {
        used += length(name);
        if used > SPACE {
            (blocks, used) = (blocks + 1, length(name));
        }
    }
    blocks
}

/// So many blocks with these names. `seed` begins checksums of the directory's inode.
pub(super) fn content(names: &[Name], blocks: u64, seed: u32) -> Vec<u8> {
    let mut names = names.iter().peekable();
    let mut out = Vec::new();
    for _ in 0..blocks {
        let start = out.len();
        let (mut used, mut last) = (0, None);
        while let Some(name) = names.next_if(|name| used + length(name.name) <= SPACE) {
            last = Some(out.len());
            entry(&mut out, name, length(name.name));
            used += length(name.name);
        }
        match last {
            // The last entry has what is left.
            Some(last) => {
                let length = SPACE - (last - start);
                out[last + 4..last + 6].copy_from_slice(&short(length).to_le_bytes());
            }
            None => entry(&mut out, &NOTHING, SPACE),
        }
        out.resize(start + SPACE, 0);
        let checksum = crc32c::update(seed, &out[start..]);
        entry(&mut out, &TAIL, DIRECTORY_TAIL_SIZE);
        out.truncate(start + SPACE + ENTRY);
        out.extend(checksum.to_le_bytes());
    }
    out
}

/// A block without names.
const NOTHING: Name = Name {
    name: b"",
    inode: 0,
    file_type: 0,
};
/// What older kernels see in the place of the checksum.
const TAIL: Name = Name {
    name: b"",
    inode: 0,
    file_type: DIRECTORY_TAIL,
};

fn entry(out: &mut Vec<u8>, name: &Name, length: usize) {
    let end = out.len() + self::length(name.name);
    out.extend(name.inode.to_le_bytes());
    out.extend(short(length).to_le_bytes());
    // At most 255, as was checked.
    out.push(u8::try_from(name.name.len()).unwrap_or(u8::MAX));
    out.push(name.file_type);
    out.extend(name.name);
    out.resize(end, 0);
}

/// A length inside of a block.
fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}
