//! The built `ironkit`, and a place to run it in that nothing of the person's own reaches into.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::succeed;

/// The `ironkit` that belongs to this test's build: the environment's `IRONKIT_BIN`, or else the one beside the test,
/// which is brought up to date first, once.
///
/// # Panics
/// If there is none and it cannot be built.
pub fn ironkit() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| match std::env::var_os("IRONKIT_BIN") {
        Some(path) => path.into(),
        None => build(),
    })
}

/// `target/debug/deps/boot-0123` → `target/debug/ironkit`, built with the same profile into the same target folder.
fn build() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("tests are two folders below target");
    let binary = folder.join("ironkit");
    // Only cargo knows whether the binary is older than its sources. A test that is run by hand takes what is there.
    if let Some(cargo) = std::env::var_os("CARGO") {
        let profile = folder
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("debug");
        let profile = if profile == "debug" { "dev" } else { profile };
        succeed(
            Command::new(cargo)
                .args([
                    "build",
                    "--quiet",
                    // Not its package alone, which would compile dependencies again with other features.
                    "--workspace",
                    "--bin",
                    "ironkit",
                    "--profile",
                    profile,
                    "--target-dir",
                ])
                .arg(folder.parent().unwrap_or(folder))
                .current_dir(crate::workspace()),
        );
    }
    assert!(
        binary.exists(),
        "{} is not there: run `cargo build -p ironkit`",
        binary.display()
    );
    binary
}

/// A folder that disappears with the test, with a home and a store of its own.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    /// A new one.
    ///
    /// # Panics
    /// If the disk is full.
    pub fn new() -> Sandbox {
        let sandbox = Sandbox {
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        };
        for folder in [sandbox.home(), sandbox.cache(), sandbox.path("tmp")] {
            std::fs::create_dir(folder).expect("a folder can be made");
        }
        sandbox
    }

    /// A path inside; the empty name is the folder itself, where commands run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The person's home folder.
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// The content store's folder.
    pub fn cache(&self) -> PathBuf {
        self.path("cache")
    }

    /// Writes a file, with the folders above it, and returns its path.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        let folder = path.parent().expect("a file is in a folder");
        std::fs::create_dir_all(folder).expect("a folder can be made");
        std::fs::write(&path, content)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }

    /// A command that sees only this folder: no variables but `PATH` and those that point here.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            .env("HOME", self.home())
            .env("TMPDIR", self.path("tmp"))
            .env("LINUXKIT_CACHE", self.cache());
        command
    }

    /// `ironkit` with `arguments`, ready to run.
    pub fn ironkit<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = self.command(ironkit());
        command.args(arguments);
        command
    }
}

impl Default for Sandbox {
    fn default() -> Sandbox {
        Sandbox::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_sees_only_the_sandbox() {
        let sandbox = Sandbox::new();
        sandbox.write("a/b.txt", "content");
        let mut command = sandbox.command("sh");
        let seen = succeed(command.args(["-c", "env | cut -d= -f1 | sort | tr '\\n' ' '; cat a/b.txt"]));
        assert_eq!(seen, "HOME LANG LINUXKIT_CACHE PATH PWD TMPDIR content");
        let folder = sandbox.path("");
        drop(sandbox);
        assert!(!folder.exists());
    }
}
