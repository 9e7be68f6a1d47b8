//! Disks that are full, and stores that cannot be written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ironkit_tests::{judge, run, succeed};

use super::{BUILD, OUTPUTS, cold, cool, expected, names, outputs, with_image};

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
