//! Just enough HTTP to ask a machine's web server for a page.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// A server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The status line and the headers, as they came.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value; its name is compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.trim()))
    }
}

/// Asks `port` of this machine for `path`, again and again until it answers.
///
/// # Panics
/// With the last failure, if there is no answer within `limit`.
#[track_caller]
pub fn http_get(port: u16, path: &str, limit: Duration) -> Response {
    let deadline = Instant::now() + limit;
    // A machine that is still starting may accept a connection and never answer it. A slow one may need a while.
    let mut patience = Duration::from_secs(1);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let error = match ask(port, path, patience.min(left.max(Duration::from_millis(10)))) {
            Ok(response) => return response,
            Err(error) => error,
        };
        assert!(
            !left.is_zero(),
            "no answer from port {port} for {path} after {limit:?}: {error}"
        );
        if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
            patience *= 2;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A port of loopback that nothing uses at the moment.
///
/// # Panics
/// If there is none left.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

fn ask(port: u16, path: &str, patience: Duration) -> io::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    // Version 1.0: the body ends with the connection, and is never in chunks.
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost:{port}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP or is cut off"))
}

fn parse(bytes: &[u8]) -> Option<Response> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let response = Response {
        status,
        head,
        body: bytes[end + 4..].to_vec(),
    };
    match response.header("content-length").map(str::parse::<usize>) {
        Some(Ok(length)) if length != response.body.len() => None,
        _ => Some(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let good = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi";
        let response = parse(good).unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "hi"));
        assert_eq!(
            (response.header("SERVER"), response.header("HTTP/1.1 200 OK")),
            (Some("x"), None)
        );
        assert_eq!(parse(b"HTTP/1.0 404 Not Found\r\n\r\n").unwrap().status, 404);
        for bad in [
            &b""[..],
            b"hello",
            &good[..20],
            &good[..good.len() - 1],
            b"HTTP/1.1 x\r\n\r\n",
        ] {
            assert_eq!(parse(bad), None);
        }
    }

    #[test]
    fn a_server_that_needs_a_while_is_asked_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            // The first two connections are closed without an answer.
            for answer in [&b""[..], b"HTT", b"HTTP/1.1 200 OK\r\n\r\npage"] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 1024];
                let count = stream.read(&mut request).unwrap();
                assert!(request[..count].starts_with(b"GET /index.html HTTP/1.0\r\n"));
                stream.write_all(answer).unwrap();
            }
        });
        assert_eq!(
            http_get(port, "/index.html", Duration::from_secs(20)).text(),
            "page"
        );
        server.join().unwrap();
    }

    #[test]
    fn nobody_answers() {
        let port = free_port();
        assert!(std::panic::catch_unwind(|| http_get(port, "/", Duration::from_millis(50))).is_err());
    }
}
