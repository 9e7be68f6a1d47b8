//! `cargo xtask demo`: the whole path, shown. The components are made, an operating system is linked out of them twice, booted,
//! asked for its web page and switched off; in the end it says what happened and how long it took.
//!
//! All that is written is below `target/demo`. The cache there is kept, so that a second demonstration fetches nothing.

mod summary;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::ironkit::{Ironkit, MINIMAL, timed};
use crate::machine::{Answer, Machine};

/// How long the machine may take until its page is there. An emulated one needs ten seconds, on a busy host a minute.
const BOOT_LIMIT: Duration = Duration::from_secs(180);
/// Lines of the console that are shown when something fails.
const TAIL: usize = 30;
/// Base name of what is built and run.
const NAME: &str = "minimal";

/// Does something and writes down what happened.
type Step = fn(&mut Demo) -> Result<()>;

/// What is done, in order.
const STEPS: &[(&str, Step)] = &[
    ("make the components", make_components),
    (
        "build the image, cold: all components are there, nothing else",
        build_cold,
    ),
    ("build the image again, warm", build_warm),
    ("boot it, and fetch its web page", boot),
    ("press its power button", switch_off),
];

/// What is known so far; the steps fill it in.
struct Demo {
    ironkit: Ironkit,
    machine: Option<Machine>,
    happened: Happened,
}

/// What happened.
#[derive(Debug, Default)]
struct Happened {
    /// How long the first build took.
    cold: Duration,
    /// How long the second build took.
    warm: Duration,
    /// What `build --sizes` prints.
    sizes: String,
    /// From the start of the machine to the answer.
    served: Duration,
    /// What the web server said.
    answer: Option<Answer>,
    /// The boot report.
    report: Value,
    /// From the press of the button to the end of the machine.
    off: Duration,
}

/// Runs the demonstration with the checkout at `root`.
///
/// # Errors
/// Any step fails; the end of the machine's console was printed then.
pub fn run(root: &Path) -> Result<ExitCode> {
    let ironkit = Ironkit::find(root, "demo")?;
    let mut demo = Demo {
        ironkit,
        machine: None,
        happened: Happened::default(),
    };
    for (number, (title, step)) in STEPS.iter().enumerate() {
        say(&format!("[{}/{}] {title}", number + 1, STEPS.len()))?;
        if let Err(error) = step(&mut demo) {
            show_console(&demo)?;
            return Err(error.context(format!(
                "step {} of the demonstration failed: {title}",
                number + 1
            )));
        }
    }
    say("")?;
    say(&summary::text(&demo.happened))?;
    Ok(ExitCode::SUCCESS)
}

fn make_components(demo: &mut Demo) -> Result<()> {
    let components = demo.ironkit.components()?;
    let mut line = vec!["--verbose", "2", "pkg", "build"];
    line.extend(components.iter().map(String::as_str));
    demo.ironkit.follow(&line, indented)
}

fn build_cold(demo: &mut Demo) -> Result<()> {
    demo.ironkit.forget_derived()?;
    (_, demo.happened.cold) = build(demo)?;
    Ok(())
}

fn build_warm(demo: &mut Demo) -> Result<()> {
    (demo.happened.sizes, demo.happened.warm) = build(demo)?;
    Ok(())
}

/// What `build --sizes` prints, and how long it took.
fn build(demo: &Demo) -> Result<(String, Duration)> {
    let mut command = demo.ironkit.command(["build", "--sizes", "--name", NAME]);
    let (sizes, elapsed) = timed(command.arg(demo.ironkit.root.join(MINIMAL)))?;
    indented(&format!("{} ms", elapsed.as_millis()))?;
    Ok((sizes, elapsed))
}

fn boot(demo: &mut Demo) -> Result<()> {
    let start = Instant::now();
    let (machine, notes) = Machine::start(&demo.ironkit, NAME, &["--accel", "auto", "--mem", "512"])?;
    let machine = demo.machine.insert(machine);
    notes.iter().try_for_each(|note| indented(note))?;
    let answer = machine.wait_for_page(BOOT_LIMIT, without_kernel_log)?;
    demo.happened.served = start.elapsed();
    indented(&answer.status)?;
    if !answer.status.contains(" 200 ") {
        bail!("expected the status 200, found `{}`", answer.status);
    }
    demo.happened.answer = Some(answer);
    Ok(())
}

fn switch_off(demo: &mut Demo) -> Result<()> {
    let machine = demo.machine.as_mut().context("no machine runs")?;
    demo.happened.off = machine.power_off()?;
    machine.follow_console(without_kernel_log)?;
    indented("the machine is off")?;
    demo.happened.report = machine.report()?.context("the guest wrote no boot report")?;
    if demo.happened.report["ok"] != true {
        bail!("the guest reports a failure: {}", demo.happened.report);
    }
    Ok(())
}

/// A line of the console, unless it is the kernel's.
fn without_kernel_log(line: &str) -> Result<()> {
    match is_kernel_log(line) {
        true => Ok(()),
        false => indented(line),
    }
}

/// The kernel's own messages begin with their time: `[    1.234567] `.
fn is_kernel_log(line: &str) -> bool {
    line.strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .is_some_and(|(time, _)| time.trim().parse::<f64>().is_ok())
}

fn show_console(demo: &Demo) -> Result<()> {
    let Some(machine) = &demo.machine else {
        return Ok(());
    };
    let console = machine.console()?;
    let lines: Vec<&str> = console.lines().collect();
    say("the end of the machine's console:")?;
    lines[lines.len().saturating_sub(TAIL)..]
        .iter()
        .try_for_each(|line| indented(line))
}

fn indented(line: &str) -> Result<()> {
    say(&format!("      {line}"))
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}

#[cfg(test)]
mod tests {
    use super::is_kernel_log;

    #[test]
    fn the_kernels_lines() {
        for (line, expect) in [
            ("[    0.000000] Linux version 6.12", true),
            ("[   12.743487] ata3: SATA link down", true),
            ("[info] ready", false),
            ("Welcome to IronKit", false),
            ("[", false),
            ("", false),
        ] {
            assert_eq!(is_kernel_log(line), expect, "{line}");
        }
    }
}
