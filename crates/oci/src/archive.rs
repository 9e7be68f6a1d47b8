//! Images as one file: OCI layouts in a tar archive, and what `docker save` writes.
//!
//! Archives come from anywhere, so they are read as hostile: names lead to no files, blobs are verified, long
//! headers and sparse files are refused. What is written depends on the image and the format alone.

mod export;
mod import;

pub use export::{ArchiveFormat, ExportOptions, export, image};
pub use import::{ImportOptions, import};
