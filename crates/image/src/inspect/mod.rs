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
mod bundle;
mod disk;
mod filesystem;
mod stream;
mod uboot;

use std::io::Read;

use ironkit_formats::read_at::{ReadAt, Slice};
use ironkit_tree::{BoxError, Path};

use crate::read::kind::Kind;
use crate::read::{Limits, Listing};

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

/// Nothing that is known here; [`KNOWN`](crate::read::kind::KNOWN) is.
#[derive(Debug, thiserror::Error)]
#[error("it is nothing that is known here")]
pub struct Unknown;

impl Looker<'_> {
    /// Looks at an image.
    ///
    /// # Errors
    /// Something that is broken, or [`Unknown`].
    pub fn look(&self, image: &dyn ReadAt) -> Result<Object, BoxError> {
        let look = Look {
            keep: self.keep,
            spool: self.spool,
            limits: Limits::new(image.size()),
        };
        look.anything(image, 0)
    }
}

/// One look at an image, and how much it may still find.
struct Look<'a> {
    keep: &'a dyn Fn(&Path) -> bool,
    spool: &'a Spool<'a>,
    limits: Limits,
}

impl Look<'_> {
    fn anything(&self, image: &dyn ReadAt, depth: usize) -> Result<Object, BoxError> {
        if depth > DEPTH_MAX {
            return Err(format!("things are inside each other more than {DEPTH_MAX} deep").into());
        }
        match Kind::of(image) {
            Kind::Qcow2 | Kind::Vhd | Kind::Vhdx | Kind::Vmdk | Kind::Ova => self.disk(image, depth),
            kind @ (Kind::Iso | Kind::Squashfs | Kind::Erofs | Kind::Ext4 | Kind::Fat) => {
                self.filesystem(kind, image, depth)
            }
            Kind::Raw => self.raw(image, depth),
            _ => {
                let whole = Slice::new(image, 0, image.size()).ok_or(Unknown)?;
                self.stream(&mut whole.stream(), image.size(), depth)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ironkit_formats::archive::cpio;
    use ironkit_tree::{FileSet, Inline, Kind as NodeKind, Node};

    use super::*;

    fn look(image: &dyn ReadAt) -> Result<Object, BoxError> {
        let spool = |_: &mut dyn Read| -> std::io::Result<Box<dyn ReadAt>> { Ok(Box::new(Vec::new())) };
        let looker = Looker {
            keep: &|_| true,
            spool: &spool,
        };
        looker.look(image)
    }

    #[test]
    fn what_is_nothing_says_so() {
        for bytes in [
            &b""[..],
            b"root:x:0:0:root:/root:/bin/sh\n",
            &[0; 5000],
            b"\0\0text",
        ] {
            let error = look(&bytes.to_vec()).unwrap_err();
            assert!(error.is::<Unknown>(), "{bytes:?}: {error}");
        }
        // What is broken is something else.
        for bytes in [
            &b"070701 is how an archive begins"[..],
            b"\x1f\x8bgzip",
            b"QFI\xfb",
        ] {
            let error = look(&bytes.to_vec()).unwrap_err();
            assert!(!error.is::<Unknown>(), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn empty_disks_are_not_read() {
        struct Empty;
        impl ReadAt for Empty {
            fn size(&self) -> u64 {
                1 << 60
            }

            fn read_exact_at(&self, buffer: &mut [u8], _: u64) -> std::io::Result<()> {
                buffer.fill(0);
                Ok(())
            }
        }
        assert!(look(&Empty).unwrap_err().is::<Unknown>());
    }

    #[test]
    fn partitions_that_have_each_other_end() {
        const SECTORS: u8 = 64;
        let mut disk = vec![0; usize::from(SECTORS) * 512];
        for (left, sector) in (1..SECTORS).rev().zip(disk.chunks_exact_mut(512)) {
            // All four are the whole disk but for its first sector, and so on.
            for entry in sector[446..510].chunks_exact_mut(16) {
                (entry[4], entry[8], entry[12]) = (0x83, 1, left);
            }
            sector[510..].copy_from_slice(&[0x55, 0xaa]);
        }
        let error = look(&disk).unwrap_err().to_string();
        assert!(error.contains("things inside each other"), "{error}");
    }

    #[test]
    fn documents_with_many_names_end() {
        let path = |name: String| Path::parse(name).unwrap();
        let mut files = FileSet::new();
        let document = Node::new(NodeKind::File(vec![0; 1 << 20].into()), 0o644);
        files.insert(path("a".to_owned()), document);
        for number in 0..100 {
            files.link(path(format!("b{number}")), &path("a".to_owned()));
        }
        let mut archive = Vec::new();
        cpio::write_fileset(&files, &Inline, &mut archive).unwrap();
        let error = look(&archive).unwrap_err().to_string();
        assert!(error.contains("bytes of documents"), "{error}");
    }
}
