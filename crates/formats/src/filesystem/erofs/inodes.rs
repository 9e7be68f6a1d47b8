//! The inodes of a file set: what is known of each before it has a place.

use std::collections::{BTreeMap, HashMap};

use ironkit_tree::{FileSet, InodeId, Kind, Node, Path};

use super::attributes::Shared;
use super::directory::{self, Name};
use super::format::{BLOCK, COMPACT, EXTENDED, FORMAT, NAME_MAX, encode_device};
use crate::FormatError;

/// An inode.
pub(super) struct Inode<'a> {
    pub path: &'a Path,
    pub node: &'a Node,
    pub nlink: u32,
    /// Length of the content in bytes.
    pub size: u64,
    /// What it is, with all that is needed for the content.
    pub body: Body<'a>,
    /// The bytes of its attributes.
    pub attributes: Vec<u8>,
    pub extended: bool,
}

/// What an inode has beside its numbers.
pub(super) enum Body<'a> {
    /// Names in it, sorted, with `.` and `..`.
    Directory(Vec<Name<'a>>),
    File,
    Symlink(&'a [u8]),
    Device(u32),
    Other,
}

impl Inode<'_> {
    /// Length of inode and attributes.
    pub fn head(&self) -> u64 {
        let inode = if self.extended { EXTENDED } else { COMPACT };
        inode + self.attributes.len() as u64
    }

    /// How much of the content is beside the inode: what is no whole block of it, where there is space.
    pub fn inline(&self) -> u64 {
        let tail = self.size % BLOCK;
        match self.head() + tail <= BLOCK {
            true => tail,
            false => 0,
        }
    }

    /// How many blocks the rest of the content takes.
    pub fn blocks(&self) -> u64 {
        (self.size - self.inline()).div_ceil(BLOCK)
    }

    /// Whether its content is bytes that have to be read.
    pub fn is_file(&self) -> bool {
        matches!(self.body, Body::File)
    }
}

/// All inodes of a file system.
pub(super) struct Inodes<'a> {
    /// The root is the first one.
    pub inodes: Vec<Inode<'a>>,
    /// The time of those that have none of their own.
    pub build_time: i64,
    pub shared: Shared,
}

impl<'a> Inodes<'a> {
    /// Those of `files`, whose root is `root` if it has none.
    pub fn of(files: &'a FileSet, root: &'a Node) -> Result<Inodes<'a>, FormatError> {
        let mut walk = Walk::new(files.get(&Path::ROOT).unwrap_or(root));
        for (path, id, node) in files.iter().filter(|(path, ..)| !path.is_root()) {
            walk.add(path, id, node)?;
        }
        let nodes = || walk.inodes.iter().map(|inode| (inode.path, inode.node));
        let shared = Shared::of(nodes())?;
        let build_time = most_common(nodes().map(|(_, node)| node.mtime));
        for inode in &mut walk.inodes {
            inode.finish(&shared, build_time)?;
        }
        Ok(Inodes {
            inodes: walk.inodes,
            build_time,
            shared,
        })
    }
}

impl Inode<'_> {
    /// Sets what follows from what all inodes have in common.
    fn finish(&mut self, shared: &Shared, build_time: i64) -> Result<(), FormatError> {
        if let Body::Directory(names) = &mut self.body {
            names.sort_unstable();
            self.size = directory::size(names);
        }
        self.attributes = shared.after_inode(self.path, self.node)?;
        let short = u64::from(u16::MAX);
        let numbers = [self.node.uid, self.node.gid, self.nlink];
        self.extended = self.node.mtime != build_time
            || self.size > u64::from(u32::MAX)
            || numbers.into_iter().any(|number| u64::from(number) > short);
        Ok(())
    }
}

/// Goes through the names in their order.
struct Walk<'a> {
    inodes: Vec<Inode<'a>>,
    /// Index of those that have been seen.
    seen: HashMap<InodeId, usize>,
    /// The directories above the last name, with the index of each.
    above: Vec<(&'a [u8], usize)>,
}

/// The path of the root.
static ROOT: Path = Path::ROOT;

impl<'a> Walk<'a> {
    fn new(root: &'a Node) -> Walk<'a> {
        let names = [&b"."[..], b".."].map(|name| Name { name, inode: 0 });
        Walk {
            inodes: vec![Inode {
                nlink: 2,
                ..Inode::new(&ROOT, root, Body::Directory(names.to_vec()))
            }],
            seen: HashMap::new(),
            above: vec![(b"", 0)],
        }
    }

    fn add(&mut self, path: &'a Path, id: InodeId, node: &'a Node) -> Result<(), FormatError> {
        let (name, whole) = (path.file_name(), path.as_bytes());
        let unfit = |what: &str| FormatError::Unfit {
            path: path.clone(),
            format: FORMAT,
            what: what.to_owned(),
        };
        if name.len() > NAME_MAX {
            return Err(unfit("a name of more than 255 bytes"));
        }
        let parent = whole[..whole.len() - name.len()]
            .strip_suffix(b"/")
            .unwrap_or_default();
        while self.above.last().is_some_and(|(above, _)| *above != parent) {
            self.above.pop();
        }
        let Some(&(_, parent)) = self.above.last() else {
            return Err(unfit("a name outside of a directory"));
        };
        let inode = match self.seen.get(&id) {
            Some(&inode) => {
                self.inodes[inode].nlink += 1;
                inode
            }
            None => {
                let body = Body::of(node, self.inodes.len(), parent).map_err(unfit)?;
                self.inodes.push(Inode::new(path, node, body));
                self.seen.insert(id, self.inodes.len() - 1);
                self.inodes.len() - 1
            }
        };
        if let Body::Directory(names) = &mut self.inodes[parent].body {
            names.push(Name { name, inode });
        }
        if node.is_directory() {
            self.inodes[inode].nlink = 2;
            self.inodes[parent].nlink += 1;
            self.above.push((whole, inode));
        }
        Ok(())
    }
}

impl<'a> Inode<'a> {
    fn new(path: &'a Path, node: &'a Node, body: Body<'a>) -> Inode<'a> {
        Inode {
            path,
            node,
            nlink: 1,
            size: match body {
                Body::Symlink(target) => target.len() as u64,
                _ => node.size(),
            },
            body,
            attributes: Vec::new(),
            extended: false,
        }
    }
}

impl<'a> Body<'a> {
    fn of(node: &'a Node, inode: usize, parent: usize) -> Result<Body<'a>, &'static str> {
        Ok(match &node.kind {
            Kind::Directory => Body::Directory(vec![
                Name { name: b".", inode },
                Name {
                    name: b"..",
                    inode: parent,
                },
            ]),
            Kind::File(_) => Body::File,
            Kind::Symlink(target) if (target.len() as u64) < BLOCK => Body::Symlink(target),
            Kind::Symlink(_) => return Err("a target of 4096 bytes or more"),
            Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
                let number = encode_device(*major, *minor);
                Body::Device(number.ok_or("a device's number of more than 32 bits")?)
            }
            Kind::Fifo => Body::Other,
        })
    }
}

/// The time that most have; the earliest of several.
fn most_common(times: impl Iterator<Item = i64>) -> i64 {
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    times.for_each(|time| *counts.entry(time).or_default() += 1);
    let best = counts
        .into_iter()
        .max_by_key(|&(time, count)| (count, std::cmp::Reverse(time)));
    best.map_or(0, |(time, _)| time)
}
