//! The root file system as EROFS, without compression: contents are copied from where they are, and nothing has to be kept.

use ironkit_formats::extents::Extents;
use ironkit_formats::filesystem::erofs::{self, Options};
use ironkit_tree::{Digest, Hasher, Kind, Node, Path};

use crate::{Image, Result, root};

/// Permissions of the root, unless the tree says otherwise.
const ROOT_MODE: u32 = 0o755;

/// The file system, for a file or a partition of its own. Its identifier is that of its content.
///
/// # Errors
/// [`Error`](crate::Error): those of the tree's contents, and entries that EROFS cannot hold.
pub(crate) fn root<'a>(image: &'a Image) -> Result<Extents<'a>> {
    let mut files = root::whole(image)?;
    if files.get(&Path::ROOT).is_none() {
        let root = Node::new(Kind::Directory, ROOT_MODE).at(image.time);
        files.insert(Path::ROOT, root);
    }
    let options = Options {
        uuid: uuid(&files.key(), "erofs"),
        label: Vec::new(),
    };
    Ok(erofs::layout(&files, image.source, &options)?)
}

/// The identifier of a volume that belongs to what has this digest and name, in the order in which it is written: version 8
/// of RFC 9562.
pub(crate) fn uuid(digest: &Digest, name: &str) -> [u8; 16] {
    let mut hasher = Hasher::new();
    hasher.field(digest.bytes());
    hasher.field(name.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finish().bytes()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}
