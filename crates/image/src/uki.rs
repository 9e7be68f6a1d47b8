//! Unified kernel images: one file for UEFI with kernel, initrd and command line.

use std::ops::Range;
use std::sync::Arc;

use ironkit_formats::extents::{Data, Extents, Stored};
use ironkit_formats::pe::{self, Appended};
use ironkit_tree::Content;

use crate::loaders::Loader;
use crate::{Arch, Error, Format, Outputs, Parts, Result};

/// What a boot loader that lists such images calls it.
const OS_RELEASE: &str = "ID=ironkit\nNAME=IronKit\nPRETTY_NAME=\"IronKit\"\n";

/// A unified kernel image that is laid out.
pub(crate) struct Uki<'p> {
    /// Its bytes.
    pub image: Extents<'p>,
    /// Which of these are the kernel.
    pub kernel: Range<u64>,
    /// Which of these are the initrd.
    pub initrd: Range<u64>,
}

/// `NAME.efi`.
pub(crate) fn write(parts: &Parts, outputs: &mut dyn Outputs) -> Result<()> {
    let format = Format::Uki;
    let uki = link(parts, format, &parts.boot.cmdline, initrd(parts)?)?;
    outputs.create(".efi", &mut |out| {
        uki.image.write_to(out).map_err(Error::Contents)
    })
}

/// The kernel, initrd and command line as one file, with systemd's stub in front.
pub(crate) fn link<'p>(
    parts: &'p Parts,
    format: Format,
    cmdline: &[u8],
    initrd: Extents<'p>,
) -> Result<Uki<'p>> {
    let name = match parts.image.arch {
        Arch::Amd64 => "linuxx64.efi.stub",
        Arch::Arm64 => "linuxaa64.efi.stub",
        Arch::Other => {
            return Err(Error::Unsuitable {
                format: format.name(),
                reason: "there is no boot loader for this architecture".to_owned(),
                hint: Some("amd64 and arm64 have one; others boot kernel+initrd".to_owned()),
            });
        }
    };
    let stub = parts.image.loaders.file(Loader::SystemdStub, name)?;
    let kernel = kernel(parts, format)?;
    let (kernel_size, initrd_size) = (kernel.size(), initrd.size());
    let text = |bytes: &[u8]| {
        let mut extents = Extents::new();
        extents.bytes(bytes);
        extents
    };
    let mut content = Extents::new();
    content.data(Arc::new(Stored::new(kernel.clone(), parts.image.source)));
    let mut sections = vec![
        (".osrel", text(OS_RELEASE.as_bytes())),
        (".cmdline", text(cmdline.trim_ascii_end())),
        (".linux", content),
    ];
    if initrd_size > 0 {
        sections.push((".initrd", initrd));
    }
    let sections = sections.into_iter();
    let sections = sections.map(|(name, content)| Appended { name, content });
    let linked = pe::append(stub, sections.collect())?;
    let range = |index: usize, size: u64| {
        let start = linked.offsets.get(index).copied().unwrap_or_default();
        start..start + size
    };
    let (kernel, initrd) = (range(2, kernel_size), range(3, initrd_size));
    Ok(Uki {
        image: linked.image,
        kernel,
        initrd,
    })
}

/// The microcode and the whole root file system.
pub(crate) fn initrd<'p>(parts: &'p Parts) -> Result<Extents<'p>> {
    let initrd = parts.initrd()?;
    let mut extents = microcode(parts);
    extents.append(initrd.extents(parts.image));
    Ok(extents)
}

/// What comes in front of an initrd, if there is something.
pub(crate) fn microcode<'p>(parts: &'p Parts) -> Extents<'p> {
    let mut extents = Extents::new();
    if let Some(microcode) = &parts.boot.microcode {
        extents.data(Arc::new(Stored::new(microcode.clone(), parts.image.source)));
        extents.align(crate::initrd::ALIGNMENT);
    }
    extents
}

/// The kernel, without which nothing boots.
pub(crate) fn kernel<'p>(parts: &'p Parts, format: Format) -> Result<&'p Content> {
    parts.boot.kernel.as_ref().ok_or_else(|| Error::Unsuitable {
        format: format.name(),
        reason: "it boots, and there is no kernel".to_owned(),
        hint: Some("name one in the manifest's `kernel:`".to_owned()),
    })
}
