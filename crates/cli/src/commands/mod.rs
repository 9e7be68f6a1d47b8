//! One file for each command.

pub mod build;
pub mod cache;
pub mod completion;
pub mod diff;
pub mod inspect;
pub mod lock;
pub mod metadata;
pub mod pkg;
pub mod run;
pub mod schema;
pub mod serve;
pub mod size;
pub mod validate;
pub mod version;
pub mod why;

/// What a command gives back.
pub type Outcome = Result<(), crate::exit::Failure>;
