//! `cargo xtask bench`: how fast, how small, how frugal, beside what each number is measured against and what it should be.
//!
//! A number over its limit is marked and fails nothing: a busy machine is slower. `benches/README.md` explains every
//! benchmark. All that is written is below `target/bench`.

mod boot;
mod build;
mod erofs;
mod formats;
mod images;
mod many;
mod measure;
mod memory;
mod registry;
mod report;
mod size;
mod squashfs;
mod tree;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::ironkit::Ironkit;
use report::Row;

pub use measure::measure;

/// A benchmark.
struct Benchmark {
    name: &'static str,
    run: fn(&Workshop) -> Result<Vec<Row>>,
}

/// All of them, the quick ones first.
const BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        name: "warm",
        run: build::warm,
    },
    Benchmark {
        name: "changed",
        run: build::changed,
    },
    Benchmark {
        name: "component",
        run: build::component,
    },
    Benchmark {
        name: "sbom",
        run: build::sbom,
    },
    Benchmark {
        name: "cold",
        run: build::cold,
    },
    Benchmark {
        name: "services",
        run: many::services,
    },
    Benchmark {
        name: "tar",
        run: tree::tar,
    },
    Benchmark {
        name: "pull",
        run: tree::pull,
    },
    Benchmark {
        name: "squashfs",
        run: squashfs::squashfs,
    },
    Benchmark {
        name: "erofs",
        run: erofs::erofs,
    },
    Benchmark {
        name: "formats",
        run: formats::formats,
    },
    Benchmark {
        name: "size",
        run: size::size,
    },
    Benchmark {
        name: "memory",
        run: memory::minimal,
    },
    Benchmark {
        name: "boot",
        run: boot::boot,
    },
    Benchmark {
        name: "memory-large",
        run: memory::large,
    },
];

/// What every benchmark works with.
struct Workshop {
    ironkit: Ironkit,
    /// How often what is quick is measured.
    runs: usize,
}

/// The arguments of the command.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    only: Vec<String>,
    runs: usize,
    json: bool,
}

/// Runs the benchmarks with the checkout at `root`.
///
/// # Errors
/// Arguments that cannot be understood, a component that cannot be made. A benchmark that fails is shown among the results.
pub fn run(root: &Path, arguments: &[&str]) -> Result<ExitCode> {
    let options = options(arguments)?;
    let workshop = Workshop {
        ironkit: Ironkit::find(root, "bench")?,
        runs: options.runs,
    };
    let mut notes = std::io::stderr();
    writeln!(notes, "making the components")?;
    let mut line = vec!["pkg".to_owned(), "build".to_owned()];
    line.extend(workshop.ironkit.components()?);
    workshop.ironkit.run(line)?;

    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for benchmark in BENCHMARKS {
        if !options.only.is_empty() && !options.only.iter().any(|name| name == benchmark.name) {
            continue;
        }
        writeln!(notes, "measuring {}", benchmark.name)?;
        match (benchmark.run)(&workshop) {
            Ok(more) => rows.extend(more.into_iter().map(|row| (benchmark.name, row))),
            Err(error) => failures.push(format!("{}: {error:#}", benchmark.name)),
        }
    }
    let text = match options.json {
        true => report::json(&rows),
        false => report::table(&rows, &machine()),
    };
    writeln!(std::io::stdout(), "{text}")?;
    for failure in &failures {
        writeln!(notes, "error: {failure}")?;
    }
    Ok(match failures.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn options(arguments: &[&str]) -> Result<Options> {
    let mut options = Options {
        only: Vec::new(),
        runs: 9,
        json: false,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match *argument {
            "--json" => options.json = true,
            "--only" => {
                let name = rest.next().context("--only needs the name of a benchmark")?;
                let names = BENCHMARKS
                    .iter()
                    .map(|benchmark| benchmark.name)
                    .collect::<Vec<_>>();
                if !names.contains(name) {
                    bail!(
                        "`{name}` is not a benchmark: expected one of {}",
                        names.join(", ")
                    );
                }
                options.only.push((*name).to_owned());
            }
            "--runs" => {
                let number = rest.next().context("--runs needs a number")?;
                options.runs = number
                    .parse()
                    .ok()
                    .filter(|runs| *runs > 0)
                    .with_context(|| format!("`{number}` is not a number of runs"))?;
            }
            other => bail!("`{other}` is not an option of bench: expected --only NAME, --runs N or --json"),
        }
    }
    Ok(options)
}

/// What the numbers depend on: processors, and how busy they were.
fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    format!("{processors} processors, load {load} at the end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        let good = |only: &[&str], runs, json| Options {
            only: only.iter().map(|&name| name.to_owned()).collect(),
            runs,
            json,
        };
        for (line, expect) in [
            ("", good(&[], 9, false)),
            (
                "--only warm --runs 3 --json --only size",
                good(&["warm", "size"], 3, true),
            ),
        ] {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(options(&words).unwrap(), expect, "{line}");
        }
        for (line, expect) in [
            ("--only", "--only needs the name of a benchmark"),
            (
                "--only x",
                "`x` is not a benchmark: expected one of warm, changed",
            ),
            ("--runs 0", "`0` is not a number of runs"),
            ("fast", "`fast` is not an option of bench"),
        ] {
            let words: Vec<&str> = line.split_whitespace().collect();
            let error = options(&words).unwrap_err().to_string();
            assert!(error.starts_with(expect), "{line}: {error}");
        }
    }
}
