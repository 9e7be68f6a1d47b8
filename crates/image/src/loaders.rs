//! Boot loaders: which files of theirs the formats are linked with. They are in images of their own, as components are.

use std::collections::BTreeMap;

use crate::{Arch, Error, Format, Result};

/// A boot loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loader {
    /// GRUB for a BIOS.
    Grub,
    /// systemd's stub for unified kernel images.
    SystemdStub,
    /// U-Boot for a Raspberry Pi 3, and the firmware that starts it.
    UBootRpi,
}

/// The files of boot loaders by their path, without the slash in front.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaders(BTreeMap<String, Vec<u8>>);

impl Loader {
    /// The folder of an image that has its files.
    pub fn folder(self) -> &'static str {
        match self {
            Loader::Grub => "usr/lib/grub/i386-pc",
            Loader::SystemdStub => "usr/lib/systemd/boot/efi",
            Loader::UBootRpi => "boot",
        }
    }

    /// Those that `formats` need on machines of this architecture.
    pub fn needed(formats: &[Format], arch: Arch) -> Vec<Loader> {
        let bios = formats.iter().any(|format| format.boots_by_bios());
        let uefi = formats.iter().any(|format| format.boots_by_uefi());
        let needed = [
            (Loader::Grub, bios && arch == Arch::Amd64),
            (Loader::SystemdStub, uefi && arch != Arch::Other),
            (Loader::UBootRpi, formats.contains(&Format::Rpi3)),
        ];
        let needed = needed.into_iter().filter(|(_, needed)| *needed);
        needed.map(|(loader, _)| loader).collect()
    }
}

impl Loaders {
    /// Adds a file, instead of one that is there under that path.
    pub fn insert(&mut self, path: String, bytes: Vec<u8>) {
        self.0.insert(path, bytes);
    }

    /// All files of a boot loader, by their names in its folder.
    pub(crate) fn files(&self, loader: Loader) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().filter_map(move |(path, bytes)| {
            let name = path.strip_prefix(loader.folder())?.strip_prefix('/')?;
            Some((name, bytes.as_slice()))
        })
    }

    /// A file of a boot loader.
    ///
    /// # Errors
    /// [`Error::NoLoader`].
    pub(crate) fn file(&self, loader: Loader, name: &str) -> Result<&[u8]> {
        let path = format!("{}/{name}", loader.folder());
        match self.0.get(&path) {
            Some(bytes) => Ok(bytes),
            None => Err(Error::NoLoader { path }),
        }
    }
}
