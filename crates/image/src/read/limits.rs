//! How much of everything an image may have: what it says of itself is no reason to take memory, or to go on for hours.

use std::cell::Cell;
use std::io::{self, Read};

use super::{ReadError, Result};

/// Most entries that are listed.
const ENTRIES_MAX: u64 = 500_000;
/// Most bytes of names, link targets and attributes together.
const NAMES_MAX: u64 = 64 << 20;
/// Most bytes of contents, whatever they unpack to: so many, and so many times what the file has.
const CONTENTS_MAX: u64 = 64 << 30;
const CONTENTS_LEAST: u64 = 1 << 30;
/// What deflate makes of the best it can get, nearly.
const CONTENTS_TIMES: u64 = 1024;
/// Most bytes of contents that are kept because they are asked for.
const KEPT_MAX: u64 = 64 << 20;
/// Most things that are inside each other or beside each other.
const OBJECTS_MAX: u64 = 20_000;

/// What is left of each, for all that is read of one file, however deep.
pub(crate) struct Limits {
    pub entries: Left,
    pub names: Left,
    pub contents: Left,
    pub kept: Left,
    pub objects: Left,
}

impl Limits {
    /// For a file of `size` bytes.
    pub fn new(size: u64) -> Limits {
        let contents = CONTENTS_LEAST.saturating_add(size.saturating_mul(CONTENTS_TIMES));
        Limits {
            entries: Left::new("entries", ENTRIES_MAX),
            names: Left::new("bytes of names", NAMES_MAX),
            contents: Left::new("bytes of contents", contents.min(CONTENTS_MAX)),
            kept: Left::new("bytes of documents", KEPT_MAX),
            objects: Left::new("things inside each other", OBJECTS_MAX),
        }
    }
}

/// What is left of something.
pub(crate) struct Left {
    what: &'static str,
    limit: u64,
    left: Cell<u64>,
}

impl Left {
    fn new(what: &'static str, limit: u64) -> Left {
        let left = Cell::new(limit);
        Left { what, limit, left }
    }

    /// Takes `count` of it.
    pub fn take(&self, count: u64) -> Result<()> {
        let left = self.left.get().checked_sub(count).ok_or(ReadError::Limit {
            what: self.what,
            limit: self.limit,
        })?;
        self.left.set(left);
        Ok(())
    }
}

/// A stream that takes its bytes from what is left of contents.
pub(crate) struct Counted<'l, R> {
    stream: R,
    left: &'l Left,
}

impl<'l, R: Read> Counted<'l, R> {
    pub fn new(stream: R, limits: &'l Limits) -> Counted<'l, R> {
        let left = &limits.contents;
        Counted { stream, left }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.left.take(count as u64).map_err(io::Error::other)?;
        Ok(count)
    }
}
