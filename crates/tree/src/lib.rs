//! The waist of IronKit: a root file system as a plain value.
//!
//! A [`Tree`] is an ordered list of [`Part`]s: the kernel's modules, each init image, each container, the
//! files of the manifest. Each part is a [`FileSet`], or the key of one that is kept in the store, so that a
//! rebuild never has to load what did not change. [`resolve`] decides which part wins each path.
//!
//! Nothing here opens a file. Content is a reference ([`Content`]) that somebody else's [`Source`] turns into
//! bytes when an output is written.

mod digest;
mod fileset;
mod node;
mod path;
mod resolve;
mod source;
mod text;

pub use digest::{Digest, DigestError, Hasher};
pub use fileset::{FileSet, InodeId};
pub use node::{Content, Kind, Node};
pub use path::{Path, PathError};
pub use resolve::{Edits, Override, Resolution, Won, resolve};
pub use source::{BoxError, Inline, Source};
pub use text::TextError;

/// Everything that a manifest asks for, ready to be written in any format.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tree {
    /// What the boot loader loads. Absent in a manifest without a kernel.
    pub kernel: Option<Kernel>,
    /// The contributions to the root file system, in the manifest's order: later ones win.
    pub parts: Vec<Part>,
}

/// The kernel and what travels beside it, outside the root file system.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// Canonical reference of the image it came from.
    pub source: String,
    /// The bootable image, as the boot loader gets it.
    pub image: Content,
    /// The kernel's command line, verbatim.
    pub cmdline: String,
    /// An uncompressed cpio archive with CPU microcode, which goes in front of the initrd.
    pub microcode: Option<Content>,
}

/// One contribution to the root file system.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The place in the manifest, as LinuxKit writes it: `kernel`, `init[0]`, `onboot[1]`, `files[2]`.
    pub location: String,
    /// What a person calls it: the container's name, the image's repository, `files`.
    pub name: String,
    /// What it was made from: a canonical image reference, `linuxkit.files` or `linuxkit.volumes`.
    pub source: String,
    /// The entries themselves.
    pub files: Files,
}

/// The entries of a part.
#[derive(Debug, Clone, PartialEq)]
pub enum Files {
    /// Held here: small things, made for this build.
    Listed(FileSet),
    /// Kept in the store under `key` and placed below `under`. The key changes when the files do.
    Stored {
        /// Names the [`FileSet`] for [`Source::files`].
        key: Digest,
        /// Where in the root file system it goes; empty for the root itself.
        under: Path,
    },
}
