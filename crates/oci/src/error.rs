//! What can go wrong between a reference and its bytes. Advice for a person is apart, in [`Error::hint`].

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Digest, Platform, Reference};

/// The error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A text that is not an image reference.
    #[error("`{text}` is not an image reference: {reason}")]
    Reference {
        /// The text, as it was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A text that is not a platform.
    #[error("`{0}` is not a platform: expected os/architecture or os/architecture/variant")]
    Platform(String),
    /// A file of the store, or one that was to be read, could not be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried: a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A container engine that does not give an image.
    #[error("the engine at {engine}: {reason}")]
    Engine {
        /// Its address.
        engine: String,
        /// What it said, or what kept it from saying anything.
        reason: String,
    },
    /// A stream that the caller gave could not be read or written.
    #[error("cannot {action}")]
    Stream {
        /// What was tried.
        action: String,
        /// What the system said.
        source: io::Error,
    },
    /// The store's lock is held by somebody else for too long.
    #[error("the lock {} is held by another process: waited {} s", path.display(), waited.as_secs())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// For how long it was tried.
        waited: Duration,
    },
    /// A directory that is something else than an image layout.
    #[error("{} is not an image store: {reason}", path.display())]
    Layout {
        /// The directory or file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A blob that is not there.
    #[error("blob {digest} is not in the store")]
    MissingBlob {
        /// The blob.
        digest: Digest,
    },
    /// A blob whose bytes are not what its digest says.
    #[error("blob {digest} is damaged: expected {expected}, found {found}")]
    CorruptBlob {
        /// The blob.
        digest: Digest,
        /// The size that it should have, or that the digest should be its own.
        expected: String,
        /// The size or digest that it has.
        found: String,
    },
    /// Derived data whose checksum does not fit. It can be removed and made again.
    #[error("derived data {kind}/{key} is damaged: {reason}")]
    CorruptDerived {
        /// The kind of data.
        kind: String,
        /// Its key.
        key: Digest,
        /// What does not fit.
        reason: String,
    },
    /// A JSON document that cannot be used.
    #[error("{what} cannot be used: {reason}")]
    Document {
        /// Which document: its kind and digest, or its file.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A document or another small blob that is larger than the limit.
    #[error("{what} is too large: {size} bytes, at most {limit} are accepted")]
    TooLarge {
        /// What it is.
        what: String,
        /// Its size; with a stream, how much was seen.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// A layer that becomes many times as large as it is, as what is made to fill a disk does.
    #[error("layer {digest} unpacks to more than {limit} bytes, {times} times its size: that is refused")]
    Expansion {
        /// The layer's blob.
        digest: Digest,
        /// How much would have been read.
        limit: u64,
        /// The same in sizes of the blob.
        times: u64,
    },
    /// A layer that does not decompress to what the image's configuration says.
    #[error("layer {digest} is damaged at uncompressed byte {offset}: {reason}")]
    Layer {
        /// The layer's blob.
        digest: Digest,
        /// How many bytes had been read.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// An image without the wanted platform.
    #[error("{reference} has no image for {wanted}: it has {}", list(available))]
    NoPlatform {
        /// The image.
        reference: Box<Reference>,
        /// What was asked for.
        wanted: Box<Platform>,
        /// What there is.
        available: Vec<String>,
    },
    /// An image that no place knows.
    #[error("image {reference} was not found: tried {}", tried.join(", "))]
    NotFound {
        /// The image.
        reference: Box<Reference>,
        /// The places that were asked, with their answers.
        tried: Vec<String>,
    },
    /// A name that the store does not have.
    #[error("image {name} was not found in the store {}", store.display())]
    NoName {
        /// The name.
        name: String,
        /// The store's directory.
        store: PathBuf,
    },
    /// What was found under a reference is not what its digest says.
    #[error("{reference} is pinned to a digest, but {found} was found")]
    Pinned {
        /// The reference, with its digest.
        reference: Box<Reference>,
        /// What is there.
        found: Digest,
    },
    /// A pull that failed; the source says where and why.
    #[error("cannot pull {reference}")]
    Pull {
        /// The image.
        reference: Box<Reference>,
        /// The cause.
        source: Box<Error>,
    },
    /// Something in the store is damaged, and cannot be fetched again.
    #[error("{damage}, and it cannot be fetched again")]
    NotMended {
        /// What is damaged.
        damage: Box<Error>,
        /// Why it cannot be fetched.
        source: Box<Error>,
    },
    /// A push that failed; the source says where and why.
    #[error("cannot push {reference}")]
    Push {
        /// The name in the registry.
        reference: Box<Reference>,
        /// The cause.
        source: Box<Error>,
    },
    /// A blob that could not be sent.
    #[error("cannot send blob {digest}: failed after byte {offset} in attempt {attempts}")]
    Send {
        /// The blob.
        digest: Digest,
        /// How many bytes the registry has.
        offset: u64,
        /// How often it was tried.
        attempts: u32,
        /// The last failure.
        source: Box<Error>,
    },
    /// One blob of an image could not be had.
    #[error("cannot fetch {what} {digest}: failed at byte {offset} in attempt {attempts}")]
    Transfer {
        /// The role: manifest, configuration, layer.
        what: &'static str,
        /// The blob.
        digest: Digest,
        /// How many bytes had arrived.
        offset: u64,
        /// How often it was tried.
        attempts: u32,
        /// The last failure.
        source: Box<Error>,
    },
    /// A request that got no answer, or whose answer broke off.
    #[error("{url}: {reason}")]
    Http {
        /// What was asked for.
        url: String,
        /// What happened.
        reason: String,
        /// Whether asking again may help.
        again: bool,
    },
    /// A request that was refused.
    #[error("{url}: the server answered {status}{}", detail(text))]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the server said about it, in short.
        text: String,
    },
    /// A registry that does not let us in.
    #[error("{registry} refuses access to {repository}: {reason}")]
    Unauthorized {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// Its answer.
        reason: String,
    },
    /// Certificates or TLS settings that cannot be used.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// An archive that is not an image archive, or is one that cannot be used.
    #[error("the archive cannot be imported: {0}")]
    Archive(String),
    /// An archive whose images have no names.
    #[error("the archive cannot be imported: its images have no names")]
    Nameless,
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What a person can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Reference { .. } => {
                Some("a reference looks like `nginx`, `org/name:tag` or `host:5000/org/name@sha256:…`".into())
            }
            Error::Platform(_) => Some("use for example `linux/amd64`".into()),
            Error::Locked { .. } => {
                Some("wait for the other build to end, or use another cache directory".into())
            }
            Error::Layout { path, .. } if path.ends_with("index.json") => Some(
                "nothing is lost: move that file away and pull or build again; what is whole is not fetched again".into(),
            ),
            Error::Layout { .. } => Some("use another cache directory, or remove this one".into()),
            Error::MissingBlob { .. } | Error::CorruptBlob { .. } | Error::Layer { .. } => {
                Some("fetch the image again with `cache pull`".into())
            }
            Error::Expansion { .. } => Some(
                "if you trust it: `docker save` writes an archive whose layers are not compressed, and `cache import` reads that"
                    .into(),
            ),
            Error::CorruptDerived { .. } => Some("run `cache clean` to have it made again".into()),
            Error::NoName { .. } => Some("`cache ls` lists the names".into()),
            Error::NotFound { .. } => Some("check the spelling of the name and the tag".into()),
            Error::Status { status: 429, .. } => Some(
                "the registry limits its rate: wait, log in (docker login or podman login), or use a mirror (--mirror)"
                    .into(),
            ),
            Error::Unauthorized { .. } => {
                Some("the repository does not exist or needs credentials: log in to the registry".into())
            }
            Error::Nameless => Some("give it one with `--name`".into()),
            Error::Tls(_) => Some("check the certificate files".into()),
            Error::NotMended { source, .. }
            | Error::Pull { source, .. }
            | Error::Push { source, .. }
            | Error::Send { source, .. }
            | Error::Transfer { source, .. } => source.hint(),
            Error::File { source, .. } | Error::Stream { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull => Some("free some space, or use another cache directory".into()),
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                    Some("use a cache directory that can be written".into())
                }
                _ => Error::inside(source).and_then(Error::hint),
            },
            _ => None,
        }
    }

    /// The error of this crate that an [`io::Error`] from one of its readers carries.
    pub fn inside(error: &io::Error) -> Option<&Error> {
        error.get_ref()?.downcast_ref()
    }

    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::File {
            action,
            path: path.to_path_buf(),
            source,
        }
    }

    pub(crate) fn stream(action: &str) -> impl FnOnce(io::Error) -> Error {
        move |source| match source.downcast::<Error>() {
            Ok(error) => error,
            Err(source) => Error::Stream {
                action: action.to_owned(),
                source,
            },
        }
    }

    pub(crate) fn document(what: impl Into<String>, reason: impl ToString) -> Error {
        Error::Document {
            what: what.into(),
            reason: reason.to_string(),
        }
    }

    /// Whether what was given is wrong, and not the machine, the store or the network.
    pub fn is_input(&self) -> bool {
        match self {
            Error::Reference { .. }
            | Error::Platform(_)
            | Error::NoPlatform { .. }
            | Error::NoName { .. }
            | Error::Archive(_)
            | Error::Nameless => true,
            Error::Pull { source, .. } | Error::Push { source, .. } => source.is_input(),
            Error::File { source, .. } | Error::Stream { source, .. } => {
                Error::inside(source).is_some_and(Error::is_input)
            }
            _ => false,
        }
    }

    /// Whether something in the store is not what it should be, so that fetching it again mends it.
    pub fn is_damage(&self) -> bool {
        match self {
            Error::CorruptBlob { .. }
            | Error::MissingBlob { .. }
            | Error::Pinned { .. }
            | Error::Layer { .. } => true,
            Error::Stream { source, .. } => Error::inside(source).is_some_and(Error::is_damage),
            _ => false,
        }
    }

    /// This damage, which could not be mended because of `source`.
    pub fn not_mended(self, source: Error) -> Error {
        Error::NotMended {
            damage: Box::new(self),
            source: Box::new(source),
        }
    }

    /// Whether the same request may succeed a little later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Error::Http { again, .. } => *again,
            Error::Status { status, .. } => crate::http::is_transient(*status),
            Error::CorruptBlob { .. } => true,
            _ => false,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

fn list(available: &[String]) -> String {
    if available.is_empty() {
        "none".to_owned()
    } else {
        available.join(", ")
    }
}

fn detail(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(" ({text})")
    }
}
