//! An image file → what it is and what is in it, from the outside to the inside: a disk format, its partitions, their file
//! systems, the kernel, its command line, the initrd, the root file system.
//!
//! ```text
//! qcow2 ─▶ GPT ─┬─▶ FAT ──▶ UKI ─┬─▶ kernel
//!               │                ├─▶ command line
//!               │                └─▶ initrd ──▶ root file system
//!               └─▶ squashfs ──────────────▶ root file system
//! ```
//!
//! It is read by our own readers, and none of it is unpacked: memory holds names and tables.

mod boot;
mod disk;
mod filesystem;
mod stream;
mod uboot;

use std::io::Read;

use ironkit_formats::read_at::{ReadAt, Slice};
use ironkit_tree::{BoxError, Path};

use crate::read::Listing;

/// How deep things are inside each other at most.
const DEPTH_MAX: usize = 8;

/// A thing that was found: a disk, a partition, a kernel.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object {
    /// Its name in what it is inside of: a path, a partition's number. Empty for the file itself.
    pub name: String,
    /// What it is: `qcow2`, `GPT`, `FAT32`, `kernel`.
    pub format: String,
    /// How many bytes it has; of a disk format, those of the disk.
    pub size: u64,
    /// Where it begins in what it is inside of, where that is one place.
    pub offset: Option<u64>,
    /// What else is known of it, by name.
    pub facts: Vec<(&'static str, String)>,
    /// What is inside.
    pub inside: Vec<Object>,
    /// The files, of a root file system.
    pub root: Option<Listing>,
}

impl Object {
    fn new(format: impl Into<String>, size: u64) -> Object {
        Object {
            format: format.into(),
            size,
            ..Object::default()
        }
    }

    fn called(self, name: impl Into<String>) -> Object {
        let name = name.into();
        Object { name, ..self }
    }

    fn at(self, offset: u64) -> Object {
        let offset = Some(offset);
        Object { offset, ..self }
    }

    fn fact(&mut self, name: &'static str, value: impl ToString) {
        self.facts.push((name, value.to_string()));
    }

    /// The root file system: the one with the most files, where there are several, as an initrd may only look for the other.
    pub fn root(&self) -> Option<&Listing> {
        let inside = self.inside.iter().filter_map(Object::root);
        self.root.iter().chain(inside).max_by_key(|listing| listing.len())
    }
}

/// What makes a stream something that can be read anywhere.
pub type Spool<'s> = dyn Fn(&mut dyn Read) -> std::io::Result<Box<dyn ReadAt>> + 's;

/// How an image is looked at.
pub struct Looker<'a> {
    /// Of which files of a root file system the content is wanted.
    pub keep: &'a dyn Fn(&Path) -> bool,
    /// Makes a stream something that can be read anywhere: a disk in a compressed archive.
    pub spool: &'a Spool<'a>,
}

impl Looker<'_> {
    /// Looks at an image.
    ///
    /// # Errors
    /// Something that is broken, or nothing that is known here.
    pub fn look(&self, image: &dyn ReadAt) -> Result<Object, BoxError> {
        self.anything(image, 0)
    }

    fn anything(&self, image: &dyn ReadAt, depth: usize) -> Result<Object, BoxError> {
        if depth > DEPTH_MAX {
            return Err(format!("things are inside each other more than {DEPTH_MAX} deep").into());
        }
        if let Some(disk) = self.disk(image, depth)? {
            return Ok(disk);
        }
        if let Some(filesystem) = self.filesystem(image, depth)? {
            return Ok(filesystem);
        }
        match Slice::new(image, 0, image.size()) {
            Some(whole) => self.stream(&mut whole.stream(), image.size(), depth),
            None => Err("it has no bytes".into()),
        }
    }
}
