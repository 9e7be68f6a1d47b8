//! A file set as inodes that name each other: what writers of file systems begin with.

use std::collections::HashMap;

use ironkit_tree::{FileSet, InodeId, Node, Path};

use super::NAME_MAX;
use crate::FormatError;

/// An inode and its place in the tree. Inodes are known by their index, and the root has index 0.
pub(super) struct Named<'a> {
    /// Its first name.
    pub path: &'a Path,
    pub node: &'a Node,
    /// Number of links, with `.` and `..`.
    pub nlink: u32,
    /// Of a directory: the one that it is in. The root is in itself.
    pub parent: usize,
    /// Of a directory: the names in it, in order, and what each names.
    pub names: Vec<(&'a [u8], usize)>,
}

/// The path of the root.
static ROOT: Path = Path::ROOT;

/// All inodes of `files`, in the order of their first names. The root is `root` where the set has none.
///
/// # Errors
/// Names that Linux has not. `format` is the name of the file system.
pub(super) fn walk<'a>(
    files: &'a FileSet,
    root: &'a Node,
    format: &'static str,
) -> Result<Vec<Named<'a>>, FormatError> {
    let root = files.get(&ROOT).unwrap_or(root);
    let mut walk = Walk {
        inodes: vec![Named::new(&ROOT, root, 0)],
        seen: HashMap::new(),
        above: vec![(b"", 0)],
    };
    for (path, id, node) in files.iter().filter(|(path, ..)| !path.is_root()) {
        let added = walk.add(path, id, node);
        added.map_err(|what| FormatError::Unfit {
            path: path.clone(),
            format,
            what: what.to_owned(),
        })?;
    }
    Ok(walk.inodes)
}

struct Walk<'a> {
    inodes: Vec<Named<'a>>,
    /// Index of those that have been seen.
    seen: HashMap<InodeId, usize>,
    /// The directories above the last name, with the index of each.
    above: Vec<(&'a [u8], usize)>,
}

impl<'a> Walk<'a> {
    fn add(&mut self, path: &'a Path, id: InodeId, node: &'a Node) -> Result<(), &'static str> {
        let (name, whole) = (path.file_name(), path.as_bytes());
        if name.len() > NAME_MAX {
            return Err("a name of more than 255 bytes");
        }
        let parent = whole[..whole.len() - name.len()]
            .strip_suffix(b"/")
            .unwrap_or_default();
        while self.above.last().is_some_and(|(above, _)| *above != parent) {
            self.above.pop();
        }
        let Some(&(_, parent)) = self.above.last() else {
            return Err("a name outside of a directory");
        };
        let inode = match self.seen.get(&id) {
            Some(&inode) => {
                self.inodes[inode].nlink += 1;
                inode
            }
            None => {
                self.inodes.push(Named::new(path, node, parent));
                self.seen.insert(id, self.inodes.len() - 1);
                self.inodes.len() - 1
            }
        };
        self.inodes[parent].names.push((name, inode));
        if node.is_directory() {
            self.inodes[parent].nlink += 1;
            self.above.push((whole, inode));
        }
        Ok(())
    }
}

impl<'a> Named<'a> {
    fn new(path: &'a Path, node: &'a Node, parent: usize) -> Named<'a> {
        Named {
            path,
            node,
            nlink: if node.is_directory() { 2 } else { 1 },
            parent,
            names: Vec::new(),
        }
    }
}
