//! Writers and readers of the formats that IronKit's outputs are made of.
//!
//! Each format is a folder: the specification's structures, a writer, a picture of the layout and the name of the
//! tool that judges it. A writer is a function of its input and its options. It knows no manifest and no file name,
//! reads no clock and draws no random numbers.

pub mod archive;
pub mod boot;
pub mod compress;
pub mod crc32c;
pub mod disk;
mod error;
pub mod extents;
pub mod filesystem;
pub mod gzip;
pub mod kernel;
pub mod parallel;
pub mod partition;
pub mod pe;
pub mod read_at;

pub use error::FormatError;
