//! A virtual machine that `ironkit run` started, with its console and its end in a test's hands.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::{Sandbox, Serial, free_port, http_get};

/// Ctrl-A, which asks QEMU's terminal for its attention.
const ATTENTION: u8 = 1;
/// A machine that heard the button says so at once.
const BETWEEN_PRESSES: Duration = Duration::from_secs(3);

/// A machine that runs. Dropping it pulls the plug.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    keyboard: ChildStdin,
    /// What it writes.
    pub console: Serial,
}

impl Machine {
    /// Starts it with `command`, an `ironkit run` that keeps the console on its terminal.
    ///
    /// # Panics
    /// If the command cannot be run.
    pub fn start(command: &mut Command) -> Machine {
        // A group of its own, so that QEMU, its child, can be ended with it.
        let mut child = command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let keyboard = child.stdin.take().expect("it is a pipe");
        let console = Serial::read(child.stdout.take().expect("it is a pipe"));
        Machine {
            child,
            keyboard,
            console,
        }
    }

    /// Starts `ironkit run` with `arguments`, emulated. The port of this computer leads to the machine's web server.
    ///
    /// # Panics
    /// As [`Machine::start`].
    pub fn run(sandbox: &Sandbox, arguments: &[&str]) -> (Machine, u16) {
        let port = free_port();
        let publish = format!("127.0.0.1:{port}:80");
        let mut command = sandbox.ironkit(["run", "--accel", "tcg", "--publish", &publish]);
        (Machine::start(command.args(arguments)), port)
    }

    /// Waits until the machine runs, and gives the web page of examples/minimal.yml at that port.
    ///
    /// # Panics
    /// With the console's transcript, when it does not come to that within `limit`.
    #[track_caller]
    pub fn serves(&self, port: u16, limit: Duration) {
        self.console.wait_for("Welcome to IronKit", limit);
        let page = http_get(port, "/index.html", limit);
        assert_eq!(page.status, 200, "{page:?}");
        assert!(page.text().contains("Served by IronKit"), "{page:?}");
    }

    /// Presses the power button, again and again until the machine says `heard`: one that is still starting has no
    /// driver for it yet.
    ///
    /// # Panics
    /// With the console's transcript, if it has not after `limit`.
    #[track_caller]
    pub fn press_power_button(&mut self, heard: &str, limit: Duration) {
        let deadline = Instant::now() + limit;
        loop {
            self.monitor("system_powerdown");
            // The end of the machine ends the waiting, too.
            if self.console.shows(heard, BETWEEN_PRESSES) || Instant::now() >= deadline {
                break;
            }
        }
        self.console.wait_for(heard, Duration::ZERO);
    }

    /// Gives QEMU's monitor a command, and the terminal back to the guest.
    ///
    /// # Panics
    /// If the machine has ended.
    pub fn monitor(&mut self, command: &str) {
        let text = [&[ATTENTION, b'c'], command.as_bytes(), &[b'\n', ATTENTION, b'c']].concat();
        let typed = self
            .keyboard
            .write_all(&text)
            .and_then(|()| self.keyboard.flush());
        if let Err(error) = typed {
            panic!("cannot type {command}: {error}\n{}", self.console.transcript());
        }
    }

    /// Asks the command to end, and nothing else.
    ///
    /// # Panics
    /// If it has ended.
    pub fn terminate(&self) {
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(process.expect("a process has a number"), Signal::TERM).expect("it runs");
    }

    /// Waits until the machine has ended and returns the exit code of the command.
    ///
    /// # Panics
    /// With the console's transcript, if it still runs after `limit`.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> Option<i32> {
        let deadline = Instant::now() + limit;
        self.console.wait_for_end(limit);
        loop {
            let ended = self.child.try_wait().expect("a child can be waited for");
            if let Some(status) = ended {
                return status.code();
            }
            assert!(Instant::now() < deadline, "ironkit still runs after {limit:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}
