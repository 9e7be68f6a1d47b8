//! The kernel image → the kernel, and its modules as a part of the root file system.

use ironkit_manifest::{Diagnostic, Kernel as KernelSection, Manifest, Spanned};
use ironkit_oci::Image;
use ironkit_tree::{Content, FileSet, Files, Kernel, Kind, Node, Part, Path};

use crate::contents::Contents;
use crate::fixups::Place;
use crate::{Error, Options, Result};

/// Where the root file system has the kernel, for the outputs that hold nothing else.
const BOOT: &str = "boot";

/// Reads the kernel section. Without an image it says nothing. The parts are the kernel's files in `boot/` and its
/// modules.
///
/// # Errors
/// A kernel or tar file that the image does not have, a kernel that cannot be decompressed.
pub(crate) fn kernel(
    manifest: &Manifest,
    section: &KernelSection,
    image: &Image,
    options: &Options,
    contents: &mut Contents,
) -> Result<(Kernel, Vec<Part>)> {
    let key = contents.image(image, Place::Kernel);
    let files = contents.file_set(&key)?;
    let place = section.image.as_ref().map(|image| image.span).unwrap_or_default();
    let find = |name: &str, written: &Option<Spanned<String>>| {
        let span = written.as_ref().map_or(place, |written| written.span);
        file(&files, name).ok_or_else(|| {
            let message = format!("did not find `{name}` in the kernel image {}", image.name);
            let mistake =
                Diagnostic::error(span, message).hint(format!("at its top it has {}", listing(&files)));
            Error::Manifest(vec![crate::place(manifest, mistake)])
        })
    };
    let mut binary = find(section.binary(), &section.binary)?;
    if let Some(tar) = section.tar() {
        find(tar, &section.tar)?;
    }
    if options.decompress_kernel {
        let path = Path::parse(section.binary()).unwrap_or_default();
        let proper = contents.decompressed(key, &path);
        let proper = contents.file_set(&proper)?;
        binary = file(&proper, section.binary()).unwrap_or(binary);
    }
    let microcode = section.ucode().and_then(|name| file(&files, name));
    let source = image.name.to_string();
    let part = |name: &str, files| Part {
        location: "kernel".to_owned(),
        name: name.to_owned(),
        source: source.clone(),
        files,
    };
    let kernel = Kernel {
        source: source.clone(),
        image: binary.content,
        cmdline: section.cmdline().to_owned(),
        microcode: microcode.as_ref().map(|file| file.content.clone()),
    };
    let microcode_mode = microcode.map_or(0, |file| file.mode);
    let files = boot(&kernel, binary.mode, microcode_mode, contents.time());
    let mut parts = vec![part("kernel", Files::Listed(files))];
    if let Some(tar) = section.tar() {
        let archive = Path::parse(tar).unwrap_or_default();
        let key = contents.archive(key, &archive);
        let under = Path::ROOT;
        parts.push(part("kernel modules", Files::Stored { key, under }));
    }
    Ok((kernel, parts))
}

/// The kernel's files as the root file system has them.
fn boot(kernel: &Kernel, mode: u32, microcode_mode: u32, time: i64) -> FileSet {
    let mut files = FileSet::new();
    let mut add = |name: &str, kind, mode| {
        let path = Path::parse(name).unwrap_or_default();
        files.insert(path, Node::new(kind, mode).at(time));
    };
    add(BOOT, Kind::Directory, 0o755);
    add("boot/kernel", Kind::File(kernel.image.clone()), mode);
    add(
        "boot/cmdline",
        Kind::File(kernel.cmdline.clone().into_bytes().into()),
        0o644,
    );
    if let Some(microcode) = &kernel.microcode {
        add("boot/ucode.cpio", Kind::File(microcode.clone()), microcode_mode);
    }
    files
}

/// A file of the kernel image.
struct Binary {
    content: Content,
    mode: u32,
}

/// A regular file. Links are not followed, as in LinuxKit.
fn file(files: &FileSet, name: &str) -> Option<Binary> {
    let node = files.get(&Path::parse(name).ok()?)?;
    match &node.kind {
        Kind::File(content) => Some(Binary {
            content: content.clone(),
            mode: node.mode,
        }),
        _ => None,
    }
}

/// The names at the top of an image, for a message.
fn listing(files: &FileSet) -> String {
    let top: Vec<String> = files
        .iter()
        .filter(|(path, ..)| path.ancestors().next().is_none())
        .map(|(path, ..)| format!("`{path}`"))
        .collect();
    match top.as_slice() {
        [] => "nothing".to_owned(),
        few if few.len() <= 8 => few.join(", "),
        many => format!("{}, …", many[..8].join(", ")),
    }
}
