//! The guest's small programs in one file: which one it is, its name says, else its first argument.

mod dhcp;
mod error;
mod power;
mod sysctl;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use error::{Error, Result};
use power::Action;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let mut name = name_of(arguments.first());
    if name == "tools" && arguments.len() > 1 {
        arguments.remove(0);
        name = name_of(arguments.first());
    }
    let rest = arguments.get(1..).unwrap_or_default();
    match run(&name, rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{name}: {error}");
            ExitCode::from(error.status())
        }
    }
}

fn run(name: &str, arguments: &[String]) -> Result<()> {
    match name {
        "dhcpcd" => dhcp::run(arguments),
        "poweroff" | "poweroff.sh" => power::run(name, Action::Poweroff, arguments),
        "reboot" => power::run(name, Action::Reboot, arguments),
        "halt" => power::run(name, Action::Halt, arguments),
        "sysctl" => sysctl::run(arguments),
        _ => Err(Error::Usage(
            "expected one of dhcpcd, poweroff, reboot, halt, sysctl".to_owned(),
        )),
    }
}

fn name_of(argument: Option<&String>) -> String {
    let path = argument
        .map(Path::new)
        .and_then(Path::file_name)
        .unwrap_or_default();
    path.to_string_lossy().into_owned()
}

/// Prints a line.
fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
