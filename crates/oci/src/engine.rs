//! Images out of a container engine: the few requests of Docker's API that this takes, over the engine's Unix socket.
//! Podman's socket speaks the same. Requests that change anything in the engine are not made.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::archive::{ImportOptions, import};
use crate::store::{Image, Lookup};
use crate::{Digest, Error, Platform, Reference, Result, Store};

/// Where Docker listens when nothing is said.
const SOCKET: &str = "/var/run/docker.sock";
/// Most bytes of a response's head, and of a description of an image; Docker's have some ten KiB.
const SMALL_MAX: u64 = 1 << 20;
/// Most bytes of an image's archive: larger images do not fit into a machine's memory.
const ARCHIVE_MAX: u64 = 64 << 30;

/// How long an engine may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineLimits {
    /// For nothing at all to come: an engine prepares a large archive before it sends the first byte.
    pub silence: Duration,
    /// For one request as a whole.
    pub whole: Duration,
}

impl Default for EngineLimits {
    fn default() -> EngineLimits {
        EngineLimits {
            silence: Duration::from_secs(30),
            whole: Duration::from_secs(600),
        }
    }
}

/// A container engine on this machine. Nothing is contacted before something is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    host: String,
    limits: EngineLimits,
}

/// What an engine says of an image.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Described {
    id: String,
    os: String,
    architecture: String,
}

impl Engine {
    /// The engine at `host`, which is what `DOCKER_HOST` says: `unix:///run/user/1000/podman/podman.sock`. Without one it
    /// is Docker's usual socket.
    pub fn new(host: Option<String>, limits: EngineLimits) -> Engine {
        let host = host.unwrap_or_else(|| format!("unix://{SOCKET}"));
        Engine { host, limits }
    }

    /// What identifies the engine's image of that name, if it has one for `platform`: the digest of its configuration, or
    /// of its manifest or index.
    ///
    /// # Errors
    /// [`Error::Engine`]: also when there is no such image, or one for another platform.
    pub fn find(&self, reference: &Reference, platform: &Platform) -> Result<Digest> {
        if reference.digest().is_some() {
            // What `docker save` writes is not what the registry's digest is of.
            return Err(self.error("it cannot prove the digest that the name is pinned to"));
        }
        let path = format!("/images/{}/json", reference.or_latest());
        let mut body = Vec::new();
        self.get(&path)?
            .take(SMALL_MAX)
            .read_to_end(&mut body)
            .map_err(|error| self.error(error))?;
        let image: Described = serde_json::from_slice(&body).map_err(|error| self.error(error))?;
        let other = |there: &str, wanted: &str| !there.is_empty() && there != wanted;
        if other(&image.architecture, &platform.architecture) || other(&image.os, &platform.os) {
            let there = format!("{}/{}", image.os, image.architecture);
            return Err(self.error(format!("its image is for {there}, not for {platform}")));
        }
        let id = image.id.parse();
        id.map_err(|_| self.error(format!("`{}` is no image's digest", image.id)))
    }

    /// Copies the engine's image into the store, under its name.
    ///
    /// # Errors
    /// [`Error::Engine`], and those of the store.
    pub fn load(&self, store: &Store, reference: &Reference, platform: &Platform) -> Result<Image> {
        let archive = self.get(&format!("/images/{}/get", reference.or_latest()))?;
        let options = ImportOptions {
            name: Some(reference.clone()),
        };
        import(store, archive.take(ARCHIVE_MAX), &options)?;
        match store.lookup(reference, platform)? {
            Lookup::Found(image) => Ok(*image),
            _ => Err(self.error(format!("what it sent has no image for {platform}"))),
        }
    }

    fn error(&self, reason: impl ToString) -> Error {
        Error::Engine {
            engine: self.host.clone(),
            reason: reason.to_string(),
        }
    }

    /// The body of what is at `path`.
    fn get(&self, path: &str) -> Result<impl Read + use<>> {
        let socket = match self.host.strip_prefix("unix://") {
            Some(socket) if socket.starts_with('/') => PathBuf::from(socket),
            _ => return Err(self.error("only Unix sockets are used: unix:///PATH")),
        };
        let fail = |error: io::Error| self.error(error);
        let stream = UnixStream::connect(socket).map_err(fail)?;
        stream
            .set_write_timeout(Some(self.limits.silence))
            .map_err(fail)?;
        let mut stream = Timed {
            stream,
            silence: self.limits.silence,
            deadline: Instant::now() + self.limits.whole,
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.stream.write_all(request.as_bytes()).map_err(fail)?;
        let mut reader = BufReader::with_capacity(64 << 10, stream);
        let head = head(&mut reader).map_err(fail)?;
        match head.status {
            200 => Ok(Body {
                reader,
                framing: head.framing,
            }),
            404 => Err(self.error("it has no such image")),
            status => Err(self.error(format!("it answers with status {status}"))),
        }
    }
}

/// A socket that neither stays silent nor talks for ever.
struct Timed {
    stream: UnixStream,
    silence: Duration,
    deadline: Instant,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it takes too long"));
        }
        self.stream.set_read_timeout(Some(left.min(self.silence)))?;
        self.stream.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock if left > self.silence => {
                io::Error::new(io::ErrorKind::TimedOut, "it says nothing")
            }
            io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "it takes too long"),
            _ => error,
        })
    }
}

/// How a body ends (RFC 9112, section 6).
enum Framing {
    /// After so many bytes.
    Length(u64),
    /// In chunks, of whose current one so many bytes are missing.
    Chunks(u64),
    /// With the connection, or not at all any more.
    Close,
    /// It has ended.
    Ended,
}

struct Head {
    status: u16,
    framing: Framing,
}

/// Reads the head of a response (RFC 9112, sections 4 and 5).
fn head(reader: &mut impl BufRead) -> io::Result<Head> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut reader = reader.take(SMALL_MAX);
    let first = line(&mut reader)?;
    let status = first
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1)?.parse().ok())
        .ok_or_else(|| wrong("what it answers is not HTTP"))?;
    let mut framing = Framing::Close;
    loop {
        let line = line(&mut reader)?;
        if line.is_empty() {
            return Ok(Head { status, framing });
        }
        let (name, value) = line.split_once(':').ok_or_else(|| wrong("a header is wrong"))?;
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            // Chunks count more than a length, whichever stands first.
            ("transfer-encoding", "chunked") => framing = Framing::Chunks(0),
            ("transfer-encoding", other) => return Err(wrong(&format!("transfer encoding `{other}`"))),
            ("content-length", value) if matches!(framing, Framing::Close) => {
                let length = value.parse().map_err(|_| wrong("its length is not a number"))?;
                framing = Framing::Length(length);
            }
            _ => {}
        }
    }
}

/// A line without its end.
fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.take(SMALL_MAX).read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.strip_suffix('\r').unwrap_or(line).to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The body of a response.
struct Body<R> {
    reader: R,
    framing: Framing,
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if let Framing::Chunks(0) = self.framing {
            let size = chunk(&mut self.reader)?;
            self.framing = if size == 0 {
                Framing::Ended
            } else {
                Framing::Chunks(size)
            };
        }
        let left = match self.framing {
            Framing::Ended | Framing::Length(0) => return Ok(0),
            Framing::Close => return self.reader.read(buffer),
            Framing::Length(left) | Framing::Chunks(left) => left,
        };
        let limit = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.reader.read(&mut buffer[..limit])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let left = left - count as u64;
        match &mut self.framing {
            Framing::Length(length) => *length = left,
            Framing::Chunks(size) => {
                *size = left;
                if left == 0 {
                    // The line break that ends a chunk.
                    line(&mut self.reader)?;
                }
            }
            Framing::Close | Framing::Ended => {}
        }
        Ok(count)
    }
}

/// The size of the next chunk; 0 is the last (RFC 9112, section 7.1). Extensions say nothing.
fn chunk(reader: &mut impl BufRead) -> io::Result<u64> {
    let line = line(reader)?;
    let digits = line.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the size of a chunk is not a number"))
}
