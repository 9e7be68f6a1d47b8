//! The workspace's own chores: `cargo xtask COMMAND`.
//!
//! `tidy` keeps what the compiler and clippy cannot: how files look, and which crate may use which. It reads the
//! checkout and changes nothing.

mod arrows;
mod commands;
mod source;
mod tidy;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};

const USAGE: &str = "\
usage: cargo xtask COMMAND
  tidy                  check file headers, sizes, forbidden words and the arrows between crates
  docs-commands FILE    print the commands of a document's `sh` and `console` blocks, one per line
";

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy(),
        ["docs-commands", file] => docs_commands(Path::new(file)),
        _ => bail!("unknown command\n{USAGE}"),
    }
}

fn tidy() -> anyhow::Result<ExitCode> {
    // Cargo sets it for `cargo run`: this crate's folder, one below the workspace.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask tidy`")?;
    let root = Path::new(&here).parent().context("the workspace has no folder")?;
    let findings = tidy::check(root)?;
    let failures = findings.iter().filter(|finding| finding.fails).count();
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    writeln!(
        out,
        "tidy: {failures} to repair, {} to think about",
        findings.len() - failures
    )?;
    Ok(if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn docs_commands(file: &Path) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut out = std::io::stdout().lock();
    for command in commands::commands(&text) {
        writeln!(out, "{command}")?;
    }
    Ok(ExitCode::SUCCESS)
}
