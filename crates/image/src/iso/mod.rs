//! The root file system as ISO 9660, for a file of its own, and CDs that boot.

mod boot;

use ironkit_formats::extents::Extents;
use ironkit_formats::filesystem::iso9660::{self, Options};
use ironkit_tree::{FileSet, Kind, Node, Path};

use crate::stage::{self, FileSystem};
use crate::{Error, Format, Image, Outputs, Parts, Result, root};

pub(crate) use boot::bootable;

/// The volume's identifier, as LinuxKit has it.
const VOLUME: &str = "LinuxKit";
/// Most bytes of a name that Linux shows (fs/isofs/rock.c): a longer one would be there under another name.
const NAME_MAX: usize = 253;
/// Permissions of the root, unless the tree says otherwise.
const ROOT_MODE: u32 = 0o755;

/// `NAME-kernel`, `NAME-cmdline`, the root file system in `NAME.iso`, and its first stage if the kernel needs one.
pub(crate) fn kernel_iso(parts: &Parts, outputs: &mut dyn Outputs) -> Result<()> {
    let (image, format) = (parts.image, Format::KernelIso);
    let first = parts.first_stage(FileSystem::Iso, format)?;
    let files = files(image, format)?;
    let options = Options {
        volume: VOLUME.to_owned(),
        time: image.time,
        joliet: true,
        front: Vec::new(),
        boot: Vec::new(),
        tail: 0,
    };
    let volume = iso9660::layout(&files, image.source, &options)?;
    let iso: Extents = volume.image(Vec::new(), Vec::new())?;
    crate::boot::kernel_root(image, &parts.boot, ".iso", &iso, outputs)?;
    stage::beside(first, outputs)
}

/// The root file system, if Linux finds all of it on a CD.
fn files(image: &Image, format: Format) -> Result<FileSet> {
    let mut files = root::whole(image)?;
    if files.get(&Path::ROOT).is_none() {
        files.insert(Path::ROOT, Node::new(Kind::Directory, ROOT_MODE).at(image.time));
    }
    for (path, _, node) in files.iter() {
        let reason = if let Some(name) = node.xattrs.keys().next() {
            let name = String::from_utf8_lossy(name);
            format!("`{path}` has the extended attribute `{name}`, for which ISO 9660 has no place")
        } else if path.file_name().len() > NAME_MAX {
            format!("Linux shows no name of more than {NAME_MAX} bytes on ISO 9660: `{path}`")
        } else {
            continue;
        };
        return Err(Error::Unsuitable {
            format: format.name(),
            reason,
            hint: Some("formats with an initrd, squashfs or EROFS can hold it".to_owned()),
        });
    }
    Ok(files)
}
