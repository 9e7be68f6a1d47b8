//! What a disk boots: with the root file system in the initrd, or in a partition of its own.

use ironkit_formats::extents::Extents;

use crate::stage::FileSystem;
use crate::{Error, Format, Parts, Result, uki};

/// The root file system of a partition.
pub(super) struct Root<'p> {
    pub content: Extents<'p>,
    filesystem: FileSystem,
}

/// What a boot loader gives the machine beside the kernel.
pub(super) struct Booted<'p> {
    pub cmdline: Vec<u8>,
    /// Empty where the kernel needs none.
    pub initrd: Extents<'p>,
}

impl<'p> Root<'p> {
    /// The one that disks of this image have; `None` when it is in the initrd.
    pub fn of(parts: &'p Parts) -> Result<Option<Root<'p>>> {
        let (content, filesystem) = match parts.image.disk.root {
            super::Root::Initrd => return Ok(None),
            super::Root::Squashfs => (parts.squashfs()?, FileSystem::Squashfs),
            super::Root::Erofs => (parts.erofs()?.clone(), FileSystem::Erofs),
        };
        Ok(Some(Root { content, filesystem }))
    }
}

impl<'p> Booted<'p> {
    /// What starts `root`, whose partition is known by what `name` says.
    pub fn of(
        parts: &'p Parts,
        format: Format,
        root: Option<&Root<'p>>,
        name: impl FnOnce(&Root<'p>) -> String,
    ) -> Result<Booted<'p>> {
        if parts.image.disk.data.is_some() {
            return Err(Error::Unsuitable {
                format: format.name(),
                reason: "this version makes no partition for data".to_owned(),
                hint: Some("leave --data-partition out".to_owned()),
            });
        }
        let mut cmdline = parts.boot.cmdline.trim_ascii_end().to_vec();
        let Some(root) = root else {
            let initrd = uki::initrd(parts)?;
            return Ok(Booted { cmdline, initrd });
        };
        let kind = match root.filesystem {
            FileSystem::Erofs => "erofs",
            _ => "squashfs",
        };
        if !cmdline.is_empty() {
            cmdline.push(b' ');
        }
        // The last `root=` counts.
        let words = format!("root=PARTUUID={} rootfstype={kind} ro rootwait", name(root));
        cmdline.extend(words.as_bytes());
        let first = parts.first_stage(root.filesystem, format)?;
        let initrd = first.unwrap_or_else(|| uki::microcode(parts));
        Ok(Booted { cmdline, initrd })
    }
}
