//! CDs that boot, as a disk or a USB stick too.
//!
//! ```text
//! iso-bios        │ MBR │ descriptors │ kernel │ first stage │ GRUB │ root file system │
//! iso-efi         │ GPT │ descriptors │ ESP: kernel and first stage │ root file system │ GPT │
//! iso-efi-initrd  │ GPT │ descriptors │ ESP: kernel and initrd      │ GPT │
//! iso             │ GPT │ descriptors │ ESP: kernel and initrd      │ GRUB │ GPT │
//! ```
//!
//! What has no name in the file system is in front of it, where its place is known. GRUB reads kernel and initrd by their
//! sectors, in `iso` out of the file for UEFI: nothing is there twice.

use std::ops::Range;
use std::sync::Arc;

use ironkit_formats::boot::grub as core_image;
use ironkit_formats::extents::{Data, Extents, Stored};
use ironkit_formats::filesystem::{
    fat,
    iso9660::{self, Boot, Options, Platform},
};
use ironkit_formats::partition::{Guid, SECTOR, gpt, mbr, sectors};
use ironkit_tree::{Digest, FileSet, Kind, Node, Path};

use super::{ROOT_MODE, files};
use crate::disk::{self, grub};
use crate::stage::FileSystem;
use crate::uki::{self, Uki};
use crate::{Arch, Error, Format, Outputs, Parts, Result};

/// The partition that a record without a table of GUIDs shows: the whole CD behind its system area, which some BIOSes want
/// to see active.
const WHOLE: u8 = 0xcd;

/// `NAME.iso`, `NAME-efi.iso`, `NAME-efi-initrd.iso` or `NAME-hybrid.iso`.
pub(crate) fn bootable(parts: &Parts, format: Format, outputs: &mut dyn Outputs) -> Result<()> {
    let (suffix, bios, uefi) = match format {
        Format::IsoBios => (".iso", true, false),
        Format::IsoEfi => ("-efi.iso", false, true),
        Format::IsoEfiInitrd => ("-efi-initrd.iso", false, true),
        // There is no BIOS but on a PC.
        _ => ("-hybrid.iso", parts.image.arch == Arch::Amd64, true),
    };
    if bios {
        grub::check(parts.image, format)?;
    }
    let with_root = matches!(format, Format::IsoBios | Format::IsoEfi);
    let booted = match with_root {
        true => Booted::root(parts, format)?,
        false => Booted::initrd(parts)?,
    };
    let mut medium = match uefi {
        true => Medium::uefi(parts, format, &booted)?,
        false => Medium::plain(parts, format, &booted)?,
    };
    if bios {
        medium.add_grub(parts, &booted.cmdline)?;
    }
    let iso = medium.layout(parts, &booted)?;
    outputs.create(suffix, &mut |out| iso.write_to(out).map_err(Error::Contents))
}

/// What is started, and what it finds on the CD.
struct Booted<'p> {
    cmdline: Vec<u8>,
    initrd: Extents<'p>,
    files: FileSet,
    /// The volume's identifier: that of its content, since `root=LABEL=` has to find this one.
    volume: String,
}

impl<'p> Booted<'p> {
    /// The root file system on the CD.
    fn root(parts: &'p Parts, format: Format) -> Result<Booted<'p>> {
        let files = files(parts.image, format)?;
        let volume = identifier(&files.key());
        let first = parts.first_stage(FileSystem::Iso, format)?;
        let mut cmdline = parts.boot.cmdline.trim_ascii_end().to_vec();
        let mut words = cmdline.split(u8::is_ascii_whitespace);
        if !words.any(|word| word.starts_with(b"root=")) {
            // A kernel alone knows no labels: then it is where LinuxKit has it.
            let root = match (&first, parts.image.arch) {
                (Some(_), _) => format!("root=LABEL={volume}"),
                (None, Arch::Arm64) => "root=/dev/vda".to_owned(),
                (None, _) => "root=/dev/sr0".to_owned(),
            };
            if !cmdline.is_empty() {
                cmdline.push(b' ');
            }
            cmdline.extend(format!("{root} rootfstype=iso9660 ro rootwait").as_bytes());
        }
        Ok(Booted {
            cmdline,
            initrd: first.unwrap_or_else(|| uki::microcode(parts)),
            files,
            volume,
        })
    }

    /// All in the initrd, and a CD without names.
    fn initrd(parts: &'p Parts) -> Result<Booted<'p>> {
        let initrd = uki::initrd(parts)?;
        let mut files = FileSet::new();
        let root = Node::new(Kind::Directory, ROOT_MODE).at(parts.image.time);
        files.insert(Path::ROOT, root);
        Ok(Booted {
            cmdline: parts.boot.cmdline.trim_ascii_end().to_vec(),
            volume: identifier(&initrd.key()),
            initrd,
            files,
        })
    }
}

/// A volume's identifier out of a digest.
fn identifier(digest: &Digest) -> String {
    format!("IRONKIT_{}", digest.hex()[..16].to_ascii_uppercase())
}

/// What is in front of the file system, and how it is started.
struct Medium<'p> {
    front: Vec<Extents<'p>>,
    boot: Vec<Boot>,
    /// Where on the medium kernel and initrd are, in bytes.
    kernel: Range<u64>,
    initrd: Range<u64>,
    /// The EFI system partition, in bytes.
    esp: Option<Range<u64>>,
    /// Code of the boot record.
    code: Vec<u8>,
    /// Identifies what is started.
    id: Digest,
}

impl<'p> Medium<'p> {
    /// One with a system partition for UEFI.
    fn uefi(parts: &'p Parts, format: Format, booted: &Booted<'p>) -> Result<Medium<'p>> {
        let Uki {
            image,
            kernel,
            initrd,
        } = uki::link(parts, format, &booted.cmdline, booted.initrd.clone())?;
        let id = image.key();
        let name = match parts.image.arch {
            Arch::Arm64 => "EFI/BOOT/BOOTAA64.EFI",
            _ => "EFI/BOOT/BOOTX64.EFI",
        };
        let start = iso9660::front(&[]).1;
        // UEFI takes any FAT from removable media.
        let esp = disk::volume(parts, [(name, image)], fat::Kind::Auto, start / SECTOR)?;
        let offset = start + esp.offsets[0];
        let there = |range: Range<u64>| range.start + offset..range.end + offset;
        Ok(Medium {
            esp: Some(start..start + esp.extents.size()),
            front: vec![esp.extents],
            boot: vec![Boot {
                platform: Platform::Efi,
                front: 0,
                sectors: None,
            }],
            kernel: there(kernel),
            initrd: there(initrd),
            code: Vec::new(),
            id,
        })
    }

    /// One with kernel and initrd as they are.
    fn plain(parts: &'p Parts, format: Format, booted: &Booted<'p>) -> Result<Medium<'p>> {
        let content = uki::kernel(parts, format)?;
        let mut kernel = Extents::new();
        kernel.data(Arc::new(Stored::new(content.clone(), parts.image.source)));
        let sizes = [kernel.size(), booted.initrd.size()];
        let (places, _) = iso9660::front(&sizes);
        let at = |index: usize| places[index]..places[index] + sizes[index];
        Ok(Medium {
            kernel: at(0),
            initrd: at(1),
            id: kernel.key(),
            front: vec![kernel, booted.initrd.clone()],
            boot: Vec::new(),
            esp: None,
            code: Vec::new(),
        })
    }

    /// Adds GRUB, which a BIOS starts from a CD by the catalog and from a disk by the boot record.
    fn add_grub(&mut self, parts: &Parts, cmdline: &[u8]) -> Result<()> {
        let image = parts.image;
        let sizes: Vec<u64> = self.front.iter().map(Data::size).collect();
        let (_, start) = iso9660::front(&sizes);
        let core = grub::core(image, self.kernel.clone(), self.initrd.clone(), cmdline)?;
        let (cdboot, diskboot) = (
            grub::file(image, "cdboot.img")?,
            grub::file(image, "diskboot.img")?,
        );
        let mut loader = core_image::cd_image(cdboot, diskboot, &core, start / SECTOR)?;
        iso9660::boot_info_table(&mut loader, start)?;
        let record = grub::file(image, "boot_hybrid.img")?;
        self.code = core_image::hybrid_record(record, start / SECTOR + core_image::CD_CORE_SECTOR)?;
        let mut extents = Extents::new();
        extents.bytes(loader);
        // The catalog's first image is for a BIOS: others do not understand it if it is not.
        let boot = Boot {
            platform: Platform::Bios,
            front: self.front.len(),
            sectors: None,
        };
        self.boot.insert(0, boot);
        self.front.push(extents);
        Ok(())
    }

    /// The whole CD.
    fn layout(self, parts: &'p Parts, booted: &Booted) -> Result<Extents<'p>> {
        let front = self.front.into_iter();
        let front = front
            .map(|extents| Arc::new(extents) as Arc<dyn Data + 'p>)
            .collect();
        let tail = if self.esp.is_some() {
            gpt::RESERVED_END * SECTOR
        } else {
            0
        };
        let options = Options {
            volume: booted.volume.clone(),
            time: parts.image.time,
            joliet: false,
            front,
            boot: self.boot,
            tail,
        };
        let volume = iso9660::layout(&booted.files, parts.image.source, &options)?;
        let total = sectors(volume.size);
        let Some(esp) = self.esp else {
            let first = iso9660::SYSTEM_AREA / SECTOR;
            let whole = mbr::Partition {
                active: true,
                kind: WHOLE,
                start: u32::try_from(first).unwrap_or_default(),
                sectors: u32::try_from(total - first).unwrap_or(u32::MAX),
            };
            let table = mbr::Table {
                boot_code: self.code,
                signature: 0,
                partitions: vec![whole],
            };
            return Ok(volume.image(table.sector()?.to_vec(), Vec::new())?);
        };
        let table = gpt::Table {
            guid: Guid::derived(&self.id, "disk"),
            sectors: total,
            partitions: vec![gpt::Partition {
                kind: gpt::ESP,
                guid: Guid::derived(&self.id, "EFI system"),
                name: "EFI system".to_owned(),
                attributes: 0,
                start: esp.start / SECTOR,
                sectors: sectors(esp.end - esp.start),
            }],
            boot_code: self.code,
            hybrid: Vec::new(),
        };
        Ok(volume.image(table.primary()?, table.backup()?)?)
    }
}
