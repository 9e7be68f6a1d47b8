//! The project's components in a sandbox, with a store that has their images.
//!
//! Building them takes a minute and Debian's mirror, so all tests of a target folder share one store, in which each
//! is built once. A test gets a copy, and may break it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Sandbox, succeed, workspace};

/// What of the environment decides how packages are downloaded.
const NETWORK: [&str; 5] = [
    "IRONKIT_DEBIAN_MIRROR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
];

/// The folders of a store that make up its images and what was made from them; the rest are downloads and drafts.
const STORE: [&str; 4] = ["blobs", "derived", INDEX, "oci-layout"];
/// What names the images of a store.
const INDEX: &str = "index.json";

/// An image with a shell, from the package that the component `getty` is locked to.
const SHELL: &str = r#"
image: shell
org: tests
debian: {suite: trixie}
contents:
  - package: busybox-static
    paths: [/usr/bin/busybox]
    as: /bin/busybox
  - symlink: /bin/sh
    target: busybox
  - directory: /dev
  - directory: /proc
  - directory: /run
  - directory: /sys
  - directory: /var/log
config:
  env: ["PATH=/bin"]
"#;

impl Sandbox {
    /// A new one with the workspace's `components` and `examples`, and an empty store.
    ///
    /// # Panics
    /// If the disk is full.
    pub fn with_components() -> Sandbox {
        let sandbox = Sandbox::new();
        for folder in ["components", "examples"] {
            copy(&workspace().join(folder), &sandbox.path(folder));
        }
        sandbox
    }

    /// Adds the component `shell`: an image with a shell and busybox.
    ///
    /// # Panics
    /// If the disk is full.
    pub fn add_shell(&self) {
        self.write("components/shell/build.yml", SHELL);
        let lock = self.path("components/getty/build.lock");
        copy(&lock, &self.path("components/shell/build.lock"));
    }

    /// Fills the store with what `manifest` needs.
    ///
    /// # Panics
    /// If it cannot be built.
    pub fn stock(&self, manifest: &str) {
        self.stock_for(manifest, &[]);
    }

    /// The same for a build with more `arguments`, the last of which is an architecture. That has a store of its own.
    ///
    /// # Panics
    /// If it cannot be built.
    pub fn stock_for(&self, manifest: &str, arguments: &[&str]) {
        let build = ["build", "--name", "stock", "--dir", "tmp", manifest];
        let shared = match arguments.last() {
            Some(arch) => shared_store().with_file_name(format!("tests-cache-{arch}")),
            None => shared_store(),
        };
        self.fill(&shared, &[&build, arguments].concat());
    }

    /// Fills the store with the boot loaders that disks, CDs and cards have.
    ///
    /// # Panics
    /// If they cannot be built.
    pub fn stock_loaders(&self) {
        let build = ["pkg", "build", "components/grub", "components/systemd-stub"];
        self.fill(&shared_store(), &build);
        let board = ["pkg", "build", "--arch", "arm64", "components/u-boot-rpi"];
        self.fill(&shared_store(), &board);
    }

    /// Runs `arguments` on a shared store, and copies that.
    fn fill(&self, shared: &Path, arguments: &[&str]) {
        fs::create_dir_all(shared).expect("a folder can be made");
        let lock = File::create(shared.with_extension("lock")).expect("a file can be made");
        lock.lock().expect("a file can be locked");
        let mut command = self.ironkit(arguments.iter().copied());
        command.env("LINUXKIT_CACHE", shared);
        succeed(Sandbox::with_network(&mut command));
        let index = self.cache().join(INDEX);
        let before = fs::read(&index).ok();
        for name in STORE {
            copy(&shared.join(name), &self.cache().join(name));
        }
        if let Some(before) = before {
            fs::write(&index, merged(&before, &fs::read(&index).expect("it was copied")))
                .expect("a file can be written");
        }
    }

    /// Lets a command know of the environment what it needs to download packages.
    pub fn with_network(command: &mut Command) -> &mut Command {
        for name in NETWORK {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// Adds the packages that the components were made from to the store, so that they can be made again.
    ///
    /// # Panics
    /// If the disk is full.
    pub fn stock_packages(&self) {
        copy(&shared_store().join("debian"), &self.cache().join("debian"));
    }
}

/// The images of both indices.
fn merged(one: &[u8], other: &[u8]) -> Vec<u8> {
    let parse = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).expect("an index is JSON");
    let (one, mut index) = (parse(one), parse(other));
    let images = index["manifests"].as_array_mut().expect("an index has images");
    for image in one["manifests"].as_array().expect("an index has images") {
        if !images.contains(image) {
            images.push(image.clone());
        }
    }
    index.to_string().into_bytes()
}

/// Copies a file or a folder with all that is in it.
///
/// # Panics
/// If that cannot be done.
pub fn copy(from: &Path, to: &Path) {
    try_copy(from, to)
        .unwrap_or_else(|error| panic!("cannot copy {} to {}: {error}", from.display(), to.display()));
}

fn try_copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        try_copy(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

/// `target/debug/deps/boot-0123` → `target/tests-cache`.
fn shared_store() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    test.ancestors()
        .nth(3)
        .expect("tests are three folders below target")
        .join("tests-cache")
}
