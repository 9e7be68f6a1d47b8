//! Images out of a container engine: one that answers as Docker does, and ones that do not.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ironkit_oci::{ArchiveFormat, Engine, EngineLimits, ExportOptions, Reference, export};
use support::{Codec, amd64, image, noise, open, reference};

const NAME: &str = "docker.io/org/some:1.2";
const LIMITS: EngineLimits = EngineLimits {
    silence: Duration::from_millis(300),
    whole: Duration::from_secs(2),
};

/// An engine on a socket; `answer` writes the response to a path. The second value is the paths that were asked for.
fn engine(
    socket: &Path,
    answer: impl Fn(&str, &mut UnixStream) + Send + 'static,
) -> (Engine, Arc<Mutex<Vec<String>>>) {
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket).expect("a socket");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
            let request = lines.next().expect("a request").expect("a line");
            while !lines.next().expect("a head").expect("a line").is_empty() {}
            let path = request.split(' ').nth(1).expect("a path").to_owned();
            log.lock().expect("a log").push(path.clone());
            answer(&path, &mut stream);
        }
    });
    let host = format!("unix://{}", socket.display());
    (Engine::new(Some(host), LIMITS), asked)
}

fn send(stream: &mut UnixStream, bytes: &[u8]) {
    // The other side may have had enough.
    let _ = stream.write_all(bytes);
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for part in body.chunks(7001) {
        bytes.extend(format!("{:x};x=y\r\n", part.len()).as_bytes());
        bytes.extend(part);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn until_close(body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.0 200 OK\r\n\r\n", body].concat()
}

/// A `docker save` archive, and the description of its image.
fn saved(folder: &Path, architecture: &str) -> (Vec<u8>, String) {
    let store = open(&folder.join("engine"));
    image("amd64", &[("a", &noise(50_000, 1), Codec::Gzip)]).put(&store, &reference(NAME));
    let mut archive = Vec::new();
    let options = ExportOptions {
        format: ArchiveFormat::Docker,
        name: None,
    };
    export(&store, &reference(NAME), &amd64(), &options, &mut archive).expect("an archive");
    let found = store.find(&reference(NAME), &amd64()).expect("readable");
    let id = found.expect("an image").config_digest;
    let described =
        format!(r#"{{"Id": "{id}", "Os": "linux", "Architecture": "{architecture}", "More": 1}}"#);
    (archive, described)
}

#[test]
fn an_image_comes_out_of_the_engine() {
    for (way, frame) in [
        ("chunked", chunked as fn(&[u8]) -> Vec<u8>),
        ("with a length", with_length),
        ("until the end", until_close),
    ] {
        let folder = tempfile::tempdir().expect("a directory");
        // One that does not say its architecture is taken.
        let architecture = if way == "chunked" { "amd64" } else { "" };
        let (archive, described) = saved(folder.path(), architecture);
        let (engine, asked) = engine(&folder.path().join("socket"), move |path, stream| {
            let body = if path.ends_with("/json") {
                described.as_bytes()
            } else {
                &archive
            };
            send(stream, &frame(body));
        });
        let store = open(&folder.path().join("store"));
        let name = reference(NAME);
        let id = engine.find(&name, &amd64()).expect(way);
        let image = engine.load(&store, &name, &amd64()).expect(way);
        assert_eq!((image.config_digest, &image.name), (id, &name), "{way}");
        assert_eq!(store.find(&name, &amd64()).expect(way), Some(image), "{way}");
        let asked = asked.lock().expect("a log").clone();
        let expect = ["json", "get"].map(|what| format!("/images/{NAME}/{what}"));
        assert_eq!(asked, expect, "{way}");
    }
}

#[test]
fn an_engine_that_does_not_give_an_image_says_why() {
    let folder = tempfile::tempdir().expect("a directory");
    let pinned: Reference = format!("{NAME}@sha256:{}", "0".repeat(64))
        .parse()
        .expect("a name");
    let find = |engine: &Engine, name: &Reference| {
        let begin = Instant::now();
        let error = engine.find(name, &amd64()).expect_err("no image").to_string();
        assert!(
            begin.elapsed() < 2 * LIMITS.whole,
            "{error}: {:?}",
            begin.elapsed()
        );
        error
    };
    let check = |engine: &Engine, expect: &str| {
        let error = find(engine, &reference(NAME));
        assert!(error.contains(expect), "{error}, not {expect}");
    };
    let at = |host: &str| Engine::new(Some(host.to_owned()), LIMITS);
    check(&at("unix:///nowhere/at/all"), "No such file");
    check(&at("tcp://127.0.0.1:2375"), "only Unix sockets");
    check(&at("unix://relative"), "only Unix sockets");
    let socket = folder.path().join("socket");
    for (answer, expect) in [
        (
            with_length(br#"{"Id": "sha256:0", "Architecture": "amd64"}"#),
            "is no image's digest",
        ),
        (
            with_length(br#"{"Os": "linux", "Architecture": "arm64"}"#),
            "for linux/arm64, not for linux/amd64",
        ),
        (with_length(br#"{"Os": "windows"}"#), "for windows/"),
        (with_length(b"nope"), "expected ident"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec(), "no such image"),
        (b"HTTP/1.1 500 Oh\r\n\r\n".to_vec(), "status 500"),
        (b"SSH-2.0-x\r\n".to_vec(), "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Le".to_vec(), "end of file"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec(),
            "end of file",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: -9\r\n\r\n{".to_vec(),
            "not a number",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n".to_vec(),
            "size of a chunk",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n".to_vec(),
            "transfer encoding `gzip`",
        ),
        (vec![b'x'; 3 << 20], "end of file"),
        (until_close(&vec![b' '; 3 << 20]), "EOF"),
    ] {
        let (engine, _) = engine(&socket, move |_, stream| send(stream, &answer));
        check(&engine, expect);
        assert!(find(&engine, &pinned).contains("pinned"));
    }
    // Silence, and drops that never end.
    let (silent, _) = engine(&socket, |_, _| std::thread::sleep(Duration::from_secs(3)));
    check(&silent, "says nothing");
    let (dripping, _) = engine(&socket, |_, stream| {
        while stream.write_all(b"H").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    check(&dripping, "takes too long");
}

#[test]
fn an_archive_that_breaks_off_gives_nothing_a_name() {
    let folder = tempfile::tempdir().expect("a directory");
    let (archive, _) = saved(folder.path(), "amd64");
    for at in [0, 10, 1000, archive.len() / 2] {
        let answer = chunked(&archive);
        let (engine, _) = engine(&folder.path().join("socket"), move |_, stream| {
            send(stream, &answer[..at.min(answer.len())]);
        });
        let store = open(&folder.path().join(format!("store{at}")));
        engine
            .load(&store, &reference(NAME), &amd64())
            .expect_err("a broken archive");
        assert_eq!(store.images().expect("a list"), [], "after {at} bytes");
    }
}
