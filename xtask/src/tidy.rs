//! Walks the checkout and collects what the rules find. The rules themselves work on text: see `source` and
//! `arrows`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::{arrows, source};

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the workspace.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// Whether it fails the check, or is only worth a thought.
    pub fails: bool,
    /// What is wrong, and what is expected.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.fails { "error" } else { "note" };
        write!(
            f,
            "{}:{}: {level}: {}",
            self.path.display(),
            self.line,
            self.message
        )
    }
}

/// Everything that is wrong below `root`, sorted by file.
pub fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let mut files = Vec::new();
    list(root, Path::new(""), &mut files)?;
    let mut findings = Vec::new();
    for path in files {
        let file = root.join(&path);
        // What is not text is no business of these rules.
        let Ok(text) = String::from_utf8(fs::read(&file).with_context(|| file.display().to_string())?) else {
            continue;
        };
        findings.extend(source::check(&path, &text));
        if path.file_name().is_some_and(|name| name == "Cargo.toml") {
            findings.extend(arrows::check(&path, &text));
        }
    }
    findings.sort();
    Ok(findings)
}

/// Folders that hold nothing that a person wrote.
const GENERATED: &[&str] = &[".git", "target", "node_modules", "corpus", "artifacts"];

/// Kinds of files that people write, by the end of their names.
const WRITTEN: &[&str] = &[
    ".rs", ".toml", ".md", ".yml", ".yaml", ".sh", "Makefile", ".ci/run",
];

fn list(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let full = root.join(folder);
    for entry in fs::read_dir(&full).with_context(|| full.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = folder.join(&name);
        let kind = entry.file_type()?;
        if kind.is_dir() && !GENERATED.contains(&name.as_str()) {
            list(root, &path, files)?;
        } else if kind.is_file() && WRITTEN.iter().any(|end| path.to_string_lossy().ends_with(end)) {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_and_generated_ones_left_alone() {
        let root = std::env::temp_dir().join(format!("xtask-tidy-{}", std::process::id()));
        for (path, text) in [
            ("crates/vm/src/lib.rs", "fn header_missing() {}\n"),
            ("crates/vm/Cargo.toml", "[dependencies]\nironkit-oci = \"1\"\n"),
            ("target/debug/build.rs", "no header\n"),
            ("crates/vm/image.bin", "\u{0}\n"),
        ] {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let findings: Vec<String> = check(&root).unwrap().iter().map(Finding::to_string).collect();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(
            findings,
            [
                "crates/vm/Cargo.toml:2: error: `vm` may not use `oci`: it uses nothing here",
                "crates/vm/src/lib.rs:1: error: a file opens with `//!`: what it owns, and what it does not do",
            ]
        );
    }
}
