//! One image's files as a plain tar archive, as a container runtime would see them: no manifest, no fix-ups.

use std::io::Write;

use ironkit_formats::archive::tar;
use ironkit_oci::{Image, Store};

use crate::fixups::Place;
use crate::{Contents, Error, Result};

/// Writes the root file system that `image` describes, its layers applied, as a tar archive.
///
/// # Errors
/// Layers that cannot be applied, and those of `out`; what was written is then of no use.
pub fn write_flat(store: &Store, image: &Image, out: &mut dyn Write) -> Result<()> {
    let mut contents = Contents::new(store);
    let key = contents.image(image, Place::Kernel);
    let files = contents.file_set(&key)?;
    tar::write_fileset(&files, &contents, out).map_err(|error| Error::Contents(error.into()))
}
