//! What can be wrong with a document or a package database.

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Text that is not JSON, or not JSON of the right shape.
    #[error("{what} cannot be read: {source}")]
    Json {
        /// Which document.
        what: &'static str,
        /// Where, and what was expected.
        source: serde_json::Error,
    },
    /// A statement about something else.
    #[error("expected a statement with the predicate type {expected}, found `{found}`")]
    Predicate {
        /// What was asked for.
        expected: &'static str,
        /// What it has, shortened.
        found: String,
    },
    /// A version of SPDX other than 2.
    #[error("SPDX documents of version `{0}` are not supported yet")]
    Version(String),
    /// More than a document may have.
    #[error("{what}: at most {limit} are accepted")]
    TooMuch {
        /// What there is too much of.
        what: String,
        /// How many are accepted.
        limit: usize,
    },
}

impl Error {
    /// A text of a document, short enough for a message.
    pub(crate) fn shown(text: &str) -> String {
        text.chars().take(100).collect()
    }
}
