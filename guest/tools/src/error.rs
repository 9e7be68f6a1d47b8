//! What can go wrong in an applet.

use std::io;

/// Why an applet ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments make no sense.
    #[error("{0}")]
    Usage(String),
    /// What is asked for is not there yet.
    #[error("{0} is not supported yet")]
    NotSupported(String),
    /// The kernel refused.
    #[error("{what}: {cause}")]
    Io {
        /// A file, or what was attempted.
        what: String,
        /// The kernel's answer.
        cause: io::Error,
    },
    /// It did not work out.
    #[error("{0}")]
    Invalid(String),
}

/// The result of an applet.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The kernel's answer, and what was attempted.
    pub fn io(what: &str, cause: io::Error) -> Error {
        Error::Io {
            what: what.to_owned(),
            cause,
        }
    }

    /// 2 for the user's arguments, 1 for everything else.
    pub fn status(&self) -> u8 {
        match self {
            Error::Usage(_) | Error::NotSupported(_) => 2,
            Error::Io { .. } | Error::Invalid(_) => 1,
        }
    }
}
