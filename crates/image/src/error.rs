//! What can go wrong between a tree and an output.

use ironkit_tree::BoxError;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A tree that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that no output format has.
    #[error("`{0}` is not an output format")]
    UnknownFormat(String),
    /// Two formats of a build that would be written to the same file.
    #[error("`{one}` and `{other}` are both written to NAME{file}")]
    SameFile {
        /// A format's name.
        one: &'static str,
        /// The other one's.
        other: &'static str,
        /// What follows NAME.
        file: &'static str,
    },
    /// The contents of the tree could not be read.
    #[error("cannot read the contents of the image")]
    Contents(#[source] BoxError),
    /// A part could not be written.
    #[error("cannot write {location} ({source_name}) into the image")]
    Part {
        /// Place in the manifest.
        location: String,
        /// What the part was made from.
        source_name: String,
        /// Why.
        source: BoxError,
    },
    /// An output could not be made.
    #[error("cannot write {path}")]
    Create {
        /// Its name.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// An output could not be written.
    #[error("cannot write the output")]
    Output(#[from] std::io::Error),
    /// The cache failed, in another way than by not having something.
    #[error("cannot use the cache")]
    Cache(#[source] BoxError),
    /// A file system or a disk could not be laid out.
    #[error(transparent)]
    Format(#[from] ironkit_formats::FormatError),
    /// The image cannot be written in that format.
    #[error("`{format}`: {reason}")]
    Unsuitable {
        /// Name of the output format.
        format: &'static str,
        /// Why.
        reason: String,
        /// Advice.
        hint: Option<String>,
    },
    /// No image of a boot loader has this file.
    #[error("no boot loader has `{path}`")]
    NoLoader {
        /// Its path in the image.
        path: String,
    },
    /// The cache had a piece, and then had it no more.
    #[error("the cache lost a piece of {0} again and again while it was in use")]
    Lost(String),
}

impl Error {
    /// Advice for a person.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::UnknownFormat(_) => {
                let names: Vec<_> = crate::Format::names().collect();
                Some(format!("this version writes {}", names.join(", ")))
            }
            Error::Unsuitable { hint, .. } => hint.clone(),
            Error::SameFile { .. } => Some("build twice, with another --name or --dir".to_owned()),
            Error::NoLoader { .. } => {
                Some("--loader IMAGE takes boot loaders from an image that has it".to_owned())
            }
            _ => None,
        }
    }

    /// Whether the user's input is at fault.
    pub fn is_input(&self) -> bool {
        use ironkit_formats::FormatError;
        match self {
            Error::UnknownFormat(_)
            | Error::Unsuitable { .. }
            | Error::NoLoader { .. }
            | Error::SameFile { .. } => true,
            Error::Format(error) => !matches!(error, FormatError::Write(_) | FormatError::Content { .. }),
            _ => false,
        }
    }

    /// Whether a piece of the cache was found damaged, which is gone now.
    pub(crate) fn is_damaged(&self) -> bool {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = next {
            if error.is::<crate::Damaged>() {
                return true;
            }
            next = error.source();
        }
        false
    }
}
