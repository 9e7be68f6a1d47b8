//! Reads an archive as a stream: ustar, PAX, GNU's long names and numbers, and what came before POSIX.
//!
//! Input may be hostile: headers that carry names and records are bounded, sizes are checked before they are added, and
//! nothing is taken for granted that a checksum could have told. Sparse files are refused.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::format::{BLOCK, typeflag};

/// Most bytes of extended headers before one entry: attributes of a file are at most 64 KiB each.
const EXTENDED_MAX: u64 = 1 << 20;
/// What a global header may say about all entries that follow.
const GLOBAL: [&[u8]; 6] = [b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime"];
/// Records of PAX headers, by key.
type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// An archive that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream failed or ended too early.
    #[error("the archive breaks off at offset {offset}")]
    Stream {
        /// Bytes read before.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// A header is not one.
    #[error("the header at offset {offset} is wrong: {what}")]
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
    /// Target of a symbolic or hard link.
    pub link: Vec<u8>,
    /// Type: see [`typeflag`]. What the header calls a file but names with a trailing slash is a directory, as before
    /// POSIX.
    pub typeflag: u8,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Length of the content in bytes.
    pub size: u64,
    /// Modification time in whole seconds, rounded down.
    pub mtime: i64,
    /// Major and minor number of a device.
    pub dev: (u64, u64),
    /// Extended attributes by name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Records of PAX headers that say nothing to this reader, by key: LinuxKit's, for one.
    pub records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether it is a sparse file, whose content stands in the archive in pieces.
    pub sparse: bool,
}

/// Reads entries one after the other.
pub struct Reader<R> {
    stream: R,
    position: u64,
    /// Bytes of the last entry's content that were not read, and its padding.
    left: u64,
    padding: u64,
    global: Records,
}

/// What GNU and PAX headers say about the entry that follows them.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    records: Records,
}

impl<R: Read> Reader<R> {
    /// A reader at the start of an archive.
    pub fn new(stream: R) -> Reader<R> {
        Reader {
            stream,
            position: 0,
            left: 0,
            padding: 0,
            global: Records::new(),
        }
    }

    /// Offset in the stream: that of the content after [`next_entry`](Reader::next_entry).
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next entry; its content is what [`Read`] then gives. `None` at the end of the archive, which is two zero
    /// blocks or the end of the stream.
    ///
    /// # Errors
    /// [`ReadError`]. After one, the reader is of no use.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        self.skip_content()?;
        let mut extended = Extended::default();
        let mut extensions = 0;
        loop {
            let start = self.position;
            let wrong = |what: &str| ReadError::Header {
                offset: start,
                what: what.to_owned(),
            };
            let Some(block) = self.block()? else {
                return Ok(None);
            };
            let mut entry = parse(&block).map_err(wrong)?;
            if matches!(entry.typeflag, b'x' | b'X' | b'g' | b'L' | b'K') {
                extensions = entry.size.saturating_add(extensions + BLOCK as u64);
                if extensions > EXTENDED_MAX {
                    return Err(wrong(&format!(
                        "extended headers of {extensions} bytes, more than {EXTENDED_MAX}"
                    )));
                }
            }
            match entry.typeflag {
                b'x' | b'X' => {
                    let body = self.extension(&entry)?;
                    records(&body, &mut extended.records).map_err(wrong)?;
                }
                b'g' => {
                    let body = self.extension(&entry)?;
                    records(&body, &mut self.global).map_err(wrong)?;
                    // They stay for all entries to come: what would have to be looked through each time does not.
                    self.global.retain(|key, _| GLOBAL.contains(&key.as_slice()));
                }
                b'L' => extended.name = Some(until_nul(&self.extension(&entry)?).to_vec()),
                b'K' => extended.link = Some(until_nul(&self.extension(&entry)?).to_vec()),
                _ => {
                    extended.apply(&self.global, &mut entry).map_err(wrong)?;
                    self.left = if has_content(entry.typeflag) {
                        entry.size
                    } else {
                        0
                    };
                    self.padding = padding(self.left);
                    return Ok(Some(entry));
                }
            }
        }
    }

    /// A header block, checked. `None` at the end.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.stream.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(self.broken(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => {
                    filled += count;
                    self.position += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(error)),
            }
        }
        if block.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        Ok(Some(block))
    }

    /// The content of a header that says something about the next one.
    fn extension(&mut self, entry: &Entry) -> Result<Vec<u8>> {
        let offset = self.position;
        self.left = entry.size;
        self.padding = padding(entry.size);
        let mut body = Vec::new();
        let read = Read::take(&mut *self, entry.size).read_to_end(&mut body);
        read.map_err(|source| ReadError::Stream { offset, source })?;
        self.skip_content()?;
        Ok(body)
    }

    fn skip_content(&mut self) -> Result<()> {
        let (left, padding) = (self.left, std::mem::take(&mut self.padding));
        self.left = left.saturating_add(padding);
        let wanted = self.left;
        let skipped = io::copy(self, &mut io::sink());
        match skipped {
            Ok(count) if count == wanted => Ok(()),
            // The last entry's padding may be missing.
            Ok(count) if count >= left => Ok(()),
            Ok(_) => Err(self.broken(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(self.broken(error)),
        }
    }

    fn broken(&self, source: io::Error) -> ReadError {
        ReadError::Stream {
            offset: self.position,
            source,
        }
    }
}

impl<R: Read> Read for Reader<R> {
    /// Reads the content of the last entry. Its end is the end of what is there: whoever needs all of it compares with
    /// the entry's size.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if limit == 0 {
            // A decoder may take a read of nothing for the end of its stream.
            return Ok(0);
        }
        let count = self.stream.read(&mut buffer[..limit])?;
        self.position += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

impl Extended {
    fn apply(&self, global: &Records, entry: &mut Entry) -> std::result::Result<(), &'static str> {
        let record = |key: &str| {
            let found = self
                .records
                .get(key.as_bytes())
                .or_else(|| global.get(key.as_bytes()));
            found.filter(|value| !value.is_empty())
        };
        let number = |key: &str, wrong: &'static str| match record(key) {
            None => Ok(None),
            Some(value) => decimal(value).map(Some).ok_or(wrong),
        };
        if let Some(name) = record("path").or(self.name.as_ref()) {
            entry.name.clone_from(name);
        }
        if let Some(link) = record("linkpath").or(self.link.as_ref()) {
            entry.link.clone_from(link);
        }
        entry.size = number("size", "its PAX size is not a number")?.unwrap_or(entry.size);
        entry.uid = number("uid", "its PAX uid is not a number")?.unwrap_or(entry.uid);
        entry.gid = number("gid", "its PAX gid is not a number")?.unwrap_or(entry.gid);
        if let Some(value) = record("mtime") {
            entry.mtime = seconds(value).ok_or("its PAX mtime is not a time")?;
        }
        for (key, value) in &self.records {
            if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                entry.xattrs.insert(name.to_vec(), value.clone());
            } else if key.contains(&b'.') {
                entry.records.insert(key.clone(), value.clone());
            }
            entry.sparse |= key.starts_with(b"GNU.sparse.");
        }
        entry.sparse |= entry.typeflag == b'S';
        if entry.typeflag == typeflag::FILE && entry.name.ends_with(b"/") && entry.size == 0 {
            entry.typeflag = typeflag::DIRECTORY;
        }
        Ok(())
    }
}

/// Links and devices may carry a size, but nothing follows them.
fn has_content(flag: u8) -> bool {
    !matches!(
        flag,
        typeflag::HARD_LINK
            | typeflag::SYMLINK
            | typeflag::CHAR_DEVICE
            | typeflag::BLOCK_DEVICE
            | typeflag::DIRECTORY
            | typeflag::FIFO
    )
}

fn padding(size: u64) -> u64 {
    (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64
}

fn parse(block: &[u8; BLOCK]) -> std::result::Result<Entry, &'static str> {
    let sum = |signed: bool| -> i64 {
        let byte = |(at, &byte): (usize, &u8)| match at {
            148..156 => i64::from(b' '),
            _ if signed => i64::from(byte.cast_signed()),
            _ => i64::from(byte),
        };
        block.iter().enumerate().map(byte).sum()
    };
    let checksum = number(&block[148..156]).ok_or("its checksum is not a number")?;
    // Some old programs added the bytes as signed numbers.
    if ![sum(false), sum(true)].contains(&i64::try_from(checksum).unwrap_or(-1)) {
        return Err("its checksum does not fit");
    }
    let field = |range: std::ops::Range<usize>, wrong: &'static str| number(&block[range]).ok_or(wrong);
    let mut name = until_nul(&block[0..100]).to_vec();
    let prefix = until_nul(&block[345..500]);
    // GNU's own format has other things there.
    if block[257..263] == *b"ustar\0" && !prefix.is_empty() {
        name = [prefix, b"/", &name].concat();
    }
    let flag = if matches!(block[156], 0 | b'7') {
        typeflag::FILE
    } else {
        block[156]
    };
    let mtime = time(&block[136..148]).ok_or("its time is not a number")?;
    Ok(Entry {
        name,
        link: until_nul(&block[157..257]).to_vec(),
        typeflag: flag,
        mode: u32::try_from(field(100..108, "its mode is not a number")? & 0o7777).unwrap_or(0),
        uid: field(108..116, "its owner is not a number")?,
        gid: field(116..124, "its group is not a number")?,
        size: field(124..136, "its size is not a number")?,
        mtime,
        dev: (
            number(&block[329..337]).unwrap_or(0),
            number(&block[337..345]).unwrap_or(0),
        ),
        ..Entry::default()
    })
}

/// An octal number, or GNU's big-endian binary with the top bit set. Empty is 0.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let (head, tail) = field.split_at(field.len().saturating_sub(8));
        // Negative, or more than 64 bits.
        if head
            .iter()
            .enumerate()
            .any(|(at, &byte)| byte != if at == 0 { 0x80 } else { 0 })
        {
            return None;
        }
        let top = if head.is_empty() { 0x7f } else { 0xff };
        return Some(tail.iter().enumerate().fold(0, |value, (at, &byte)| {
            value << 8 | u64::from(if at == 0 { byte & top } else { byte })
        }));
    }
    let text: Vec<u8> = field
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b' ' | 0))
        .collect();
    if text.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(std::str::from_utf8(&text).ok()?, 8).ok()
}

/// A number that may be negative, before 1970: GNU's binary form is in two's complement.
fn time(field: &[u8]) -> Option<i64> {
    if field[0] == 0xff {
        let (head, tail) = field.split_at(field.len() - 8);
        let negative = head.iter().all(|&byte| byte == 0xff);
        return negative.then_some(i64::from_be_bytes(tail.try_into().ok()?));
    }
    i64::try_from(number(field)?).ok()
}

/// Adds `<length> <key>=<value>\n` records; an empty value takes a record away.
fn records(body: &[u8], into: &mut Records) -> std::result::Result<(), &'static str> {
    const WRONG: &str = "its PAX records do not add up";
    let mut rest = body;
    while !rest.is_empty() && rest[0] != 0 {
        let space = rest.iter().position(|&byte| byte == b' ').ok_or(WRONG)?;
        let length = decimal(&rest[..space])
            .and_then(|length| usize::try_from(length).ok())
            .ok_or(WRONG)?;
        let record = rest
            .get(space + 1..length)
            .and_then(|record| record.strip_suffix(b"\n"))
            .ok_or(WRONG)?;
        let equals = record.iter().position(|&byte| byte == b'=').ok_or(WRONG)?;
        into.insert(record[..equals].to_vec(), record[equals + 1..].to_vec());
        rest = &rest[length..];
    }
    Ok(())
}

fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `1492533000.25`, rounded down.
fn seconds(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let down = text.starts_with('-') && fraction.bytes().any(|digit| digit != b'0');
    Some(if down { seconds.saturating_sub(1) } else { seconds })
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tar::write_fileset;
    use ironkit_tree::{FileSet, Inline, Kind, Node, Path};

    fn archive(build: impl FnOnce(&mut FileSet)) -> Vec<u8> {
        let mut files = FileSet::new();
        build(&mut files);
        let mut out = Vec::new();
        write_fileset(&files, &Inline, &mut out).unwrap();
        out
    }

    fn all(bytes: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>> {
        let mut reader = Reader::new(bytes);
        let mut entries = Vec::new();
        while let Some(entry) = reader.next_entry()? {
            let mut content = Vec::new();
            reader.read_to_end(&mut content).unwrap();
            entries.push((entry, content));
        }
        Ok(entries)
    }

    fn sample() -> Vec<u8> {
        archive(|files| {
            let long = format!("{}/file", "d".repeat(150));
            let mut node = Node::new(Kind::File(b"content".to_vec().into()), 0o4755).at(-3);
            node.uid = 3_000_000;
            node.xattrs
                .insert(b"security.capability".to_vec(), b"\x01\n=\0".to_vec());
            files.insert(Path::parse(&long).unwrap(), node);
            files.link(Path::parse("z").unwrap(), &Path::parse(&long).unwrap());
            files.insert(
                Path::parse("null").unwrap(),
                Node::new(Kind::CharDevice(1, 3), 0o666),
            );
        })
    }

    #[test]
    fn what_is_written_is_read() {
        let entries = all(&sample()).unwrap();
        let (file, content) = entries
            .iter()
            .find(|(entry, _)| entry.name.ends_with(b"/file"))
            .unwrap();
        assert_eq!(
            (file.mode, file.uid, file.mtime, content.as_slice()),
            (0o4755, 3_000_000, -3, b"content".as_slice())
        );
        assert_eq!(file.xattrs[b"security.capability".as_slice()], b"\x01\n=\0");
        let (link, _) = entries.iter().find(|(entry, _)| entry.name == b"z").unwrap();
        assert_eq!((link.typeflag, &link.link), (typeflag::HARD_LINK, &file.name));
        let (null, _) = entries.iter().find(|(entry, _)| entry.name == b"null").unwrap();
        assert_eq!((null.typeflag, null.dev), (typeflag::CHAR_DEVICE, (1, 3)));
    }

    #[test]
    fn a_stream_is_never_asked_for_nothing() {
        struct Strict<'a>(&'a [u8]);
        impl Read for Strict<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                assert!(!buffer.is_empty(), "xz decoders take this for the end");
                self.0.read(buffer)
            }
        }
        let whole = sample();
        let mut reader = Reader::new(Strict(&whole));
        while let Some(entry) = reader.next_entry().unwrap() {
            let read = reader.read_to_end(&mut Vec::new()).unwrap();
            assert_eq!(
                read as u64,
                if has_content(entry.typeflag) {
                    entry.size
                } else {
                    0
                }
            );
        }
    }

    #[test]
    fn numbers_are_octal_or_binary() {
        for (field, expect) in [
            (b"0000644\0".as_slice(), Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"\x80\0\0\0\0\0\x01\0", Some(256)),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", Some(0x2_0000_0000)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"9999999\0", None),
        ] {
            assert_eq!(number(field), expect, "{field:?}");
        }
    }

    #[test]
    fn no_damage_makes_it_panic_or_go_on_forever() {
        let whole = sample();
        for cut in 0..whole.len() {
            let _ = all(&whole[..cut]);
        }
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0x80, 0xff, b'9', b'x', b'L'] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let _ = all(&damaged);
            }
        }
    }

    #[test]
    fn an_endless_extended_header_is_refused() {
        let mut bytes = sample();
        let at = bytes.chunks(BLOCK).position(|block| block[156] == b'x').unwrap() * BLOCK;
        bytes[at + 124..at + 136].copy_from_slice(b"77777777777\0");
        bytes[at + 148..at + 156].fill(b' ');
        let sum: u32 = bytes[at..at + BLOCK].iter().map(|&byte| u32::from(byte)).sum();
        bytes[at + 148..at + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let error = all(&bytes).unwrap_err().to_string();
        assert!(error.contains("extended headers of 8589935103 bytes"), "{error}");
    }
}
