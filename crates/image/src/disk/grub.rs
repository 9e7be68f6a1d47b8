//! GRUB, linked for one disk.

use std::io::Write;
use std::ops::Range;

use ironkit_formats::boot::grub;
use ironkit_tree::Hasher;

use crate::loaders::Loader;
use crate::{Arch, Error, Format, Image, Result};

/// Changes whenever the same files give another core image: part of its key.
const VERSION: &[u8] = b"1";
/// What GRUB needs to read sectors of the device that it was started from, and to start Linux.
const MODULES: [&str; 2] = ["biosdisk", "linux"];

/// Refuses an architecture that has no BIOS.
pub(crate) fn check(image: &Image, format: Format) -> Result<()> {
    match image.arch {
        Arch::Amd64 => Ok(()),
        _ => Err(Error::Unsuitable {
            format: format.name(),
            reason: "a BIOS only starts amd64".to_owned(),
            hint: Some("raw-efi, qcow2-efi, iso-efi and uki are for arm64, too".to_owned()),
        }),
    }
}

/// A file of GRUB's.
pub(crate) fn file<'a>(image: &'a Image, name: &str) -> Result<&'a [u8]> {
    image.loaders.file(Loader::Grub, name)
}

/// The core image that starts the kernel and initrd in these bytes of the medium that it is on. It is kept in the cache, since
/// compressing it takes longer than all the rest of a disk.
pub(crate) fn core(image: &Image, kernel: Range<u64>, initrd: Range<u64>, cmdline: &[u8]) -> Result<Vec<u8>> {
    let config = grub::config(kernel, initrd, cmdline)?;
    let (decompressor, kernel) = (file(image, "lzma_decompress.img")?, file(image, "kernel.img")?);
    let moddep = String::from_utf8_lossy(file(image, "moddep.lst")?);
    let names = grub::modules(&moddep, &MODULES);
    let modules = names.iter().map(|name| file(image, &format!("{name}.mod")));
    let modules = modules.collect::<Result<Vec<_>>>()?;
    let mut hasher = Hasher::new();
    hasher.field(b"grub core");
    hasher.field(VERSION);
    for bytes in [&config, decompressor, kernel].into_iter().chain(modules.clone()) {
        hasher.field(bytes);
    }
    let key = hasher.finish();
    if let Some(core) = image.cache.read(&key).map_err(Error::Cache)? {
        return Ok(core);
    }
    let core = grub::core(decompressor, kernel, &modules, &config)?;
    let mut write = |out: &mut (dyn Write + Send)| Ok(out.write_all(&core)?);
    image.cache.put(&key, &mut write).map_err(Error::Cache)?;
    Ok(core)
}
