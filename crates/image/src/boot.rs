//! What a boot loader needs beside the root file system, and the outputs that are just that.

use ironkit_formats::archive::tar;
use ironkit_formats::extents::{Data, Extents};
use ironkit_tree::{Content, FileSet, Files, Kind, Override, Path};

use crate::initrd::Initrd;
use crate::{Error, Image, Out, Outputs, Result};

/// Where the tree has these files, for the outputs that hold the tree alone.
const KERNEL: &str = "boot/kernel";
const CMDLINE: &str = "boot/cmdline";
const MICROCODE: &str = "boot/ucode.cpio";

/// The kernel and what travels beside it.
#[derive(Debug, Default)]
pub(crate) struct Boot {
    pub kernel: Option<Content>,
    pub cmdline: Vec<u8>,
    /// An uncompressed cpio archive.
    pub microcode: Option<Content>,
}

impl Boot {
    /// The kernel image's, unless a later part of the manifest replaces its file in `boot/`.
    pub fn of(image: &Image) -> Result<Boot> {
        let Some(kernel) = &image.tree.kernel else {
            return Ok(Boot::default());
        };
        let cmdline = match replaced(image, CMDLINE)? {
            Some(content) => content.read(image.source).map_err(Error::Contents)?,
            None => kernel.cmdline.clone().into_bytes(),
        };
        Ok(Boot {
            kernel: Some(replaced(image, KERNEL)?.unwrap_or_else(|| kernel.image.clone())),
            cmdline,
            microcode: match replaced(image, MICROCODE)? {
                Some(content) => Some(content),
                None => kernel.microcode.clone(),
            },
        })
    }
}

/// The file that a later part has in the place of one of the kernel's.
fn replaced(image: &Image, name: &str) -> Result<Option<Content>> {
    let path = Path::parse(name).unwrap_or_default();
    let parts = &image.tree.parts;
    let lost = |over: &&Override| over.path == path && parts[over.loser].location == "kernel";
    let Some(winner) = image
        .resolution
        .overrides
        .iter()
        .find(lost)
        .map(|over| over.winner)
    else {
        return Ok(None);
    };
    let content = |files: &FileSet| match files.get(&path).map(|node| &node.kind) {
        Some(Kind::File(content)) => Some(content.clone()),
        _ => None,
    };
    Ok(match &parts[winner].files {
        Files::Listed(files) => content(files),
        stored => content(&stored.load(image.source).map_err(Error::Contents)?),
    })
}

/// `NAME-kernel`, `NAME-initrd.img` with the microcode in front, and `NAME-cmdline`. Files that would be empty are not
/// written.
pub(crate) fn kernel_initrd(
    image: &Image,
    boot: &Boot,
    initrd: &Initrd,
    outputs: &mut dyn Outputs,
) -> Result<()> {
    kernel(image, boot, outputs)?;
    outputs.create("-initrd.img", &mut |out| {
        if let Some(microcode) = &boot.microcode {
            copy(microcode, image, out)?;
            crate::initrd::pad(out)?;
        }
        initrd.write(image, out)
    })?;
    cmdline(boot, outputs)
}

/// `NAME-kernel` and `NAME-cmdline`, and the root file system in a file of its own: NAME followed by `suffix`.
pub(crate) fn kernel_root(
    image: &Image,
    boot: &Boot,
    suffix: &str,
    root: &Extents,
    outputs: &mut dyn Outputs,
) -> Result<()> {
    kernel(image, boot, outputs)?;
    outputs.create(suffix, &mut |out| root.write_to(out).map_err(Error::Contents))?;
    cmdline(boot, outputs)
}

fn kernel(image: &Image, boot: &Boot, outputs: &mut dyn Outputs) -> Result<()> {
    match &boot.kernel {
        Some(kernel) => outputs.create("-kernel", &mut |out| copy(kernel, image, out)),
        None => {
            outputs.absent("-kernel");
            Ok(())
        }
    }
}

fn cmdline(boot: &Boot, outputs: &mut dyn Outputs) -> Result<()> {
    match boot.cmdline.is_empty() {
        false => outputs.create("-cmdline", &mut |out| Ok(out.write_all(&boot.cmdline)?)),
        true => {
            outputs.absent("-cmdline");
            Ok(())
        }
    }
}

/// `NAME-initrd.tar` with `kernel`, `initrd.img`, `cmdline` and `ucode.cpio`, as far as they are there.
pub(crate) fn tar_kernel_initrd(
    image: &Image,
    boot: &Boot,
    initrd: &Initrd,
    outputs: &mut dyn Outputs,
) -> Result<()> {
    outputs.create("-initrd.tar", &mut |out| {
        let mut archive = tar::Writer::new(out);
        if let Some(kernel) = &boot.kernel {
            let entry = entry("kernel", kernel.size(), image.time);
            archive.append_stream(&entry, |out| copy(kernel, image, out))?;
        }
        let root = entry("initrd.img", initrd.size(), image.time);
        archive.append_stream(&root, |out| initrd.write(image, out))?;
        if !boot.cmdline.is_empty() {
            let entry = entry("cmdline", boot.cmdline.len() as u64, image.time);
            archive.append_stream(&entry, |out| Ok::<_, Error>(out.write_all(&boot.cmdline)?))?;
        }
        if let Some(microcode) = &boot.microcode {
            let entry = entry("ucode.cpio", microcode.size(), image.time);
            archive.append_stream(&entry, |out| copy(microcode, image, out))?;
        }
        Ok(archive.finish()?)
    })
}

fn entry(name: &'static str, size: u64, time: i64) -> tar::Stream<'static> {
    tar::Stream {
        name,
        size,
        mode: 0o644,
        mtime: time,
    }
}

fn copy(content: &Content, image: &Image, out: &mut dyn Out) -> Result<()> {
    content
        .copy_to(image.source, &mut &mut *out)
        .map_err(Error::Contents)
}
