//! tar archives: POSIX ustar with PAX extended headers (IEEE 1003.1-2001, "pax Interchange Format").
//!
//! ```text
//! ┌─────────────────┬───────────────────────┬────────────┬──────────────┐     ┌──────────────────┐
//! │ header x        │ "27 path=long name\n" │ header     │ content, pad │  …  │ two zero blocks  │
//! └─────────────────┴───────────────────────┴────────────┴──────────────┘     └──────────────────┘
//!   only where needed: long or odd names,     512 bytes
//!   big numbers, xattrs, records of the caller
//! ```
//!
//! Written: everything a file set can hold. Hard links name the first name of their file. Records are in the order of
//! their keys. Read: that, and what GNU and older programs write, except sparse files. Judges: GNU `tar`, `umoci`, Python's `tarfile`.

mod format;
mod reader;
mod writer;

pub use format::{BLOCK, typeflag};
pub use reader::{Entry, ReadError, Reader};
pub use writer::{Stream, Writer, write_fileset};
