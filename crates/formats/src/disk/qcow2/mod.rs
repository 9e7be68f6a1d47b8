//! qcow2, version 3: QEMU's docs/interop/qcow2.rst.
//!
//! ```text
//! ┌────────┬──────────┬──────────┬──────────┬───────────┬──────────────────────────────┐
//! │ header │ refcount │ refcount │ L1 table │ L2 tables │ clusters of the disk         │
//! │        │ table    │ blocks   │          │           │                              │
//! └────────┴──────────┴──────────┴──────────┴───────────┴──────────────────────────────┘
//!   each begins with a cluster of 64 KiB; numbers are big-endian
//! ```
//!
//! Written: clusters that are more than a hole, as they are ([`plain`]) or compressed where that makes them smaller
//! ([`compress`], which gives the clusters and tells where they are, and [`linked`], which gives all of the file). Nothing is
//! written twice: all tables are in front of the clusters, and known before. Read: versions 2 and 3, without backing files,
//! encryption, external data and subclusters. Judge: `qemu-img check`.

mod compressed;
mod format;
mod reader;
mod writer;

pub use compressed::{Clusters, Compression, compress};
pub use reader::Qcow2;
pub use writer::{check, linked, plain};
