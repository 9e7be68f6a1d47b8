//! The first stage: a small initrd that finds and mounts the root file system, for kernels that have its driver, or the
//! disk's, as a module.
//!
//! ```text
//! ┌────────────────┬──────────────────────────────────────────────────────────┐
//! │ microcode cpio │ /init   /sysroot/   /dev/ /proc/ /sys/ /run/             │
//! │ (plain)        │ /lib/modules/VERSION/{kernel/…, modules.dep, …}          │
//! └────────────────┴──────────────────────────────────────────────────────────┘
//!                    compressed as the kernel can unpack it; one piece of the cache
//! ```
//!
//! `/init` is the tree's own. `/sysroot` tells it that this is not the machine's root yet, and is where it mounts that.
//! Kernels with everything built in mount `root=` themselves, as LinuxKit's do, and get no first stage.

mod modules;

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use ironkit_formats::archive::cpio;
use ironkit_formats::compress::{self, Codec, Effort, Encoder};
use ironkit_formats::extents::{Data, Extents, Sink, Stored};
use ironkit_tree::{BoxError, Digest, FileSet, Files, Hasher, Kind, Node, Path};

use crate::boot::Boot;
use crate::{Damaged, Error, Image, Outputs, Result, kernel, root};

/// Changes whenever the same files give another piece: part of its key.
const VERSION: &[u8] = b"1";
/// The initrd begins at a multiple of this behind the microcode.
const ALIGNMENT: u64 = 4;
/// How often a piece that is gone again is made anew.
const ATTEMPTS: usize = 5;

/// The program that mounts the root file system, and then becomes the machine's PID 1.
const INIT: &str = "init";
/// Where the modules of all kernels are.
const MODULES: &str = "lib/modules";
/// What marks a first stage (`guest/init` looks for it), and mount points.
const FOLDERS: [&str; 5] = ["sysroot", "dev", "proc", "sys", "run"];

/// What the root file system of an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileSystem {
    Squashfs,
    Erofs,
    Iso,
}

impl FileSystem {
    /// The kernel's module that reads it.
    fn module(self) -> &'static str {
        match self {
            FileSystem::Squashfs => "squashfs",
            FileSystem::Erofs => "erofs",
            FileSystem::Iso => "isofs",
        }
    }
}

/// A first stage that is in the cache.
#[derive(Debug)]
pub(crate) struct Stage {
    files: FileSet,
    /// Names of its modules.
    modules: BTreeSet<String>,
    codec: Codec,
    key: Digest,
    size: u64,
}

impl Stage {
    /// Makes the first stage for all file systems that are modules; `None` when none is. `kernel` will unpack it.
    ///
    /// # Errors
    /// Those of the tree's contents and the cache.
    pub fn make(image: &Image, boot: &Boot) -> Result<Option<Stage>> {
        let tree = top(image)?;
        let path = |name: &str| Path::parse(name).unwrap_or_default();
        let mut files = FileSet::new();
        let modules = modules::select(&tree, &path(MODULES), image, &mut files)?;
        if modules.is_empty() {
            return Ok(None);
        }
        // Where it is missing, only those are told who want a root file system outside of the initrd.
        let init = tree.get(&path(INIT));
        if let Some(node) = init.filter(|node| matches!(node.kind, Kind::File(_))) {
            files.insert(path(INIT), node.clone());
        }
        for folder in FOLDERS {
            files.insert(path(folder), Node::new(Kind::Directory, 0o755).at(image.time));
        }
        let codec = kernel::initrd_codec(boot.kernel.as_ref(), image.source, image.cache)?;
        let mut hasher = Hasher::new();
        hasher.field(b"first stage");
        hasher.field(VERSION);
        hasher.update(&compress::VERSION.to_le_bytes());
        hasher.field(codec.name().as_bytes());
        hasher.field(files.key().bytes());
        let mut stage = Stage {
            files,
            modules,
            codec,
            key: hasher.finish(),
            size: 0,
        };
        stage.size = stage.kept(image, || image.cache.size(&stage.key).map_err(Error::Cache))?;
        Ok(Some(stage))
    }

    /// Whether a root file system of this kind needs it.
    ///
    /// # Errors
    /// [`Error::Unsuitable`] when it does, but nothing in the tree can be a first stage.
    pub fn serves(&self, filesystem: FileSystem, format: &'static str) -> Result<bool> {
        let module = filesystem.module();
        if !self.modules.contains(module) {
            return Ok(false);
        }
        if self.files.get(&Path::parse(INIT).unwrap_or_default()).is_none() {
            return Err(Error::Unsuitable {
                format,
                reason: format!("the kernel has {module} as a module, and there is no /init to load it"),
                hint: Some("use IronKit's init in `init:`, or a kernel with it built in".to_owned()),
            });
        }
        Ok(true)
    }

    /// Its bytes, with the microcode in front.
    pub fn extents<'a>(&'a self, image: &'a Image, boot: &Boot) -> Extents<'a> {
        let mut extents = Extents::new();
        if let Some(microcode) = &boot.microcode {
            extents.data(Arc::new(Stored::new(microcode.clone(), image.source)));
            extents.align(ALIGNMENT);
        }
        extents.data(Arc::new(Inside { stage: self, image }));
        extents.align(ALIGNMENT);
        extents
    }

    fn put(&self, image: &Image) -> Result<()> {
        let bytes = self.files.iter().map(|(_, _, node)| node.size()).sum();
        let mut write = |out: &mut (dyn Write + Send)| -> std::result::Result<(), BoxError> {
            let mut encoder = Encoder::new(self.codec, Effort::for_size(bytes), out)?;
            cpio::write_fileset(&self.files, image.source, &mut encoder)?;
            encoder.finish()?;
            Ok(())
        };
        let put = image.cache.put(&self.key, &mut write);
        put.map_err(Error::Contents)
    }

    /// What `look` finds of the piece, which is made when it is not there.
    fn kept(&self, image: &Image, mut look: impl FnMut() -> Result<Option<u64>>) -> Result<u64> {
        for _ in 0..ATTEMPTS {
            if let Some(size) = look()? {
                return Ok(size);
            }
            self.put(image)?;
        }
        look()?.ok_or_else(|| Error::Lost("the first stage".to_owned()))
    }
}

/// The piece, for a place inside another image.
struct Inside<'a> {
    stage: &'a Stage,
    image: &'a Image<'a>,
}

impl Data for Inside<'_> {
    fn size(&self) -> u64 {
        self.stage.size
    }

    fn key(&self) -> Digest {
        self.stage.key
    }

    fn write_to(&self, out: &mut dyn Sink) -> std::result::Result<(), BoxError> {
        let (stage, cache) = (self.stage, self.image.cache);
        let look = || cache.copy(&stage.key, out).map_err(Error::Cache);
        match stage.kept(self.image, look)? == stage.size {
            true => Ok(()),
            false => Err(Damaged.into()),
        }
    }
}

/// The file with the first stage beside a root file system in a file of its own: `NAME-root-initrd.img`, if the kernel
/// needs it.
pub(crate) fn beside(first: Option<Extents>, outputs: &mut dyn Outputs) -> Result<()> {
    const SUFFIX: &str = "-root-initrd.img";
    match first {
        Some(extents) => outputs.create(SUFFIX, &mut |out| extents.write_to(out).map_err(Error::Contents)),
        None => {
            outputs.absent(SUFFIX);
            Ok(())
        }
    }
}

/// The parts of the tree that can have something outside the containers, together.
fn top(image: &Image) -> Result<FileSet> {
    let mut files = FileSet::new();
    for (index, part) in image.tree.parts.iter().enumerate() {
        if matches!(&part.files, Files::Stored { under, .. } if !under.is_root()) {
            continue;
        }
        files.extend(root::files(image, index..index + 1)?);
    }
    Ok(files)
}
