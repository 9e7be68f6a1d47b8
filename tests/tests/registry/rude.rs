//! A registry that breaks off, lies, or is out of order.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use ironkit_tests::layout::digest;
use ironkit_tests::{Sandbox, run, succeed};
use serde_json::Value;

use super::{architecture, blobs, layer, layout};

/// What a registry does with requests for the image's layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manners {
    /// Answers.
    Honest,
    /// Ends after half of what it promised.
    Truncates,
    /// Sends other bytes of the same length.
    Lies,
    /// Is out of order.
    Fails,
    /// Is out of order for the first request only.
    Recovers,
}

/// A registry of the layout in a folder, with one image: its address.
fn rude_registry(folder: &Path, manners: Arc<Mutex<Manners>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away is no concern of a registry.
            let _ = answer(stream, &folder, &manners);
        }
    });
    address
}

fn answer(mut stream: TcpStream, folder: &Path, manners: &Mutex<Manners>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or(Ok(String::new()))?;
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let path = request.split(' ').nth(1).unwrap_or_default();
    let wanted = path.rsplit('/').next().unwrap_or_default();
    let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json"))?)?;
    let root = index["manifests"][0]["digest"].as_str().unwrap_or_default();
    let name = if wanted == "1" { root } else { wanted };
    let body = fs::read(folder.join("blobs").join(name.replace(':', "/"))).ok();
    let is_layer = body.as_ref().is_some_and(|body| !body.starts_with(b"{"));
    let mut manners = manners.lock().unwrap();
    let current = if is_layer { *manners } else { Manners::Honest };
    if current == Manners::Recovers {
        *manners = Manners::Honest;
    }
    let (status, body) = match (path, body, current) {
        ("/v2/", ..) => ("200 OK", b"{}".to_vec()),
        (_, None, _) => ("404 Not Found", b"{}".to_vec()),
        (_, _, Manners::Fails | Manners::Recovers) => ("503 Service Unavailable", b"{}".to_vec()),
        (_, Some(body), Manners::Lies) => ("200 OK", body.iter().map(|byte| byte ^ 1).collect()),
        (_, Some(body), _) => ("200 OK", body),
    };
    let head = request.starts_with("HEAD");
    let kind = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let kind = kind["mediaType"].as_str().unwrap_or("application/octet-stream");
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    match (head, current) {
        (true, _) => Ok(()),
        (false, Manners::Truncates) => stream.write_all(&body[..body.len() / 2]),
        (false, _) => stream.write_all(&body),
    }
}

#[test]
fn a_registry_without_manners() {
    for (manners, code) in [
        (Manners::Truncates, 2),
        (Manners::Lies, 2),
        (Manners::Fails, 2),
        (Manners::Recovers, 0),
    ] {
        let sandbox = Sandbox::new();
        layout(&sandbox);
        let state = Arc::new(Mutex::new(manners));
        let address = rude_registry(&sandbox.path("layout"), Arc::clone(&state));
        sandbox.write("m.yml", format!("init: [\"{address}/org/image:1\"]\n"));
        let build = || run(&mut sandbox.ironkit(["build", "--arch", "amd64", "m.yml"]));
        let finished = build();
        assert_eq!(finished.code, Some(code), "{manners:?}: {finished}");
        if code != 0 {
            let layer = digest(&layer("amd64"));
            for text in ["m.yml:1:8", &format!("{address}/org/image:1"), &layer] {
                assert!(
                    finished.stderr.contains(text),
                    "{manners:?}: {text} is missing: {finished}"
                );
            }
            assert!(!sandbox.path("m-initrd.img").exists(), "{manners:?}");
            let stored = blobs(&sandbox);
            assert!(!stored.contains(&layer), "{manners:?}: {stored:?}");
            let listed = succeed(&mut sandbox.ironkit(["cache", "ls"]));
            assert!(!listed.contains("org/image"), "{manners:?}: {listed}");
            // It comes to its senses, and all is well.
            *state.lock().unwrap() = Manners::Honest;
            let finished = build();
            assert_eq!(finished.code, Some(0), "{manners:?}: {finished}");
        }
        assert_eq!(architecture(&sandbox.path("m-initrd.img")), "amd64");
        assert_eq!(blobs(&sandbox).len(), 4, "{manners:?}");
    }
}
