//! The init images, laid over each other, and the one file of theirs that is joined.

use ironkit_manifest::Manifest;
use ironkit_tree::{Files, Part, Path};

use crate::contents::Contents;
use crate::fixups::Place;
use crate::{Images, Result, parse};

/// Where apk keeps what it installed.
const APK_DATABASE: &str = "lib/apk/db/installed";
/// What LinuxKit calls the origin of the joined database: the source of a part that replaces nothing, since it has what
/// all the files of its name have.
pub const JOINED_SOURCE: &str = "LINUXKIT.apkinit";

/// One part for each init image, in order, and one with the joined apk database when several have one: so apk in the
/// machine knows the packages of all.
///
/// # Errors
/// Layers that cannot be applied.
pub(crate) fn parts(manifest: &Manifest, images: &Images, contents: &mut Contents) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    let mut keys = Vec::new();
    for (index, reference) in manifest.init.iter().enumerate() {
        let image = &images[&reference.value];
        let key = contents.image(image, Place::System);
        keys.push(key);
        parts.push(Part {
            location: format!("init[{index}]"),
            name: image.name.repository().to_owned(),
            source: image.name.to_string(),
            files: Files::Stored {
                key,
                under: Path::ROOT,
            },
        });
    }
    if keys.len() < 2 {
        return Ok(parts);
    }
    let key = contents.joined(&keys, &parse(APK_DATABASE, APK_DATABASE)?);
    if !contents.file_set(&key)?.is_empty() {
        parts.push(Part {
            location: "init".to_owned(),
            name: "apk database".to_owned(),
            source: JOINED_SOURCE.to_owned(),
            files: Files::Stored {
                key,
                under: Path::ROOT,
            },
        });
    }
    Ok(parts)
}
