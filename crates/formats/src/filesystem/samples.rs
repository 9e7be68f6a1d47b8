//! What the tests of file systems share: files, contents that cost nothing, and what a reader should find of them.

use std::io::Read;

use ironkit_tree::{BoxError, Content, Digest, FileSet, Hasher, Kind, Node, Path, Source};

use super::{Entry, EntryKind, Visitor};
use crate::read_at::ReadError;

/// Layers of which each byte follows from its offset.
pub(super) struct Pattern;

impl Pattern {
    pub fn bytes(offset: u64, size: u64) -> Vec<u8> {
        let byte = |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0];
        (offset..offset + size).map(byte).collect()
    }

    pub fn content(offset: u64, size: u64) -> Content {
        Content::Blob {
            layer: Digest::of(b"layer"),
            offset,
            size,
            digest: Digest::of(&Pattern::bytes(offset, size)),
        }
    }
}

impl Source for Pattern {
    fn files(&self, _: &Digest) -> Result<FileSet, BoxError> {
        Err("no file sets here".into())
    }

    fn layer(&self, _: &Digest, offset: u64, size: u64) -> Result<Box<dyn Read + '_>, BoxError> {
        Ok(Box::new(std::io::Cursor::new(Pattern::bytes(offset, size))))
    }
}

pub(super) fn path(name: impl AsRef<[u8]>) -> Path {
    Path::parse(name).unwrap()
}

pub(super) fn file(content: impl Into<Content>) -> Node {
    Node::new(Kind::File(content.into()), 0o644).at(1000)
}

pub(super) fn attribute(mut node: Node, name: &str, value: &[u8]) -> Node {
    node.xattrs.insert(name.into(), value.to_vec());
    node
}

/// What `read` shows, with the digests of contents.
pub(super) fn listing(
    read: impl FnOnce(&mut Visitor) -> Result<(), ReadError>,
) -> Result<Vec<(Entry, Digest)>, ReadError> {
    let mut entries = Vec::new();
    read(&mut |entry, content| {
        let mut hasher = Hasher::new();
        std::io::copy(content, &mut hasher)?;
        entries.push((entry.clone(), hasher.finish()));
        Ok(())
    })?;
    Ok(entries)
}

/// What `files` should be read back as.
pub(super) fn expected(files: &FileSet, source: &dyn Source) -> Vec<(Entry, Digest)> {
    let implied = Node::implied_directory();
    let has_root = files.get(&Path::ROOT).is_some();
    let root = (!has_root).then_some((Path::ROOT, &implied));
    let nodes = files.iter().map(|(path, _, node)| (path.clone(), node));
    let entry = |(path, node): (Path, &Node)| {
        let mut hasher = Hasher::new();
        let kind = match &node.kind {
            Kind::Directory => EntryKind::Directory,
            Kind::File(content) => {
                content.copy_to(source, &mut hasher).unwrap();
                EntryKind::File(content.size())
            }
            Kind::Symlink(target) => EntryKind::Symlink(target.clone()),
            Kind::CharDevice(major, minor) => EntryKind::CharDevice(*major, *minor),
            Kind::BlockDevice(major, minor) => EntryKind::BlockDevice(*major, *minor),
            Kind::Fifo => EntryKind::Fifo,
        };
        let entry = Entry {
            path,
            kind,
            mode: node.mode,
            uid: node.uid.into(),
            gid: node.gid.into(),
            mtime: node.mtime,
            xattrs: node.xattrs.clone(),
        };
        (entry, hasher.finish())
    };
    root.into_iter().chain(nodes).map(entry).collect()
}
