//! A registry of a few lines that does what it should not.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::Made;

/// What happens to a request, once; then the next of the list, then all goes well.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing.
    None,
    /// Another status, with a header line in which `{host}` is this server.
    Status(u16, &'static str),
    /// The body ends after so many bytes, though more were announced.
    Cut(usize),
    /// One byte of the body is another.
    Flip,
    /// The body stops after so many bytes and the connection stays open.
    Stall(usize),
    /// A byte now and then.
    Drip,
    /// More bytes than there should be, without an end.
    Endless,
    /// No answer at all.
    Silence,
    /// To another path, which is served.
    Redirect,
    /// The range in the request is ignored.
    NoRange,
    /// Close at once.
    HangUp,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
}

/// All requests.
pub type Log = Arc<Mutex<Vec<Request>>>;

/// A running server.
pub struct Server {
    pub host: String,
    pub log: Log,
    pub pushed: Arc<Mutex<Pushed>>,
}

/// What was sent to the server.
#[derive(Debug, Default)]
pub struct Pushed {
    /// By path and name: `a/repo/manifests/tag`, `a/repo/blobs/sha256:…`.
    pub done: BTreeMap<String, Vec<u8>>,
    /// Uploads that were begun.
    pub begun: Vec<Vec<u8>>,
    /// Blobs that were taken from another repository.
    pub mounted: usize,
}

impl Server {
    /// How often something was asked with this method for a path with this in it.
    pub fn count(&self, method: &str, part: &str) -> usize {
        let log = self.log.lock().expect("log");
        let fits = |request: &&Request| request.method == method && request.path.contains(part);
        log.iter().filter(fits).count()
    }

    /// What was put under a path.
    pub fn got(&self, path: &str) -> Option<Vec<u8>> {
        self.pushed.lock().expect("pushed").done.get(path).cloned()
    }
}

/// Serves an image as repository `repo`, tag `tag`. `faults` are by a part of the path.
pub fn serve(made: &Made, faults: &[(&str, Vec<Fault>)]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    let log = Log::default();
    let faults: Vec<_> = faults
        .iter()
        .map(|(part, list)| ((*part).to_owned(), list.clone()))
        .collect();
    let state = Arc::new(State {
        host: host.clone(),
        made: made.clone(),
        faults: Mutex::new(faults),
        log: log.clone(),
        pushed: Arc::default(),
    });
    let pushed = state.pushed.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let state = state.clone();
            thread::spawn(move || {
                // A client that is gone is what many of these tests are about.
                let _ = state.connection(stream);
            });
        }
    });
    Server { host, log, pushed }
}

struct State {
    host: String,
    made: Made,
    faults: Mutex<Vec<(String, Vec<Fault>)>>,
    log: Log,
    pushed: Arc<Mutex<Pushed>>,
}

impl State {
    fn connection(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut stream = stream;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let method = line.split(' ').next().unwrap_or_default().to_owned();
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            let mut headers = BTreeMap::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line)?;
                let Some((key, value)) = line.trim().split_once(':') else {
                    break;
                };
                headers.insert(key.to_ascii_lowercase(), value.trim().to_owned());
            }
            let range = headers.get("range").cloned();
            let authorization = headers.get("authorization").cloned();
            let request = Request {
                method: method.clone(),
                path: path.clone(),
                range: range.clone(),
                authorization,
            };
            self.log.lock().expect("log").push(request);
            let length = headers
                .get("content-length")
                .and_then(|length| length.parse().ok());
            let body = (&mut reader).take(length.unwrap_or(0));
            match method.as_str() {
                "GET" if !path.contains("uploads/") => self.answer(&mut stream, &path, range)?,
                method => self.change(&mut stream, method, &path, headers.get("content-range"), body)?,
            }
        }
    }

    fn fault(&self, path: &str) -> Fault {
        let mut faults = self.faults.lock().expect("faults");
        match faults
            .iter_mut()
            .find(|(part, list)| path.contains(part.as_str()) && !list.is_empty())
        {
            Some((_, list)) => list.remove(0),
            None => Fault::None,
        }
    }

    /// Uploads, and questions about what is there.
    fn change(
        &self,
        stream: &mut TcpStream,
        method: &str,
        path: &str,
        range: Option<&String>,
        mut body: impl Read,
    ) -> std::io::Result<()> {
        let fault = self.fault(&format!("{method} {path}"));
        let mut bytes = Vec::new();
        if let Fault::Cut(at) = fault {
            body.take(at as u64).read_to_end(&mut bytes)?;
        } else if !matches!(fault, Fault::Stall(_)) {
            body.read_to_end(&mut bytes)?;
        }
        let (plain, query) = path.split_once('?').unwrap_or((path, ""));
        let name = plain.trim_start_matches("/v2/").to_owned();
        let mut pushed = self.pushed.lock().expect("pushed");
        let upload: Option<usize> = plain.rsplit_once("uploads/").and_then(|(_, id)| id.parse().ok());
        if let (Some(id), "PATCH") = (upload, method) {
            let at: usize = range
                .and_then(|range| range.split('-').next()?.parse().ok())
                .unwrap_or(0);
            pushed.begun[id].truncate(at);
            pushed.begun[id].extend(&bytes);
        }
        match fault {
            Fault::Cut(_) | Fault::HangUp => return stream.shutdown(std::net::Shutdown::Both),
            Fault::Stall(_) | Fault::Silence => {
                drop(pushed);
                thread::sleep(Duration::from_secs(120));
                return Ok(());
            }
            Fault::Status(status, header) => {
                let header = header.replace("{host}", &self.host);
                return write!(
                    stream,
                    "HTTP/1.1 {status} No\r\n{header}Content-Length: 0\r\n\r\n"
                );
            }
            _ => {}
        }
        let repository = name.split("/blobs/").next().unwrap_or_default().to_owned();
        let of = |id: usize| format!("Location: /v2/{repository}/blobs/uploads/{id}\r\n");
        let (status, header) = match (method, upload) {
            ("HEAD", _) => match pushed.done.get(&name) {
                Some(_) => (200, String::new()),
                None => (404, String::new()),
            },
            ("POST", _) if query.contains("mount=") => {
                pushed.mounted += 1;
                (201, String::new())
            }
            ("POST", _) => {
                pushed.begun.push(Vec::new());
                (202, of(pushed.begun.len() - 1))
            }
            ("GET", Some(id)) => {
                let last = pushed.begun[id].len().saturating_sub(1);
                (204, format!("{}Range: 0-{last}\r\n", of(id)))
            }
            ("PATCH", Some(id)) => (202, of(id)),
            ("PUT", Some(id)) => {
                let bytes = pushed.begun[id].clone();
                let digest = query.trim_start_matches("digest=").replace("%3A", ":");
                if ironkit_oci::Digest::of(&bytes).to_string() == digest {
                    pushed.done.insert(format!("{repository}/blobs/{digest}"), bytes);
                    (201, String::new())
                } else {
                    (400, String::new())
                }
            }
            ("PUT", None) => {
                pushed.done.insert(name, bytes);
                (201, String::new())
            }
            _ => (405, String::new()),
        };
        write!(
            stream,
            "HTTP/1.1 {status} Done\r\n{header}Content-Length: 0\r\n\r\n"
        )
    }

    fn answer(&self, stream: &mut TcpStream, path: &str, range: Option<String>) -> std::io::Result<()> {
        let fault = self.fault(&format!("GET {path}"));
        let root = self.made.root();
        let target = if path.starts_with("/token") {
            &path[1..]
        } else {
            path.rsplit('/').next().unwrap_or_default()
        };
        let found = match target {
            "" if path == "/v2/" => Some((b"{}".to_vec(), "application/json".to_owned())),
            token if token.starts_with("token?") => {
                Some((br#"{"token":"secret"}"#.to_vec(), "text/json".to_owned()))
            }
            "tag" | "latest" => Some((self.made.blobs[&root.digest].clone(), root.media_type.clone())),
            digest => {
                let digest = digest.parse().ok();
                let bytes = digest.and_then(|digest| self.made.blobs.get(&digest).cloned());
                bytes.map(|bytes| (bytes, "application/octet-stream".to_owned()))
            }
        };
        let Some((mut body, media_type)) = found else {
            return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        };
        let start = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let start: usize = start.filter(|_| !matches!(fault, Fault::NoRange)).unwrap_or(0);
        let whole = body.len();
        body.drain(..start.min(whole));
        let length = body.len();
        let head = match start {
            0 => format!("HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\n"),
            _ => format!(
                "HTTP/1.1 206 Partial\r\nContent-Range: bytes {start}-{}/{whole}\r\n",
                whole - 1
            ),
        };
        let announced = format!("{head}Content-Length: {length}\r\n\r\n");
        match fault {
            Fault::None | Fault::NoRange => {
                stream.write_all(announced.as_bytes())?;
                stream.write_all(&body)?;
            }
            Fault::Status(status, header) => {
                let header = header.replace("{host}", &self.host);
                write!(
                    stream,
                    "HTTP/1.1 {status} No\r\n{header}Content-Length: 0\r\n\r\n"
                )?;
            }
            Fault::Cut(at) => {
                stream.write_all(announced.as_bytes())?;
                stream.write_all(&body[..at.min(length)])?;
                stream.shutdown(std::net::Shutdown::Both)?;
            }
            Fault::Flip => {
                stream.write_all(announced.as_bytes())?;
                body[length / 2] ^= 1;
                stream.write_all(&body)?;
            }
            Fault::Stall(at) => {
                stream.write_all(announced.as_bytes())?;
                stream.write_all(&body[..at.min(length)])?;
                thread::sleep(Duration::from_secs(120));
            }
            Fault::Drip => {
                stream.write_all(announced.as_bytes())?;
                for byte in &body {
                    stream.write_all(&[*byte])?;
                    thread::sleep(Duration::from_millis(50));
                }
            }
            Fault::Endless => {
                write!(stream, "{head}Connection: close\r\n\r\n")?;
                loop {
                    stream.write_all(&[0; 65536])?;
                }
            }
            Fault::Silence => thread::sleep(Duration::from_secs(120)),
            Fault::Redirect => {
                write!(
                    stream,
                    "HTTP/1.1 307 Go\r\nLocation: /elsewhere/{target}\r\nContent-Length: 0\r\n\r\n"
                )?;
            }
            Fault::HangUp => stream.shutdown(std::net::Shutdown::Both)?,
        }
        stream.flush()
    }
}
