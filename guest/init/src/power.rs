//! Asking the machine to go down: by signals, as BusyBox's init understands them.

use rustix::system::{RebootCommand, reboot};

/// What becomes of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It stops and stays on.
    Halt,
    /// It switches itself off.
    Off,
    /// It boots again.
    Reboot,
}

const SIGINT: i32 = 2;
const SIGUSR1: i32 = 10;
const SIGUSR2: i32 = 12;
const SIGTERM: i32 = 15;
const SIGCHLD: i32 = 17;
const SIGPWR: i32 = 30;

/// The signals that PID 1 hears; all others have no effect on it.
pub const SIGNALS: &[i32] = &[SIGINT, SIGUSR1, SIGUSR2, SIGTERM, SIGCHLD, SIGPWR];

impl Power {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Power::Halt => "halt",
            Power::Off => "poweroff",
            Power::Reboot => "reboot",
        }
    }

    /// Does it, at once.
    pub fn act(self) {
        let _ = reboot(match self {
            Power::Halt => RebootCommand::Halt,
            Power::Off => RebootCommand::PowerOff,
            Power::Reboot => RebootCommand::Restart,
        });
    }
}

/// What a signal asks for. Ctrl-Alt-Del is `SIGINT`.
pub fn meaning(signal: i32) -> Option<Power> {
    match signal {
        SIGUSR1 => Some(Power::Halt),
        SIGUSR2 | SIGPWR => Some(Power::Off),
        SIGTERM | SIGINT => Some(Power::Reboot),
        _ => None,
    }
}

/// Lets the kernel turn Ctrl-Alt-Del into `SIGINT` instead of a reset.
pub fn catch_ctrl_alt_del() {
    let _ = reboot(RebootCommand::CadOff);
}
