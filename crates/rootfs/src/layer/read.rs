//! A layer's tar stream → entries, with the place of every content in the stream.

use std::collections::BTreeMap;
use std::io::{self, Read};

use ironkit_tree::{Content, Digest, Hasher, Kind, Node};
use tar::EntryType;

use super::{Change, ENTRIES_MAX, Entry, LayerError, NAME_MAX};

/// Prefix of a whiteout's file name.
const WHITEOUT: &[u8] = b".wh.";
/// File name of an opaque whiteout.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Prefix of PAX records that hold extended attributes.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// Where the stream is kept, for the references to its contents.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The uncompressed layer that holds the stream.
    pub layer: Digest,
    /// Where in it the stream begins: 0, or the offset of a tar file inside the layer.
    pub offset: u64,
}

/// Reads a whole tar stream. Contents are only hashed: the entries refer to `place`.
///
/// # Errors
/// [`LayerError`]: a broken stream, too much of something, or an entry that is not understood.
pub fn read(stream: &mut dyn Read, place: Place) -> Result<Vec<Entry>, LayerError> {
    let mut archive = tar::Archive::new(stream);
    let mut entries = Vec::new();
    let broken = |entries: &Vec<Entry>, source| LayerError::Read {
        entries: entries.len(),
        source,
    };
    for entry in archive.entries().map_err(|source| broken(&entries, source))? {
        let mut entry = entry.map_err(|source| broken(&entries, source))?;
        if entries.len() == ENTRIES_MAX {
            return Err(LayerError::Limit {
                what: "entries".into(),
                limit: ENTRIES_MAX,
            });
        }
        let records = pax_records(&mut entry).map_err(|source| broken(&entries, source))?;
        if let Some(read) = read_entry(&mut entry, &records, place)? {
            entries.push(read);
        }
    }
    Ok(entries)
}

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

fn pax_records(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<Records> {
    let mut records = Records::new();
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            let extension = extension?;
            records.insert(extension.key_bytes().to_vec(), extension.value_bytes().to_vec());
        }
    }
    Ok(records)
}

fn read_entry(
    entry: &mut tar::Entry<'_, impl Read>,
    records: &Records,
    place: Place,
) -> Result<Option<Entry>, LayerError> {
    let name = entry.path_bytes().into_owned();
    let shown = String::from_utf8_lossy(&name).into_owned();
    if name.len() > NAME_MAX {
        let what = format!(
            "a name of {} bytes ({}…)",
            name.len(),
            shown.chars().take(60).collect::<String>()
        );
        return Err(LayerError::Limit {
            what,
            limit: NAME_MAX,
        });
    }
    if let Some(change) = whiteout(&name) {
        return Ok(Some(change));
    }
    let failed = |source| LayerError::Read { entries: 0, source };
    let unsupported = |what: String| LayerError::Unsupported {
        name: shown.clone(),
        what,
    };
    if records.keys().any(|key| key.starts_with(b"GNU.sparse.")) {
        return Err(unsupported("a sparse file".into()));
    }
    let link = || {
        entry
            .link_name_bytes()
            .map(|link| link.into_owned())
            .unwrap_or_default()
    };
    let kind = match entry.header().entry_type() {
        // Before POSIX, a directory was a file whose name ends in a slash.
        EntryType::Regular if name.ends_with(b"/") && entry.size() == 0 => Kind::Directory,
        EntryType::Regular | EntryType::Continuous => Kind::File(content(entry, place).map_err(failed)?),
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Symlink(link()),
        EntryType::Link => {
            return Ok(Some(Entry {
                change: Change::HardLink(link()),
                name,
            }));
        }
        EntryType::Char => device(entry)
            .map(|(major, minor)| Kind::CharDevice(major, minor))
            .map_err(failed)?,
        EntryType::Block => device(entry)
            .map(|(major, minor)| Kind::BlockDevice(major, minor))
            .map_err(failed)?,
        EntryType::Fifo => Kind::Fifo,
        EntryType::XGlobalHeader => return Ok(None),
        EntryType::GNUSparse => return Err(unsupported("a sparse file".into())),
        other => {
            return Err(unsupported(format!(
                "an entry of type {:?}",
                char::from(other.as_byte())
            )));
        }
    };
    let header = entry.header();
    let id = |id: io::Result<u64>| {
        u32::try_from(id.map_err(failed)?)
            .map_err(|_| unsupported("owned by an id of more than 32 bits".into()))
    };
    let node = Node {
        kind,
        mode: header.mode().map_err(failed)? & 0o7777,
        uid: id(header.uid())?,
        gid: id(header.gid())?,
        mtime: mtime(records).unwrap_or(header.mtime().map_err(failed)?.try_into().unwrap_or(0)),
        xattrs: xattrs(records),
        implied: false,
    };
    Ok(Some(Entry {
        name,
        change: Change::Add(node),
    }))
}

/// `dir/.wh.name` and `dir/.wh..wh..opq`.
fn whiteout(name: &[u8]) -> Option<Entry> {
    let slash = name
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |slash| slash + 1);
    let (directory, file) = name.split_at(slash);
    if file == OPAQUE {
        return Some(Entry {
            name: directory.to_vec(),
            change: Change::Opaque,
        });
    }
    let hidden = file.strip_prefix(WHITEOUT)?;
    Some(Entry {
        name: [directory, hidden].concat(),
        change: Change::Whiteout,
    })
}

/// Hashes the content and refers to it.
fn content(entry: &mut tar::Entry<'_, impl Read>, place: Place) -> io::Result<Content> {
    let (size, offset) = (entry.size(), entry.raw_file_position());
    let mut hasher = Hasher::new();
    let copied = io::copy(entry, &mut hasher)?;
    if copied != size {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("{copied} of {size} bytes are there"),
        ));
    }
    let digest = hasher.finish();
    Ok(Content::Blob {
        layer: place.layer,
        offset: place.offset + offset,
        size,
        digest,
    })
}

fn device(entry: &tar::Entry<'_, impl Read>) -> io::Result<(u32, u32)> {
    let header = entry.header();
    Ok((
        header.device_major()?.unwrap_or(0),
        header.device_minor()?.unwrap_or(0),
    ))
}

/// Whole seconds of a PAX time, rounded down: `1492533000.25`.
fn mtime(records: &Records) -> Option<i64> {
    let text = std::str::from_utf8(records.get(b"mtime".as_slice())?).ok()?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = seconds.parse().ok()?;
    let before = text.starts_with('-') && fraction.bytes().any(|digit| digit != b'0');
    Some(if before {
        seconds.saturating_sub(1)
    } else {
        seconds
    })
}

fn xattrs(records: &Records) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let attribute =
        |(key, value): (&Vec<u8>, &Vec<u8>)| Some((key.strip_prefix(XATTR)?.to_vec(), value.clone()));
    records.iter().filter_map(attribute).collect()
}
