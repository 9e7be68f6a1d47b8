//! A tar, with LinuxKit's records of where its entries come from.

use std::io::Read;

use ironkit_formats::archive::tar::{Reader, typeflag};
use ironkit_tree::Path;

use super::{Collector, Entry, EntryKind, ReadError, Result};

/// How much has to be looked at to know a tar.
pub(super) const PROBE: usize = 512;
/// What an entry was made from.
const SOURCE: &[u8] = b"LINUXKIT.source";
/// The place in the manifest that an entry comes from.
const LOCATION: &[u8] = b"LINUXKIT.location";

/// Reads a whole tar.
pub(super) fn read(stream: &mut dyn Read, collector: &mut Collector) -> Result<()> {
    let mut reader = Reader::new(stream);
    while let Some(header) = reader.next_entry()? {
        let path = Path::parse(&header.name)?;
        let refused = |what: &str| ReadError::Entry {
            name: path.to_string(),
            what: what.to_owned(),
        };
        if header.sparse {
            return Err(refused("is a sparse file, which is not supported yet"));
        }
        let mut kept = None;
        let kind = match header.typeflag {
            typeflag::DIRECTORY => EntryKind::Directory,
            typeflag::SYMLINK => EntryKind::Symlink(header.link.clone()),
            typeflag::CHAR_DEVICE => EntryKind::CharDevice(header.dev.0, header.dev.1),
            typeflag::BLOCK_DEVICE => EntryKind::BlockDevice(header.dev.0, header.dev.1),
            typeflag::FIFO => EntryKind::Fifo,
            typeflag::HARD_LINK => {
                let target = Path::parse(&header.link)?;
                let there = collector.listing.get(&target).cloned();
                let there = there.ok_or_else(|| refused("is a hard link to nothing before it"))?;
                collector.add(path, Entry { again: true, ..there })?;
                continue;
            }
            _ => {
                let (kind, content) = collector.content(&path, &mut reader)?;
                kept = content;
                kind
            }
        };
        let record = |key: &[u8]| {
            let value = header.records.get(key);
            value.map_or_else(String::new, |value| String::from_utf8_lossy(value).into_owned())
        };
        let entry = Entry {
            kind,
            mode: header.mode,
            uid: header.uid,
            gid: header.gid,
            source: record(SOURCE),
            location: record(LOCATION),
            xattrs: header.xattrs,
            again: false,
            kept,
        };
        collector.add(path, entry)?;
    }
    Ok(())
}
