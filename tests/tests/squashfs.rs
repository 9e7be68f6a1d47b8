//! The root file system as squashfs: what is in it, and what of it is made again.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use ironkit_tests::layout::{DIRECTORY, FILE, HARD_LINK, Layout, SYMLINK, entry, tar};
use ironkit_tests::{Sandbox, judge, run, succeed};

/// What a kernel has that reads squashfs with zstd.
const READS_ZSTD: &str = "..SQUASHFS error: Failed to allocate zstd workspace..";

/// A text of some length that is like no other.
fn text(seed: usize, length: usize) -> String {
    let words = (0..length / 6).map(|at| format!("{:05} ", (at * at * 7919 + seed * at) % 99_991));
    words.collect()
}

/// A sandbox with a kernel, and services with and without equal contents.
fn prepared(kernel: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let mut layout = Layout::new(&sandbox.path("layout"));
    let (large, shared) = (text(1, 400_000), text(2, 200_000));
    let images = [
        ("kernel", tar(&[entry(FILE, "kernel", kernel)])),
        (
            "one",
            tar(&[
                entry(DIRECTORY, "bin", ""),
                entry(FILE, "bin/busybox", &large),
                entry(HARD_LINK, "bin/ls", "bin/busybox"),
                entry(SYMLINK, "sbin", "bin"),
                entry(FILE, "lib", &shared),
            ]),
        ),
        (
            "two",
            tar(&[entry(FILE, "lib", &shared), entry(FILE, "own", &text(3, 300_000))]),
        ),
        (
            "two-changed",
            tar(&[entry(FILE, "lib", &shared), entry(FILE, "own", &text(4, 300_000))]),
        ),
    ];
    for (name, layer) in images {
        layout.name(
            layout.image("amd64", &[layer]),
            &format!("docker.io/tests/{name}:1"),
        );
    }
    sandbox.write("images.tar", layout.archive());
    succeed(&mut sandbox.ironkit(["cache", "import", "images.tar"]));
    for two in ["two", "two-changed"] {
        let manifest = format!(
            "kernel: {{image: \"tests/kernel:1\", cmdline: \"root=/dev/vda\", tar: none}}\n\
             services:\n  - {{name: one, image: \"tests/one:1\"}}\n  - {{name: two, image: \"tests/{two}:1\"}}\n\
             files:\n  - {{path: etc/motd, contents: \"hello\", mode: \"0640\", uid: 7, gid: 8}}\n  \
             - {{path: boot/more, contents: \"only in a tar\"}}\n"
        );
        sandbox.write(&format!("{two}.yml"), manifest);
    }
    sandbox
}

/// Builds, and gives the image's bytes.
fn build(sandbox: &Sandbox, manifest: &str) -> Vec<u8> {
    let arguments = ["build", "--format", "kernel+squashfs", "--name", "x", manifest];
    succeed(&mut sandbox.ironkit(arguments));
    fs::read(sandbox.path("x-squashfs.img")).unwrap()
}

/// What the cache has of compressed pieces: names and sizes.
fn pieces(sandbox: &Sandbox) -> BTreeMap<String, u64> {
    let folder = fs::read_dir(sandbox.cache().join("derived/pieces")).unwrap();
    let entries = folder.map(|entry| entry.unwrap());
    let named = entries.map(|entry| {
        (
            entry.file_name().into_string().unwrap(),
            entry.metadata().unwrap().len(),
        )
    });
    named.collect()
}

#[test]
fn it_has_what_the_tar_has() {
    let (Some(unsquashfs), Some(gnu_tar)) = (judge("unsquashfs"), judge("tar")) else {
        return;
    };
    let sandbox = prepared(READS_ZSTD);
    build(&sandbox, "two.yml");
    assert_eq!(fs::read(sandbox.path("x-cmdline")).unwrap(), b"root=/dev/vda");
    assert!(sandbox.path("x-kernel").exists() && !sandbox.path("x-initrd.img").exists());
    assert!(!sandbox.path("x-root-initrd.img").exists(), "nothing is a module");

    succeed(&mut sandbox.ironkit(["build", "--format", "tar", "--name", "x", "two.yml"]));
    let listing = succeed(Command::new(gnu_tar).arg("-tf").arg(sandbox.path("x.tar")));
    let mut expected: Vec<&str> = listing.lines().map(|line| line.trim_matches('/')).collect();
    expected.retain(|name| !name.starts_with("boot/") && !name.is_empty() && *name != ".");
    expected.retain(|name| *name != "sbom.spdx.json");
    let listing = succeed(
        Command::new(&unsquashfs)
            .args(["-l", "-d", ""])
            .arg(sandbox.path("x-squashfs.img")),
    );
    let mut found: Vec<&str> = listing.lines().map(|line| line.trim_matches('/')).collect();
    found.retain(|name| !name.is_empty() && *name != "sbom.spdx.json");
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
    let long = succeed(
        Command::new(&unsquashfs)
            .arg("-lln")
            .arg(sandbox.path("x-squashfs.img"))
            .arg("etc/motd"),
    );
    assert!(
        long.lines().any(|line| line.starts_with("-rw-r----- 7/8 ")),
        "{long}"
    );
}

#[test]
fn the_kernel_decides_how_it_is_compressed() {
    let Some(unsquashfs) = judge("unsquashfs") else {
        return;
    };
    for (kernel, compression) in [("zstd", "gzip"), (READS_ZSTD, "zstd")] {
        let sandbox = prepared(kernel);
        build(&sandbox, "two.yml");
        let summary = succeed(
            Command::new(&unsquashfs)
                .arg("-s")
                .arg(sandbox.path("x-squashfs.img")),
        );
        assert!(
            summary.contains(&format!("Compression {compression}")),
            "{summary}"
        );
    }
}

#[test]
fn a_changed_service_compresses_that_service() {
    let sandbox = prepared(READS_ZSTD);
    let first = build(&sandbox, "two.yml");
    let before = pieces(&sandbox);
    assert!(build(&sandbox, "two.yml") == first);
    assert_eq!(pieces(&sandbox), before, "nothing is made when nothing changed");
    let second = build(&sandbox, "two-changed.yml");
    assert!(second != first);
    let mut made = pieces(&sandbox);
    made.retain(|name, _| !before.contains_key(name));
    let large: Vec<u64> = made.into_values().filter(|size| *size > 20_000).collect();
    // Neither the other service nor what both have.
    assert_eq!(large.len(), 1, "{large:?}");
    assert!(large[0] < 200_000, "{large:?}");
    assert!(build(&sandbox, "two.yml") == first);
}

#[test]
fn damaged_pieces_are_made_again() {
    let sandbox = prepared(READS_ZSTD);
    let expected = build(&sandbox, "two.yml");
    for (name, _) in pieces(&sandbox) {
        let path = sandbox.cache().join("derived/pieces").join(&name);
        let mut bytes = fs::read(&path).unwrap();
        let middle = (bytes.len() - 48) / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        // An output that is the same would not be written again.
        fs::remove_file(sandbox.path("x-squashfs.img")).unwrap();
        assert!(build(&sandbox, "two.yml") == expected, "{name}");
        fs::remove_file(&path).unwrap();
        assert!(build(&sandbox, "two.yml") == expected, "{name}");
    }
}

#[test]
fn an_entry_that_squashfs_cannot_hold_is_the_users_mistake() {
    let sandbox = prepared(READS_ZSTD);
    sandbox.write(
        "long.yml",
        format!("files:\n  - {{path: \"{}\", contents: x}}\n", "n".repeat(256)),
    );
    let finished =
        run(&mut sandbox.ironkit(["build", "--format", "kernel+squashfs", "--name", "x", "long.yml"]));
    assert_eq!(finished.code, Some(1), "{finished}");
    assert!(
        finished
            .stderr
            .contains("length of the name 256 is more than squashfs can hold (255)"),
        "{finished}"
    );
    assert!(!sandbox.path("x-squashfs.img").exists());
}
