//! What can go wrong between a manifest and a tree.

use ironkit_formats::archive::tar::ReadError;
use ironkit_manifest::Diagnostic;
use ironkit_oci::{Image, Layer};
use ironkit_tree::{BoxError, Digest, Path};

use crate::layer::LayerError;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A manifest and images that do not make a root file system.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something in the manifest does not fit its images or the builder's machine.
    #[error("the manifest does not fit: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Manifest(Vec<Diagnostic>),
    /// The label of an image is not a valid configuration.
    #[error("an image's label is wrong: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Label(Vec<Diagnostic>),
    /// A user or group name that no container has.
    #[error("{container}: there is no user or group `{name}`: names are those of the manifest's containers")]
    UnknownId {
        /// The container, or the path of the file.
        container: String,
        /// The name.
        name: String,
    },
    /// A layer could not be applied.
    #[error("image {image}: layer {layer} cannot be applied")]
    Layer {
        /// The image's name.
        image: String,
        /// The layer's blob.
        layer: String,
        /// Why.
        source: Box<Error>,
    },
    /// An entry of a layer.
    #[error(transparent)]
    Entry(#[from] LayerError),
    /// The content store.
    #[error(transparent)]
    Store(#[from] ironkit_oci::Error),
    /// The contents that a tree refers to.
    #[error("cannot read contents")]
    Contents(#[source] BoxError),
    /// A tree refers to files that nobody added.
    #[error("the files {0} belong to no image of this build")]
    UnknownFiles(Digest),
    /// A tree refers to a layer that nobody added.
    #[error("the layer {0} belongs to no image of this build")]
    UnknownLayer(Digest),
    /// A kernel that is to be decompressed and cannot be.
    #[error("cannot decompress the kernel `{kernel}`")]
    Kernel {
        /// Its name in the kernel image.
        kernel: Path,
        /// Why.
        source: BoxError,
    },
    /// A tar file of an image that is no tar file, or one that is refused.
    #[error("cannot unpack `{archive}` of {image}")]
    Archive {
        /// The image's name.
        image: String,
        /// The file's path in it.
        archive: Path,
        /// Why.
        source: Box<Error>,
    },
    /// A tar file that is to be unpacked is not there.
    #[error("`{0}` is not a file of its image")]
    UnknownArchive(Path),
}

impl Error {
    /// Advice for a person.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Layer { source, .. } | Error::Archive { source, .. } => source.hint(),
            Error::Store(error) => error.hint(),
            Error::Entry(LayerError::Name { .. }) => {
                Some("such a layer can write outside its image: do not use this image".to_owned())
            }
            _ => None,
        }
    }

    /// Whether the manifest or an image is at fault, and not the machine or the store.
    pub fn is_input(&self) -> bool {
        match self {
            Error::Layer { source, .. } | Error::Archive { source, .. } => source.is_input(),
            Error::Entry(LayerError::Read(ReadError::Stream { source, .. })) => {
                source.raw_os_error().is_none() && ironkit_oci::Error::inside(source).is_none()
            }
            Error::Store(error) => error.is_input(),
            Error::Contents(_) | Error::UnknownFiles(_) | Error::UnknownLayer(_) => false,
            Error::Manifest(_)
            | Error::Label(_)
            | Error::UnknownId { .. }
            | Error::Entry(_)
            | Error::Kernel { .. }
            | Error::UnknownArchive(_) => true,
        }
    }

    pub(crate) fn in_layer(image: &Image, layer: &Layer, source: Error) -> Error {
        Error::Layer {
            image: image.name.to_string(),
            layer: layer.digest.to_string(),
            source: Box::new(source),
        }
    }
}
