//! Writes a file set as one archive.

use std::collections::BTreeMap;
use std::io::{self, Write};

use ironkit_tree::{FileSet, InodeId, Kind, Node, Path, Source};

use super::format::{ALIGNMENT, HEADER_LEN, Header, MAX, TRAILER};
use crate::FormatError;

/// Writes all of `files` and the trailer. The result is a multiple of 4 bytes long, so that archives can follow each
/// other.
///
/// # Errors
/// A number that does not fit 32 bits (a file of 4 GiB), before anything is written; and those of `source` and `out`.
pub fn write_fileset(files: &FileSet, source: &dyn Source, out: &mut dyn Write) -> Result<(), FormatError> {
    let mut names: BTreeMap<InodeId, Inode> = BTreeMap::new();
    for (index, (path, id, _)) in files.iter().enumerate() {
        let inode = names.entry(id).or_insert(Inode {
            number: index as u64 + 1,
            count: 0,
            last: path,
        });
        inode.count += 1;
        inode.last = path;
    }
    for (path, id, node) in files.iter() {
        header(path, node, &names[&id])?;
    }
    let mut out = Counted { out, written: 0 };
    for (path, id, node) in files.iter() {
        write_entry(path, node, &names[&id], source, &mut out)?;
    }
    let trailer = Header {
        nlink: 1,
        namesize: fit(&Path::ROOT, "namesize", TRAILER.len() as u64 + 1)?,
        ..Header::default()
    };
    out.write_all(trailer.encode().as_bytes())?;
    out.write_all(TRAILER)?;
    out.write_all(&[0])?;
    out.pad()?;
    Ok(())
}

/// The names of an inode.
struct Inode<'a> {
    number: u64,
    count: u64,
    last: &'a Path,
}

/// The kernel wants a name for the root.
fn name(path: &Path) -> &[u8] {
    match path.is_root() {
        true => b".",
        false => path.as_bytes(),
    }
}

fn header(path: &Path, node: &Node, inode: &Inode) -> Result<Header, FormatError> {
    let size = match &node.kind {
        Kind::File(content) if inode.last == path => content.size(),
        Kind::Symlink(target) => target.len() as u64,
        _ => 0,
    };
    let rdev = match node.kind {
        Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => (major, minor),
        _ => (0, 0),
    };
    Ok(Header {
        ino: fit(path, "ino", inode.number)?,
        mode: node.st_mode(),
        uid: node.uid,
        gid: node.gid,
        nlink: if node.is_directory() {
            2
        } else {
            fit(path, "nlink", inode.count)?
        },
        mtime: u32::try_from(node.mtime.max(0))
            .map_err(|_| too_large(path, "mtime", node.mtime.unsigned_abs()))?,
        filesize: fit(path, "filesize", size)?,
        rdev,
        namesize: fit(path, "namesize", name(path).len() as u64 + 1)?,
    })
}

fn write_entry(
    path: &Path,
    node: &Node,
    inode: &Inode,
    source: &dyn Source,
    out: &mut Counted,
) -> Result<(), FormatError> {
    let encoded = header(path, node, inode)?.encode();
    debug_assert_eq!(encoded.len(), HEADER_LEN, "every field has a fixed width");
    out.write_all(encoded.as_bytes())?;
    out.write_all(name(path))?;
    out.write_all(&[0])?;
    out.pad()?;
    match &node.kind {
        Kind::File(content) if inode.last == path => {
            content
                .copy_to(source, out)
                .map_err(|source| FormatError::Content {
                    path: path.clone(),
                    source,
                })?
        }
        Kind::Symlink(target) => out.write_all(target)?,
        _ => {}
    }
    out.pad()?;
    Ok(())
}

fn fit(path: &Path, field: &'static str, value: u64) -> Result<u32, FormatError> {
    u32::try_from(value).map_err(|_| too_large(path, field, value))
}

fn too_large(path: &Path, field: &'static str, value: u64) -> FormatError {
    FormatError::TooLarge {
        path: path.clone(),
        field,
        value,
        format: "a cpio archive",
        limit: MAX,
    }
}

/// Counts what was written, for the padding.
struct Counted<'a> {
    out: &'a mut dyn Write,
    written: usize,
}

impl Counted<'_> {
    fn pad(&mut self) -> io::Result<()> {
        let excess = self.written % ALIGNMENT;
        if excess > 0 {
            self.write_all(&[0; ALIGNMENT][excess..])?;
        }
        Ok(())
    }
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.written = self.written.wrapping_add(count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
