//! Volumes: directories that containers share, at first with the files of an image or with none.

use ironkit_contract::paths;
use ironkit_manifest::Volume;
use ironkit_oci::Image;
use ironkit_tree::{FileSet, Files, Kind, Node, Part};

use crate::contents::Contents;
use crate::fixups::{Place, TIME};
use crate::{Result, parse};

/// A volume's directory in the root file system, relative to it.
pub(crate) fn directory(name: &str) -> String {
    format!("{}/{name}", paths::VOLUMES)
}

/// The parts of a volume: the image's files, and the directories around them. A read-only volume has no directory for
/// the upper layer, which is how the guest knows it.
pub(crate) fn parts(
    index: usize,
    volume: &Volume,
    image: Option<&Image>,
    contents: &mut Contents,
) -> Result<Vec<Part>> {
    let directory = directory(&volume.name);
    let part = |source: String, files: Files| Part {
        location: format!("volume[{index}]"),
        name: volume.name.value.clone(),
        source,
        files,
    };
    let mut parts = Vec::new();
    let mut around = FileSet::new();
    let mut names = vec![paths::MERGED];
    if !volume.readonly {
        names.push(paths::TMP);
    }
    match image {
        Some(image) => {
            let under = parse(&format!("{directory}/{}", paths::LOWER), &volume.name)?;
            let key = contents.image(image, Place::System);
            parts.push(part(image.name.to_string(), Files::Stored { key, under }));
        }
        None => names.push(paths::LOWER),
    }
    for name in names {
        let path = parse(&format!("{directory}/{name}"), &volume.name)?;
        around.insert(path, Node::new(Kind::Directory, 0o755).at(TIME));
    }
    parts.push(part("linuxkit.volumes".to_owned(), Files::Listed(around)));
    Ok(parts)
}
