//! The way down: onshutdown containers, then services, then whatever is left, then the file systems.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ironkit_contract::paths;
use ironkit_sys::mount::flags::{RDONLY, REMOUNT};
use ironkit_sys::mount::mount;
use ironkit_sys::process::{kill_all, signal_number};
use rustix::mount::{UnmountFlags, unmount};

use crate::power::Power;
use crate::report::now_ms;
use crate::section::Section;
use crate::supervisor::Supervisor;
use crate::volumes::folders;
use crate::{boot, console};

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// Seconds that a service has after its stop signal, unless it says otherwise.
const STOP: u32 = 10;
/// How long what no container holds has after SIGTERM, and after SIGKILL.
const REST: Duration = Duration::from_secs(2);

/// File systems that stay: they hold nothing, and are needed until the end.
const STAY: [&str; 6] = ["/", "/proc", "/sys", "/dev", "/run", "/sys/fs/cgroup"];

/// Takes the machine down.
pub fn run(supervisor: &mut Supervisor, root: &Path, power: Power) -> ! {
    console::line(&format!("ironkit: {}: stopping", power.name()));
    supervisor.report.shutdown_ms = Some(now_ms());
    for folder in folders(&root.join(paths::ONSHUTDOWN)) {
        boot::run_one(supervisor, Section::Onshutdown, &folder);
    }
    stop_services(supervisor);
    stop_rest(supervisor);
    boot::write_report(supervisor);
    rustix::fs::sync();
    unmount_all();
    rustix::fs::sync();
    console::line(&format!("ironkit: {}", power.name()));
    power.act();
    // Only without the right to do that: in a container, or with a kernel that has no way to switch off.
    loop {
        supervisor.turn(None);
    }
}

fn stop_services(supervisor: &mut Supervisor) {
    let open = supervisor.close();
    for run in &open {
        let runtime = supervisor
            .bundle(*run)
            .map(|bundle| bundle.runtime.clone())
            .unwrap_or_default();
        let signal = runtime
            .stop_signal
            .as_deref()
            .and_then(signal_number)
            .unwrap_or(SIGTERM);
        let seconds = runtime.stop_timeout.unwrap_or(STOP);
        supervisor.stop(*run, signal);
        supervisor.kill_after(
            *run,
            Duration::from_secs(seconds.into()),
            &format!("did not stop within {seconds} s"),
        );
    }
    while open.iter().any(|run| !supervisor.has_ended(*run)) {
        supervisor.turn(None);
    }
}

fn stop_rest(supervisor: &mut Supervisor) {
    for signal in [SIGTERM, SIGKILL] {
        let limit = Instant::now() + REST;
        if kill_all(signal).is_err() {
            return;
        }
        while supervisor.reap() && Instant::now() < limit {
            supervisor.turn(Some(limit));
        }
    }
}

/// Unmounts from the last mount to the first. What is still busy is made read-only, so that it is whole on the next boot.
fn unmount_all() {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for point in mount_points(&table)
        .iter()
        .rev()
        .filter(|point| !STAY.contains(&point.as_str()))
    {
        if unmount(point.as_str(), UnmountFlags::NOFOLLOW).is_err() {
            let _ = mount("", Path::new(point), "", REMOUNT | RDONLY, "");
        }
    }
    let _ = mount("", Path::new("/"), "", REMOUNT | RDONLY, "");
}

/// Mount points in the order of mounting, by the text of mountinfo, which writes odd characters as `\040`.
fn mount_points(table: &str) -> Vec<String> {
    table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescape)
        .collect()
}

fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok())
        {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::mount_points;

    #[test]
    fn mount_points_are_read() {
        let table = "22 1 0:20 / / ro,relatime shared:1 - rootfs rootfs rw\n\
                     23 22 0:21 / /proc rw shared:2 - proc proc rw\n\
                     24 22 8:1 / /mnt/a\\040b rw - ext4 /dev/sda1 rw\n\
                     25 22 8:2 / /odd\\ rw - ext4 /dev/sda2 rw\nshort\n";
        assert_eq!(mount_points(table), ["/", "/proc", "/mnt/a b", "/odd\\"]);
    }
}
