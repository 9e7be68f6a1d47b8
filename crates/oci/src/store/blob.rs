//! Blobs in and out: verified on both ways.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};

use super::temp::Temp;
use super::{Store, sync_directory};
use crate::{Digest, Error, Result};
use ironkit_tree::Hasher;

/// The largest blob that is read into memory: manifests are at most 4 MiB, configurations not much more.
pub const MAX_SMALL_BLOB: u64 = 8 << 20;

impl Store {
    /// The bytes of a small blob, verified.
    pub fn read_blob(&self, digest: &Digest) -> Result<Vec<u8>> {
        let mut reader = self.open_blob(digest)?;
        if reader.size > MAX_SMALL_BLOB {
            let what = format!("blob {digest}");
            return Err(Error::TooLarge {
                what,
                size: reader.size,
                limit: MAX_SMALL_BLOB,
            });
        }
        let mut bytes = Vec::new();
        reader
            .read_to_end(&mut bytes)
            .map_err(Error::stream("read a blob"))?;
        Ok(bytes)
    }

    /// A blob as a stream. When its bytes are not those of its digest, the stream ends with an error.
    pub fn open_blob(&self, digest: &Digest) -> Result<BlobReader> {
        self.hold()?;
        let path = self.blob_path(digest);
        let file = File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::MissingBlob { digest: *digest },
            _ => Error::file("open", &path)(error),
        })?;
        let size = file.metadata().map_err(Error::file("read", &path))?.len();
        Ok(BlobReader {
            file,
            digest: *digest,
            size,
            seen: 0,
            hasher: Some(Hasher::new()),
        })
    }

    /// What is wrong with a blob that an image needs, and that is not here with its size.
    pub(crate) fn absent(&self, digest: &Digest) -> Error {
        match self.blob_size(digest) {
            Some(size) => damaged(digest, "another size".to_owned(), format!("{size} bytes")),
            None => Error::MissingBlob { digest: *digest },
        }
    }

    /// Reads a blob of `size` bytes to its end, into `out`.
    ///
    /// # Errors
    /// A blob that is not there, or not what its digest and size say.
    pub fn verify_blob(&self, digest: &Digest, size: u64, out: &mut dyn Write) -> Result<()> {
        let mut reader = self.open_blob(digest)?;
        if reader.size != size {
            return Err(damaged(
                digest,
                format!("{size} bytes"),
                format!("{} bytes", reader.size),
            ));
        }
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match reader.read(&mut buffer).map_err(Error::stream("read a blob"))? {
                0 => return Ok(()),
                count => out
                    .write_all(&buffer[..count])
                    .map_err(Error::stream("write a blob's content"))?,
            }
        }
    }

    /// The size of a blob, when it is there.
    pub fn blob_size(&self, digest: &Digest) -> Option<u64> {
        fs::metadata(self.blob_path(digest))
            .ok()
            .filter(fs::Metadata::is_file)
            .map(|metadata| metadata.len())
    }

    /// Stores what `reader` gives. When it is known what that should be, anything else is an error, and nothing
    /// is stored.
    pub fn write_blob(
        &self,
        expected: Option<(&Digest, u64)>,
        reader: &mut dyn Read,
    ) -> Result<(Digest, u64)> {
        let mut writer = self.begin_blob()?;
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::stream("read a new blob's content")(error)),
            };
            writer.write(&buffer[..count])?;
            // There is no need to store what is too much.
            if let Some((digest, size)) = expected.filter(|(_, size)| writer.size() > *size) {
                return Err(damaged(digest, format!("{size} bytes"), "more".to_owned()));
            }
        }
        writer.commit(expected)
    }

    /// A blob to be written piece by piece.
    pub fn begin_blob(&self) -> Result<BlobWriter<'_>> {
        self.hold()?;
        Ok(BlobWriter {
            temp: self.temp()?,
            store: self,
            hasher: Hasher::new(),
            size: 0,
        })
    }
}

/// A blob that is being written. Dropped before [`BlobWriter::commit`], it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    store: &'a Store,
    temp: Temp,
    hasher: Hasher,
    size: u64,
}

impl BlobWriter<'_> {
    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        self.temp
            .file()
            .write_all(bytes)
            .map_err(Error::file("write", self.temp.path()))
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Forgets what was written.
    pub fn restart(&mut self) -> Result<()> {
        let file = self.temp.file();
        let emptied = file.set_len(0).and_then(|()| file.rewind());
        emptied.map_err(Error::file("empty", self.temp.path()))?;
        self.hasher = Hasher::new();
        self.size = 0;
        Ok(())
    }

    /// Verifies, syncs and names the blob.
    pub fn commit(mut self, expected: Option<(&Digest, u64)>) -> Result<(Digest, u64)> {
        let found = self.hasher.finish();
        if let Some((digest, size)) = expected {
            if size != self.size {
                return Err(damaged(
                    digest,
                    format!("{size} bytes"),
                    format!("{} bytes", self.size),
                ));
            }
            if *digest != found {
                return Err(damaged(digest, "this digest".to_owned(), found.to_string()));
            }
        }
        self.temp
            .file()
            .sync_all()
            .map_err(Error::file("sync", self.temp.path()))?;
        self.temp.rename(&self.store.blob_path(&found))?;
        Ok((found, self.size))
    }
}

/// A blob as a stream, verified at its end.
#[derive(Debug)]
pub struct BlobReader {
    file: File,
    digest: Digest,
    size: u64,
    seen: u64,
    hasher: Option<Hasher>,
}

impl BlobReader {
    /// The size of the file.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if count > 0 {
            self.seen += count as u64;
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buffer[..count]);
            }
        } else if !buffer.is_empty()
            && let Some(hasher) = self.hasher.take()
        {
            let found = hasher.finish();
            if found != self.digest {
                // Asked again, the stream must not look whole.
                self.hasher = Some(Hasher::new());
                let found = format!("{found} ({} bytes)", self.seen);
                return Err(damaged(&self.digest, "this digest".to_owned(), found).into());
            }
        }
        Ok(count)
    }
}

impl Store {
    /// Makes the names of new blobs durable, before an index points to them.
    pub(super) fn sync_blobs(&self) -> Result<()> {
        sync_directory(&self.root.join("blobs/sha256"))
    }
}

pub(crate) fn damaged(digest: &Digest, expected: String, found: String) -> Error {
    Error::CorruptBlob {
        digest: *digest,
        expected,
        found,
    }
}
