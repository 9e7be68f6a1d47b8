//! The errors of all stages, as one.

use std::path::PathBuf;

use ironkit_manifest::Diagnostic;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// What stopped a command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Mistakes in manifests or recipes, with their places.
    #[error("{}", match .0.len() { 1 => "a mistake".to_owned(), many => format!("{many} mistakes") })]
    Manifest(Vec<Diagnostic>),
    /// Images that could not be had because something failed on the way, at the places that ask for them.
    #[error("{}", match .0.len() { 1 => "an image could not be had".to_owned(), many => format!("{many} images could not be had") })]
    Images(Vec<Diagnostic>),
    /// A file of the user's that cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An output that cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An output that was made twice and came out differently.
    #[error("{} is not made the same twice: it differs from byte {offset} on", path.display())]
    Different {
        /// The output.
        path: PathBuf,
        /// The first byte that is different.
        offset: u64,
    },
    /// Something that LinuxKit or this project's documentation has, and this version does not.
    #[error("{0} is not supported yet")]
    NotSupported(String),
    /// Arguments that do not go together.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The store or a registry.
    #[error(transparent)]
    Oci(#[from] ironkit_oci::Error),
    /// The root file system.
    #[error(transparent)]
    Rootfs(ironkit_rootfs::Error),
    /// The contents of the tree.
    #[error("cannot put the image together")]
    Tree(#[source] ironkit_tree::BoxError),
    /// An output format.
    #[error(transparent)]
    Image(#[from] ironkit_image::Error),
    /// A component.
    #[error(transparent)]
    Package(ironkit_package::Error),
    /// What an image says of its packages.
    #[error("{image}: {source}")]
    Sbom {
        /// The image, and which document of it.
        image: String,
        /// Why.
        source: ironkit_sbom::Error,
    },
    /// A virtual machine.
    #[error(transparent)]
    Vm(#[from] ironkit_vm::Error),
    /// The directory of what outlives a machine.
    #[error("another machine uses the state directory {}", path.display())]
    StateInUse {
        /// The directory.
        path: PathBuf,
    },
}

impl From<ironkit_package::Error> for Error {
    fn from(error: ironkit_package::Error) -> Error {
        match error {
            ironkit_package::Error::Recipe(list) => Error::Manifest(list),
            error => Error::Package(error),
        }
    }
}

impl From<ironkit_rootfs::Error> for Error {
    fn from(error: ironkit_rootfs::Error) -> Error {
        match error {
            ironkit_rootfs::Error::Manifest(list) | ironkit_rootfs::Error::Label(list) => {
                Error::Manifest(list)
            }
            error => Error::Rootfs(error),
        }
    }
}

impl Error {
    /// Advice for a person.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Usage { hint, .. } => Some(hint.clone()),
            Error::Oci(error) => error.hint(),
            Error::Rootfs(error) => error.hint(),
            Error::Package(error) => error.hint(),
            Error::Sbom { .. } => Some("use --no-sbom to build without a list of packages".to_owned()),
            Error::Vm(error) => error.hint(),
            Error::StateInUse { .. } => {
                Some("end that machine, or give this one a directory of its own: --state DIR".to_owned())
            }
            Error::Image(
                ironkit_image::Error::Contents(source) | ironkit_image::Error::Part { source, .. },
            )
            | Error::Tree(source) => match of_image(source.as_ref())? {
                OfImage::Rootfs(error) => error.hint(),
                OfImage::Oci(error) => error.hint(),
            },
            Error::Image(error) => error.hint(),
            _ => None,
        }
    }

    /// Whether the user's input is at fault, and not the machine or the network.
    pub fn is_input(&self) -> bool {
        match self {
            Error::Manifest(_) | Error::Usage { .. } | Error::NotSupported(_) | Error::Read { .. } => true,
            Error::Package(error) => error.is_input(),
            Error::Vm(error) => error.is_input(),
            Error::Oci(error) => error.is_input(),
            Error::Rootfs(error) => error.is_input(),
            Error::Image(
                ironkit_image::Error::Contents(source) | ironkit_image::Error::Part { source, .. },
            )
            | Error::Tree(source) => match of_image(source.as_ref()) {
                Some(OfImage::Rootfs(error)) => error.is_input(),
                Some(OfImage::Oci(error)) => error.is_input(),
                None => false,
            },
            Error::Image(error) => error.is_input(),
            _ => false,
        }
    }
}

/// Why contents cannot be had.
enum OfImage<'e> {
    Rootfs(&'e ironkit_rootfs::Error),
    Oci(&'e ironkit_oci::Error),
}

/// What lies behind an error of a tree's source: the traits between the crates hide its type.
fn of_image<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<OfImage<'e>> {
    let rootfs = error.downcast_ref().map(OfImage::Rootfs);
    rootfs.or_else(|| error.downcast_ref().map(OfImage::Oci))
}
