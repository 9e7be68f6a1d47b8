//! Whether what will be read of an image is as it should be.

use std::io;

use ironkit_oci::{Image, Result, Store};

use crate::contents::LAYERS;

/// Reads every layer that the store has in no other form than its blob: the next that unpacks the image will read it too,
/// but then it is too late to fetch it again.
///
/// # Errors
/// The first layer that is damaged.
pub fn verify(store: &Store, image: &Image) -> Result<()> {
    for layer in &image.layers {
        if store.derived(LAYERS, &layer.diff_id)?.is_none() {
            store.verify_blob(&layer.digest, layer.size, &mut io::sink())?;
        }
    }
    Ok(())
}
