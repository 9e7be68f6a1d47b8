//! What a person sees: the banner, lines, and the output of containers.
//!
//! Everything goes to `/dev/console`, which the kernel gave to PID 1 as its standard error.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use ironkit_contract::WELCOME;
use rustix::fs::OFlags;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::system::uname;

/// Prints a line. A console that can not be written to is no reason to stop.
pub fn line(text: &str) {
    raw(format!("{text}\n").as_bytes());
}

/// Prints bytes as they are.
pub fn raw(bytes: &[u8]) {
    let mut console = std::io::stderr();
    let _ = console.write_all(bytes);
}

/// The banner on the console.
pub fn welcome() {
    line(&banner());
}

/// The banner on the other devices that `console=` names; the last one named had it already.
pub fn welcome_elsewhere(consoles: &[String]) {
    let Some((last, others)) = consoles.split_last() else {
        return;
    };
    for name in others.iter().filter(|name| *name != last) {
        let path = Path::new("/dev").join(name);
        let flags = i32::try_from((OFlags::NOCTTY | OFlags::NONBLOCK).bits()).unwrap_or_default();
        let device = OpenOptions::new().write(true).custom_flags(flags).open(path);
        if let Ok(mut device) = device
            && device
                .metadata()
                .is_ok_and(|data| data.file_type().is_char_device())
        {
            let _ = device.write_all(format!("{}\n", banner()).as_bytes());
        }
    }
}

/// Makes `/dev/console` the standard streams, for kernels that could not open it since the image has none.
pub fn adopt() {
    if rustix::fs::fstat(std::io::stderr().as_fd()).is_ok() {
        return;
    }
    if let Ok(console) = OpenOptions::new().read(true).write(true).open("/dev/console") {
        let _ = dup2_stdin(&console);
        let _ = dup2_stdout(&console);
        let _ = dup2_stderr(&console);
        welcome();
    }
}

fn banner() -> String {
    let kernel = uname();
    let (release, machine) = (
        kernel.release().to_string_lossy(),
        kernel.machine().to_string_lossy(),
    );
    format!(
        "{WELCOME} {} (Linux {release} {machine})",
        env!("CARGO_PKG_VERSION")
    )
}
