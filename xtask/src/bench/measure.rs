//! How numbers are taken.

use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};

use super::report::Quantity;

/// What is measured: it does its work once and says how long that took.
pub type Work<'a> = Box<dyn FnMut() -> Result<Duration> + 'a>;

/// Runs each work once unmeasured, then all of them in turn, `runs` times, so that what else the machine does meets all of
/// them alike. The medians, in the order of the works.
///
/// # Errors
/// Those of the works.
pub fn interleaved<const N: usize>(runs: usize, mut works: [Work; N]) -> Result<[Quantity; N]> {
    for work in &mut works {
        work()?;
    }
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..runs {
        for (work, times) in works.iter_mut().zip(&mut times) {
            times.push(work()?);
        }
    }
    Ok(times.map(|times| Quantity::Time(median(times))))
}

/// The one in the middle; of an even number the greater of the two, and nothing of nothing.
pub fn median<T: Ord + Copy + Default>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The most memory that a command had in use, seen by a process that runs nothing else: the kernel keeps one number for all
/// children of a process.
///
/// # Errors
/// The command cannot be run or fails.
pub fn peak_memory(command: &Command) -> Result<Quantity> {
    let mut own = Command::new(std::env::current_exe()?);
    own.arg("measure")
        .arg("--")
        .arg(command.get_program())
        .args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        own.current_dir(directory);
    }
    let output = own.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("the command that was measured failed\n{}", said.trim_end());
    }
    let kibibytes: u64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
    Ok(Quantity::Memory(kibibytes * 1024))
}

/// `xtask measure -- COMMAND`: runs the command and prints the most memory that it had in use, in KiB.
///
/// # Errors
/// The command cannot be run.
pub fn measure(line: &[&str]) -> Result<ExitCode> {
    let [program, arguments @ ..] = line else {
        bail!("measure needs a command");
    };
    let status = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .status();
    if !status
        .with_context(|| format!("cannot run {}", program))?
        .success()
    {
        return Ok(ExitCode::FAILURE);
    }
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss();
    writeln!(std::io::stdout(), "{peak}")?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (values, expect) in [
            (vec![], 0),
            (vec![7], 7),
            (vec![3, 1, 2], 2),
            (vec![4, 1, 3, 2], 3),
        ] {
            assert_eq!(median(values), expect);
        }
    }

    #[test]
    fn works_take_turns_after_a_warm_up() {
        let order = std::cell::RefCell::new(String::new());
        let work = |name: char, ms: u64| -> Work {
            let order = &order;
            Box::new(move || {
                order.borrow_mut().push(name);
                Ok(Duration::from_millis(ms))
            })
        };
        let medians = interleaved(2, [work('a', 1), work('b', 2)]).unwrap();
        assert_eq!(
            medians,
            [1, 2].map(|ms| Quantity::Time(Duration::from_millis(ms)))
        );
        assert_eq!(*order.borrow(), "ababab");
    }
}
