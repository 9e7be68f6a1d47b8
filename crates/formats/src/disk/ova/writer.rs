//! Lays out the archive.

use std::sync::Arc;

use ironkit_tree::Digest;

use super::{NAME, ovf};
use crate::FormatError;
use crate::archive::tar;
use crate::extents::{Data, Extents};

/// What the machine is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its name, and that of the files: ASCII letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory: u32,
    /// What starts it.
    pub firmware: Firmware,
    /// Its network card.
    pub network_card: NetworkCard,
    /// The time of the files, in seconds since 1970.
    pub time: i64,
}

/// What starts a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// A BIOS.
    Bios,
    /// UEFI.
    Efi,
}

/// A network card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkCard {
    /// Intel's, which everything emulates.
    E1000,
    /// VMware's own.
    Vmxnet3,
}

/// A disk as a stream-optimised VMDK.
#[derive(Clone)]
pub struct Stream<'a> {
    /// The file.
    pub vmdk: Arc<dyn Data + 'a>,
    /// Its SHA-256.
    pub digest: Digest,
    /// Size in bytes of the disk in it.
    pub capacity: u64,
}

/// A machine with that disk.
///
/// # Errors
/// [`FormatError::Image`] for a name that is none, and for a disk whose file is too large.
pub fn lay_out<'a>(machine: &Machine, disk: Stream<'a>) -> Result<Extents<'a>, FormatError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if machine.name.is_empty() || machine.name.len() > 64 || !machine.name.bytes().all(plain) {
        return Err(FormatError::Image {
            format: NAME,
            what: format!("a machine with the name `{}`", machine.name),
        });
    }
    let name = |end: &str| format!("{}.{end}", machine.name);
    let text = ovf::envelope(machine, &name("vmdk"), disk.vmdk.size(), disk.capacity);
    let manifest = format!(
        "SHA256({})= {}\nSHA256({})= {}\n",
        name("ovf"),
        Digest::of(text.as_bytes()).hex(),
        name("vmdk"),
        disk.digest.hex()
    );
    let mut extents = Extents::new();
    for (name, file) in [(name("ovf"), text), (name("mf"), manifest)] {
        extents.bytes(head(&name, file.len() as u64, machine)?);
        extents.bytes(file.into_bytes());
        extents.align(tar::BLOCK as u64);
    }
    extents.bytes(head(&name("vmdk"), disk.vmdk.size(), machine)?);
    extents.data(disk.vmdk);
    extents.align(tar::BLOCK as u64);
    extents.zeros(2 * tar::BLOCK as u64);
    Ok(extents)
}

fn head(name: &str, size: u64, machine: &Machine) -> Result<Vec<u8>, FormatError> {
    let file = tar::Stream {
        name,
        size,
        mode: 0o644,
        mtime: machine.time,
    };
    match file.ustar() {
        Some(head) => Ok(head.to_vec()),
        None => Err(FormatError::Image {
            format: NAME,
            what: format!("a disk whose file has {size} bytes; it can hold files below 8 GiB"),
        }),
    }
}
