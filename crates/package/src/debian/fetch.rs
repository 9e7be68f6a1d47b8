//! Downloads from a Debian mirror, kept by digest so that a rebuild needs no network.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use ironkit_oci::http::{Client, Sink};
use ironkit_tree::{Digest, Hasher};

use super::apt;
use crate::Error;
use crate::error::io_at;

/// Where a mirror's address comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The mirror to use instead of the one that the machine uses itself.
    pub mirror: Option<String>,
    /// apt's configuration: `/etc/apt`.
    pub apt: PathBuf,
    /// Where the keys of the Debian archive are: `/usr/share/keyrings`.
    pub keyrings: PathBuf,
}

/// A mirror and the directory in which its files are kept.
pub struct Downloads<'a> {
    http: &'a Client,
    machine: &'a Machine,
    directory: PathBuf,
    mirror: OnceCell<String>,
}

impl Default for Machine {
    fn default() -> Machine {
        Machine {
            mirror: None,
            apt: "/etc/apt".into(),
            keyrings: "/usr/share/keyrings".into(),
        }
    }
}

impl<'a> Downloads<'a> {
    /// Files are kept in `directory`, which is made when it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(http: &'a Client, machine: &'a Machine, directory: &Path) -> Result<Downloads<'a>, Error> {
        fs::create_dir_all(directory).map_err(io_at("create", directory))?;
        Ok(Downloads {
            http,
            machine,
            directory: directory.to_owned(),
            mirror: OnceCell::new(),
        })
    }

    /// The machine that this is for.
    pub fn machine(&self) -> &Machine {
        self.machine
    }

    /// Where the files are kept.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The address of `path` on the mirror.
    ///
    /// # Errors
    /// [`Error::NoMirror`], and those of reading apt's configuration.
    pub fn url(&self, path: &str) -> Result<String, Error> {
        let mirror = match self.mirror.get() {
            Some(mirror) => mirror,
            None => {
                let found = self.find_mirror()?;
                self.mirror.get_or_init(|| found)
            }
        };
        Ok(format!("{mirror}/{}", encode(path)))
    }

    /// The file `path` of the mirror, which must have this digest and size: the copy that is kept, else a download.
    ///
    /// # Errors
    /// [`Error::Download`] and [`Error::Mismatch`]; nothing is kept then.
    pub fn file(&self, path: &str, digest: &Digest, size: u64) -> Result<PathBuf, Error> {
        let kept = self.directory.join(digest.hex());
        let found = File::open(&kept).and_then(|mut kept| digest_of(&mut kept));
        if found.is_ok_and(|found| found == (*digest, size)) {
            return Ok(kept);
        }
        let url = self.url(path)?;
        let (name, file) = new_file(&self.directory).map_err(io_at("create a file in", &self.directory))?;
        let mut download = Download {
            file,
            hasher: Hasher::new(),
            size: 0,
        };
        let result = self.get(&url, size, &mut download).and_then(|()| {
            let found = (std::mem::take(&mut download.hasher).finish(), download.size);
            let shown = |(digest, size): (Digest, u64)| format!("{digest} and {size} bytes");
            match found == (*digest, size) {
                true => Ok(()),
                false => Err(Error::Mismatch {
                    url,
                    expected: shown((*digest, size)),
                    found: shown(found),
                }),
            }
        });
        let result = result.and_then(|()| {
            download
                .file
                .sync_all()
                .and_then(|()| fs::rename(&name, &kept))
                .map_err(io_at("write", &kept))
        });
        if result.is_err() {
            // What is left of a failed download is worth nothing; that it stays would be no second error.
            let _ = fs::remove_file(&name);
        }
        result.map(|()| kept)
    }

    /// The document `path` of the mirror, whose digest nobody knows, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Error::Download`].
    pub fn document(&self, path: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let mut document = Document(Vec::new());
        self.get(&self.url(path)?, limit, &mut document)?;
        Ok(document.0)
    }

    fn get(&self, url: &str, limit: u64, sink: &mut dyn Sink) -> Result<(), Error> {
        self.http
            .download(url, &[], limit, sink)
            .map(|_| ())
            .map_err(|error| {
                let gone = matches!(
                    error,
                    ironkit_oci::Error::Status {
                        status: 404 | 410,
                        ..
                    }
                );
                Error::Download {
                    url: url.to_owned(),
                    reason: error.to_string(),
                    gone,
                }
            })
    }

    fn find_mirror(&self) -> Result<String, Error> {
        if let Some(mirror) = &self.machine.mirror {
            return Ok(mirror.trim_end_matches('/').to_owned());
        }
        let found = apt::mirror(&self.machine.apt).map_err(io_at("read", &self.machine.apt))?;
        found.ok_or_else(|| {
            let apt = self.machine.apt.display();
            Error::NoMirror {
                tried: format!("none was given and {apt} names no Debian archive"),
            }
        })
    }
}

/// A new file that only this process has a name for.
pub fn new_file(directory: &Path) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let name = format!(
            "tmp-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = directory.join(name);
        match File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
        {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Digest and size of what is left of a stream.
pub fn digest_of(stream: &mut dyn Read) -> io::Result<(Digest, u64)> {
    let mut hasher = Hasher::new();
    let size = io::copy(stream, &mut hasher)?;
    Ok((hasher.finish(), size))
}

struct Download {
    file: File,
    hasher: Hasher,
    size: u64,
}

struct Document(Vec<u8>);

impl Sink for Download {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    fn restart(&mut self) -> io::Result<()> {
        use io::Seek;
        self.hasher = Hasher::new();
        self.size = 0;
        self.file.rewind()?;
        self.file.set_len(0)
    }
}

impl Sink for Document {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.0.clear();
        Ok(())
    }
}

/// Versions have characters (`+`, `~`, `:`) that some mirrors want escaped.
fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_escaped() {
        assert_eq!(
            encode("pool/main/n/nginx_1.2+deb~1_amd64.deb"),
            "pool/main/n/nginx_1.2%2Bdeb~1_amd64.deb"
        );
    }
}
