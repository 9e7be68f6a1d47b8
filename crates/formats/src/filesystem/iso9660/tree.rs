//! The tree as directories, in the order of path tables, once for each kind of identifiers.

use std::collections::{BTreeMap, HashMap, VecDeque};

use ironkit_tree::{FileSet, InodeId, Kind, Node, Path};

use super::format::{DIRECTORIES_MAX, EXTENT_MAX, EXTENTS_MAX, FORMAT};
use super::names::{self, Identifier};
use crate::FormatError;

/// Most bytes of a name.
const NAME_MAX: usize = 255;
/// Most bytes of a symbolic link's target.
const TARGET_MAX: usize = 4095;

/// All inodes and what is in which directory.
pub struct Entries<'a> {
    /// Every directory, the root first.
    pub directories: Vec<Inside<'a>>,
    /// Every inode that is a file's, with its first name, in the order of these.
    pub files: Vec<(InodeId, &'a Path, &'a Node)>,
    /// What is known of each inode: number and names.
    pub inodes: HashMap<InodeId, Known>,
}

/// A directory.
pub struct Inside<'a> {
    /// Its node.
    pub node: &'a Node,
    /// Its number as an inode.
    pub serial: u32,
    /// Directories in it.
    pub subdirectories: u32,
    /// Names in it.
    pub children: Vec<Child<'a>>,
}

/// A name.
pub struct Child<'a> {
    /// The last component of its path.
    pub name: &'a [u8],
    /// Its node.
    pub node: &'a Node,
    /// Its inode.
    pub inode: InodeId,
    /// Its index among the directories if it is one.
    pub directory: Option<usize>,
}

/// Number of an inode, and of its names.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The inode's number.
    pub serial: u32,
    /// Its names.
    pub links: u32,
}

impl<'a> Entries<'a> {
    /// All of `files`. `root` is for a tree whose root has no node of its own.
    ///
    /// # Errors
    /// What has no place in the format.
    pub fn of(files: &'a FileSet, root: &'a Node) -> Result<Entries<'a>, FormatError> {
        let mut entries = Entries {
            directories: vec![Inside {
                node: files.get(&Path::ROOT).unwrap_or(root),
                serial: 1,
                subdirectories: 0,
                children: Vec::new(),
            }],
            files: Vec::new(),
            inodes: HashMap::new(),
        };
        let mut indices: BTreeMap<&Path, usize> = BTreeMap::new();
        let mut serial = 1;
        for (path, inode, node) in files.iter() {
            check(path, node)?;
            if path.is_root() {
                continue;
            }
            let known = entries.inodes.entry(inode).or_insert_with(|| {
                serial += 1;
                Known { serial, links: 0 }
            });
            known.links += 1;
            let (first, serial) = (known.links == 1, known.serial);
            let parent = path
                .parent()
                .and_then(|parent| indices.get(&parent).copied())
                .unwrap_or(0);
            let directory = node.is_directory().then_some(entries.directories.len());
            let name = path.as_bytes();
            let above = &mut entries.directories[parent];
            above.subdirectories += u32::from(directory.is_some());
            above.children.push(Child {
                name: &name[name.len() - path.file_name().len()..],
                node,
                inode,
                directory,
            });
            if let Some(index) = directory {
                indices.insert(path, index);
                entries.directories.push(Inside {
                    node,
                    serial,
                    subdirectories: 0,
                    children: Vec::new(),
                });
            } else if first && matches!(node.kind, Kind::File(_)) {
                entries.files.push((inode, path, node));
            }
        }
        let count = entries.directories.len();
        if count > DIRECTORIES_MAX {
            let what = format!("{count} directories: it has {DIRECTORIES_MAX} at most");
            return Err(FormatError::Image { format: FORMAT, what });
        }
        Ok(entries)
    }
}

fn check(path: &Path, node: &Node) -> Result<(), FormatError> {
    let large = |field, value: u64, limit: u64| {
        Err(FormatError::TooLarge {
            path: path.clone(),
            field,
            value,
            format: FORMAT,
            limit,
        })
    };
    if let Some(name) = node.xattrs.keys().next() {
        return Err(FormatError::Unfit {
            path: path.clone(),
            format: FORMAT,
            what: format!("extended attributes: `{}`", String::from_utf8_lossy(name)),
        });
    }
    let name = path.file_name().len();
    let target = match &node.kind {
        Kind::Symlink(target) => target.len(),
        _ => 0,
    };
    match node.size() {
        size if size > EXTENT_MAX * EXTENTS_MAX => large("size", size, EXTENT_MAX * EXTENTS_MAX),
        _ if name > NAME_MAX => large("the name's length", name as u64, NAME_MAX as u64),
        _ if target > TARGET_MAX => large("the target's length", target as u64, TARGET_MAX as u64),
        _ => Ok(()),
    }
}

/// The directories with identifiers, in the order in which path tables number them.
pub struct Hierarchy {
    /// Whether names are Joliet's.
    pub joliet: bool,
    /// The directories, the root first.
    pub directories: Vec<Listed>,
    /// Where in `directories` each of [`Entries::directories`] is.
    pub numbers: Vec<usize>,
}

/// A directory of a hierarchy.
pub struct Listed {
    /// Its index in [`Entries::directories`].
    pub inside: usize,
    /// The one above, in the hierarchy; the root's is itself.
    pub parent: usize,
    /// As path tables have it.
    pub identifier: Vec<u8>,
    /// Its children's identifiers and their indices, sorted.
    pub children: Vec<(Vec<u8>, usize)>,
}

impl Hierarchy {
    /// The hierarchy of all entries.
    pub fn of(entries: &Entries, joliet: bool) -> Hierarchy {
        let mut directories: Vec<Listed> = Vec::with_capacity(entries.directories.len());
        let mut numbers = vec![0; entries.directories.len()];
        let mut waiting = VecDeque::from([(0, 0, vec![0])]);
        while let Some((inside, parent, identifier)) = waiting.pop_front() {
            let number = directories.len();
            numbers[inside] = number;
            let all = &entries.directories[inside].children;
            let names: Vec<_> = all
                .iter()
                .map(|child| (child.name, child.directory.is_some()))
                .collect();
            let mut sorted: Vec<(Identifier, usize)> =
                names::assign(&names, joliet).into_iter().zip(0..).collect();
            sorted.sort();
            let encode =
                |(identifier, index): (Identifier, usize)| (identifier.encode(names[index].1, joliet), index);
            let children: Vec<(Vec<u8>, usize)> = sorted.into_iter().map(encode).collect();
            for (identifier, index) in &children {
                if let Some(below) = all[*index].directory {
                    waiting.push_back((below, number, identifier.clone()));
                }
            }
            directories.push(Listed {
                inside,
                parent,
                identifier,
                children,
            });
        }
        Hierarchy {
            joliet,
            directories,
            numbers,
        }
    }
}
