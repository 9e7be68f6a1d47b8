//! Writes entries one by one, or a whole file set.

use std::collections::BTreeMap;
use std::io::{self, Write};

use ironkit_tree::{FileSet, Kind, Node, Path, Source};

use super::format::{BLOCK, Header, MAX_8, MAX_12, NAME_LEN, encode_gnu, typeflag};
use crate::FormatError;

/// Writes a tar archive, entry by entry.
pub struct Writer<'a, W: Write + ?Sized = dyn Write + 'a> {
    out: &'a mut W,
}

/// A regular file of root's that is written by whoever has its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Stream<'a> {
    /// Its name, at most 100 bytes of ASCII.
    pub name: &'a str,
    /// Its length in bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Modification time in seconds since 1970.
    pub mtime: i64,
}

impl Stream<'_> {
    /// Its head in an archive without PAX records; `None` for a size or a name that has no place there.
    pub fn ustar(&self) -> Option<[u8; BLOCK]> {
        let fits = self.size <= MAX_12 && self.name.len() <= NAME_LEN;
        fits.then(|| self.header().encode())
    }

    /// Its head in GNU's old format, which has a place for every size.
    pub fn gnu(&self) -> [u8; BLOCK] {
        encode_gnu(
            self.name,
            self.size,
            self.mode,
            self.mtime.try_into().unwrap_or(0),
        )
    }

    fn header(&self) -> Header<'_> {
        Header {
            name: self.name.as_bytes(),
            mode: self.mode.into(),
            size: self.size,
            mtime: self.mtime.try_into().unwrap_or(0),
            typeflag: typeflag::FILE,
            ..Header::default()
        }
    }
}

/// Writes all of `files` as a whole archive.
///
/// # Errors
/// Those of `source` and `out`.
pub fn write_fileset(files: &FileSet, source: &dyn Source, out: &mut dyn Write) -> Result<(), FormatError> {
    let first = files.first_names();
    let mut writer = Writer::new(out);
    for (path, id, node) in files.iter() {
        let hard_link = Some(first[&id]).filter(|first| *first != path);
        writer.append(path, node, hard_link, &[], source)?;
    }
    Ok(writer.finish()?)
}

impl<'a, W: Write + ?Sized> Writer<'a, W> {
    /// A writer of an empty archive.
    pub fn new(out: &'a mut W) -> Writer<'a, W> {
        Writer { out }
    }

    /// Appends a file; `write` writes exactly as many bytes as it says.
    ///
    /// # Errors
    /// Those of `write` and the output.
    pub fn append_stream<E: From<io::Error>>(
        &mut self,
        file: &Stream,
        write: impl FnOnce(&mut W) -> Result<(), E>,
    ) -> Result<(), E> {
        self.out.write_all(&file.header().encode())?;
        write(self.out)?;
        Ok(self.pad(file.size)?)
    }

    /// Appends `path`. With `hard_link` it becomes another name of that earlier entry and has no content. `records`
    /// are written as PAX records beside those that the entry needs itself.
    ///
    /// # Errors
    /// Those of `source` and the output.
    pub fn append(
        &mut self,
        path: &Path,
        node: &Node,
        hard_link: Option<&Path>,
        records: &[(&str, &str)],
        source: &dyn Source,
    ) -> Result<(), FormatError> {
        let name = if path.is_root() { b"./" } else { path.as_bytes() };
        let (typeflag, linkname) = match (&node.kind, hard_link) {
            (_, Some(target)) => (typeflag::HARD_LINK, target.as_bytes()),
            (Kind::File(_), _) => (typeflag::FILE, b"".as_slice()),
            (Kind::Directory, _) => (typeflag::DIRECTORY, b"".as_slice()),
            (Kind::Symlink(target), _) => (typeflag::SYMLINK, target.as_slice()),
            (Kind::CharDevice(..), _) => (typeflag::CHAR_DEVICE, b"".as_slice()),
            (Kind::BlockDevice(..), _) => (typeflag::BLOCK_DEVICE, b"".as_slice()),
            (Kind::Fifo, _) => (typeflag::FIFO, b"".as_slice()),
        };
        let dev = match node.kind {
            Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => (major.into(), minor.into()),
            _ => (0, 0),
        };
        let size = if hard_link.is_some() { 0 } else { node.size() };
        let header = Header {
            name,
            mode: node.mode.into(),
            uid: node.uid.into(),
            gid: node.gid.into(),
            size,
            mtime: node.mtime.try_into().unwrap_or(0),
            typeflag,
            linkname,
            dev,
        };
        let mut pax = own_records(&header, node);
        pax.extend(
            records
                .iter()
                .map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())),
        );
        self.write_pax(path, &pax)?;
        self.out.write_all(&header.encode())?;
        if let (Kind::File(content), None) = (&node.kind, hard_link) {
            content
                .copy_to(source, &mut &mut *self.out)
                .map_err(|source| FormatError::Content {
                    path: path.clone(),
                    source,
                })?;
            self.pad(size)?;
        }
        Ok(())
    }

    /// Ends the archive.
    pub fn finish(self) -> io::Result<()> {
        self.out.write_all(&[0; 2 * BLOCK])
    }

    fn write_pax(&mut self, path: &Path, records: &BTreeMap<Vec<u8>, Vec<u8>>) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let body: Vec<u8> = records
            .iter()
            .flat_map(|(key, value)| record(key, value))
            .collect();
        let name = [b"PaxHeaders.0/".as_slice(), path.file_name()].concat();
        let header = Header {
            name: &name[..name.len().min(NAME_LEN)],
            mode: 0o644,
            size: body.len() as u64,
            typeflag: typeflag::PAX,
            ..Header::default()
        };
        self.out.write_all(&header.encode())?;
        self.out.write_all(&body)?;
        self.pad(body.len() as u64)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let excess = usize::try_from(size % BLOCK as u64).unwrap_or(0);
        if excess > 0 {
            self.out.write_all(&[0; BLOCK][excess..])?;
        }
        Ok(())
    }
}

/// The records without which the header would not say what the entry is.
fn own_records(header: &Header, node: &Node) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut records = BTreeMap::new();
    let mut add = |key: &str, value: &[u8]| records.insert(key.as_bytes().to_vec(), value.to_vec());
    let plain = |text: &[u8]| text.len() <= NAME_LEN && text.is_ascii();
    if !plain(header.name) {
        add("path", header.name);
    }
    if !plain(header.linkname) {
        add("linkpath", header.linkname);
    }
    let numbers = [
        ("uid", header.uid, MAX_8),
        ("gid", header.gid, MAX_8),
        ("size", header.size, MAX_12),
    ];
    for (key, value, limit) in numbers {
        if value > limit {
            add(key, value.to_string().as_bytes());
        }
    }
    if u64::try_from(node.mtime).map_or(true, |mtime| mtime > MAX_12) {
        add("mtime", node.mtime.to_string().as_bytes());
    }
    for (name, value) in &node.xattrs {
        records.insert([b"SCHILY.xattr.".as_slice(), name].concat(), value.clone());
    }
    records
}

/// `<length> <key>=<value>\n`, where the length counts itself.
fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::record;

    #[test]
    fn the_length_of_a_record_counts_itself() {
        for (value, expect) in [
            ("", "5 a=\n"),
            ("1", "6 a=1\n"),
            ("1234", "9 a=1234\n"),
            ("12345", "11 a=12345\n"),
        ] {
            assert_eq!(record(b"a", value.as_bytes()), expect.as_bytes());
        }
    }
}
