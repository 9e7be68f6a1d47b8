//! File systems: their files, and what a boot loader takes from them.

use std::io::{self, Read};

use ironkit_formats::filesystem::{Entry, EntryKind, Visitor, erofs, ext4, fat, iso9660, squashfs};
use ironkit_formats::read_at::{ReadAt, ReadError};
use ironkit_tree::{BoxError, Digest, Hasher, Path};

use super::{Looker, Object, boot, disk};
use crate::read::{self, Collector, Listing};

/// A magic number: its offset and bytes.
type Magic = (u64, &'static [u8]);
const ISO: Magic = (32769, b"CD001");
const SQUASHFS: Magic = (0, b"hsqs");
const EROFS: Magic = (1024, &[0xe2, 0xe1, 0xf5, 0xe0]);
const EXT4: Magic = (1080, &[0x53, 0xef]);
/// A FAT volume: how its first sector ends, and its type, of FAT12 and 16 or of FAT32.
const FAT: Magic = (510, &[0x55, 0xaa]);
const FAT_TYPES: [Magic; 2] = [(54, b"FAT"), (82, b"FAT32")];

/// Bytes of a CD's block, and the blocks among which its descriptors end.
const ISO_BLOCK: u64 = 2048;
const DESCRIPTORS: std::ops::Range<u64> = 17..64;

/// Where boot loaders have their files in root file systems.
const BOOT: [&str; 2] = ["boot", "EFI"];

/// Whether `image` is a CD.
pub(super) fn is_iso(image: &dyn ReadAt) -> bool {
    has(image, ISO)
}

fn has(image: &dyn ReadAt, (offset, magic): Magic) -> bool {
    let mut bytes = vec![0; magic.len()];
    image.read_exact_at(&mut bytes, offset).is_ok() && bytes == magic
}

/// A file system that is read here.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Squashfs,
    Erofs,
    Iso,
    Ext4,
    Fat,
}

/// What `image` is, by its magic numbers.
fn kind(image: &dyn ReadAt) -> Option<Kind> {
    let magics = [
        (SQUASHFS, Kind::Squashfs),
        (EROFS, Kind::Erofs),
        (ISO, Kind::Iso),
        (EXT4, Kind::Ext4),
    ];
    let found = magics.into_iter().find(|(magic, _)| has(image, *magic));
    let fat = || has(image, FAT) && FAT_TYPES.into_iter().any(|kind| has(image, kind));
    found.map(|(_, kind)| kind).or_else(|| fat().then_some(Kind::Fat))
}

/// Shows the entries, and tells the file system's name and what it says of itself.
fn walk(kind: Kind, image: &dyn ReadAt, visitor: &mut Visitor) -> Result<(String, Facts), ReadError> {
    Ok(match kind {
        Kind::Squashfs => {
            squashfs::read(image, visitor)?;
            let compression = squashfs::summary(image)?.compression.to_owned();
            ("squashfs".to_owned(), vec![("compression", compression)])
        }
        Kind::Erofs => {
            if let Some(volume) = erofs::Volume::open(image)? {
                volume.visit(visitor)?;
            }
            ("EROFS".to_owned(), Vec::new())
        }
        Kind::Iso => {
            let info = iso9660::read(image, visitor)?;
            ("ISO 9660".to_owned(), vec![("label", info.volume)])
        }
        Kind::Ext4 => {
            let mut label = String::new();
            if let Some(volume) = ext4::Volume::open(image)? {
                volume.visit(visitor)?;
                label = String::from_utf8_lossy(&volume.superblock.label).into_owned();
            }
            ("ext4".to_owned(), vec![("label", label)])
        }
        Kind::Fat => {
            let info = fat::read(image, visitor)?;
            (
                format!("{:?}", info.width).to_uppercase(),
                vec![("label", info.label)],
            )
        }
    })
}

type Facts = Vec<(&'static str, String)>;

impl Looker<'_> {
    /// What `image` is, if it is a file system.
    pub(super) fn filesystem(&self, image: &dyn ReadAt, depth: usize) -> Result<Option<Object>, BoxError> {
        let Some(kind) = kind(image) else {
            return Ok(None);
        };
        let mut files = Files {
            looker: self,
            boots: kind == Kind::Fat,
            depth,
            collector: Collector::new(self.keep),
            inside: Vec::new(),
        };
        let (name, facts) = walk(kind, image, &mut |entry, content| files.add(entry, content))?;
        let mut object = Object::new(name, image.size());
        object.facts = facts;
        object.facts.retain(|(_, value)| !value.is_empty());
        object.inside = files.inside;
        let listing = files.collector.listing;
        if is_root(&listing) {
            object.fact("entries", listing.len());
            object.root = Some(listing);
        }
        if kind == Kind::Iso {
            object.inside.extend(unnamed_kernel(image));
            if let Some((_, partitions, _)) = disk::table(image)? {
                object.inside.extend(self.partitions(image, partitions, depth)?);
            }
        }
        Ok(Some(object))
    }
}

/// The kernel that a BIOS's boot loader reads by its sectors: it has no name, and comes right behind the descriptors.
fn unnamed_kernel(image: &dyn ReadAt) -> Option<Object> {
    let mut blocks = DESCRIPTORS;
    blocks.find_map(|block| {
        let (offset, mut head) = (block * ISO_BLOCK, vec![0; 4096]);
        image.read_exact_at(&mut head, offset).ok()?;
        let size = boot::kernel_size(&head)?;
        Some(boot::kernel(&head, size)?.called("kernel").at(offset))
    })
}

/// The files of a file system so far.
struct Files<'f> {
    looker: &'f Looker<'f>,
    /// Whether it is there for a boot loader, so that all files are looked at.
    boots: bool,
    depth: usize,
    collector: Collector<'f>,
    inside: Vec<Object>,
}

impl Files<'_> {
    fn add(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), BoxError> {
        let path = &entry.path;
        if path.is_root() {
            return Ok(());
        }
        let (kind, kept) = match &entry.kind {
            EntryKind::File(size) if *size > 0 && self.is_for_boot(path) => {
                let mut hashed = Hashed::new(content);
                let object = self.looker.stream(&mut hashed, *size, self.depth + 1);
                let object = object.unwrap_or_else(|_| Object::new("file", *size));
                self.inside.push(object.called(path.to_string()));
                let (size, digest) = hashed.finish()?;
                (read::EntryKind::File { size, digest }, None)
            }
            EntryKind::File(_) => self.collector.content(path, content)?,
            EntryKind::Directory => (read::EntryKind::Directory, None),
            EntryKind::Symlink(target) => (read::EntryKind::Symlink(target.clone()), None),
            EntryKind::CharDevice(major, minor) => (
                read::EntryKind::CharDevice((*major).into(), (*minor).into()),
                None,
            ),
            EntryKind::BlockDevice(major, minor) => (
                read::EntryKind::BlockDevice((*major).into(), (*minor).into()),
                None,
            ),
            EntryKind::Fifo | EntryKind::Socket => (read::EntryKind::Fifo, None),
        };
        let entry = read::Entry {
            kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            xattrs: entry.xattrs.clone(),
            source: String::new(),
            location: String::new(),
            again: false,
            kept,
        };
        Ok(self.collector.add(path.clone(), entry)?)
    }

    fn is_for_boot(&self, path: &Path) -> bool {
        let below = |folder: &&str| Path::parse(folder).is_ok_and(|folder| path.below(&folder).is_some());
        self.boots || BOOT.iter().any(below) || path.parent() == Some(Path::ROOT) && is_boot_file(path)
    }
}

/// Kernel and initrd as CDs have them.
fn is_boot_file(path: &Path) -> bool {
    matches!(path.as_bytes(), b"kernel" | b"initrd.img")
}

/// Whether these are the files of a machine: something is there to be started.
fn is_root(listing: &Listing) -> bool {
    let there = |path: &str| Path::parse(path).is_ok_and(|path| listing.contains_key(&path));
    ["init", "sbin/init", "bin/init", "containers"]
        .into_iter()
        .any(there)
}

/// A stream that is hashed while somebody reads it.
struct Hashed<'s> {
    stream: &'s mut dyn Read,
    hasher: Hasher,
    size: u64,
}

impl<'s> Hashed<'s> {
    fn new(stream: &'s mut dyn Read) -> Hashed<'s> {
        Hashed {
            stream,
            hasher: Hasher::new(),
            size: 0,
        }
    }

    /// Reads what nobody has read, and tells size and digest of all of it.
    fn finish(mut self) -> io::Result<(u64, Digest)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok((self.size, self.hasher.finish()))
    }
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}
