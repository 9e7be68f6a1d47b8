//! Reads an archive as a stream: `newc`, with and without checksums.
//!
//! Input may be hostile: names are bounded, numbers are checked, and contents are handed on without being held.

use std::io::{self, Read};

use super::format::{ALIGNMENT, HEADER_LEN, MAGIC, TRAILER};

/// Marks an entry with a checksum, which is otherwise the same.
const MAGIC_CHECKSUM: &str = "070702";
/// Longest name with its NUL, in bytes: PATH_MAX, past which the kernel skips an entry.
const NAME_MAX: u32 = 4096;

/// An archive that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream failed or ended too early.
    #[error("the cpio archive breaks off at offset {offset}")]
    Stream {
        /// Bytes read before.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// A header is not one.
    #[error("the cpio header at offset {offset} is wrong: {what}")]
    Header {
        /// Where the header begins.
        offset: u64,
        /// What is wrong.
        what: String,
    },
}

/// The result of reading.
pub type Result<T> = std::result::Result<T, ReadError>;

/// One entry, before its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Name as the archive has it.
    pub name: Vec<u8>,
    /// Inode number; equal for hard links.
    pub ino: u32,
    /// `st_mode`: type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of names.
    pub nlink: u32,
    /// Modification time in seconds.
    pub mtime: u32,
    /// Length of the content in bytes.
    pub size: u32,
    /// Major and minor number of the file system that it was on; inode numbers belong to these.
    pub dev: (u32, u32),
    /// Major and minor number of a device.
    pub rdev: (u32, u32),
}

/// Reads the entries of one archive after the other.
pub struct Reader<R> {
    stream: R,
    position: u64,
    /// Bytes of the last entry's content that were not read.
    left: u64,
    padding: u64,
}

impl<R: Read> Reader<R> {
    /// A reader at the start of an archive.
    pub fn new(stream: R) -> Reader<R> {
        Reader {
            stream,
            position: 0,
            left: 0,
            padding: 0,
        }
    }

    /// Offset in the stream.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next entry; its content is what [`Read`] then gives. `None` at the trailer, which ends an archive; the stream
    /// then stands behind it.
    ///
    /// # Errors
    /// [`ReadError`]. After one, the reader is of no use.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        let rest = self.left + self.padding;
        self.skip(rest)?;
        (self.left, self.padding) = (0, 0);
        let start = self.position;
        let wrong = |what: String| ReadError::Header { offset: start, what };
        let mut header = [0; HEADER_LEN];
        self.fill(&mut header)?;
        let (magic, digits) = header.split_at(MAGIC.len());
        if magic != MAGIC.as_bytes() && magic != MAGIC_CHECKSUM.as_bytes() {
            return Err(wrong(format!("expected {MAGIC} or {MAGIC_CHECKSUM}")));
        }
        let mut numbers = [0; 13];
        for (number, digits) in numbers.iter_mut().zip(digits.chunks(8)) {
            *number = hexadecimal(digits).ok_or_else(|| wrong("a number is not hexadecimal".to_owned()))?;
        }
        let [
            ino,
            mode,
            uid,
            gid,
            nlink,
            mtime,
            size,
            dev_major,
            dev_minor,
            major,
            minor,
            namesize,
            _,
        ] = numbers;
        if namesize == 0 || namesize > NAME_MAX {
            return Err(wrong(format!(
                "its name has {namesize} bytes, expected 1 to {NAME_MAX}"
            )));
        }
        let mut name = vec![0; usize::try_from(namesize).unwrap_or_default()];
        self.fill(&mut name)?;
        if name.pop() != Some(0) || name.contains(&0) {
            return Err(wrong("its name does not end with its only NUL".to_owned()));
        }
        self.skip(padding(HEADER_LEN as u64 + u64::from(namesize)))?;
        (self.left, self.padding) = (u64::from(size), padding(u64::from(size)));
        if name == TRAILER {
            let rest = self.left + self.padding;
            self.skip(rest)?;
            (self.left, self.padding) = (0, 0);
            return Ok(None);
        }
        Ok(Some(Entry {
            name,
            ino,
            mode,
            uid,
            gid,
            nlink,
            mtime,
            size,
            dev: (dev_major, dev_minor),
            rdev: (major, minor),
        }))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        let offset = self.position;
        self.stream
            .read_exact(buffer)
            .map_err(|source| ReadError::Stream { offset, source })?;
        self.position += buffer.len() as u64;
        Ok(())
    }

    fn skip(&mut self, count: u64) -> Result<()> {
        let copied = io::copy(&mut (&mut self.stream).take(count), &mut io::sink());
        let offset = self.position;
        let broken = |source| ReadError::Stream { offset, source };
        match copied.map_err(broken)? {
            all if all == count => {
                self.position += count;
                Ok(())
            }
            _ => Err(broken(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

impl<R: Read> Read for Reader<R> {
    /// The content of the current entry. An archive that ends in it is an error.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.stream.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

fn padding(size: u64) -> u64 {
    let alignment = ALIGNMENT as u64;
    (alignment - size % alignment) % alignment
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok()?;
    let plain = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(text, 16).ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::cpio::write_fileset;
    use ironkit_tree::{Content, Digest, FileSet, Inline, Kind, Node, Path};

    fn sample() -> Vec<u8> {
        let path = |name: &str| Path::parse(name).unwrap();
        let mut files = FileSet::new();
        files.insert(path("etc"), Node::new(Kind::Directory, 0o1755));
        let file = Node::new(Kind::File(b"content".to_vec().into()), 0o4644).at(9);
        files.insert(path("etc/a"), Node { uid: 7, ..file });
        files.link(path("etc/b"), &path("etc/a"));
        files.insert(path("link"), Node::new(Kind::Symlink("etc/a".into()), 0o777));
        files.insert(path("null"), Node::new(Kind::CharDevice(1, 3), 0o666));
        let mut out = Vec::new();
        write_fileset(&files, &Inline, &mut out).unwrap();
        out
    }

    fn all(mut bytes: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>> {
        let mut reader = Reader::new(&mut bytes);
        let mut entries = Vec::new();
        while let Some(entry) = reader.next_entry()? {
            let mut content = Vec::new();
            // What breaks off here breaks off again when the next header is asked for.
            let _ = reader.read_to_end(&mut content);
            entries.push((entry, content));
        }
        Ok(entries)
    }

    #[test]
    fn what_is_written_is_read() {
        let entries = all(&sample()).unwrap();
        let shown: Vec<String> = entries
            .iter()
            .map(|(entry, content)| {
                let (name, content) = (
                    String::from_utf8_lossy(&entry.name),
                    String::from_utf8_lossy(content),
                );
                format!(
                    "{name} {:o} {} {} {:?} {content}",
                    entry.mode, entry.uid, entry.nlink, entry.rdev
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "etc 41755 0 2 (0, 0) ",
                "etc/a 104644 7 2 (0, 0) ",
                "etc/b 104644 7 2 (0, 0) content",
                "link 120777 0 1 (0, 0) etc/a",
                "null 20666 0 1 (1, 3) ",
            ]
        );
        assert_eq!(entries[1].0.ino, entries[2].0.ino);
    }

    #[test]
    fn the_stream_stands_behind_the_trailer() {
        let twice = [sample(), b"rest".to_vec()].concat();
        let mut stream = twice.as_slice();
        let mut reader = Reader::new(&mut stream);
        while reader.next_entry().unwrap().is_some() {}
        assert_eq!(reader.position(), sample().len() as u64);
        assert_eq!(stream, b"rest");
    }

    #[test]
    fn damage_is_an_error_with_its_place() {
        let whole = sample();
        let change = |at: usize, bytes: &[u8]| {
            let mut changed = whole.clone();
            changed[at..at + bytes.len()].copy_from_slice(bytes);
            all(&changed).unwrap_err().to_string()
        };
        for (at, bytes, expect) in [
            (
                0,
                b"070707".as_slice(),
                "header at offset 0 is wrong: expected 070701",
            ),
            (6, b"0000000g", "a number is not hexadecimal"),
            (6, b"+0000001", "a number is not hexadecimal"),
            (94, b"00000000", "its name has 0 bytes"),
            (
                94,
                b"ffffffff",
                "its name has 4294967295 bytes, expected 1 to 4096",
            ),
            (94, b"00000003", "its name does not end with its only NUL"),
            (54, b"ffffffff", "breaks off at offset"),
        ] {
            let found = change(at, bytes);
            assert!(found.contains(expect), "{expect}: {found}");
        }
    }

    #[test]
    fn no_damage_makes_it_panic_or_go_on_forever() {
        let whole = sample();
        for cut in 0..whole.len() {
            assert!(all(&whole[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0xff, b'0', b'9', b'f', b'g'] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let _ = all(&damaged);
            }
        }
    }

    #[test]
    fn what_has_no_place_is_refused_before_anything_is_written() {
        let mut files = FileSet::new();
        let file = |content: Content| Node::new(Kind::File(content), 0o644);
        files.insert(Path::parse("a").unwrap(), file(b"small".to_vec().into()));
        let large = Content::Blob {
            layer: Digest::of(b""),
            offset: 0,
            size: 1 << 32,
            digest: Digest::of(b""),
        };
        files.insert(Path::parse("b").unwrap(), file(large));
        let mut archive = Vec::new();
        let error = write_fileset(&files, &Inline, &mut archive)
            .unwrap_err()
            .to_string();
        assert!(error.contains("4294967296"), "{error}");
        assert_eq!(archive, []);
    }
}
