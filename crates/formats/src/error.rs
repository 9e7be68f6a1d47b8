//! What cannot be laid out or written.

use ironkit_tree::{BoxError, Path};

/// An entry that a format cannot hold, or whose content could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The output could not be written.
    #[error("cannot write the output")]
    Write(#[from] std::io::Error),
    /// The content of a file could not be read.
    #[error("cannot read the content of `{path}`")]
    Content {
        /// The file.
        path: Path,
        /// Why.
        source: BoxError,
    },
    /// A number is too large for its field.
    #[error("`{path}`: {field} {value} is more than {format} can hold ({limit})")]
    TooLarge {
        /// The entry.
        path: Path,
        /// Name of the field, as the specification has it.
        field: &'static str,
        /// Its value.
        value: u64,
        /// Name of the format.
        format: &'static str,
        /// The largest value.
        limit: u64,
    },
    /// The format has no place for something of an entry.
    #[error("`{path}`: {format} cannot hold {what}")]
    Unfit {
        /// The entry.
        path: Path,
        /// Name of the format.
        format: &'static str,
        /// What it is that has no place.
        what: String,
    },
    /// The image as a whole is more than the format can hold.
    #[error("{format} cannot hold {what}")]
    Image {
        /// Name of the format.
        format: &'static str,
        /// What it is that does not fit.
        what: String,
    },
}
