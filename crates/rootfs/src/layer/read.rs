//! A layer's tar stream → entries, with the place of every content in the stream.

use std::io::{self, Read};

use ironkit_formats::archive::tar::{self, Reader, typeflag};
use ironkit_tree::{Content, Digest, Hasher, Kind, Node};

use super::{Budget, Change, Entry, LayerError, NAME_MAX, WHITEOUT, shown};

/// File name of an opaque whiteout.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Prefix of the names of other bookkeeping that AUFS left in old layers.
const AUFS: &[u8] = b".wh..wh.";

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
pub fn read(stream: &mut dyn Read, place: Place, budget: &mut Budget) -> Result<Vec<Entry>, LayerError> {
    let mut reader = Reader::new(stream);
    let mut entries = Vec::new();
    budget.start_reading();
    while let Some(header) = reader.next_entry()? {
        if header.name.len().max(header.link.len()) > NAME_MAX {
            return Err(LayerError::Limit {
                name: shown(&header.name),
                what: "bytes of a name",
                limit: NAME_MAX,
            });
        }
        let attributes = header.xattrs.iter().map(|(name, value)| name.len() + value.len());
        let bytes = header.name.len() + header.link.len() + attributes.sum::<usize>();
        budget.read(&header.name, bytes)?;
        if is_bookkeeping(&header.name) {
            continue;
        }
        let change = match whiteout(&header.name) {
            Some(entry) => {
                entries.push(entry);
                continue;
            }
            None => change(&header, &mut reader, place)?,
        };
        entries.push(Entry {
            name: header.name,
            change,
        });
    }
    Ok(entries)
}

/// What an ordinary entry does.
fn change(
    header: &tar::Entry,
    reader: &mut Reader<&mut dyn Read>,
    place: Place,
) -> Result<Change, LayerError> {
    let unsupported = |what: String| LayerError::Unsupported {
        name: shown(&header.name),
        what,
    };
    if header.sparse {
        return Err(unsupported("a sparse file".into()));
    }
    let fit = |number: u64, what: &str| {
        u32::try_from(number).map_err(|_| unsupported(format!("of {what} {number}, more than 32 bits")))
    };
    let device = || {
        Ok::<_, LayerError>((
            fit(header.dev.0, "major number")?,
            fit(header.dev.1, "minor number")?,
        ))
    };
    let kind = match header.typeflag {
        typeflag::FILE => Kind::File(content(header, reader, place)?),
        typeflag::DIRECTORY => Kind::Directory,
        typeflag::SYMLINK => Kind::Symlink(header.link.clone()),
        typeflag::HARD_LINK => return Ok(Change::HardLink(header.link.clone())),
        typeflag::CHAR_DEVICE => device().map(|(major, minor)| Kind::CharDevice(major, minor))?,
        typeflag::BLOCK_DEVICE => device().map(|(major, minor)| Kind::BlockDevice(major, minor))?,
        typeflag::FIFO => Kind::Fifo,
        other => return Err(unsupported(format!("an entry of type {:?}", char::from(other)))),
    };
    Ok(Change::Add(Node {
        kind,
        mode: header.mode,
        uid: fit(header.uid, "owner")?,
        gid: fit(header.gid, "group")?,
        mtime: header.mtime,
        xattrs: header.xattrs.clone(),
        implied: false,
    }))
}

/// `dir/.wh.name` and `dir/.wh..wh..opq`.
fn whiteout(name: &[u8]) -> Option<Entry> {
    let slash = |name: &[u8]| name.iter().rposition(|&byte| byte == b'/');
    let mut name = name;
    while let Some(shorter) = name.strip_suffix(b"/") {
        name = shorter;
    }
    let (directory, file) = name.split_at(slash(name).map_or(0, |slash| slash + 1));
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

/// Whether something is, or lies in, a directory of AUFS.
fn is_bookkeeping(name: &[u8]) -> bool {
    let mut components = name.split(|&byte| byte == b'/');
    components.any(|component| component.starts_with(AUFS) && component != OPAQUE)
}

/// Hashes the content and refers to it.
fn content(
    header: &tar::Entry,
    reader: &mut Reader<&mut dyn Read>,
    place: Place,
) -> Result<Content, LayerError> {
    let offset = reader.position();
    let mut hasher = Hasher::new();
    let broken = |source| LayerError::Read(tar::ReadError::Stream { offset, source });
    let copied = io::copy(reader, &mut hasher).map_err(broken)?;
    if copied != header.size {
        let text = format!("{copied} of {} bytes are there", header.size);
        return Err(broken(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
    }
    if copied == 0 {
        return Ok(Content::Inline([].into()));
    }
    let digest = hasher.finish();
    Ok(Content::Blob {
        layer: place.layer,
        offset: place.offset + offset,
        size: header.size,
        digest,
    })
}
