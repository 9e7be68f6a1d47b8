//! A QEMU that ends with the program that started it, however that ends: `kill` of the one leaves no machine behind.
//!
//! The kernel signals a process when its parent ends, if it has asked for that, and still does when it has become another
//! program (prctl(2), `PR_SET_PDEATHSIG`). Only a process itself can ask: so this program is run again, asks, and becomes QEMU.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::Error;

/// The first argument of a program that is to call [`until_parent_ends`] with those that follow.
pub const UNTIL_PARENT_ENDS: &str = "__until-parent-ends";

/// `command`, but run by `launcher`.
pub(crate) fn launched(launcher: &OsStr, command: &Command) -> Command {
    let mut outer = Command::new(launcher);
    outer.arg(UNTIL_PARENT_ENDS).arg(std::process::id().to_string());
    outer.arg(command.get_program()).args(command.get_args());
    outer
}

/// Becomes another program, which ends when its parent does. The arguments are the parent's number, the program and its
/// arguments. Returns only with what is in the way.
pub fn until_parent_ends(mut arguments: impl Iterator<Item = OsString>) -> Error {
    let parent = arguments.next().and_then(|number| number.to_str()?.parse().ok());
    let program = arguments.next().unwrap_or_default();
    let source = become_another(parent, &program, arguments);
    Error::Run {
        program: program.into(),
        source,
    }
}

fn become_another(
    parent: Option<i32>,
    program: &OsStr,
    arguments: impl Iterator<Item = OsString>,
) -> io::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
        return error.into();
    }
    // It may have ended before it was asked for.
    if getppid().map(|parent| parent.as_raw_nonzero().get()) != parent {
        return io::ErrorKind::BrokenPipe.into();
    }
    Command::new(program).args(arguments).exec()
}
