//! Builds that are killed, run out of space, run beside each other, or find damage: no output or a whole one, and a
//! store that the next build can use.

mod damage;
mod kill;
mod space;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ironkit_tests::layout::{FILE, Layout, digest, entry, tar};
use ironkit_tests::{Finished, Sandbox, run, succeed};

/// Less than the example, so that building it cold is quick.
const SMALL: &str = "kernel: {image: \"@pkg:components/kernel\", cmdline: \"console=ttyS0\"}\n\
                     init: [\"@pkg:components/init\"]\n\
                     onboot: [{name: dhcpcd, image: \"@pkg:components/dhcpcd\"}]\n\
                     files: [{path: etc/given, source: small.yml}]\n";

const BUILD: [&str; 4] = ["build", "--dir", "out", "small.yml"];
const OUTPUTS: [&str; 3] = ["small-cmdline", "small-initrd.img", "small-kernel"];

/// A sandbox with the example's images and nothing derived from them, and an empty folder `out`.
fn cold() -> Sandbox {
    let sandbox = Sandbox::with_components();
    sandbox.stock("examples/minimal.yml");
    sandbox.write("small.yml", SMALL);
    cool(&sandbox);
    fs::create_dir(sandbox.path("out")).unwrap();
    sandbox
}

fn cool(sandbox: &Sandbox) {
    fs::remove_dir_all(sandbox.cache().join("derived")).unwrap_or_default();
}

/// Names in a folder, in order; those of hidden files, too.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).map_or(Vec::new(), |entries| entries.flatten().collect());
    let mut names: Vec<_> = entries
        .iter()
        .map(|entry| entry.file_name().display().to_string())
        .collect();
    names.sort();
    names
}

/// Digests of the outputs that are in a folder.
fn outputs(folder: &Path) -> Vec<Option<String>> {
    let look = |name: &&str| fs::read(folder.join(name)).ok().map(|bytes| digest(&bytes));
    OUTPUTS.iter().map(look).collect()
}

/// A sandbox whose store has the image `tests/a:1`, and a manifest `small.yml` of it.
fn with_image() -> Sandbox {
    let sandbox = Sandbox::new();
    let layer = tar(&[entry(FILE, "file", &"text\n".repeat(1000))]);
    let mut layout = Layout::new(&sandbox.path("layout"));
    layout.name(layout.image("amd64", &[layer]), "docker.io/tests/a:1");
    sandbox.write("image.tar", layout.archive());
    succeed(&mut sandbox.ironkit(["cache", "import", "image.tar"]));
    sandbox.write("small.yml", "init: [\"tests/a:1\"]\n");
    fs::create_dir(sandbox.path("out")).unwrap();
    sandbox
}

/// A build of [`with_image`], which finds nothing in any registry.
fn build_offline(sandbox: &Sandbox) -> Finished {
    let mut command = sandbox.ironkit(["--mirror", "http://127.0.0.1:9"]);
    run(command.args(BUILD).args(["--arch", "amd64"]))
}

/// Digests of whole outputs.
fn expected(sandbox: &Sandbox) -> Vec<Option<String>> {
    succeed(&mut sandbox.ironkit(["build", "--dir", "tmp", "small.yml"]));
    let expected = outputs(&sandbox.path("tmp"));
    assert!(expected.iter().all(Option::is_some), "{expected:?}");
    expected
}

/// Every blob is what its name says.
fn check_blobs(sandbox: &Sandbox) {
    let folder = sandbox.cache().join("blobs/sha256");
    for name in names(&folder) {
        assert_eq!(
            digest(&fs::read(folder.join(&name)).unwrap()),
            format!("sha256:{name}")
        );
    }
}

#[test]
fn a_lock_that_another_process_holds() {
    let sandbox = with_image();
    let path = sandbox.cache().join(".lock");
    let lock = fs::File::open(&path).unwrap();
    lock.lock().unwrap();
    let mut command = sandbox.ironkit(["cache", "import", "--name", "tests/b:1", "image.tar"]);
    let begin = Instant::now();
    let child = command
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // A build that finds everything changes no name: it waits for nobody.
    let finished = build_offline(&sandbox);
    assert_eq!(finished.code, Some(0), "{finished}");
    assert!(!finished.stderr.contains("waiting"), "{finished}");
    std::thread::sleep(Duration::from_secs(3).saturating_sub(begin.elapsed()));
    drop(lock);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let note = format!("waiting for another process that holds {}", path.display());
    assert!(said.contains(&note), "{said}");
    assert!(succeed(&mut sandbox.ironkit(["cache", "ls"])).contains("tests/b:1"));
}

#[test]
fn sources_that_are_no_files() {
    let sandbox = with_image();
    fs::write(sandbox.path("out/small-initrd.img"), "old").unwrap();
    succeed(Command::new("mkfifo").arg(sandbox.path("pipe")));
    std::os::unix::fs::symlink("/dev/zero", sandbox.path("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(sandbox.path("socket")).unwrap();
    for source in [
        "/dev/zero",
        "/dev/null",
        "/dev/tty",
        "link",
        "pipe",
        "socket",
        "layout",
        "/proc/kmsg",
        "/sys/kernel/uevent_seqnum",
    ] {
        let text = format!("init: [\"tests/a:1\"]\nfiles: [{{path: etc/x, source: {source}}}]\n");
        sandbox.write("small.yml", text);
        let begin = Instant::now();
        let finished = build_offline(&sandbox);
        assert_eq!(finished.code, Some(1), "{source}: {finished}");
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "{source}: {:?}",
            begin.elapsed()
        );
        for text in ["small.yml:2:", source] {
            assert!(finished.stderr.contains(text), "{source}: {text}: {finished}");
        }
        assert_eq!(names(&sandbox.path("out")), ["small-initrd.img"], "{source}");
        assert_eq!(
            fs::read(sandbox.path("out/small-initrd.img")).unwrap(),
            b"old",
            "{source}"
        );
    }
}
