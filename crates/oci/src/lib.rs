//! References to images, and what they lead to: the content store, the registry, image archives.
//!
//! - [`Reference`] and [`Platform`] say what is wanted.
//! - [`Store`] is an OCI image layout with derived data beside it. [`Store::find`] gives an [`Image`], whose
//!   [`Layer`]s are read as verified tar streams.
//! - [`Registry::pull`] fetches an image into a store, [`Registry::push`] sends one.
//! - [`import`] and [`export`] do the same with archives.
//! - [`Engine`] has the images that Docker or podman have on this machine.
//! - [`document`] are the JSON documents of an image, [`http`] the requests.
//!
//! This crate knows nothing of manifests or file systems: a layer is a stream of bytes here. It reads no
//! environment and prints nothing.

mod archive;
pub mod document;
mod engine;
mod error;
pub mod http;
mod layer;
mod platform;
mod reference;
mod registry;
mod store;

pub use archive::{ArchiveFormat, ExportOptions, ImportOptions, export, image, import};
pub use document::{Descriptor, ImageConfig};
pub use engine::{Engine, EngineLimits};
pub use error::{Error, Result};
pub use ironkit_tree::Digest;
pub use layer::{LayerReader, MAX_UNCOMPRESSED};
pub use platform::Platform;
pub use reference::Reference;
pub use registry::{Credentials, Mirror, Progress, PushOptions, Pushed, Registry, RegistryOptions};
pub use store::attestation;
pub use store::{
    BlobReader, BlobWriter, Clean, Derived, DerivedRange, Image, Layer, Layout, LayoutLookup, Lookup,
    MAX_SMALL_BLOB, Removed, Statement, Store, StoredImage,
};
