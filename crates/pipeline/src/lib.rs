//! The flow as code: what a command does, from its arguments to its result.
//!
//! ```text
//! YAML ──manifest──▶ Manifest ──oci──▶ Images ──rootfs──▶ Tree ──image──▶ files ──vm──▶ a machine
//! ```
//!
//! Each function here is a screenful that calls the crates in that order. Nothing is printed: news goes to a
//! [`Watcher`], results are values. Nothing of the environment is read: the caller passes a [`Context`].

pub mod build;
mod context;
mod error;
mod output;
pub mod packages;
mod pieces;
pub mod provenance;
pub mod resolve;
pub mod run;
pub mod sbom;
pub mod sources;
pub mod validate;

pub use build::{BuildOptions, BuildReport, Format, build};
pub use context::{Context, Watcher};
pub use error::{Error, Result};
pub use output::write_output;
pub use provenance::ProvenanceOptions;
pub use sbom::{SbomFormat, SbomOptions};
