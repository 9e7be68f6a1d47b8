//! `metadata create`: text for a machine, on a CD.

use std::path::PathBuf;

use crate::{Context, Result, write_output};

/// Writes an ISO 9660 image with `data` in the file `config`, as LinuxKit's `metadata` package reads it.
///
/// # Errors
/// An output that cannot be written.
pub fn create(context: &Context, path: PathBuf, data: &[u8]) -> Result<()> {
    let image = ironkit_image::metadata(data, context.time)?;
    write_output(path.clone(), |out| {
        out.write_all(&image)
            .map_err(|source| crate::Error::Write { path, source })
    })
}
