//! What can go wrong in PID 1: nothing of it is fatal to the machine.

use std::io;

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused.
    #[error("{step}: {cause}")]
    Refused {
        /// What was attempted: `mount /sys`.
        step: String,
        /// The kernel's answer.
        cause: io::Error,
    },
    /// A document or value says something impossible.
    #[error("{0}")]
    Invalid(String),
    /// A document asks for something that is not there yet.
    #[error("{0} is not supported yet")]
    NotSupported(String),
}

/// The result of a step.
pub type Result<T> = std::result::Result<T, Error>;

/// Names the step that a system call belongs to.
pub trait Step<T> {
    /// The same result, its error with the name that `step` gives.
    fn step(self, step: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Step<T> for std::result::Result<T, E> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Error::Refused {
            step: step(),
            cause: cause.into(),
        })
    }
}
