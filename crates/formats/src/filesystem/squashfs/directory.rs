//! Directories: sorted names in runs, each run behind a header with what its entries have in common.
//!
//! ```text
//! ┌────────┬───────┬───────┬────────┬───────┬─────┐
//! │ header │ entry │ entry │ header │ entry │  …  │   a header for each block of inodes, and for 256 entries at most;
//! └────────┴───────┴───────┴────────┴───────┴─────┘   where metadata blocks begin, so that an index can point there
//! ```

use super::format::{METADATA_SIZE, RUN_MAX};
use super::metadata::{Metadata, Place};
use super::unfit;
use crate::FormatError;

/// A name in a directory.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    pub name: &'a [u8],
    /// Where its inode is.
    pub inode: Place,
    /// Number of that inode.
    pub number: u32,
    /// Basic type.
    pub kind: u16,
}

/// A directory that is written: where, and what its inode says of it.
#[derive(Debug)]
pub(super) struct Listing {
    pub place: Place,
    pub size: u32,
    /// The index as it stands behind the inode.
    pub index: Vec<u8>,
    /// How many entries that has.
    pub indexed: u16,
}

/// Length of a header and of an entry without its name.
const HEADER_SIZE: usize = 12;
const ENTRY_SIZE: usize = 8;

/// Appends the listing of a directory to the table of directories.
pub(super) fn append(table: &mut Metadata, entries: &[Entry]) -> Result<Listing, FormatError> {
    let mut listing = Listing {
        place: table.place()?,
        size: 0,
        index: Vec::new(),
        indexed: 0,
    };
    let size: usize = entries.iter().map(|entry| ENTRY_SIZE + entry.name.len()).sum();
    let large = size > METADATA_SIZE;
    // The metadata block that is reached without the index's help.
    let mut indexed = listing.place.block;
    let mut rest = entries;
    while let Some(first) = rest.first() {
        let place = table.place()?;
        if large && place.block != indexed {
            indexed = place.block;
            listing.add_index(first, place)?;
        }
        // Where a metadata block is left, a run ends, so that the index can point to the next one.
        let room = if large { table.room() } else { usize::MAX };
        let (run, later) = rest.split_at(run(rest, room));
        let bytes = encode(run)?;
        table.write(&bytes)?;
        let size = listing.size as usize + bytes.len();
        listing.size = u32::try_from(size).map_err(|_| unfit("a directory of 4 GiB"))?;
        rest = later;
    }
    Ok(listing)
}

/// How many of these entries can stand behind one header, of whose metadata block `room` bytes are left.
fn run(entries: &[Entry], room: usize) -> usize {
    let Some(first) = entries.first() else { return 0 };
    let mut size = HEADER_SIZE;
    let fits = entries
        .iter()
        .enumerate()
        .take(RUN_MAX)
        .take_while(|(index, entry)| {
            let before = size;
            size += ENTRY_SIZE + entry.name.len();
            let near = delta(first, entry).is_some();
            *index == 0 || (entry.inode.block == first.inode.block && near && before < room)
        });
    fits.count()
}

fn delta(first: &Entry, entry: &Entry) -> Option<i16> {
    i16::try_from(i64::from(entry.number) - i64::from(first.number)).ok()
}

fn encode(run: &[Entry]) -> Result<Vec<u8>, FormatError> {
    let mut bytes = Vec::new();
    let Some(first) = run.first() else {
        return Ok(bytes);
    };
    let count = u32::try_from(run.len()).map_err(|_| unfit("so many entries"))?;
    for number in [count - 1, first.inode.block, first.number] {
        bytes.extend(number.to_le_bytes());
    }
    for entry in run {
        let delta = delta(first, entry).ok_or_else(|| unfit("so many entries"))?;
        bytes.extend(entry.inode.offset.to_le_bytes());
        bytes.extend(delta.to_le_bytes());
        bytes.extend(entry.kind.to_le_bytes());
        bytes.extend(length(entry.name)?.to_le_bytes());
        bytes.extend(entry.name);
    }
    Ok(bytes)
}

/// The length of a name less one, which is how it is kept.
fn length(name: &[u8]) -> Result<u16, FormatError> {
    let length = name
        .len()
        .checked_sub(1)
        .and_then(|length| u16::try_from(length).ok());
    length.ok_or_else(|| unfit("a name of this length"))
}

impl Listing {
    /// The next run begins with `first`, at `place`.
    fn add_index(&mut self, first: &Entry, place: Place) -> Result<(), FormatError> {
        let name = u32::from(length(first.name)?);
        for number in [self.size, place.block, name] {
            self.index.extend(number.to_le_bytes());
        }
        self.index.extend(first.name);
        let count = self.indexed.checked_add(1);
        self.indexed = count.ok_or_else(|| unfit("a directory of this length"))?;
        Ok(())
    }
}
