//! Programs that run to their end, and what they said.

use std::fmt;
use std::process::Command;

/// A program that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The command as it was given, for messages.
    pub command: String,
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs `command` to its end.
///
/// # Panics
/// If it cannot be run at all.
pub fn run(command: &mut Command) -> Finished {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    Finished {
        command: format!("{command:?}"),
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs `command` to its end and returns its standard output.
///
/// # Panics
/// With everything it said, if it does not succeed.
#[track_caller]
pub fn succeed(command: &mut Command) -> String {
    let finished = run(command);
    assert!(finished.code == Some(0), "{finished}");
    finished.stdout
}

/// Most memory that [`bounded`] lets a program ask for, in KiB.
const MEMORY: &str = "131072";
/// Most seconds of a processor, and by the clock. What is built for speed takes two of the former.
const SECONDS: &str = "20";
const CLOCK: &str = "180";

/// Runs `command` to its end with little memory and time: asking for more than 128 MiB, or computing for more than 20 s,
/// ends it by a signal.
///
/// # Panics
/// If it cannot be run at all.
pub fn bounded(command: &mut Command) -> Finished {
    let limits = "ulimit -d \"$1\" && ulimit -t \"$2\" && shift 2 && exec \"$@\"";
    let mut limited = Command::new("sh");
    limited.args(["-c", limits, "sh", MEMORY, SECONDS]);
    limited.args(["timeout", "--signal=KILL", CLOCK]);
    limited.arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    limited.env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            limited.env(name, value);
        }
    }
    run(&mut limited)
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.map_or("a signal".to_owned(), |code| code.to_string());
        write!(f, "{}\nended with {code}\n", self.command)?;
        write!(
            f,
            "--- stdout\n{}\n--- stderr\n{}",
            self.stdout.trim_end(),
            self.stderr.trim_end()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_a_program_said() {
        let finished = run(&mut shell("echo out; echo err >&2; exit 3"));
        assert_eq!(finished.code, Some(3));
        assert!(
            finished
                .to_string()
                .ends_with("ended with 3\n--- stdout\nout\n--- stderr\nerr"),
            "{finished}"
        );
        assert_eq!(run(&mut shell("kill -9 $$")).code, None);
        assert_eq!(succeed(&mut shell("echo fine")), "fine\n");
        assert!(std::panic::catch_unwind(|| succeed(&mut shell("false"))).is_err());
    }

    #[test]
    fn more_memory_than_allowed_ends_a_program() {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let some = |megabytes: usize| {
            let mut command = Command::new("dd");
            command.args(["if=/dev/zero", "of=/dev/null", "count=1"]);
            command.arg(format!("bs={megabytes}M")).env("PATH", &path);
            bounded(&mut command).code
        };
        assert_eq!(some(64), Some(0));
        assert_eq!(some(200), Some(1));
    }
}
