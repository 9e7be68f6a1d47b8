//! Files that no machine starts from, and what to do about each.

use ironkit_image::read::medium::Kind;

use super::RunOptions;
use super::start::OF_KERNEL;
use crate::Error;

/// Why a file of this kind is not run.
pub(super) fn refused(options: &RunOptions, kind: Kind) -> Error {
    let name = &options.name;
    let of_kernel = OF_KERNEL.iter().any(|end| name.ends_with(end));
    let (what, hint) = match kind {
        Kind::Gzip | Kind::Initrd | Kind::Squashfs | Kind::Erofs | Kind::Unknown if of_kernel => (
            "a part of an image without its kernel",
            "the kernel must be beside it, under the same name with -kernel at the end".to_owned(),
        ),
        Kind::Squashfs | Kind::Erofs | Kind::Ext4 | Kind::Initrd => (
            "a file system without a kernel",
            "its kernel must be beside it, under the same name with -kernel at the end".to_owned(),
        ),
        Kind::Gzip if name.ends_with(".tar.gz") => (
            "compressed",
            format!("take the disk out of it: `tar -xzf {name} disk.raw`, then `ironkit run disk.raw`"),
        ),
        Kind::Gzip => (
            "compressed",
            format!("uncompress it first: `gunzip --keep {name}`"),
        ),
        Kind::Ova => (
            "an archive of a virtual machine",
            format!("take the disk out of it: `tar -xf {name} --wildcards '*.vmdk'`, and run that"),
        ),
        Kind::Uimage => (
            "something that U-Boot loads",
            "run the same manifest in another format: kernel+initrd, raw-efi".to_owned(),
        ),
        Kind::Card => {
            return Error::Usage {
                message: format!(
                    "`{name}` has the files of a Raspberry Pi's card, and QEMU has none of its firmware"
                ),
                hint: "unpack it onto the card, or run the same manifest in another format: kernel+initrd, raw-efi"
                    .to_owned(),
            };
        }
        Kind::Tar | Kind::Bundle => (
            "a tar archive",
            "build the image in a format that is a disk, a CD or a kernel: raw, iso, kernel+initrd"
                .to_owned(),
        ),
        _ => (
            "nothing that is known here",
            build_first(name).unwrap_or("--attach disk has QEMU look at it".to_owned()),
        ),
    };
    Error::Usage {
        message: format!("`{name}` is {what}: no machine starts from it"),
        hint,
    }
}

/// What is done with a manifest before it can be run.
pub(super) fn build_first(name: &str) -> Option<String> {
    let is_manifest = name.ends_with(".yml") || name.ends_with(".yaml");
    is_manifest.then(|| format!("`run` takes the name of a built image: first `ironkit build {name}`"))
}
