//! Builds that are killed, run out of space, run beside each other, or find damage: no output or a whole one, and a
//! store that the next build can use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ironkit_tests::layout::{FILE, Layout, digest, entry, tar};
use ironkit_tests::{Finished, Sandbox, judge, run, succeed};

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

/// Numbers that look random and are the same in every run (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn disks_that_are_killed_are_old_or_new() {
    const FILES: [&str; 4] = ["small-efi.qcow2", "small-squashfs.img", "small.img", "small.vmdk"];
    const FORMATS: &str = "qcow2-efi,kernel+squashfs,raw,vmdk";
    let sandbox = Sandbox::with_components();
    sandbox.stock_loaders();
    sandbox.stock("examples/minimal.yml");
    sandbox.write("small.yml", SMALL);
    let build = |folder: &str| sandbox.ironkit(["build", "--dir", folder, "--format", FORMATS, "small.yml"]);
    let read = |folder: &str, name: &str| fs::read(sandbox.path(folder).join(name)).ok();
    cool(&sandbox);
    let begin = Instant::now();
    succeed(&mut build("tmp"));
    let whole = begin.elapsed();
    let expected = FILES.map(|name| read("tmp", name).map(|bytes| digest(&bytes)));
    assert!(expected.iter().all(Option::is_some));
    fs::create_dir(sandbox.path("out")).unwrap();
    let old = digest(b"old");
    let mut numbers = Numbers(4);
    for round in 0..8 {
        cool(&sandbox);
        for name in FILES {
            fs::write(sandbox.path("out").join(name), "old").unwrap();
        }
        let mut child = build("out").stderr(Stdio::null()).spawn().unwrap();
        let micros = numbers.below(u64::try_from(whole.as_micros()).unwrap());
        std::thread::sleep(Duration::from_micros(micros));
        child.kill().unwrap();
        child.wait().unwrap();
        for (name, expected) in FILES.iter().zip(&expected) {
            let found = read("out", name).map(|bytes| digest(&bytes));
            let whole = found.as_ref() == Some(&old) || found == *expected;
            assert!(
                whole,
                "round {round}, after {micros} µs: {name} is neither old nor new"
            );
        }
    }
    succeed(&mut build("out"));
    for (name, expected) in FILES.iter().zip(&expected) {
        assert_eq!(read("out", name).map(|bytes| digest(&bytes)), *expected, "{name}");
    }
}

#[test]
fn a_build_that_is_killed_leaves_nothing_half_done() {
    let sandbox = cold();
    let begin = Instant::now();
    let expected = expected(&sandbox);
    let whole = begin.elapsed();
    let mut numbers = Numbers(2);
    let mut killed = 0;
    for round in 0..20 {
        cool(&sandbox);
        // Every other time there are old outputs.
        if round % 2 == 0 {
            fs::remove_dir_all(sandbox.path("out")).unwrap();
            fs::create_dir(sandbox.path("out")).unwrap();
        } else {
            for name in OUTPUTS {
                fs::write(sandbox.path("out").join(name), "old").unwrap();
            }
        }
        let before = outputs(&sandbox.path("out"));
        let mut command = sandbox.ironkit(BUILD);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let micros = numbers.below(u64::try_from(whole.as_micros()).unwrap());
        std::thread::sleep(Duration::from_micros(micros));
        // This is SIGKILL.
        child.kill().unwrap();
        killed += u32::from(child.wait().unwrap().code().is_none());
        for ((name, now), (old, new)) in OUTPUTS
            .iter()
            .zip(outputs(&sandbox.path("out")))
            .zip(before.iter().zip(&expected))
        {
            assert!(
                now == *old || now == *new,
                "round {round}, after {micros} µs: {name} is neither old nor new"
            );
        }
        let strange: Vec<_> = names(&sandbox.path("out"))
            .into_iter()
            .filter(|name| !name.starts_with('.') && !OUTPUTS.contains(&name.as_str()))
            .collect();
        assert_eq!(strange, [] as [&str; 0], "round {round}, after {micros} µs");
        check_blobs(&sandbox);
        succeed(&mut sandbox.ironkit(BUILD));
        assert_eq!(
            outputs(&sandbox.path("out")),
            expected,
            "round {round}, after {micros} µs"
        );
    }
    assert!(
        killed >= 5,
        "only {killed} of 20 builds were still running when they were killed"
    );
    // What the dead left in the store goes when it is certain that nobody lives to rename it.
    let drafts = sandbox.cache().join("tmp");
    for name in names(&drafts) {
        succeed(
            Command::new("touch")
                .args(["-d", "1 hour ago"])
                .arg(drafts.join(name)),
        );
    }
    succeed(&mut sandbox.ironkit(["cache", "ls"]));
    assert_eq!(names(&sandbox.cache().join("tmp")), [] as [&str; 0]);
}

#[test]
fn builds_beside_each_other_give_the_same_bytes() {
    let sandbox = cold();
    let expected = expected(&sandbox);
    cool(&sandbox);
    let folders: Vec<_> = (0..8).map(|index| format!("out{index}")).collect();
    let start = |folder: &String| -> (Child, PathBuf) {
        let path = sandbox.path(folder);
        fs::create_dir(&path).unwrap();
        let mut command = sandbox.ironkit(["build", "--dir", folder, "small.yml"]);
        (command.stderr(Stdio::piped()).spawn().unwrap(), path)
    };
    let children: Vec<_> = folders.iter().map(start).collect();
    for (child, path) in children {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(outputs(&path), expected);
    }
    // Also when one of them empties the store of what it can do without.
    let mut command = sandbox.ironkit(BUILD);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    succeed(&mut sandbox.ironkit(["cache", "clean", "--unneeded"]));
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(outputs(&sandbox.path("out")), expected);
    check_blobs(&sandbox);
}

#[test]
fn damaged_derived_data_is_made_again() {
    let sandbox = cold();
    let expected = expected(&sandbox);
    let derived = sandbox.cache().join("derived");
    assert_eq!(names(&derived), ["files", "layers", "pieces", "sbom"]);
    let good = sandbox.path("good");
    ironkit_tests::copy(&derived, &good);
    for kinds in [
        &["files"][..],
        &["pieces"],
        &["files", "layers"],
        &["layers", "pieces"],
        &["sbom"],
        &["files", "layers", "pieces", "sbom"],
    ] {
        for damage in ["a flipped bit", "an early end", "nothing in it"] {
            ironkit_tests::copy(&good, &derived);
            for folder in kinds.iter().map(|kind| derived.join(kind)) {
                for path in names(&folder).iter().map(|name| folder.join(name)) {
                    let mut bytes = fs::read(&path).unwrap();
                    let middle = bytes.len() / 2;
                    match damage {
                        "a flipped bit" => bytes[middle] ^= 0x10,
                        "an early end" => bytes.truncate(middle),
                        _ => bytes.clear(),
                    }
                    fs::write(&path, bytes).unwrap();
                }
            }
            let finished = run(&mut sandbox.ironkit(BUILD));
            assert_eq!(finished.code, Some(0), "{damage} in {kinds:?}: {finished}");
            assert!(
                !finished.stderr.contains("damaged"),
                "{damage} in {kinds:?}: {finished}"
            );
            assert_eq!(outputs(&sandbox.path("out")), expected, "{damage} in {kinds:?}");
            fs::remove_dir_all(sandbox.path("out")).unwrap();
            fs::create_dir(sandbox.path("out")).unwrap();
        }
    }
}

/// The format `tar` copies contents out of uncompressed layers, which are verified once and as a whole.
#[test]
fn damage_in_uncompressed_layers_reaches_no_archive() {
    let sandbox = cold();
    let archive = || {
        succeed(&mut sandbox.ironkit(["build", "--format", "tar", "-o", "small.tar", "small.yml"]));
        let bytes = fs::read(sandbox.path("small.tar")).unwrap();
        fs::remove_file(sandbox.path("small.tar")).unwrap();
        digest(&bytes)
    };
    let expected = archive();
    let layers = sandbox.cache().join("derived/layers");
    assert!(!names(&layers).is_empty());
    for name in names(&layers) {
        let path = layers.join(name);
        let good = fs::read(&path).unwrap();
        // In a header, in a content, in what follows the last entry.
        for at in [100, good.len() / 3, good.len() / 2, good.len() - 60] {
            let mut bytes = good.clone();
            bytes[at] ^= 0x10;
            fs::write(&path, bytes).unwrap();
            assert_eq!(archive(), expected, "byte {at} of {}", path.display());
        }
        fs::write(&path, &good).unwrap();
    }
}

#[test]
fn a_damaged_layer_is_an_error_that_names_it() {
    let sandbox = Sandbox::new();
    let layer = tar(&[entry(
        FILE,
        "file",
        &"text
"
        .repeat(1000),
    )]);
    let mut layout = Layout::new(&sandbox.path("layout"));
    layout.name(
        layout.image("amd64", std::slice::from_ref(&layer)),
        "docker.io/tests/a:1",
    );
    sandbox.write("image.tar", layout.archive());
    succeed(&mut sandbox.ironkit(["cache", "import", "image.tar"]));
    sandbox.write(
        "small.yml",
        "init: [\"tests/a:1\"]
",
    );
    fs::create_dir(sandbox.path("out")).unwrap();
    let name = digest(&layer);
    let blob = sandbox.cache().join("blobs").join(name.replace(':', "/"));
    let mut arguments = vec!["--mirror", "http://127.0.0.1:9"];
    arguments.extend(BUILD);
    arguments.extend(["--arch", "amd64"]);
    for damage in ["a flipped bit", "an early end", "nothing there"] {
        let mut bytes = layer.clone();
        match damage {
            "a flipped bit" => bytes[1000] ^= 1,
            _ => bytes.truncate(1000),
        }
        fs::write(&blob, bytes).unwrap();
        if damage == "nothing there" {
            fs::remove_file(&blob).unwrap();
        }
        let finished = run(&mut sandbox.ironkit(arguments.iter().copied()));
        assert_eq!(finished.code, Some(2), "{damage}: {finished}");
        // A blob that is plainly not whole is asked for; nobody has it.
        let asked = damage != "a flipped bit" && finished.stderr.contains("tests/a:1");
        assert!(asked || finished.stderr.contains(&name), "{damage}: {finished}");
        assert_eq!(names(&sandbox.path("out")), [] as [&str; 0], "{damage}");
    }
    fs::write(&blob, &layer).unwrap();
    succeed(&mut sandbox.ironkit(arguments));
    assert_eq!(names(&sandbox.path("out")), ["small-initrd.img"]);
}

/// A file system in memory of so many bytes, unmounted when it is dropped.
struct Small(PathBuf);

impl Small {
    /// `None`, loudly, for those who may not mount.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn mount(path: PathBuf, size: &str) -> Option<Small> {
        let mount = judge("mount")?;
        let options = format!("size={size}");
        fs::create_dir_all(&path).unwrap();
        let mut command = Command::new(mount);
        let finished = run(command.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path));
        if finished.code != Some(0) {
            eprintln!(
                "SKIPPED: a small disk needs the right to mount one: {}",
                finished.stderr.trim()
            );
            return None;
        }
        Some(Small(path))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: a process that was killed may still be on its way out.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_below_the_outputs() {
    let sandbox = cold();
    let expected = expected(&sandbox);
    let folder = sandbox.path("small");
    // The kernel fits, the initrd does not.
    let Some(_small) = Small::mount(folder.clone(), "13m") else {
        return;
    };
    for name in OUTPUTS {
        fs::write(folder.join(name), "old").unwrap();
    }
    let old = outputs(&folder);
    let finished = run(&mut sandbox.ironkit(["build", "--dir", "small", "small.yml"]));
    assert_eq!(finished.code, Some(2), "{finished}");
    assert!(finished.stderr.contains("No space left on device"), "{finished}");
    assert_eq!(outputs(&folder), old);
    assert_eq!(names(&folder), OUTPUTS);
    succeed(&mut sandbox.ironkit(BUILD));
    assert_eq!(outputs(&sandbox.path("out")), expected);
}

#[test]
fn a_full_disk_below_the_store() {
    let sandbox = cold();
    let expected = expected(&sandbox);
    cool(&sandbox);
    let size = |folder: &Path| -> u64 {
        names(folder)
            .iter()
            .map(|name| fs::metadata(folder.join(name)).unwrap().len())
            .sum()
    };
    let blobs = size(&sandbox.cache().join("blobs/sha256"));
    // Room for the images, and for some of what is derived from them.
    let folder = sandbox.path("small");
    let Some(small) = Small::mount(folder.clone(), &(blobs + 4_000_000).to_string()) else {
        return;
    };
    ironkit_tests::copy(&sandbox.cache(), &folder);
    let build = |store: &Path| run(sandbox.ironkit(BUILD).env("LINUXKIT_CACHE", store));
    let finished = build(&folder);
    assert_eq!(finished.code, Some(2), "{finished}");
    assert!(finished.stderr.contains("No space left on device"), "{finished}");
    assert_eq!(names(&sandbox.path("out")), [] as [&str; 0]);
    // With more room it goes on from there.
    succeed(
        Command::new("mount")
            .args(["-o", "remount,size=200m"])
            .arg(&folder),
    );
    let finished = build(&folder);
    assert_eq!(finished.code, Some(0), "{finished}");
    assert_eq!(outputs(&sandbox.path("out")), expected);
    drop(small);
}

#[test]
fn a_store_that_cannot_be_written() {
    let sandbox = with_image();
    let small = sandbox.path("small");
    let Some(_small) = Small::mount(small.clone(), "50m") else {
        return;
    };
    ironkit_tests::copy(&sandbox.cache(), &small);
    let remount = |how: &str| {
        let options = format!("remount,{how}");
        succeed(Command::new("mount").args(["-o", &options]).arg(&small));
    };
    let build = || {
        let mut command = sandbox.ironkit(["--mirror", "http://127.0.0.1:9"]);
        command
            .args(BUILD)
            .args(["--arch", "amd64"])
            .env("LINUXKIT_CACHE", &small);
        run(&mut command)
    };
    // What has to be made has no place.
    remount("ro");
    let finished = build();
    assert_eq!(finished.code, Some(2), "{finished}");
    for text in [
        "Read-only file system",
        "hint: use a cache directory that can be written",
    ] {
        assert!(finished.stderr.contains(text), "{text}: {finished}");
    }
    assert_eq!(names(&sandbox.path("out")), [] as [&str; 0]);
    // What is there is enough.
    remount("rw");
    assert_eq!(build().code, Some(0));
    let whole = fs::read(sandbox.path("out/small-initrd.img")).unwrap();
    fs::remove_file(sandbox.path("out/small-initrd.img")).unwrap();
    remount("ro");
    let finished = build();
    assert_eq!(finished.code, Some(0), "{finished}");
    assert!(fs::read(sandbox.path("out/small-initrd.img")).unwrap() == whole);
}

#[test]
fn a_damaged_index_is_an_error_with_a_way_out() {
    let sandbox = with_image();
    fs::write(sandbox.path("out/small-initrd.img"), "old").unwrap();
    let index = sandbox.cache().join("index.json");
    let good = fs::read(&index).unwrap();
    let cut = good[..good.len() / 2].to_vec();
    for bytes in [cut, Vec::new(), b"[]".to_vec(), b"\0\xff".to_vec()] {
        fs::write(&index, &bytes).unwrap();
        let finished = build_offline(&sandbox);
        assert_eq!(finished.code, Some(2), "{bytes:?}: {finished}");
        for text in ["index.json", "hint: nothing is lost: move that file away"] {
            assert!(finished.stderr.contains(text), "{text}: {finished}");
        }
        assert_eq!(
            fs::read(&index).unwrap(),
            bytes,
            "it is left for a person to look at"
        );
        assert_eq!(fs::read(sandbox.path("out/small-initrd.img")).unwrap(), b"old");
    }
    // The hint's way out.
    fs::remove_file(&index).unwrap();
    succeed(&mut sandbox.ironkit(["cache", "import", "image.tar"]));
    let finished = build_offline(&sandbox);
    assert_eq!(finished.code, Some(0), "{finished}");
    assert_eq!(names(&sandbox.path("out")), ["small-initrd.img"]);
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

#[test]
fn a_damaged_component_is_built_again() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "part/build.yml",
        "image: part\norg: tests\ncontents:\n  - {file: text, path: /text}\n",
    );
    sandbox.write("part/text", "text\n".repeat(1000));
    let files = "init: [\"@pkg:part\"]\n";
    fs::create_dir(sandbox.path("out")).unwrap();
    // Without an SBOM: nothing of the image but what is built of it counts.
    let build = || {
        let mut command = sandbox.ironkit(["--mirror", "http://127.0.0.1:9"]);
        run(command.args(BUILD).args(["--arch", "amd64", "--no-sbom"]))
    };
    let text = files;
    {
        sandbox.write("small.yml", text);
        cool(&sandbox);
        let first = build();
        assert_eq!(first.code, Some(0), "{first}");
        let good = fs::read(sandbox.path("out/small-initrd.img")).unwrap();
        let folder = sandbox.cache().join("blobs/sha256");
        let mut mended = 0;
        for name in names(&folder) {
            let path = folder.join(&name);
            let whole = fs::read(&path).unwrap();
            let mut flipped = whole.clone();
            flipped[whole.len() / 2] ^= 1;
            for bytes in [&flipped, &whole[..whole.len() - 1]] {
                fs::write(&path, bytes).unwrap();
                cool(&sandbox);
                let finished = build();
                assert_eq!(finished.code, Some(0), "{text}: {name}: {finished}");
                let now = fs::read(sandbox.path("out/small-initrd.img")).unwrap();
                assert!(now == good, "{text}: {name}");
                mended += usize::from(fs::read(&path).unwrap() == whole);
                fs::write(&path, &whole).unwrap();
            }
        }
        // Layer, configuration, manifest, each in both ways.
        assert!(mended >= 6, "{text}: only {mended} were mended");
    }
}
