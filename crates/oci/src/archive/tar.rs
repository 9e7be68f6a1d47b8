//! The little of tar (POSIX ustar, with pax and GNU long names) that image archives use.

use std::io::{self, Read, Write};

use crate::{Error, Result};

const BLOCK: usize = 512;

/// The most bytes of a pax header or long name: names in image archives are short.
const MAX_EXTENSION: u64 = 1 << 20;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// A symbolic or hard link, with its target.
    Link(String),
    Other,
}

/// The head of an entry; its content follows in [`Reader`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) size: u64,
}

/// Entries one after the other. Between two, the content of the first can be read.
pub(super) struct Reader<R> {
    input: R,
    /// Of the present entry: bytes of content, then of padding, that were not read.
    left: u64,
    padding: u64,
}

/// What pax and GNU headers say about the next entry.
#[derive(Default)]
struct Extension {
    path: Option<String>,
    link: Option<String>,
    size: Option<u64>,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(input: R) -> Reader<R> {
        Reader {
            input,
            left: 0,
            padding: 0,
        }
    }

    /// The next entry; None at the end of the archive.
    pub(super) fn next(&mut self) -> Result<Option<Entry>> {
        let mut extension = Extension::default();
        loop {
            self.skip()?;
            let mut block = [0; BLOCK];
            if !self.block(&mut block)? || block.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            check(&block)?;
            let mut size = number(&block[124..136])?;
            let kind = block[156];
            let header = matches!(kind, b'x' | b'L' | b'K' | b'g');
            if !header {
                size = extension.size.unwrap_or(size);
            }
            // Links and directories have no content, whatever the field says.
            size = if header || matches!(kind, b'0' | 0 | b'7' | b'S') {
                size
            } else {
                0
            };
            self.left = size;
            self.padding = size.wrapping_neg() % BLOCK as u64;
            match kind {
                b'x' => pax(&self.extension()?, &mut extension)?,
                b'L' => extension.path = Some(name(&self.extension()?)?),
                b'K' => extension.link = Some(name(&self.extension()?)?),
                b'g' => {}
                b'S' => return Err(bad("it has a sparse file")),
                _ => return Ok(Some(entry(&block, kind, size, extension)?)),
            }
        }
    }

    fn extension(&mut self) -> Result<Vec<u8>> {
        if self.left > MAX_EXTENSION {
            return Err(bad("it has a header of more than 1 MiB"));
        }
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)
            .map_err(Error::stream("read the archive"))?;
        Ok(bytes)
    }

    /// Reads over what is left of the present entry.
    fn skip(&mut self) -> Result<()> {
        io::copy(self, &mut io::sink()).map_err(Error::stream("read the archive"))?;
        let padding = std::mem::take(&mut self.padding);
        let read = io::copy(&mut (&mut self.input).take(padding), &mut io::sink());
        read.map_err(Error::stream("read the archive"))?;
        Ok(())
    }

    /// A whole block; false at the end.
    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool> {
        let mut filled = 0;
        while filled < BLOCK {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(bad("it is cut off in a header")),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::stream("read the archive")(error)),
            }
        }
        Ok(true)
    }
}

/// The content of the present entry.
impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.input.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(bad(&format!(
                "it is cut off {} bytes before the end of a file",
                self.left
            ))
            .into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn entry(block: &[u8; BLOCK], kind: u8, size: u64, extension: Extension) -> Result<Entry> {
    let path = match extension.path {
        Some(path) => path,
        None => {
            // GNU's own format has other things where POSIX has the prefix.
            let prefix = if &block[257..263] == b"ustar\0" {
                name(&block[345..500])?
            } else {
                String::new()
            };
            let short = name(&block[..100])?;
            if prefix.is_empty() {
                short
            } else {
                format!("{prefix}/{short}")
            }
        }
    };
    let kind = match kind {
        b'0' | 0 | b'7' => Kind::File,
        b'1' | b'2' => Kind::Link(match extension.link {
            Some(link) => link,
            None => name(&block[157..257])?,
        }),
        _ => Kind::Other,
    };
    Ok(Entry { path, kind, size })
}

fn check(block: &[u8; BLOCK]) -> Result<()> {
    let sum: u64 = (0..)
        .zip(block)
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u64::from(*byte)
            }
        })
        .sum();
    if number(&block[148..156])? == sum {
        Ok(())
    } else {
        Err(bad("it is not a tar archive, or it is damaged"))
    }
}

/// Octal digits, or a big-endian number after a byte with its highest bit set (GNU).
fn number(field: &[u8]) -> Result<u64> {
    let error = || bad("a number in a header cannot be read");
    if field[0] & 0x80 != 0 {
        let mut digits = field
            .iter()
            .enumerate()
            .map(|(at, byte)| if at == 0 { byte & 0x7f } else { *byte });
        let value = digits.try_fold(0u64, |value, byte| {
            value.checked_mul(256)?.checked_add(u64::from(byte))
        });
        return value.filter(|value| *value <= i64::MAX as u64).ok_or_else(error);
    }
    let text = std::str::from_utf8(field).map_err(|_| error())?;
    let text = text.trim_matches([' ', '\0']);
    if text.is_empty() {
        Ok(0)
    } else {
        u64::from_str_radix(text, 8).map_err(|_| error())
    }
}

fn name(field: &[u8]) -> Result<String> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8(field[..end].to_vec()).map_err(|_| bad("a name in it is not text"))
}

/// Records of `length key=value\n`.
fn pax(bytes: &[u8], extension: &mut Extension) -> Result<()> {
    let error = || bad("a pax header cannot be read");
    let mut rest = bytes;
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(error)?;
        let length = std::str::from_utf8(&rest[..space])
            .ok()
            .and_then(|text| text.parse::<usize>().ok());
        let length = length
            .filter(|length| *length > space + 1 && *length <= rest.len())
            .ok_or_else(error)?;
        let record = std::str::from_utf8(&rest[space + 1..length - 1]);
        rest = &rest[length..];
        // A record that is not text is none of ours.
        match record.ok().and_then(|record| record.split_once('=')) {
            Some(("path", value)) => extension.path = Some(value.to_owned()),
            Some(("linkpath", value)) => extension.link = Some(value.to_owned()),
            Some(("size", value)) => extension.size = Some(value.parse().map_err(|_| error())?),
            Some((key, _)) if key.starts_with("GNU.sparse.") => return Err(bad("it has a sparse file")),
            _ => {}
        }
    }
    Ok(())
}

fn bad(reason: &str) -> Error {
    Error::Archive(reason.to_owned())
}

/// Writes the head of a file or directory (a path that ends in `/`): root's, time 0. Paths are at most 100
/// bytes.
pub(super) fn write_header(out: &mut dyn Write, path: &str, size: u64) -> io::Result<()> {
    let mut block = [0; BLOCK];
    let directory = path.ends_with('/');
    let name = block.get_mut(..path.len()).filter(|name| name.len() <= 100);
    name.ok_or_else(|| io::Error::other(format!("{path} is too long a name")))?
        .copy_from_slice(path.as_bytes());
    block[100..108].copy_from_slice(if directory { b"0000755\0" } else { b"0000644\0" });
    block[108..124].copy_from_slice(b"0000000\x000000000\0");
    match size < 1 << 33 {
        true => block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes()),
        false => {
            block[124] = 0x80;
            block[128..136].copy_from_slice(&size.to_be_bytes());
        }
    }
    block[136..148].copy_from_slice(b"00000000000\0");
    block[148..156].fill(b' ');
    block[156] = if directory { b'5' } else { b'0' };
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.write_all(&block)
}

/// Writes what fills the last block of a content of `size` bytes.
pub(super) fn write_padding(out: &mut dyn Write, size: u64) -> io::Result<()> {
    let padding = usize::try_from(size.wrapping_neg() % BLOCK as u64).unwrap_or(0);
    out.write_all(&[0; BLOCK][..padding])
}

/// Writes the end of an archive.
pub(super) fn write_end(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK])?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        for (path, content) in [("dir/", ""), ("dir/a", "hello"), ("b", "")] {
            write_header(&mut bytes, path, content.len() as u64).expect("a header");
            bytes.extend_from_slice(content.as_bytes());
            write_padding(&mut bytes, content.len() as u64).expect("padding");
        }
        write_end(&mut bytes).expect("an end");
        let mut reader = Reader::new(bytes.as_slice());
        for (path, kind, content) in [
            ("dir/", Kind::Other, ""),
            ("dir/a", Kind::File, "hello"),
            ("b", Kind::File, ""),
        ] {
            let entry = reader.next().expect("an entry").expect("not the end");
            assert_eq!((entry.path.as_str(), &entry.kind), (path, &kind));
            let mut found = String::new();
            reader.read_to_string(&mut found).expect("content");
            assert_eq!(found, content);
        }
        assert_eq!(reader.next().expect("the end"), None);
    }

    #[test]
    fn numbers() {
        for (field, expect) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"    12 \0", Some(0o12)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", Some(2 << 32)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\x80\0\0\0\0\0\0\x07", Some(7)),
            (b"0000009\0", None),
            (b"-000001\0", None),
        ] {
            assert_eq!(number(field).ok(), expect, "{field:?}");
        }
    }
}
