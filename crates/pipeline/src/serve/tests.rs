//! A server on loopback, and clients that are not always nice.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use super::Server;

/// A server that answers until the test's process ends.
fn server(directory: &Path) -> SocketAddr {
    let server = Server::new("127.0.0.1:0", directory).unwrap();
    let address = server.address().unwrap();
    std::thread::spawn(move || server.run(&|_| {}));
    address
}

/// Says `request`, and returns the answer.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    // One that is refused early may not be taken to its end.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(address: SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(path("inside/empty")).unwrap();
    std::fs::write(path("secret"), "secret").unwrap();
    std::fs::write(path("inside/a b.ipxe"), "0123456789").unwrap();
    std::fs::write(path("inside/index.html"), "home").unwrap();
    std::os::unix::fs::symlink("../secret", path("inside/up")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", path("inside/passwd")).unwrap();
    std::os::unix::fs::symlink("a b.ipxe", path("inside/link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path("inside/pipe"), rustix::fs::Mode::RUSR).unwrap();
    folder
}

#[test]
fn files_and_their_parts() {
    let folder = folder();
    let address = server(&folder.path().join("inside"));
    let answer = get(address, "/a%20b.ipxe");
    assert_eq!(
        answer,
        "HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: 10\r\nConnection: close\r\n\r\n0123456789"
    );
    assert!(get(address, "/").ends_with("\r\n\r\nhome"));
    assert!(get(address, "/link").ends_with("\r\n\r\n0123456789"));
    let head = ask(address, "HEAD /link HTTP/1.0\r\n\r\n");
    assert!(
        head.contains("Content-Length: 10\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let part = ask(address, "GET /link HTTP/1.1\r\nRange: bytes=2-4\r\n\r\n");
    assert!(
        part.starts_with("HTTP/1.1 206 ") && part.ends_with("\r\n\r\n234"),
        "{part}"
    );
    assert!(part.contains("Content-Range: bytes 2-4/10\r\n"), "{part}");
    let none = ask(address, "GET /link HTTP/1.1\r\nRange: bytes=10-\r\n\r\n");
    assert!(
        none.starts_with("HTTP/1.1 416 ") && none.contains("bytes */10\r\n"),
        "{none}"
    );
}

#[test]
fn refusals() {
    let folder = folder();
    let address = server(&folder.path().join("inside"));
    for path in ["/none", "/up", "/passwd", "/empty", "/pipe", "/link/x", "/secret"] {
        let answer = get(address, path);
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
    for (request, status) in [
        ("GET /../secret HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("PUT /x HTTP/1.1\r\n\r\n".to_owned(), 405),
        ("GET /x HTTP/3\r\n\r\n".to_owned(), 505),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(5000)), 404),
        (format!("GET /{}", "x".repeat(100_000)), 431),
    ] {
        let answer = ask(address, &request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{status}: {answer}"
        );
    }
    // One that says nothing and goes away, and one that is answered in spite of it.
    drop(TcpStream::connect(address).unwrap());
    assert!(get(address, "/").starts_with("HTTP/1.1 200 "));
}

#[test]
fn many_at_once() {
    let folder = folder();
    let address = server(&folder.path().join("inside"));
    let idle: Vec<TcpStream> = (0..super::CONNECTIONS_MAX - 1)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    assert!(get(address, "/").starts_with("HTTP/1.1 200 "));
    drop(idle);
    assert!(get(address, "/").starts_with("HTTP/1.1 200 "));
}

#[test]
fn addresses() {
    let folder = tempfile::tempdir().unwrap();
    for address in [":0", "0", "127.0.0.1:0", "localhost:0"] {
        assert!(Server::new(address, folder.path()).is_ok(), "{address}");
    }
    for address in ["", ":", "nowhere", "1.2.3.4.5:1", ":70000"] {
        assert!(Server::new(address, folder.path()).is_err(), "{address}");
    }
    assert!(Server::new(":0", &folder.path().join("none")).is_err());
}
