//! `poweroff`, `reboot` and `halt`: ask PID 1, which stops everything in order; with `-f`, do it at once.
//!
//! As `poweroff.sh` the one argument is the seconds to wait first, 30 unless given: LinuxKit's component of that name.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::system::RebootCommand;

use crate::error::{Error, Result};

/// What an applet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Switch off.
    Poweroff,
    /// Boot again.
    Reboot,
    /// Stop, and stay on.
    Halt,
}

#[derive(Debug, PartialEq, Eq)]
struct Options {
    wait: u64,
    force: bool,
}

/// Runs the applet `name`.
pub fn run(name: &str, action: Action, arguments: &[String]) -> Result<()> {
    let options = parse(name, arguments)?;
    std::thread::sleep(Duration::from_secs(options.wait));
    if options.force {
        rustix::fs::sync();
        let command = match action {
            Action::Poweroff => RebootCommand::PowerOff,
            Action::Reboot => RebootCommand::Restart,
            Action::Halt => RebootCommand::Halt,
        };
        return rustix::system::reboot(command).map_err(|cause| Error::io("reboot", cause.into()));
    }
    let signal = match action {
        Action::Poweroff => Signal::USR2,
        Action::Reboot => Signal::TERM,
        Action::Halt => Signal::USR1,
    };
    kill_process(Pid::INIT, signal).map_err(|cause| Error::io("signal PID 1", cause.into()))
}

fn parse(name: &str, arguments: &[String]) -> Result<Options> {
    let script = name.ends_with(".sh");
    let mut options = Options {
        wait: if script { 30 } else { 0 },
        force: false,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-f" => options.force = true,
            "-d" => options.wait = seconds(arguments.next())?,
            other if script && !other.starts_with('-') => options.wait = seconds(Some(argument))?,
            other => return Err(Error::NotSupported(format!("{name}: the argument {other}"))),
        }
    }
    Ok(options)
}

fn seconds(text: Option<&String>) -> Result<u64> {
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| Error::Usage("a number of seconds is needed".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read() {
        for (name, words, expect) in [
            ("poweroff", "", Some((0, false))),
            ("poweroff", "-f -d 5", Some((5, true))),
            ("poweroff.sh", "", Some((30, false))),
            ("poweroff.sh", "3", Some((3, false))),
            ("poweroff.sh", "3 -f", Some((3, true))),
            ("poweroff", "3", None),
            ("reboot", "-d", None),
            ("reboot", "-d x", None),
            ("halt", "-w", None),
        ] {
            let arguments: Vec<_> = words.split_ascii_whitespace().map(str::to_owned).collect();
            let got = parse(name, &arguments)
                .ok()
                .map(|options| (options.wait, options.force));
            assert_eq!(got, expect, "{name} {words}");
        }
    }
}
