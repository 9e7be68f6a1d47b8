//! The inodes of a file set: what is known of each before it has a place.

use std::collections::BTreeMap;

use ironkit_tree::{FileSet, Kind, Node, Path};

use super::attributes::Shared;
use super::directory::{self, Name};
use super::format::{BLOCK, COMPACT, EXTENDED, FORMAT, encode_device};
use crate::FormatError;
use crate::filesystem::tree::{self, Named};

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
        let mut inodes = Vec::new();
        for (index, named) in tree::walk(files, root, FORMAT)?.into_iter().enumerate() {
            inodes.push(Inode::new(named, index)?);
        }
        let nodes = || inodes.iter().map(|inode| (inode.path, inode.node));
        let shared = Shared::of(nodes())?;
        let build_time = most_common(nodes().map(|(_, node)| node.mtime));
        for inode in &mut inodes {
            inode.finish(&shared, build_time)?;
        }
        Ok(Inodes {
            inodes,
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

impl<'a> Inode<'a> {
    fn new(named: Named<'a>, index: usize) -> Result<Inode<'a>, FormatError> {
        let (path, node, nlink) = (named.path, named.node, named.nlink);
        let body = Body::of(named, index).map_err(|what| FormatError::Unfit {
            path: path.clone(),
            format: FORMAT,
            what: what.to_owned(),
        })?;
        Ok(Inode {
            path,
            node,
            nlink,
            size: match body {
                Body::Symlink(target) => target.len() as u64,
                _ => node.size(),
            },
            body,
            attributes: Vec::new(),
            extended: false,
        })
    }
}

impl<'a> Body<'a> {
    fn of(named: Named<'a>, index: usize) -> Result<Body<'a>, &'static str> {
        Ok(match &named.node.kind {
            Kind::Directory => {
                let dots = [(&b"."[..], index), (b"..", named.parent)];
                let names = dots.into_iter().chain(named.names);
                Body::Directory(names.map(|(name, inode)| Name { name, inode }).collect())
            }
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
