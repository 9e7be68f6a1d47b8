//! Archives: one entry after the other.

pub mod cpio;
pub mod tar;

use ironkit_tree::{BoxError, Path};

/// An entry that an archive format cannot hold, or whose content could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The archive could not be written.
    #[error("cannot write the archive")]
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
}
