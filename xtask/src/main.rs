//! The workspace's own chores: `cargo xtask COMMAND`.
//!
//! `tidy` keeps what the compiler and clippy cannot: how files look, and which crate may use which. It reads the
//! checkout and changes nothing. `demo` and `bench` run the program that was built for release, from outside.

mod arrows;
mod bench;
mod commands;
mod control;
mod demo;
mod ironkit;
mod machine;
mod source;
mod table;
mod tidy;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

const USAGE: &str = "\
usage: cargo xtask COMMAND
  tidy                  check file headers, sizes, forbidden words and the arrows between crates
  docs-commands FILE    print the commands of a document's `sh` and `console` blocks, one per line
  demo                  make the components, build examples/minimal.yml, boot it, fetch its page, switch it off
  bench                 measure; --only NAME, --runs N, --json
  measure -- COMMAND    run a command and print the most memory that it had in use, in KiB
";

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy(&root()?),
        ["demo"] => demo::run(&root()?),
        ["bench", ref options @ ..] => bench::run(&root()?, options),
        ["measure", "--", ref command @ ..] => bench::measure(command),
        ["docs-commands", file] => docs_commands(Path::new(file)),
        _ => bail!("unknown command\n{USAGE}"),
    }
}

/// The top of the checkout.
fn root() -> anyhow::Result<PathBuf> {
    // Cargo sets it for `cargo run`: this crate's folder, one below the workspace.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask COMMAND`")?;
    let root = Path::new(&here).parent().context("the workspace has no folder")?;
    Ok(root.to_owned())
}

fn tidy(root: &Path) -> anyhow::Result<ExitCode> {
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
