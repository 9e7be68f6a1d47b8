//! `serve`: the files of a directory over HTTP, for machines that boot from the network.
//!
//! It reads, and nothing else: GET and HEAD, one request a connection, no listing of directories. Requests are bounded in
//! size and time, connections in number, and nothing outside of the directory can be reached, by symbolic links neither.

mod request;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use crate::{Error, Result};
use request::{HEADER_MAX, Refusal, Request};

/// Connections at once. More have to wait.
const CONNECTIONS_MAX: usize = 64;
/// A request is there within this time, or not at all.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// A client that takes nothing for so long has gone away.
const STALL_TIME: Duration = Duration::from_secs(30);
/// What is left of a request that was refused is read for at most so long, so that the client sees the answer.
const LINGER_TIME: Duration = Duration::from_secs(1);
/// Files are sent in pieces of this many bytes.
const BUFFER: usize = 64 * 1024;

/// A server that has its address and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    directory: OwnedFd,
}

/// Hears of each request that was answered: a line.
pub type Log<'a> = &'a (dyn Fn(&str) + Sync);

impl Server {
    /// Listens at `address`, in Go's spelling: `:8080` is a port of all addresses.
    ///
    /// # Errors
    /// An address that is none or is taken, and a directory that cannot be read.
    pub fn new(address: &str, directory: &Path) -> Result<Server> {
        let usage = |message: String| Error::Usage {
            message,
            hint: "give a port, or an address and a port: --port :8080, --port 127.0.0.1:8080".to_owned(),
        };
        let address = match address.strip_prefix(':') {
            Some(port) => format!("[::]:{port}"),
            None if address.bytes().all(|byte| byte.is_ascii_digit()) => format!("[::]:{address}"),
            None => address.to_owned(),
        };
        let listen = TcpListener::bind(&address).or_else(|error| match address.strip_prefix("[::]") {
            // A computer without IPv6.
            Some(port) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind(format!("0.0.0.0{port}"))
            }
            _ => Err(error),
        });
        let listener = listen.map_err(|error| usage(format!("cannot listen at {address}: {error}")))?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(directory, flags, Mode::empty());
        Ok(Server {
            listener,
            directory: opened.map_err(|error| Error::Read {
                path: directory.to_owned(),
                source: error.into(),
            })?,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Those of the system.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers, for as long as the program runs.
    pub fn run(&self, log: Log) {
        let gate = &Gate::default();
        std::thread::scope(|scope| {
            loop {
                gate.enter();
                // A connection that was gone again, or too many open files: others may do better.
                let Ok((stream, client)) = self.listener.accept() else {
                    gate.leave();
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                };
                let work = move || {
                    // A client that goes away is nobody's error.
                    let _ = self.answer(stream, client, log);
                    gate.leave();
                };
                if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    gate.leave();
                }
            }
        });
    }

    fn answer(&self, mut stream: TcpStream, client: SocketAddr, log: Log) -> io::Result<()> {
        stream.set_write_timeout(Some(STALL_TIME))?;
        let head = match read_head(&mut stream)? {
            Some(head) => Request::parse(&head),
            None => Err(Refusal::TooLarge),
        };
        let (status, name) = match &head {
            Ok(request) => {
                let status = self.send(&mut stream, request)?;
                (status, request.shown())
            }
            Err(refusal) => {
                refuse(&mut stream, *refusal)?;
                (refusal.status(), String::new())
            }
        };
        log(&format!("{} {status} {name}", client.ip()));
        Ok(())
    }

    /// Sends what is asked for, and tells the status.
    fn send(&self, stream: &mut TcpStream, request: &Request) -> io::Result<u16> {
        let Some((mut file, size)) = self.open(&request.path) else {
            refuse(stream, Refusal::NotFound)?;
            return Ok(404);
        };
        let (start, count) = match request.range {
            None => (0, size),
            Some(range) => match range.within(size) {
                Some(range) => range,
                None => {
                    let head =
                        format!("HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{size}\r\n");
                    finish(stream, &head, 0)?;
                    return Ok(416);
                }
            },
        };
        let (status, head) = match request.range {
            None => (200, "HTTP/1.1 200 OK\r\n".to_owned()),
            Some(_) => {
                let last = start + count - 1;
                let range = format!("Content-Range: bytes {start}-{last}/{size}\r\n");
                (206, format!("HTTP/1.1 206 Partial Content\r\n{range}"))
            }
        };
        let kind = media_type(&request.path);
        let head = format!("{head}Accept-Ranges: bytes\r\nContent-Type: {kind}\r\n");
        finish(stream, &head, count)?;
        if request.with_body {
            file.seek(SeekFrom::Start(start))?;
            let mut left = file.take(count);
            let mut buffer = vec![0; BUFFER];
            loop {
                match left.read(&mut buffer)? {
                    // A file that became shorter meanwhile: the client sees that bytes are missing.
                    0 => break,
                    read => stream.write_all(&buffer[..read])?,
                }
            }
        }
        Ok(status)
    }

    /// A file below the directory, or the `index.html` of a directory, and its size.
    fn open(&self, path: &str) -> Option<(File, u64)> {
        let path = if path.is_empty() { "." } else { path };
        // A pipe is opened without waiting for who writes into it.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let open = |path: &str| openat2(&self.directory, path, flags, Mode::empty(), within).map(File::from);
        let mut file = open(path).ok()?;
        if file.metadata().ok()?.is_dir() {
            file = open(&format!("{path}/index.html")).ok()?;
        }
        let metadata = file.metadata().ok()?;
        metadata.is_file().then_some((file, metadata.len()))
    }
}

/// The request up to its empty line; `None` when it is too long.
fn read_head(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let deadline = Instant::now() + REQUEST_TIME;
    let mut head = Vec::new();
    let mut buffer = [0; 2048];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let seen = head.len().saturating_sub(3);
        head.extend_from_slice(&buffer[..read]);
        if let Some(end) = head[seen..].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            head.truncate(seen + end);
            return Ok(Some(head));
        }
        if head.len() > HEADER_MAX {
            return Ok(None);
        }
    }
}

/// The end of an answer's head.
fn finish(stream: &mut TcpStream, head: &str, length: u64) -> io::Result<()> {
    let end = format!("Content-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(format!("{head}{end}").as_bytes())
}

fn refuse(stream: &mut TcpStream, refusal: Refusal) -> io::Result<()> {
    let (status, reason) = (refusal.status(), refusal.reason());
    let mut head = format!("HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n");
    if refusal == Refusal::Method {
        head += "Allow: GET, HEAD\r\n";
    }
    let text = format!("{reason}\n");
    finish(stream, &head, text.len() as u64)?;
    stream.write_all(text.as_bytes())?;
    match refusal {
        Refusal::NotFound => Ok(()),
        _ => linger(stream),
    }
}

/// Takes what the client still sends: a connection that is closed before would take the answer with it.
fn linger(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown(std::net::Shutdown::Write)?;
    let deadline = Instant::now() + LINGER_TIME;
    let mut buffer = [0; 2048];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        if stream.read(&mut buffer)? == 0 {
            return Ok(());
        }
    }
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, end)| end) {
        None | Some("ipxe" | "txt" | "yml") => "text/plain; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("json") => "application/json",
        Some(_) => "application/octet-stream",
    }
}

/// Lets so many in at once.
#[derive(Default)]
struct Gate {
    inside: Mutex<usize>,
    left: Condvar,
}

impl Gate {
    fn enter(&self) {
        let mut inside = self.lock();
        while *inside >= CONNECTIONS_MAX {
            inside = self.left.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        *inside += 1;
    }

    fn leave(&self) {
        *self.lock() -= 1;
        self.left.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
