//! What a disk boots: with the root file system in the initrd, or in a partition of its own, and with one for data or without.

use ironkit_formats::extents::{Data, Extents};
use ironkit_formats::filesystem::ext4;
use ironkit_tree::{Digest, FileSet, Hasher};

use super::Root;
use crate::stage::FileSystem;
use crate::{Format, Parts, Result, erofs, uki};

/// Name of the partition with the root file system, and of the one for data.
const ROOT: &str = "root";
const DATA: &str = "data";

/// The partitions behind the boot loader's.
pub(super) struct Partitions<'p> {
    /// Identifies the disk. It does not depend on the command line, which has what partitions are known by.
    pub id: Digest,
    /// Their names and contents, in order.
    pub contents: Vec<(&'static str, Extents<'p>)>,
    /// The root file system, if it is one of them: the first.
    root: Option<FileSystem>,
}

/// What a boot loader gives the machine beside the kernel.
pub(super) struct Booted<'p> {
    pub cmdline: Vec<u8>,
    /// Empty where the kernel needs none.
    pub initrd: Extents<'p>,
}

impl<'p> Partitions<'p> {
    /// Those that disks of this image have.
    pub fn of(parts: &'p Parts) -> Result<Partitions<'p>> {
        let image = parts.image;
        let (content, root) = match image.disk.root {
            Root::Initrd => (uki::initrd(parts)?, None),
            Root::Squashfs => (parts.squashfs()?, Some(FileSystem::Squashfs)),
            Root::Erofs => (parts.erofs()?.clone(), Some(FileSystem::Erofs)),
        };
        let mut id = Hasher::new();
        id.field(content.key().bytes());
        id.field(&parts.boot.cmdline);
        let id = id.finish();
        let mut contents = Vec::new();
        if root.is_some() {
            contents.push((ROOT, content));
        }
        if let Some(size) = image.disk.data {
            let options = ext4::Options {
                size,
                uuid: erofs::uuid(&id, DATA),
                label: DATA.as_bytes().to_vec(),
                time: image.time,
            };
            contents.push((DATA, ext4::layout(&FileSet::new(), image.source, &options)?));
        }
        Ok(Partitions { id, contents, root })
    }
}

impl<'p> Booted<'p> {
    /// What starts the machine with these partitions, the one at a place and of a name known by what `known` says.
    pub fn of(
        parts: &'p Parts,
        format: Format,
        partitions: &Partitions,
        known: impl Fn(usize, &str) -> String,
    ) -> Result<Booted<'p>> {
        let mut cmdline = parts.boot.cmdline.trim_ascii_end().to_vec();
        for (index, (name, _)) in partitions.contents.iter().enumerate() {
            let id = known(index, name);
            // Of several words `root=` the last one counts.
            let words = match (*name, partitions.root) {
                (ROOT, Some(FileSystem::Erofs)) => format!("root=PARTUUID={id} rootfstype=erofs ro rootwait"),
                (ROOT, _) => format!("root=PARTUUID={id} rootfstype=squashfs ro rootwait"),
                _ => format!("ironkit.data=PARTUUID={id}"),
            };
            if !cmdline.is_empty() {
                cmdline.push(b' ');
            }
            cmdline.extend(words.as_bytes());
        }
        let initrd = match partitions.root {
            None => uki::initrd(parts)?,
            Some(filesystem) => {
                let first = parts.first_stage(filesystem, format)?;
                first.unwrap_or_else(|| uki::microcode(parts))
            }
        };
        Ok(Booted { cmdline, initrd })
    }
}
