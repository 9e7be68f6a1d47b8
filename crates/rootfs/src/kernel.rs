//! The kernel image → the kernel, and its modules as a part of the root file system.

use ironkit_manifest::{Diagnostic, Kernel as KernelSection, Manifest, Spanned};
use ironkit_oci::Image;
use ironkit_tree::{Content, FileSet, Files, Kernel, Kind, Part, Path};

use crate::contents::Contents;
use crate::fixups::Place;
use crate::{Error, Result};

/// Reads the kernel section. Without an image it says nothing.
///
/// # Errors
/// A kernel or tar file that the image does not have.
pub(crate) fn kernel(
    manifest: &Manifest,
    section: &KernelSection,
    image: &Image,
    contents: &mut Contents,
) -> Result<(Kernel, Option<Part>)> {
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
    let source = image.name.to_string();
    let kernel = Kernel {
        source: source.clone(),
        image: find(section.binary(), &section.binary)?,
        cmdline: section.cmdline().to_owned(),
        microcode: section.ucode().and_then(|name| file(&files, name)),
    };
    let Some(tar) = section.tar() else {
        return Ok((kernel, None));
    };
    find(tar, &section.tar)?;
    let archive = Path::parse(tar).unwrap_or_default();
    let files = Files::Stored {
        key: contents.archive(key, &archive),
        under: Path::ROOT,
    };
    let part = Part {
        location: "kernel".to_owned(),
        name: "kernel modules".to_owned(),
        source,
        files,
    };
    Ok((kernel, Some(part)))
}

/// The content of a regular file. Links are not followed, as in LinuxKit.
fn file(files: &FileSet, name: &str) -> Option<Content> {
    match &files.get(&Path::parse(name).ok()?)?.kind {
        Kind::File(content) => Some(content.clone()),
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
