//! Contents that no image's layer has: files of the builder's machine, joined databases, decompressed kernels. They are
//! in the store like uncompressed layers, each under its own digest.

use std::io::{self, Read, Write};

use ironkit_formats::archive::tar;
use ironkit_formats::kernel;
use ironkit_tree::{BoxError, Content, Digest, FileSet, Hasher, Kind, Node, Path, Source};

use crate::contents::{Contents, LAYERS};
use crate::layer::LayerError;
use crate::{Error, Result};

/// Largest kernel that is decompressed, in bytes: real ones have some 60 MiB.
const KERNEL_MAX: u64 = 1 << 30;

impl Contents<'_> {
    /// Puts a file of the builder's machine into the store, and refers to it there.
    pub(crate) fn keep(&self, file: &mut std::fs::File) -> Result<Content> {
        let read = |source| LayerError::from(tar::ReadError::Stream { offset: 0, source });
        let mut hasher = Hasher::new();
        let size = io::copy(file, &mut hasher).map_err(read)?;
        let digest = hasher.finish();
        if self.uncompressed(&digest)?.is_none() {
            io::Seek::rewind(file).map_err(read)?;
            self.store.put_derived(LAYERS, &digest, &mut |out| {
                // What is in the store under a digest is not verified against it again.
                let mut hasher = Hasher::new();
                let mut both = Both {
                    out,
                    hasher: &mut hasher,
                };
                io::copy(file, &mut both)?;
                match hasher.finish() == digest {
                    true => Ok(()),
                    false => Err(io::Error::other("the file changes while it is read")),
                }
            })?;
        }
        Ok(Content::Blob {
            layer: digest,
            offset: 0,
            size,
            digest,
        })
    }

    /// Whether the contents of `files` are in the store, uncompressed.
    pub(crate) fn holds(&self, files: &FileSet) -> Result<bool> {
        for (_, _, node) in files.iter() {
            if let Kind::File(Content::Blob { layer, .. }) = &node.kind
                && self.uncompressed(layer)?.is_none()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One file of several file sets, joined.
    pub(crate) fn join(&self, outers: &[Digest], path: &Path) -> Result<FileSet> {
        let mut found = Vec::new();
        for outer in outers {
            match self.file_set(outer)?.get(path).map(|node| &node.kind) {
                Some(Kind::File(content)) => found.push(content.clone()),
                _ => continue,
            }
        }
        let mut files = FileSet::new();
        if found.len() < 2 {
            return Ok(files);
        }
        let content = self.make(&|out| {
            for content in &found {
                content.copy_to(self, out)?;
                out.write_all(b"\n\n")?;
            }
            Ok(())
        });
        let kind = Kind::File(content.map_err(Error::Contents)?);
        files.insert(path.clone(), Node::new(kind, 0o644));
        Ok(files)
    }

    /// The kernel proper of a kernel inside a file set.
    pub(crate) fn decompress(&self, outer: &Digest, path: &Path) -> Result<FileSet> {
        let files = self.file_set(outer)?;
        let (node, content) = match files.get(path).map(|node| (node, &node.kind)) {
            Some((node, Kind::File(content))) => (node, content),
            _ => return Err(Error::UnknownArchive(path.clone())),
        };
        let proper = self
            .make(&|out| self.copy_payload(content, out))
            .map_err(|source| Error::Kernel {
                kernel: path.clone(),
                source,
            })?;
        let mut made = FileSet::new();
        let kind = Kind::File(proper);
        made.insert(path.clone(), Node { kind, ..node.clone() });
        Ok(made)
    }

    /// Puts what `write` writes into the store. It is asked twice: the digest is the name in the store.
    fn make(
        &self,
        write: &dyn Fn(&mut dyn Write) -> std::result::Result<(), BoxError>,
    ) -> std::result::Result<Content, BoxError> {
        let mut hasher = Counted {
            hasher: Hasher::new(),
            size: 0,
        };
        write(&mut hasher)?;
        let digest = hasher.hasher.finish();
        if self.uncompressed(&digest)?.is_none() {
            self.store
                .put_derived(LAYERS, &digest, &mut |out| write(out).map_err(io::Error::other))?;
        }
        Ok(Content::Blob {
            layer: digest,
            offset: 0,
            size: hasher.size,
            digest,
        })
    }

    fn copy_payload(&self, kernel: &Content, out: &mut dyn Write) -> std::result::Result<(), BoxError> {
        let mut image: Box<dyn Read + '_> = match kernel {
            Content::Inline(bytes) => Box::new(bytes.as_ref()),
            Content::Blob {
                layer, offset, size, ..
            } => self.layer(layer, *offset, *size)?,
        };
        let payload = kernel::payload(&mut image)?;
        if !payload.compressed {
            return Err("it is not compressed, or in a way that is not known".into());
        }
        match io::copy(&mut payload.reader.take(KERNEL_MAX + 1), out)? > KERNEL_MAX {
            true => Err(format!("it is larger than {} MiB", KERNEL_MAX >> 20).into()),
            false => Ok(()),
        }
    }
}

/// Hashes what it writes.
struct Both<'a> {
    out: &'a mut dyn Write,
    hasher: &'a mut Hasher,
}

impl Write for Both<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Hashes and counts.
struct Counted {
    hasher: Hasher,
    size: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
