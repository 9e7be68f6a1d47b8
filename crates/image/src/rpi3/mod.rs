//! The files of a Raspberry Pi 3's card, in a tar that is unpacked onto its FAT file system.
//!
//! ```text
//! bootcode.bin, start*.elf, fixup*.dat   the board's firmware, which reads
//! config.txt, bcm2837-rpi-3-b*.dtb       and starts
//! u-boot.bin                             which runs
//! boot.scr                               which loads
//! dtb/broadcom/bcm2837-rpi-3-b*.dtb, initrd.uimg, kernel.uimg
//! ```
//!
//! The names are LinuxKit's. It has no device trees beside `config.txt`: its U-Boot has one built in, newer ones take what the
//! firmware gives them. Sources: config.txt in Raspberry Pi's documentation; doc/board/broadcom/raspberrypi.rst of U-Boot 2025.01.

mod kernel;
mod script;

use std::sync::Arc;

use ironkit_formats::archive::tar;
use ironkit_formats::boot::uimage::{self, ARM64, Header, LINUX};
use ironkit_formats::extents::{Data, Extents, Stored};
use ironkit_tree::{Content, Kind, Path};

use crate::loaders::Loader;
use crate::{Error, Format, Outputs, Parts, Result, root, uki};
use kernel::Kernel;
use script::Memory;

/// Where kernels have the device trees of Broadcom's processors, as LinuxKit's do.
const BROADCOM: &str = "boot/dtb/broadcom";
/// How the names of those for a Raspberry Pi 3 B and its successors begin and end.
const BOARD: (&[u8], &[u8]) = (b"bcm2837-rpi-3-b", b".dtb");

/// The settings of the board's firmware, unless its image brings some: 64 bits; a serial console, with a clock that stays as it
/// is; device trees with the kernel's own names; what to start.
const CONFIG: (&str, &str) = (
    "config.txt",
    "arm_64bit=1\nenable_uart=1\nupstream_kernel=1\nkernel=u-boot.bin\n",
);
/// What the board's processor reads first, and so the first file: the archive is known by it.
const FIRST: &str = "bootcode.bin";
/// U-Boot, without which nothing starts.
const U_BOOT: &str = "u-boot.bin";
/// What U-Boot looks for on every medium.
const SCRIPT: &str = "boot.scr";
/// What the script loads. The name of the device tree is the board's.
const KERNEL: &str = "kernel.uimg";
const INITRD: &str = "initrd.uimg";
const DEVICE_TREES: &str = "dtb/broadcom";

/// A file of the card.
type File<'p> = (String, Extents<'p>);

/// `NAME.tar`.
pub(crate) fn write(parts: &Parts, outputs: &mut dyn Outputs) -> Result<()> {
    let kernel = Kernel::of(parts)?;
    let mut files = firmware(parts)?;
    for (name, content) in device_trees(parts)? {
        let tree = Stored::new(content, parts.image.source);
        let mut bytes = Extents::new();
        bytes.data(Arc::new(tree));
        files.push((format!("{DEVICE_TREES}/{name}"), bytes.clone()));
        files.push((name, bytes));
    }
    let initrd = image(parts, uimage::RAMDISK, uki::initrd(parts)?)?;
    let memory = Memory::new(kernel.occupied, initrd.size(), kernel.image.size())?;
    let commands = script::commands(&parts.boot.cmdline, &memory)?;
    let script = uimage::script(&commands)?;
    files.push((SCRIPT.to_owned(), image(parts, uimage::SCRIPT, script)?));
    files.push((KERNEL.to_owned(), kernel.image));
    files.push((INITRD.to_owned(), initrd));
    let card = archive(files, parts.image.time)?;
    outputs.create(Format::Rpi3.file(), &mut |out| {
        card.write_to(out).map_err(Error::Contents)
    })
}

/// What the image of the boot loader has for the card, and the settings.
fn firmware<'p>(parts: &'p Parts) -> Result<Vec<File<'p>>> {
    let loaders = parts.image.loaders;
    let first = loaders.file(Loader::UBootRpi, FIRST)?;
    loaders.file(Loader::UBootRpi, U_BOOT)?;
    let mut files: Vec<File> = Vec::new();
    let others = loaders.files(Loader::UBootRpi).filter(|(name, _)| *name != FIRST);
    for (name, bytes) in [(FIRST, first)].into_iter().chain(others) {
        let mut content = Extents::new();
        content.bytes(bytes);
        files.push((name.to_owned(), content));
    }
    let (config, settings) = CONFIG;
    if !files.iter().any(|(name, _)| name == config) {
        let mut content = Extents::new();
        content.bytes(settings.as_bytes());
        files.push((config.to_owned(), content));
    }
    Ok(files)
}

/// The kernel's device trees for the board, by name.
fn device_trees(parts: &Parts) -> Result<Vec<(String, Content)>> {
    let folder = Path::parse(BROADCOM).unwrap_or_default();
    let files = root::files(parts.image, 0..parts.image.tree.parts.len())?;
    let mut trees = Vec::new();
    for (path, _, node) in files.iter() {
        let name = path.file_name();
        let is_board =
            path.parent().as_ref() == Some(&folder) && name.starts_with(BOARD.0) && name.ends_with(BOARD.1);
        if let (true, Kind::File(content), Ok(name)) = (is_board, &node.kind, std::str::from_utf8(name)) {
            trees.push((name.to_owned(), content.clone()));
        }
    }
    if trees.is_empty() {
        return Err(unsuitable(
            format!("the kernel's `tar` has no device tree `{BROADCOM}/bcm2837-rpi-3-b*.dtb`"),
            "LinuxKit's kernels for arm64 have them, and `components/kernel-rpi`; a recipe adds them with `device-trees`",
        ));
    }
    Ok(trees)
}

/// What U-Boot loads, behind a header.
fn image<'p>(parts: &Parts, kind: u8, content: Extents<'p>) -> Result<Extents<'p>> {
    let header = Header {
        kind,
        name: match kind {
            uimage::SCRIPT => SCRIPT.into(),
            _ => "initrd".into(),
        },
        ..header(parts)
    };
    wrapped(header, content)
}

/// What all headers have in common.
fn header(parts: &Parts) -> Header {
    Header {
        time: parts.image.time.try_into().unwrap_or(0),
        os: LINUX,
        architecture: ARM64,
        compression: uimage::NONE,
        ..Header::default()
    }
}

fn wrapped<'p>(header: Header, content: Extents<'p>) -> Result<Extents<'p>> {
    let checksum = uimage::checksum(&content).map_err(Error::Contents)?;
    Ok(uimage::layout(header, checksum, content)?)
}

fn archive<'p>(files: Vec<File<'p>>, time: i64) -> Result<Extents<'p>> {
    let mut archive = Extents::new();
    for (name, content) in files {
        let file = tar::Stream {
            name: &name,
            size: content.size(),
            mode: 0o644,
            mtime: time,
        };
        let head = file.ustar().ok_or_else(|| {
            let reason = format!("the name of the file `{name}` of the boot loader is too long for a tar");
            unsuitable(reason, "names have at most 100 bytes")
        })?;
        archive.bytes(head);
        archive.append(content);
        archive.align(tar::BLOCK as u64);
    }
    archive.zeros(2 * tar::BLOCK as u64);
    Ok(archive)
}

fn unsuitable(reason: impl Into<String>, hint: &str) -> Error {
    Error::Unsuitable {
        format: Format::Rpi3.name(),
        reason: reason.into(),
        hint: Some(hint.to_owned()),
    }
}
