//! Disks in the formats of hypervisors and clouds.
//!
//! ```text
//! disk ──▶ qcow2, VHD, VHDX      laid out around it: nothing of it is copied or kept
//!      ──▶ VMDK, gzip            compressed once and kept under the disk's key; OVA and GCP's file are around that
//! ```

use std::io::Write;
use std::sync::Arc;

use ironkit_formats::archive::tar;
use ironkit_formats::disk::{ova, qcow2, vhd, vhdx, vmdk};
use ironkit_formats::extents::{Data, Extents, Sink};
use ironkit_formats::gzip;
use ironkit_tree::{BoxError, Digest, Hasher};

use crate::disk::{Root, Size, bios, both, uefi};
use crate::{Cache, Damaged, Error, Format, Image, Outputs, Parts, Result};

/// Changes whenever the same disk is compressed to other bytes: part of every key.
const VERSION: &[u8] = b"1";
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Sizes that LinuxKit's disks have, in bytes.
const USUAL: u64 = GIB;
const USUAL_DYNAMIC: u64 = 25 * GIB;
/// Compressors at work at once: each holds a few blocks, and a build stays below 64 MiB.
const WORKERS_MAX: usize = 8;
/// The machine of an OVA, which whoever imports it can change: processors, MiB of memory, and a network card for which every
/// kernel has a driver.
const MACHINE: (u32, u32, ova::NetworkCard) = (1, 1024, ova::NetworkCard::E1000);

/// Writes the disk in that format.
///
/// # Errors
/// [`Error`]: what the disk cannot be, those of the contents, of the cache and the outputs.
pub(crate) fn write(parts: &Parts, format: Format, outputs: &mut dyn Outputs) -> Result<()> {
    let image = parts.image;
    let wrapped = match format {
        Format::Qcow2Bios => qcow2(bios(parts, format, Size::of(parts, USUAL))?, image)?,
        Format::Qcow2Efi => qcow2(uefi(parts, format, Size::of(parts, 0))?, image)?,
        Format::Aws => both(parts, format, Size::of(parts, USUAL))?,
        Format::Gcp => gcp(whole(parts, format, USUAL, GIB)?, image)?,
        Format::Azure => vhd::fixed(Arc::new(whole(parts, format, 0, MIB)?))?,
        Format::DynamicVhd => vhd::dynamic(Arc::new(both(parts, format, Size::of(parts, USUAL_DYNAMIC))?))?,
        Format::Vhdx => vhdx::dynamic(Arc::new(both(parts, format, Size::of(parts, USUAL_DYNAMIC))?))?,
        Format::Vmdk => vmdk(&both(parts, format, Size::of(parts, USUAL))?, image)?.0,
        Format::Ova => ova(&both(parts, format, Size::of(parts, USUAL))?, image)?,
        _ => vhd::fixed(Arc::new(both(parts, format, Size::of(parts, USUAL))?))?,
    };
    outputs.create(format.file(), &mut |out| {
        wrapped.write_to(out).map_err(Error::Contents)
    })
}

/// A disk whose size is a multiple of `unit`, as that cloud demands.
fn whole<'p>(parts: &'p Parts, format: Format, usual: u64, unit: u64) -> Result<Extents<'p>> {
    if let Some(size) = parts.image.disk.size
        && !size.is_multiple_of(unit)
    {
        let mebibytes = size.next_multiple_of(unit) / MIB;
        return Err(Error::Unsuitable {
            format: format.name(),
            reason: format!(
                "its disks have a multiple of {} MiB, not {size} bytes",
                unit / MIB
            ),
            hint: Some(format!("--size {mebibytes}M is the next one")),
        });
    }
    let disk = both(parts, format, Size::of(parts, usual))?;
    match disk.size().next_multiple_of(unit) {
        size if size == disk.size() => Ok(disk),
        size => both(parts, format, Size::Exactly(size)),
    }
}

/// Initrds and squashfs are compressed already, and what is not is read faster. EROFS is not compressed.
fn qcow2<'p>(disk: Extents<'p>, image: &'p Image<'p>) -> Result<Extents<'p>> {
    if image.disk.root != Root::Erofs {
        return Ok(qcow2::plain(Arc::new(disk))?);
    }
    qcow2::check(disk.size())?;
    let (clusters, table) = Kept::new(&disk, image, "qcow2 clusters", |out, threads| {
        let table = qcow2::compress(&disk, qcow2::Compression::Deflate, threads, out)?;
        Ok(table.to_bytes())
    })?;
    let table = qcow2::Clusters::from_bytes(&table).ok_or_else(|| Error::Cache(Damaged.into()))?;
    Ok(qcow2::linked(disk.size(), &table, Arc::new(clusters))?)
}

/// A stream-optimised VMDK, and its SHA-256.
fn vmdk<'p>(disk: &Extents<'p>, image: &'p Image<'p>) -> Result<(Extents<'p>, Digest)> {
    vmdk::check(disk)?;
    let (stream, digest) = Kept::new(disk, image, "VMDK", |out, threads| {
        let mut out = Summed {
            out,
            sum: Hasher::new(),
        };
        vmdk::compress(disk, threads, &mut out)?;
        Ok(out.sum.finish().bytes().to_vec())
    })?;
    let digest = <[u8; 32]>::try_from(digest).map_err(|_| Error::Cache(Damaged.into()))?;
    let mut extents = Extents::new();
    extents.data(Arc::new(stream));
    Ok((extents, digest.into()))
}

fn ova<'p>(disk: &Extents<'p>, image: &'p Image<'p>) -> Result<Extents<'p>> {
    let (stream, digest) = vmdk(disk, image)?;
    let (cpus, memory, network_card) = MACHINE;
    let machine = ova::Machine {
        name: "ironkit".to_owned(),
        cpus,
        memory,
        firmware: ova::Firmware::Efi,
        network_card,
        time: image.time,
    };
    let stream = ova::Stream {
        vmdk: Arc::new(stream),
        digest,
        capacity: disk.size(),
    };
    Ok(ova::lay_out(&machine, stream)?)
}

/// The file `disk.raw` in an archive of GNU's old format, compressed with gzip.
fn gcp<'p>(disk: Extents<'p>, image: &'p Image<'p>) -> Result<Extents<'p>> {
    let file = tar::Stream {
        name: "disk.raw",
        size: disk.size(),
        mode: 0o644,
        mtime: image.time,
    };
    let mut archive = Extents::new();
    archive.bytes(file.gnu());
    archive.append(disk);
    archive.align(tar::BLOCK as u64);
    archive.zeros(2 * tar::BLOCK as u64);
    let (packed, _) = Kept::new(&archive, image, "gzip", |out, threads| {
        gzip::compress(&archive, threads, out)?;
        Ok(Vec::new())
    })?;
    let mut extents = Extents::new();
    extents.data(Arc::new(packed));
    Ok(extents)
}

/// A piece of the cache that was made from a disk, or something else.
pub(crate) struct Kept<'a> {
    key: Digest,
    size: u64,
    cache: &'a dyn Cache,
}

impl<'a> Kept<'a> {
    /// What `make` makes of `disk`, and the facts that it tells, unless both are in the cache.
    pub fn new(
        disk: &dyn Data,
        image: &'a Image,
        what: &str,
        make: impl Fn(&mut (dyn Write + Send), std::num::NonZeroUsize) -> std::result::Result<Vec<u8>, BoxError>,
    ) -> Result<(Kept<'a>, Vec<u8>)> {
        let cache = image.cache;
        let identify = |suffix: &str| {
            let mut hasher = Hasher::new();
            for field in [b"disk", VERSION, what.as_bytes(), suffix.as_bytes()] {
                hasher.field(field);
            }
            hasher.update(&gzip::VERSION.to_le_bytes());
            hasher.field(disk.key().bytes());
            hasher.finish()
        };
        let (key, facts_key) = (identify("bytes"), identify("facts"));
        let facts = cache.read(&facts_key).map_err(Error::Cache)?;
        if let (Some(facts), Some(size)) = (facts, cache.size(&key).map_err(Error::Cache)?) {
            return Ok((Kept { key, size, cache }, facts));
        }
        let most = std::num::NonZeroUsize::MIN.saturating_add(WORKERS_MAX - 1);
        let threads = image.threads.min(most);
        let mut facts = Vec::new();
        let made = cache.put(&key, &mut |out| {
            facts = make(out, threads)?;
            Ok(())
        });
        made.map_err(Error::Contents)?;
        let put = cache.put(&facts_key, &mut |out| Ok(out.write_all(&facts)?));
        put.map_err(Error::Cache)?;
        let size = cache.size(&key).map_err(Error::Cache)?;
        let size = size.ok_or_else(|| Error::Cache(Damaged.into()))?;
        Ok((Kept { key, size, cache }, facts))
    }
}

impl Data for Kept<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn key(&self) -> Digest {
        self.key
    }

    /// Whoever makes the output links anew when the cache has the piece no more.
    fn write_to(&self, out: &mut dyn Sink) -> std::result::Result<(), BoxError> {
        match self.cache.copy(&self.key, out)? {
            Some(size) if size == self.size => Ok(()),
            _ => Err(Damaged.into()),
        }
    }
}

/// What is written, and its digest.
struct Summed<'a> {
    out: &'a mut (dyn Write + Send),
    sum: Hasher,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.sum.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
