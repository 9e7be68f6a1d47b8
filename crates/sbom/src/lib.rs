//! What is in an image, as documents that other tools read: SPDX, CycloneDX, and where it came from.
//!
//! - [`Fragment`] is what one image says of itself: [read](Fragment::from_statement) from the SPDX attestation beside
//!   the image, or [made](Fragment::of_packages) from its [package database](database).
//! - [`Merge`] joins fragments, each at the directory that its image is unpacked to.
//! - [`spdx::document`] and [`cyclonedx::document`] write the result.
//! - [`statement`] is the in-toto envelope, [`provenance`] the record of a build.
//!
//! Nothing here opens a file, reads a clock or draws a random number: the same input gives the same bytes.

pub mod cyclonedx;
pub mod database;
mod error;
mod fragment;
mod licence;
mod merge;
mod package;
pub mod provenance;
pub mod spdx;
pub mod statement;
mod time;

pub use error::{Error, Result};
pub use fragment::{Fragment, MAX_DOCUMENT};
pub use merge::{Merge, Merged, Placed};
pub use package::{Container, Package, Registry};
pub use time::rfc3339;

/// Changes whenever the same input gives another document: part of every key.
pub const VERSION: &[u8] = b"1";
