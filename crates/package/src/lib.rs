//! `build.yml` → a component image, without Docker, root or any package's scripts.
//!
//! [`load`] reads a recipe, [`tag`](tag::reference) says what its image is called, [`build`](build::build) makes it:
//! recipe → [packages](debian) and files → [file set](assemble) with [libraries] or [kernel modules](kernel) closed over →
//! [image]. What a component was built from is kept in its [lock file](lock). LinuxKit's packages, which have a Dockerfile
//! instead of `contents`, are not built here, but they get LinuxKit's tag, for which [git] is asked.
//!
//! Where a mirror's address and the machine's keys are comes from the caller; this crate reads no environment.

mod assemble;
mod attestation;
pub mod build;
pub mod debian;
pub mod elf;
mod error;
pub mod git;
pub mod glob;
pub mod guest;
pub mod image;
pub mod kernel;
mod libraries;
pub mod lock;
mod placement;
pub mod recipe;
pub mod sources;
pub mod tag;

pub use build::{Built, Options, build};
pub use debian::Machine;
pub use error::{Error, Place};
pub use lock::{Change, Lock, Locked};
pub use recipe::{FILE_NAME, Naming, Recipe, load, load_as};

use ironkit_oci::Reference;

/// The reference of the recipe's image as things stand: `docker.io/ORG/IMAGE:TAG`.
///
/// # Errors
/// When a file that the recipe names cannot be read.
pub fn reference(recipe: &Recipe) -> Result<Reference, Error> {
    tag::reference(recipe, &recipe.lock)
}
