//! Which format a disk is in, and the disk.

use std::io;

use super::{ova, qcow2, vhd, vhdx, vmdk};
use crate::read_at::{ReadAt, ReadError, Slice};

/// The formats that a disk can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFormat {
    /// [`qcow2`].
    Qcow2,
    /// [`vhd`], with all of the disk.
    FixedVhd,
    /// [`vhd`], with those blocks that are used.
    DynamicVhd,
    /// [`vhdx`].
    Vhdx,
    /// [`vmdk`].
    Vmdk,
    /// [`ova`].
    Ova,
}

impl DiskFormat {
    /// Name in messages.
    pub fn name(self) -> &'static str {
        match self {
            DiskFormat::Qcow2 => "qcow2",
            DiskFormat::FixedVhd => "VHD, fixed",
            DiskFormat::DynamicVhd => "VHD, dynamic",
            DiskFormat::Vhdx => "VHDX",
            DiskFormat::Vmdk => "VMDK",
            DiskFormat::Ova => "OVA",
        }
    }
}

/// A disk in an image of one of the formats.
pub struct Disk<'a> {
    /// The format.
    pub format: DiskFormat,
    bytes: Box<dyn ReadAt + 'a>,
}

/// The disk that `image` has, if it is of one of the formats; a raw disk is of none.
///
/// # Errors
/// [`ReadError`] for an image that says it is, and is not.
pub fn open(image: &dyn ReadAt) -> Result<Option<Disk<'_>>, ReadError> {
    let whole = Slice::new(image, 0, image.size());
    let (format, bytes): (_, Box<dyn ReadAt + '_>) = match whole {
        _ if qcow2::Qcow2::is(image) => (DiskFormat::Qcow2, Box::new(qcow2::Qcow2::open(image)?)),
        _ if vhdx::Vhdx::is(image) => (DiskFormat::Vhdx, Box::new(vhdx::Vhdx::open(image)?)),
        Some(whole) if vmdk::Vmdk::is(image) => (DiskFormat::Vmdk, Box::new(vmdk::Vmdk::open(whole)?)),
        _ if ova::Ova::is(image) => (DiskFormat::Ova, Box::new(ova::Ova::open(image)?.disk()?)),
        // The footer is at the end, where a raw disk can have it by mistake; so it is looked for last.
        _ if vhd::Vhd::is(image) => {
            let disk = vhd::Vhd::open(image)?;
            let format = match disk.is_dynamic() {
                true => DiskFormat::DynamicVhd,
                false => DiskFormat::FixedVhd,
            };
            (format, Box::new(disk))
        }
        _ => return Ok(None),
    };
    Ok(Some(Disk { format, bytes }))
}

impl ReadAt for Disk<'_> {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.bytes.read_exact_at(buffer, offset)
    }
}
