//! Disks in the formats of hypervisors, and the partitions of disks.

use ironkit_formats::partition::{Guid, SECTOR, gpt, mbr};
use ironkit_formats::read_at::{ReadAt, Slice};
use ironkit_tree::BoxError;

use super::{Look, Object, Unknown};
use crate::read::kind::starts_volume;

/// The kind of the one partition that stands for a GPT.
const PROTECTIVE: u8 = 0xee;
/// What begins a GPT's header, in the second sector.
const GPT_MAGIC: &[u8] = b"EFI PART";
/// What ends a sector with boot code or a partition table.
const BOOT_SIGNATURE: [u8; 2] = [0x55, 0xaa];

impl Look<'_> {
    /// The disk in a file of a hypervisor.
    pub(super) fn disk(&self, image: &dyn ReadAt, depth: usize) -> Result<Object, BoxError> {
        let disk = ironkit_formats::disk::open(image)?.ok_or(Unknown)?;
        let mut object = Object::new(disk.format.name(), disk.size());
        object.fact("file", image.size());
        match self.anything(&disk, depth + 1) {
            // An empty disk, for one.
            Err(error) if error.is::<Unknown>() => {}
            inside => object.inside.push(inside?),
        }
        Ok(object)
    }

    /// A disk with a partition table.
    pub(super) fn raw(&self, image: &dyn ReadAt, depth: usize) -> Result<Object, BoxError> {
        let (format, partitions, facts) = table(image)?.ok_or(Unknown)?;
        let mut object = Object::new(format, image.size());
        object.facts = facts;
        object.inside = self.partitions(image, partitions, depth)?;
        Ok(object)
    }

    /// The partitions of a disk or of a CD that is one too; those that begin at its beginning are itself.
    pub(super) fn partitions(
        &self,
        image: &dyn ReadAt,
        partitions: Vec<Partition>,
        depth: usize,
    ) -> Result<Vec<Object>, BoxError> {
        let mut found = Vec::new();
        for partition in partitions {
            let (start, size) = (partition.start * SECTOR, partition.sectors * SECTOR);
            let Some(slice) = Slice::new(image, start, size).filter(|_| start > 0) else {
                continue;
            };
            self.limits.objects.take(1)?;
            // What is in a partition may be nothing that is known here, or nothing at all.
            let mut object = match self.anything(&slice, depth + 1) {
                Ok(object) => object,
                Err(_) => Object::new("unknown", size),
            };
            object.facts.splice(0..0, partition.facts);
            found.push(object.called(partition.name).at(start));
        }
        Ok(found)
    }
}

/// A partition, as far as it is of interest here.
pub(super) struct Partition {
    name: String,
    start: u64,
    sectors: u64,
    facts: Vec<(&'static str, String)>,
}

/// Name, partitions and facts of a partition table.
type Table = (&'static str, Vec<Partition>, Vec<(&'static str, String)>);

/// The partition table of `image`, if there is one.
pub(super) fn table(image: &dyn ReadAt) -> Result<Option<Table>, BoxError> {
    let mut head = [0; 1024];
    if image.read_exact_at(&mut head, 0).is_err() {
        return Ok(None);
    }
    if head[512..].starts_with(GPT_MAGIC) {
        let table = gpt::read(image)?;
        let partitions = table.partitions.iter().enumerate().map(|(index, partition)| {
            let mut facts = vec![("type", kind(&partition.kind))];
            facts.push(("uuid", partition.guid.to_string()));
            Partition {
                name: format!("{} {}", index + 1, partition.name),
                start: partition.start,
                sectors: partition.sectors,
                facts,
            }
        });
        let facts = vec![("uuid", table.guid.to_string())];
        return Ok(Some(("GPT", partitions.collect(), facts)));
    }
    // A file system begins with a boot sector too.
    if head[510..512] != BOOT_SIGNATURE || starts_volume(&head) {
        return Ok(None);
    }
    let Ok(table) = mbr::read(image) else {
        return Ok(None);
    };
    if table.partitions.is_empty() {
        return Ok(None);
    }
    let partitions = table.partitions.iter().enumerate().map(|(index, partition)| {
        let mut facts = vec![("type", format!("{:#04x}", partition.kind))];
        if partition.active {
            facts.push(("active", "yes".to_owned()));
        }
        Partition {
            name: (index + 1).to_string(),
            start: partition.start.into(),
            sectors: partition.sectors.into(),
            facts,
        }
    });
    let facts = vec![("id", format!("{:08x}", table.signature))];
    let partitions = partitions.collect::<Vec<_>>();
    let only = table
        .partitions
        .iter()
        .all(|partition| partition.kind == PROTECTIVE);
    match only {
        true => Err("its partition table is gone: there is only the record that protects it".into()),
        false => Ok(Some(("MBR", partitions, facts))),
    }
}

fn kind(guid: &Guid) -> String {
    let known = [
        (gpt::ESP, "EFI system"),
        (gpt::BIOS_BOOT, "BIOS boot"),
        (gpt::LINUX, "Linux"),
    ];
    let name = known.iter().find(|(known, _)| known == guid);
    name.map_or_else(|| guid.to_string(), |(_, name)| (*name).to_owned())
}
