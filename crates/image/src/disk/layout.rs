//! The disks that raw files, virtual disks and cloud images are.
//!
//! ```text
//! bios   │ boot.img │ GRUB's core │ FAT, active: kernel, initrd.img │
//! uefi   │ GPT                    │ ESP: EFI/BOOT/BOOTX64.EFI       │ … │ GPT │
//! both   │ boot.img, GPT │ BIOS boot: GRUB's core │ the same ESP    │ … │ GPT │
//! ```
//!
//! A root file system outside of the initrd is in the partition behind, and the initrd then only what mounts it. A partition for data
//! is the last one, so that it can grow with the disk.
//!
//! Where both are there, GRUB reads kernel and initrd out of the file for UEFI, by sector numbers: nothing is there twice.

use std::ops::Range;
use std::sync::Arc;

use ironkit_formats::boot::grub as core_image;
use ironkit_formats::extents::{Data, Extents, Stored};
use ironkit_formats::filesystem::fat;
use ironkit_formats::partition::{ALIGNMENT, Guid, SECTOR, gpt, mbr, sectors};
use ironkit_tree::{Digest, Hasher, Path};

use super::contents::{Booted, Partitions};
use super::grub;
use crate::uki::{self, Uki};
use crate::{Arch, Error, Format, Parts, Result};

/// The first sector that a partition has.
const FIRST: u64 = ALIGNMENT / SECTOR;
/// Sectors of the partition for GRUB's core image.
const BIOS_BOOT: u64 = ALIGNMENT / SECTOR;

/// How large a disk is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// So many bytes, or else it is an error.
    Exactly(u64),
    /// So many bytes, or as many more as it needs.
    AtLeast(u64),
}

impl Size {
    /// What the user asked for, or else what the format usually has.
    pub fn of(parts: &Parts, usual: u64) -> Size {
        match parts.image.disk.size {
            Some(size) => Size::Exactly(size),
            None => Size::AtLeast(usual),
        }
    }

    /// The sectors of a disk that needs `needed` of them.
    fn sectors(self, needed: u64, format: Format) -> Result<u64> {
        let needed = (needed * SECTOR).next_multiple_of(ALIGNMENT);
        let refuse = |reason: String, hint: String| {
            Err(Error::Unsuitable {
                format: format.name(),
                reason,
                hint: Some(hint),
            })
        };
        match self {
            Size::Exactly(size) if size < needed => {
                let mebibytes = needed / ALIGNMENT;
                refuse(
                    format!(
                        "it needs {mebibytes} MiB, and the disk has {} MiB",
                        size / ALIGNMENT
                    ),
                    format!("--size {mebibytes}M is enough"),
                )
            }
            Size::Exactly(size) if size % SECTOR != 0 => refuse(
                format!("a disk of {size} bytes has no whole sectors"),
                format!("give a multiple of {SECTOR}"),
            ),
            Size::Exactly(size) => Ok(size / SECTOR),
            Size::AtLeast(size) => Ok(sectors(size.next_multiple_of(ALIGNMENT).max(needed))),
        }
    }
}

/// A disk that a BIOS boots.
///
/// # Errors
/// [`Error::Unsuitable`] for another architecture than amd64 and for a disk that is too small; what has no place in it.
pub(crate) fn bios<'p>(parts: &'p Parts, format: Format, size: Size) -> Result<Extents<'p>> {
    let image = parts.image;
    grub::check(image, format)?;
    let kernel = uki::kernel(parts, format)?;
    let mut content = Extents::new();
    content.data(Arc::new(Stored::new(kernel.clone(), image.source)));
    let partitions = Partitions::of(parts)?;
    let signature = number(&partitions.id);
    let known = |index: usize, _: &str| format!("{signature:08x}-{:02x}", index + 2);
    let Booted { cmdline, initrd } = Booted::of(parts, format, &partitions, known)?;
    let sizes = (content.size(), initrd.size());
    let files = [("kernel", content), ("initrd.img", initrd)];
    let volume = volume(parts, files, fat::Kind::Auto, FIRST)?;
    let at = |index: usize, size: u64| {
        let start = FIRST * SECTOR + volume.offsets[index];
        start..start + size
    };
    let (kernel, initrd) = (at(0, sizes.0), at(1, sizes.1));
    let core = grub::core(image, kernel, initrd, &cmdline)?;
    let count = sectors(volume.extents.size());
    let too_large = |_| Error::Unsuitable {
        format: format.name(),
        reason: "a partition of 2 TiB and more has no place in a master boot record".to_owned(),
        hint: None,
    };
    let mut table = mbr::Table {
        boot_code: core_image::boot_record(grub::file(image, "boot.img")?, 1)?,
        signature,
        partitions: vec![mbr::Partition {
            active: true,
            kind: match volume.width {
                fat::Width::Fat12 => mbr::FAT12,
                fat::Width::Fat16 => mbr::FAT16,
                fat::Width::Fat32 => mbr::FAT32,
            },
            start: u32::try_from(FIRST).map_err(too_large)?,
            sectors: u32::try_from(count).map_err(too_large)?,
        }],
    };
    let mut end = FIRST + count;
    let mut contents = vec![volume.extents];
    for (_, content) in partitions.contents {
        let (start, count) = (end.next_multiple_of(FIRST), sectors(content.size()));
        table.partitions.push(mbr::Partition {
            active: false,
            kind: mbr::LINUX,
            start: u32::try_from(start).map_err(too_large)?,
            sectors: u32::try_from(count).map_err(too_large)?,
        });
        end = start + count;
        contents.push(content);
    }
    let mut gap = Extents::new();
    gap.bytes(core_image::disk_image(
        grub::file(image, "diskboot.img")?,
        &core,
        1,
    )?);
    let size = size.sectors(end, format)?;
    Ok(mbr::layout(&table, size, gap, contents)?)
}

/// A disk that UEFI boots.
///
/// # Errors
/// As [`bios`], but it is for arm64, too.
pub(crate) fn uefi<'p>(parts: &'p Parts, format: Format, size: Size) -> Result<Extents<'p>> {
    let system = System::new(parts, format, FIRST)?;
    let mut disk = Disk::new(system.partitions.id);
    disk.system(system);
    disk.layout(size, format)
}

/// A disk that both a BIOS and UEFI boot. It is one for UEFI alone where there is no BIOS.
///
/// # Errors
/// As [`uefi`].
pub(crate) fn both<'p>(parts: &'p Parts, format: Format, size: Size) -> Result<Extents<'p>> {
    let image = parts.image;
    if image.arch != Arch::Amd64 {
        return uefi(parts, format, size);
    }
    let system = System::new(parts, format, FIRST + BIOS_BOOT)?;
    let core = grub::core(
        image,
        system.kernel.clone(),
        system.initrd.clone(),
        &system.cmdline,
    )?;
    let diskboot = grub::file(image, "diskboot.img")?;
    let mut content = Extents::new();
    content.bytes(core_image::disk_image(diskboot, &core, FIRST)?);
    content.zeros_to(BIOS_BOOT * SECTOR);
    let mut disk = Disk::new(system.partitions.id);
    disk.table.boot_code = core_image::boot_record(grub::file(image, "boot.img")?, FIRST)?;
    disk.add(gpt::BIOS_BOOT, "BIOS boot", content);
    disk.system(system);
    disk.layout(size, format)
}

/// The EFI system partition, and what it boots.
struct System<'p> {
    esp: Extents<'p>,
    /// What comes behind it.
    partitions: Partitions<'p>,
    /// Where on the disk the kernel is.
    kernel: Range<u64>,
    /// Where on the disk the initrd is.
    initrd: Range<u64>,
    cmdline: Vec<u8>,
}

impl<'p> System<'p> {
    /// The one at sector `start`.
    fn new(parts: &'p Parts, format: Format, start: u64) -> Result<System<'p>> {
        let partitions = Partitions::of(parts)?;
        let known = |_: usize, name: &str| Guid::derived(&partitions.id, name).to_string();
        let Booted { cmdline, initrd } = Booted::of(parts, format, &partitions, known)?;
        let Uki {
            image,
            kernel,
            initrd,
        } = uki::link(parts, format, &cmdline, initrd)?;
        let name = match parts.image.arch {
            Arch::Arm64 => "EFI/BOOT/BOOTAA64.EFI",
            _ => "EFI/BOOT/BOOTX64.EFI",
        };
        let volume = volume(parts, [(name, image)], fat::Kind::Fat32, start)?;
        let offset = start * SECTOR + volume.offsets[0];
        let there = |range: Range<u64>| range.start + offset..range.end + offset;
        Ok(System {
            esp: volume.extents,
            partitions,
            kernel: there(kernel),
            initrd: there(initrd),
            cmdline,
        })
    }
}

/// A disk with a GUID partition table, partition by partition.
struct Disk<'p> {
    id: Digest,
    table: gpt::Table,
    contents: Vec<Extents<'p>>,
    /// The first sector that is free.
    next: u64,
}

impl<'p> Disk<'p> {
    fn new(id: Digest) -> Disk<'p> {
        Disk {
            table: gpt::Table {
                guid: Guid::derived(&id, "disk"),
                ..gpt::Table::default()
            },
            id,
            contents: Vec::new(),
            next: FIRST,
        }
    }

    fn system(&mut self, system: System<'p>) {
        self.add(gpt::ESP, "EFI system", system.esp);
        for (name, content) in system.partitions.contents {
            self.add(gpt::LINUX, name, content);
        }
    }

    fn add(&mut self, kind: Guid, name: &str, content: Extents<'p>) {
        let count = sectors(content.size());
        self.table.partitions.push(gpt::Partition {
            kind,
            guid: Guid::derived(&self.id, name),
            name: name.to_owned(),
            attributes: 0,
            start: self.next,
            sectors: count,
        });
        self.next = (self.next + count).next_multiple_of(FIRST);
        self.contents.push(content);
    }

    fn layout(mut self, size: Size, format: Format) -> Result<Extents<'p>> {
        let ends = self
            .table
            .partitions
            .iter()
            .map(|partition| partition.range().end);
        let needed = ends.max().unwrap_or(FIRST) + gpt::RESERVED_END;
        self.table.sectors = size.sectors(needed, format)?;
        Ok(gpt::layout(&self.table, self.contents)?)
    }
}

/// A FAT file system with these files, which is at the sector `start` of a disk.
pub(crate) fn volume<'p, const N: usize>(
    parts: &Parts,
    files: [(&str, Extents<'p>); N],
    kind: fat::Kind,
    start: u64,
) -> Result<fat::Volume<'p>> {
    let mut id = Hasher::new();
    for (name, content) in &files {
        id.field(name.as_bytes());
        id.field(content.key().bytes());
    }
    let options = fat::Options {
        kind,
        size: None,
        label: "IRONKIT".to_owned(),
        serial: number(&id.finish()),
        time: parts.image.time,
        hidden_sectors: u32::try_from(start).unwrap_or_default(),
    };
    let files = files.map(|(name, content)| {
        let content: Arc<dyn Data + 'p> = Arc::new(content);
        (Path::parse(name).unwrap_or_default(), content)
    });
    Ok(fat::layout(&files, &options)?)
}

/// A number that belongs to this digest.
fn number(id: &Digest) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| id.bytes()[index]))
}
