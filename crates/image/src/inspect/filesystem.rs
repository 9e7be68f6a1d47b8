//! File systems: their files, and what a boot loader takes from them.

use std::io::{self, Read};

use ironkit_formats::filesystem::{Entry, EntryKind, Visitor, erofs, ext4, fat, iso9660, squashfs};
use ironkit_formats::read_at::{ReadAt, ReadError};
use ironkit_tree::{BoxError, Digest, Hasher, Path};

use super::{Look, Object, boot, disk};
use crate::read::kind::Kind;
use crate::read::{self, Collector, Counted, Listing};

/// Bytes of a CD's block, and the blocks among which its descriptors end.
const ISO_BLOCK: u64 = 2048;
const DESCRIPTORS: std::ops::Range<u64> = 17..64;

/// Where boot loaders have their files in root file systems.
const BOOT: [&str; 2] = ["boot", "EFI"];

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
        _ => {
            let info = fat::read(image, visitor)?;
            (
                format!("{:?}", info.width).to_uppercase(),
                vec![("label", info.label)],
            )
        }
    })
}

type Facts = Vec<(&'static str, String)>;

impl Look<'_> {
    /// A file system of one of the kinds that [`walk`] reads.
    pub(super) fn filesystem(
        &self,
        kind: Kind,
        image: &dyn ReadAt,
        depth: usize,
    ) -> Result<Object, BoxError> {
        let mut files = Files {
            look: self,
            boots: kind == Kind::Fat,
            depth,
            collector: Collector::new(self.keep, &self.limits),
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
        Ok(object)
    }
}

/// The kernel that a BIOS's boot loader reads by its sectors: it has no name, and comes right behind the descriptors.
fn unnamed_kernel(image: &dyn ReadAt) -> Option<Object> {
    let mut blocks = DESCRIPTORS;
    blocks.find_map(|block| {
        let (offset, mut head) = (block * ISO_BLOCK, vec![0; 4096]);
        image.read_exact_at(&mut head, offset).ok()?;
        let size = boot::kernel_size(&head)?;
        Some(boot::kernel(&head, size).called("kernel").at(offset))
    })
}

/// The files of a file system so far.
struct Files<'f> {
    look: &'f Look<'f>,
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
        let limits = &self.look.limits;
        let content = &mut Counted::new(content, limits);
        let (kind, kept) = match &entry.kind {
            EntryKind::File(size) if *size > 0 && self.is_for_boot(path) => {
                limits.objects.take(1)?;
                let mut hashed = Hashed::new(content);
                let object = self.look.stream(&mut hashed, *size, self.depth + 1);
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
