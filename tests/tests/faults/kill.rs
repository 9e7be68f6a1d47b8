//! Builds that are killed, and builds beside each other.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ironkit_tests::layout::digest;
use ironkit_tests::{Sandbox, succeed};

use super::{BUILD, OUTPUTS, SMALL, check_blobs, cold, cool, expected, names, outputs};

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
