//! Where the contents of a data piece are: what is kept of a piece beside its bytes.

use std::collections::BTreeMap;

use ironkit_tree::Digest;

use super::format::DATA_PLAIN;

/// Where each content of a data piece is, and each block that contents share. All offsets are from the piece's beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Length of the piece in bytes.
    pub(super) size: u64,
    pub(super) placed: BTreeMap<Digest, Placed>,
    pub(super) fragments: Vec<Fragment>,
}

/// Where a content is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Placed {
    /// Where its blocks are, one after the other.
    pub start: u64,
    /// Length of each block as it stands there, with [`DATA_PLAIN`]; 0 for zeros that are not there.
    pub blocks: Vec<u32>,
    /// Where its last bytes are, if they share a block: the fragment's index, and the offset in what it unpacks to.
    pub tail: Option<(u32, u32)>,
    /// Bytes in blocks of zeros.
    pub sparse: u64,
}

/// A block that contents share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fragment {
    pub start: u64,
    /// Length, with [`DATA_PLAIN`].
    pub length: u32,
}

/// The first bytes of the byte form.
const MAGIC: &[u8] = b"ironkit squashfs table 1\n";
/// In the place of the number of the fragment that there is not.
const NO_FRAGMENT: u32 = u32::MAX;

impl Table {
    /// Length in bytes of the piece that it is of.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The table as bytes, from which [`parse`](Table::parse) makes the same again.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let long = |bytes: &mut Vec<u8>, number: u64| bytes.extend(number.to_le_bytes());
        long(&mut bytes, self.size);
        long(&mut bytes, self.fragments.len() as u64);
        for fragment in &self.fragments {
            bytes.extend(fragment.start.to_le_bytes());
            bytes.extend(fragment.length.to_le_bytes());
        }
        long(&mut bytes, self.placed.len() as u64);
        for (digest, placed) in &self.placed {
            bytes.extend(digest.bytes());
            for number in [placed.start, placed.sparse, placed.blocks.len() as u64] {
                long(&mut bytes, number);
            }
            let (index, offset) = placed.tail.unwrap_or((NO_FRAGMENT, 0));
            for number in [index, offset].iter().chain(&placed.blocks) {
                bytes.extend(number.to_le_bytes());
            }
        }
        bytes
    }

    /// Reads the byte form. `None` when it is none, or says what cannot be.
    pub fn parse(bytes: &[u8]) -> Option<Table> {
        let mut rest = Rest(bytes.strip_prefix(MAGIC)?);
        let mut table = Table {
            size: rest.long()?,
            ..Table::default()
        };
        for _ in 0..rest.long()? {
            table.fragments.push(Fragment {
                start: rest.long()?,
                length: rest.short()?,
            });
        }
        for _ in 0..rest.long()? {
            let digest = Digest::from(rest.take::<32>()?);
            let (start, sparse, count) = (rest.long()?, rest.long()?, rest.long()?);
            let (index, offset) = (rest.short()?, rest.short()?);
            let mut placed = Placed {
                start,
                sparse,
                tail: (index != NO_FRAGMENT).then_some((index, offset)),
                blocks: Vec::new(),
            };
            for _ in 0..count {
                placed.blocks.push(rest.short()?);
            }
            table.placed.insert(digest, placed);
        }
        (rest.0.is_empty() && table.is_sound()).then_some(table)
    }

    /// Whether everything is inside the piece.
    fn is_sound(&self) -> bool {
        let inside = |start: u64, lengths: &[u32]| {
            let length = lengths
                .iter()
                .map(|length| u64::from(length & !DATA_PLAIN))
                .sum::<u64>();
            start.checked_add(length).is_some_and(|end| end <= self.size)
        };
        let fragments = &self.fragments;
        let has = |index: u32| usize::try_from(index).is_ok_and(|index| index < fragments.len());
        fragments
            .iter()
            .all(|fragment| inside(fragment.start, &[fragment.length]))
            && self.placed.values().all(|placed| {
                inside(placed.start, &placed.blocks) && placed.tail.is_none_or(|(index, _)| has(index))
            })
    }
}

/// What is left to read of the byte form.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn long(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn short(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
}
