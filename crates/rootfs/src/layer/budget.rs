//! How much one image may take in memory and time before it is refused.
//!
//! Names, links and attributes are all that is kept of a layer, and each of them may come from somebody who means harm:
//! a few compressed megabytes can hold a million names, or names that each make thousands of directories.

use ironkit_tree::{FileSet, Kind};

use super::{LayerError, shown};

/// Most entries of a layer, and most names of an image with the directories that they imply. Root file systems have tens
/// of thousands; twice this many take some 100 MB of memory.
const NAMES_MAX: usize = 200_000;
/// Most bytes of names, targets and extended attributes of a layer, and of an image.
const BYTES_MAX: usize = 32 << 20;
/// Most work on following symbolic links on the way to the entries of an image, in bytes of paths.
const LINKS_MAX: usize = 256 << 20;

/// What an image has taken so far.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    /// Entries of the layer that is being read, and their bytes.
    entries: usize,
    entry_bytes: usize,
    /// Bytes of the image, while a layer is put on top of it.
    image_bytes: usize,
    followed: usize,
}

impl Budget {
    /// A layer will be read.
    pub(super) fn start_reading(&mut self) {
        self.entries = 0;
        self.entry_bytes = 0;
    }

    /// The layer has the entry `name`, with so many bytes in all.
    pub(super) fn read(&mut self, name: &[u8], bytes: usize) -> Result<(), LayerError> {
        self.entries += 1;
        self.entry_bytes += bytes;
        check(name, "entries of the layer", self.entries, NAMES_MAX)?;
        let what = "bytes of names and attributes of the layer";
        check(name, what, self.entry_bytes, BYTES_MAX)
    }

    /// A layer will be put on top of `base`.
    pub(super) fn start_applying(&mut self, base: &FileSet) {
        let target = |kind: &Kind| match kind {
            Kind::Symlink(target) => target.len(),
            _ => 0,
        };
        let attributes = base.iter().map(|(path, _, node)| {
            let attributes = node.xattrs.iter().map(|(name, value)| name.len() + value.len());
            path.as_bytes().len() + target(&node.kind) + attributes.sum::<usize>()
        });
        self.image_bytes = attributes.sum();
    }

    /// Entry `name` brings so many bytes in all; the image then has `names` names.
    pub(super) fn grow(&mut self, name: &[u8], names: usize, bytes: usize) -> Result<(), LayerError> {
        self.image_bytes += bytes;
        check(name, "files and directories in the image", names, NAMES_MAX)?;
        let what = "bytes of names and attributes of the image";
        check(name, what, self.image_bytes, 2 * BYTES_MAX)
    }

    /// On the way to entry `name`, so many bytes of paths were looked at.
    pub(super) fn follow(&mut self, name: &[u8], bytes: usize) -> Result<(), LayerError> {
        self.followed += bytes;
        check(name, "symbolic links to follow", self.followed, LINKS_MAX)
    }
}

fn check(name: &[u8], what: &'static str, found: usize, limit: usize) -> Result<(), LayerError> {
    if found > limit {
        let name = shown(name);
        return Err(LayerError::Limit { name, what, limit });
    }
    Ok(())
}
