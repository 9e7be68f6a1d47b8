//! `build --docker`: images of a container engine, which here is a thread that answers as Docker does.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use ironkit_tests::layout::{FILE, Layout, entry, tar};
use ironkit_tests::{Finished, Sandbox, run, succeed};

/// A sandbox with the image `tests/a:1` as an archive and in an engine, but in no store, and a manifest of it.
struct Engine {
    sandbox: Sandbox,
    socket: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Engine {
    fn new(architecture: &str) -> Engine {
        let sandbox = Sandbox::new();
        let layer = tar(&[entry(FILE, "file", "of the engine\n")]);
        let mut layout = Layout::new(&sandbox.path("layout"));
        let root = layout.image(architecture, &[layer]);
        layout.name(root.clone(), "docker.io/tests/a:1");
        let archive = layout.archive();
        sandbox.write("image.tar", &archive);
        sandbox.write("m.yml", "init: [\"tests/a:1\"]\n");
        let described =
            serde_json::json!({ "Id": root["digest"], "Os": "linux", "Architecture": architecture });
        let described = described.to_string().into_bytes();
        let socket = sandbox.path("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let path = lines
                    .next()
                    .unwrap()
                    .unwrap()
                    .split(' ')
                    .nth(1)
                    .unwrap()
                    .to_owned();
                while !lines.next().unwrap().unwrap().is_empty() {}
                let body = match path.as_str() {
                    "/images/docker.io/tests/a:1/json" => Some(&described),
                    "/images/docker.io/tests/a:1/get" => Some(&archive),
                    _ => None,
                };
                log.lock().unwrap().push(path);
                let head = if body.is_some() { "200 OK" } else { "404 Not Found" };
                let _ = write!(stream, "HTTP/1.1 {head}\r\n\r\n");
                let _ = stream.write_all(body.map_or(b"", |body| body.as_slice()));
            }
        });
        Engine {
            sandbox,
            socket,
            asked,
        }
    }

    /// Builds; no registry answers. The second value is what the engine was asked for.
    fn build(&self, arguments: &[&str]) -> (Finished, Vec<String>) {
        let mut command = self
            .sandbox
            .ironkit(["--mirror", "http://127.0.0.1:9", "-v", "2"]);
        command
            .args(["build", "--arch", "amd64", "m.yml"])
            .args(arguments);
        command.env("DOCKER_HOST", format!("unix://{}", self.socket.display()));
        let finished = run(&mut command);
        (finished, std::mem::take(&mut *self.asked.lock().unwrap()))
    }
}

#[test]
fn an_image_that_only_the_engine_has() {
    let engine = Engine::new("amd64");
    // Nobody asks it without the option, and with --pull.
    for arguments in [&[][..], &["--docker", "--pull"]] {
        let (finished, asked) = engine.build(arguments);
        assert_eq!((finished.code, asked.len()), (Some(2), 0), "{finished}");
    }
    let (finished, asked) = engine.build(&["--docker"]);
    assert_eq!(finished.code, Some(0), "{finished}");
    assert_eq!(asked.len(), 2, "{asked:?}");
    let initrd = || std::fs::read(engine.sandbox.path("m-initrd.img")).unwrap();
    let from_engine = initrd();
    // It is not copied twice, and it is in the store now.
    let (finished, asked) = engine.build(&["--docker"]);
    assert_eq!(
        (finished.code, asked),
        (Some(0), vec!["/images/docker.io/tests/a:1/json".to_owned()])
    );
    let (finished, asked) = engine.build(&[]);
    assert_eq!((finished.code, asked.len()), (Some(0), 0), "{finished}");
    // The same image from an archive gives the same bytes.
    std::fs::remove_dir_all(engine.sandbox.cache()).unwrap();
    succeed(&mut engine.sandbox.ironkit(["cache", "import", "image.tar"]));
    let (finished, _) = engine.build(&[]);
    assert_eq!(finished.code, Some(0), "{finished}");
    assert!(initrd() == from_engine);
}

#[test]
fn an_engine_that_does_not_help_is_passed_over() {
    // Its image is for another machine; the store has none.
    let engine = Engine::new("arm64");
    let (finished, asked) = engine.build(&["--docker"]);
    assert_eq!((finished.code, asked.len()), (Some(2), 1), "{finished}");
    assert!(
        finished.stderr.contains("for linux/arm64, not for linux/amd64"),
        "{finished}"
    );
    assert!(finished.stderr.contains("m.yml:1:8"), "{finished}");
    // There is no engine; the store has it.
    let mut engine = Engine::new("amd64");
    succeed(&mut engine.sandbox.ironkit(["cache", "import", "image.tar"]));
    engine.socket = "/nowhere".into();
    let (finished, _) = engine.build(&["--docker"]);
    assert_eq!(finished.code, Some(0), "{finished}");
    assert!(
        finished.stderr.contains("not using the container engine for"),
        "{finished}"
    );
    // Without -v 2 that is nobody's business.
    let mut quiet = engine
        .sandbox
        .ironkit(["build", "--docker", "--arch", "amd64", "m.yml"]);
    let finished = run(quiet.env("DOCKER_HOST", "tcp://127.0.0.1:9"));
    assert_eq!(finished.code, Some(0), "{finished}");
    assert!(!finished.stderr.contains("engine"), "{finished}");
}
