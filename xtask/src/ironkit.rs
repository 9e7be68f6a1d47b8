//! The `ironkit` program that the demonstration and the benchmarks run, with a cache of its own.
//!
//! It is the one that was built for release, or the one that `IRONKIT_BIN` names. Nothing here looks inside of it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The manifest that everything is shown and measured with, from the top of the checkout.
pub const MINIMAL: &str = "examples/minimal.yml";

/// The program, and where it works.
#[derive(Debug)]
pub struct Ironkit {
    /// The program.
    pub program: PathBuf,
    /// The top of the checkout.
    pub root: PathBuf,
    /// The folder that it runs in and writes to.
    pub directory: PathBuf,
    /// Its content store.
    pub cache: PathBuf,
}

impl Ironkit {
    /// The program of the checkout at `root`, working in the folder `name` of cargo's target directory, which is made.
    ///
    /// # Errors
    /// There is no program, or the folder cannot be made.
    pub fn find(root: &Path, name: &str) -> Result<Ironkit> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let target = std::path::absolute(&target)?;
        let program = match std::env::var_os("IRONKIT_BIN") {
            Some(program) => std::path::absolute(&program)?,
            None => target.join("release/ironkit"),
        };
        if !program.is_file() {
            bail!(
                "{} is not there: run `cargo build --release` first",
                program.display()
            );
        }
        let directory = target.join(name);
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        let cache = directory.join("cache");
        Ok(Ironkit {
            program,
            root: root.to_owned(),
            directory,
            cache,
        })
    }

    /// The program with its cache and these arguments, ready to be run.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--cache").arg(&self.cache).args(arguments);
        command.current_dir(&self.directory).stdin(Stdio::null());
        command
    }

    /// Runs it and returns what it printed.
    ///
    /// # Errors
    /// It fails; the message has what it said.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<String> {
        let (text, _) = timed(&mut self.command(arguments))?;
        Ok(text)
    }

    /// Runs it and hands over every line that it says, on either stream, as it comes.
    ///
    /// # Errors
    /// It fails; what it said was handed over.
    pub fn follow(&self, arguments: &[&str], mut line: impl FnMut(&str) -> Result<()>) -> Result<()> {
        let mut command = self.command(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        // What goes to standard output is a line or two: it fits into the pipe until the other stream has ended.
        let (errors, output) = (child.stderr.take(), child.stdout.take());
        for text in errors
            .into_iter()
            .flat_map(|stream| BufReader::new(stream).lines())
        {
            line(&text?)?;
        }
        for text in output
            .into_iter()
            .flat_map(|stream| BufReader::new(stream).lines())
        {
            line(&text?)?;
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("`{}` failed ({status})", shown(&command));
        }
        Ok(())
    }

    /// The manifest [`MINIMAL`].
    pub fn minimal(&self) -> PathBuf {
        self.root.join(MINIMAL)
    }

    /// The folders of the components that the manifest [`MINIMAL`] names.
    ///
    /// # Errors
    /// The manifest cannot be read.
    pub fn components(&self) -> Result<Vec<String>> {
        let path = self.minimal();
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let beside = path.parent().unwrap_or(Path::new(""));
        let folder =
            |name| std::fs::canonicalize(beside.join(name)).with_context(|| format!("no folder {name}"));
        package_paths(&text)
            .map(|name| Ok(folder(name)?.display().to_string()))
            .collect()
    }

    /// Throws away what the cache can make again from its images.
    ///
    /// # Errors
    /// The program fails.
    pub fn forget_derived(&self) -> Result<()> {
        self.run(["cache", "clean", "--unneeded"]).map(drop)
    }
}

/// Runs a command to its end: what it printed, and how long it took.
///
/// # Errors
/// It cannot be run or fails; the message has what it said.
pub fn timed(command: &mut Command) -> Result<(String, Duration)> {
    let start = Instant::now();
    let output = command
        .output()
        .with_context(|| format!("cannot run `{}`", shown(command)))?;
    let elapsed = start.elapsed();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` failed ({})\n{}",
            shown(command),
            output.status,
            said.trim_end()
        );
    }
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), elapsed))
}

/// A command as a person would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// The paths of a manifest's `"@pkg:PATH"`.
fn package_paths(manifest: &str) -> impl Iterator<Item = &str> {
    let after = manifest.split("\"@pkg:").skip(1);
    after.filter_map(|rest| rest.split('"').next())
}

#[cfg(test)]
mod tests {
    use super::package_paths;

    #[test]
    fn components_of_a_manifest() {
        let text = "kernel:\n  image: \"@pkg:../a\"\ninit:\n  - \"@pkg:b/c\"\n  - plain\n";
        assert_eq!(package_paths(text).collect::<Vec<_>>(), ["../a", "b/c"]);
        assert_eq!(package_paths("init: [x]").count(), 0);
    }
}
