//! Derived data: flattened trees, compressed members, whatever can be made again from images.
//!
//! A file is its content and a trailer of 48 bytes: `IKDERIV1`, the content's length, and the checksum of kind,
//! key and content. It is renamed into place but not synced: a torn or flipped file is told by its trailer, and
//! made again.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::Store;
use super::checksum::Checksum;
use crate::{Digest, Error, Result};

const MAGIC: &[u8; 8] = b"IKDERIV1";
const TRAILER: u64 = 48;

/// Copies go through a buffer that stays in the processor's cache.
const BUFFER: usize = 128 * 1024;

impl Store {
    /// The derived data of that kind and key, when it is here. A file that was torn by a crash is not.
    pub fn derived(&self, kind: &str, key: &Digest) -> Result<Option<Derived>> {
        let path = self.derived_path(kind, key)?;
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("open", &path)(error)),
        };
        let length = file.metadata().map_err(Error::file("read", &path))?.len();
        let Some(size) = length.checked_sub(TRAILER) else {
            return Ok(None);
        };
        let mut trailer = [0; 48];
        file.read_exact_at(&mut trailer, size)
            .map_err(Error::file("read", &path))?;
        let (head, checksum) = trailer.split_at(16);
        if head[..8] != *MAGIC || head[8..] != size.to_le_bytes() {
            return Ok(None);
        }
        let checksum: [u8; 32] = checksum.try_into().unwrap_or_default();
        Ok(Some(Derived {
            kind: kind.to_owned(),
            key: *key,
            path,
            file,
            size,
            checksum,
        }))
    }

    /// Makes derived data: `write` gives its content. What had that kind and key is replaced.
    pub fn put_derived(
        &self,
        kind: &str,
        key: &Digest,
        write: &mut dyn FnMut(&mut (dyn Write + Send)) -> io::Result<()>,
    ) -> Result<Derived> {
        let path = self.derived_path(kind, key)?;
        let directory = self.derived.join(kind);
        fs::create_dir_all(&directory).map_err(Error::file("make", &directory))?;
        let mut temp = self.temp()?;
        let temp_path = temp.path().to_path_buf();
        let (size, checksum) = {
            let output = BufWriter::with_capacity(BUFFER, temp.file());
            let mut content = Content {
                output,
                sum: start(kind, key),
                size: 0,
            };
            write(&mut content).map_err(Error::stream("make derived data"))?;
            let checksum = content.sum.finish();
            let trailer = [&MAGIC[..], &content.size.to_le_bytes(), &checksum].concat();
            let written = content
                .output
                .write_all(&trailer)
                .and_then(|()| content.output.flush());
            written.map_err(Error::file("write", &temp_path))?;
            (content.size, checksum)
        };
        let file = temp.file().try_clone().map_err(Error::file("open", &temp_path))?;
        // The clone shares the lock of the file in the making, which is over.
        file.unlock().map_err(Error::file("unlock", &temp_path))?;
        temp.rename(&path)?;
        Ok(Derived {
            kind: kind.to_owned(),
            key: *key,
            path,
            file,
            size,
            checksum,
        })
    }

    /// Removes derived data, whether it is there or not.
    pub fn remove_derived(&self, kind: &str, key: &Digest) -> Result<()> {
        let path = self.derived_path(kind, key)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    fn derived_path(&self, kind: &str, key: &Digest) -> Result<PathBuf> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if kind.is_empty() || !kind.bytes().all(plain) {
            let path = self.derived.clone();
            return Err(Error::Layout {
                path,
                reason: format!("`{kind}` is not a kind of derived data"),
            });
        }
        Ok(self.derived.join(kind).join(key.hex()))
    }
}

/// A file of derived data, open: it stays readable when somebody removes it.
#[derive(Debug)]
pub struct Derived {
    kind: String,
    key: Digest,
    path: PathBuf,
    file: File,
    size: u64,
    checksum: [u8; 32],
}

impl Derived {
    /// The size of the content.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Copies the content to `out` and verifies it on the way; returns its size. After
    /// [`Error::CorruptDerived`], `out` has a damaged copy.
    pub fn copy_to(&self, out: &mut dyn Write) -> Result<u64> {
        self.pass(&mut |bytes| out.write_all(bytes))
    }

    /// The content, verified.
    pub fn read(&self) -> Result<Vec<u8>> {
        let mut content = Vec::with_capacity(usize::try_from(self.size).unwrap_or(0).min(64 << 20));
        self.pass(&mut |bytes| {
            content.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(content)
    }

    /// A part of the content as a stream, not verified: the caller knows the digest of what it reads, or has read all of it
    /// by [`copy_to`](Derived::copy_to) before.
    pub fn open_range(&self, offset: u64, size: u64) -> Result<DerivedRange<'_>> {
        let end = offset.checked_add(size).filter(|end| *end <= self.size);
        let end = end.ok_or_else(|| self.damaged(format!("{size} bytes at {offset} of {}", self.size)))?;
        Ok(DerivedRange {
            file: &self.file,
            at: offset,
            end,
        })
    }

    fn pass(&self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<u64> {
        let mut sum = start(&self.kind, &self.key);
        let mut range = self.open_range(0, self.size)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = range.read(&mut buffer).map_err(Error::file("read", &self.path))?;
            if count == 0 {
                break;
            }
            sum.update(&buffer[..count]);
            take(&buffer[..count]).map_err(Error::stream("copy derived data"))?;
        }
        if range.at != self.size {
            return Err(self.damaged(format!("it ends at byte {} of {}", range.at, self.size)));
        }
        match sum.finish() == self.checksum {
            true => Ok(self.size),
            false => Err(self.damaged("its checksum does not fit".to_owned())),
        }
    }

    fn damaged(&self, reason: String) -> Error {
        Error::CorruptDerived {
            kind: self.kind.clone(),
            key: self.key,
            reason,
        }
    }
}

/// A part of derived data as a stream.
#[derive(Debug)]
pub struct DerivedRange<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for DerivedRange<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.end - self.at)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// A checksum covers the kind and key too, so that a file in another's place is told.
fn start(kind: &str, key: &Digest) -> Checksum {
    let mut sum = Checksum::new();
    sum.update(&(kind.len() as u64).to_le_bytes());
    sum.update(kind.as_bytes());
    sum.update(key.bytes());
    sum
}

/// Content on its way to a file.
struct Content<W> {
    output: W,
    sum: Checksum,
    size: u64,
}

impl<W: Write> Write for Content<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        self.sum.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
