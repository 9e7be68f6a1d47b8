//! The extended attributes of an initrd's files: an archive of its own behind theirs, since newc has no place for them.
//!
//! It holds one list, which PID 1 applies and removes before anything else happens (`ironkit_contract::xattrs`).

use ironkit_contract::xattrs;
use ironkit_tree::{BoxError, Digest, FileSet, Kind, Node, Path};

/// The archive with the attributes of `files`; `None` when there are none.
///
/// # Errors
/// An attribute that Linux cannot have.
pub(crate) fn archive(files: &FileSet) -> Result<Option<FileSet>, BoxError> {
    let mut list = String::new();
    let first = files.first_names();
    for (path, _, node) in files.iter().filter(|(path, id, _)| first[id] == *path) {
        for (name, value) in &node.xattrs {
            if !xattrs::fits(path.as_bytes(), name, value) {
                let name = String::from_utf8_lossy(name);
                return Err(format!("`{path}` has an attribute that Linux cannot take: `{name}`").into());
            }
            xattrs::write(&mut list, path.as_bytes(), name, value);
        }
    }
    if list.is_empty() {
        return Ok(None);
    }
    let digest = Digest::of(list.as_bytes());
    let path = Path::parse(format!("{}/{}", xattrs::DIRECTORY, digest.hex()))?;
    let mut archive = FileSet::new();
    archive.insert(path, Node::new(Kind::File(list.into_bytes().into()), 0o600));
    Ok(Some(archive))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_listed_once() {
        let path = |name: &str| Path::parse(name).unwrap();
        let mut files = FileSet::new();
        assert!(archive(&files).unwrap().is_none());
        let mut ping = Node::new(Kind::File(Vec::new().into()), 0o755);
        ping.xattrs.insert(b"security.capability".to_vec(), vec![1, 2]);
        files.insert(path("bin/ping"), ping);
        files.link(path("bin/ping6"), &path("bin/ping"));
        let mut folder = Node::new(Kind::Directory, 0o755);
        folder.xattrs.insert(b"user.a".to_vec(), Vec::new());
        files.insert(path("srv"), folder);
        let found = archive(&files).unwrap().unwrap();
        let list = found.iter().find_map(|(path, _, node)| match &node.kind {
            Kind::File(ironkit_tree::Content::Inline(bytes)) => Some((path.to_string(), bytes.to_vec())),
            _ => None,
        });
        let (name, text) = list.unwrap();
        assert!(name.starts_with(".ironkit/xattrs/"), "{name}");
        assert_eq!(text, b"bin/ping security.capability=0102\nsrv user.a=\n");
        files
            .get_mut(&path("srv"))
            .unwrap()
            .xattrs
            .insert(vec![b'a'; 256], Vec::new());
        assert!(archive(&files).unwrap_err().to_string().contains("`srv`"));
    }
}
