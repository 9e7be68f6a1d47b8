//! The end of PID 1 by a bug of its own: it must not be the end of the kernel.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ironkit_sys::process::exit_now;
use rustix::system::{RebootCommand, reboot};

use crate::console;

/// Whether this process is a container's on its way to its program, and not PID 1 any more.
static NOT_INIT: AtomicBool = AtomicBool::new(false);

/// Says so.
pub fn not_init() {
    NOT_INIT.store(true, Ordering::Relaxed);
}

/// From now on a panic is printed, and the machine boots again after `panic` seconds, at once when negative, or powers off
/// when 0: what the kernel's `panic=` means, except that a machine does not hang.
pub fn take_over(panic: i64) {
    std::panic::set_hook(Box::new(move |info| {
        console::line(&format!("ironkit: a bug in PID 1: {info}"));
        if NOT_INIT.load(Ordering::Relaxed) {
            exit_now(127);
        }
        end(panic)
    }));
}

/// Ends the machine as `panic=` says.
pub fn end(panic: i64) -> ! {
    rustix::fs::sync();
    if let Ok(seconds) = u64::try_from(panic) {
        std::thread::sleep(Duration::from_secs(seconds));
    }
    let _ = reboot(if panic == 0 {
        RebootCommand::PowerOff
    } else {
        RebootCommand::Restart
    });
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}
