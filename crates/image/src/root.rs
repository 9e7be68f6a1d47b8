//! The root file system as one set of files.

use std::ops::Range;

use ironkit_tree::{BoxError, FileSet, Part, Path};

use crate::{Error, Image, Result};

/// What only outputs without a kernel of their own have, as LinuxKit does: kernel, command line and microcode.
const BOOT: &str = "boot";

/// The directory whose contents are beside the root file system, not in it.
pub(crate) fn boot() -> Path {
    Path::parse(BOOT).unwrap_or_default()
}

/// All files of these parts, each path once.
pub(crate) fn files(image: &Image, parts: Range<usize>) -> Result<FileSet> {
    let mut files = FileSet::new();
    for index in parts {
        let part = &image.tree.parts[index];
        let loaded = part
            .files
            .load(image.source)
            .map_err(|source| failed(part, source))?;
        files.extend(image.resolution.edits[index].apply(loaded));
    }
    Ok(files)
}

/// The root file system as a machine without an initrd sees it.
pub(crate) fn whole(image: &Image) -> Result<FileSet> {
    let mut files = files(image, 0..image.tree.parts.len())?;
    files.clear(&boot());
    Ok(files)
}

pub(crate) fn failed(part: &Part, source: BoxError) -> Error {
    Error::Part {
        location: part.location.clone(),
        source_name: part.source.clone(),
        source,
    }
}
