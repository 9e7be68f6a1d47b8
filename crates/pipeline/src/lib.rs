//! The flow as code: what a command does, from its arguments to its result.
//!
//! ```text
//! YAML ──manifest──▶ Manifest ──oci──▶ Images ──rootfs──▶ Tree ──image──▶ files ──vm──▶ a machine
//! ```
//!
//! Each function here is a screenful that calls the crates in that order. Nothing is printed: news goes to a
//! [`Watcher`], results are values. Nothing of the environment is read: the caller passes a [`Context`].

pub mod build;
mod check;
mod context;
pub mod diff;
mod error;
pub mod input;
pub mod inspect;
mod loaders;
pub mod lock;
pub mod metadata;
mod output;
mod overridden;
pub mod packages;
mod pieces;
pub mod plan;
pub mod provenance;
pub mod resolve;
pub mod run;
pub mod sbom;
pub mod serve;
pub mod size;
pub mod sources;
pub mod validate;
pub mod why;

pub use build::{BuildOptions, BuildReport, Destination, build};
pub use context::{Context, Watcher};
pub use error::{Error, Result};
pub use ironkit_image::{DiskOptions, Format, Root};
pub use output::write_output;
pub use plan::PlanOptions;
pub use provenance::ProvenanceOptions;
pub use sbom::{SbomFormat, SbomOptions};
