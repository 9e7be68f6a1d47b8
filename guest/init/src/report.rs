//! The boot report and its way out of the machine.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ironkit_contract::boot_report::ContainerReport;
use ironkit_contract::{BootReport, paths};
use rustix::fs::OFlags;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use rustix::time::{ClockId, clock_gettime};

use crate::error::{Result, Step};

/// Milliseconds since the kernel started.
pub fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec * 1000 + now.tv_nsec / 1_000_000).unwrap_or(0)
}

/// A report that begins now.
pub fn begin() -> BootReport {
    BootReport {
        version: 1,
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        init_ms: now_ms(),
        ok: true,
        ..BootReport::default()
    }
}

/// What failed of a container, in words. A service that a signal ended after `shutdown` began ended as it was told to.
pub fn failure(container: &ContainerReport, shutdown: Option<u64>) -> Option<String> {
    let told = container.section == "services" && shutdown.is_some_and(|when| container.end_ms >= Some(when));
    match (&container.error, container.status) {
        (Some(error), _) => Some(error.clone()),
        (None, Some(0) | None) => None,
        (None, Some(status)) if status > 128 && told => None,
        (None, Some(status)) if status > 128 => Some(format!("ended by signal {}", status - 128)),
        (None, Some(status)) => Some(format!("exit status {status}")),
    }
}

/// One line for the console, and one for each thing that failed.
pub fn summary(report: &BootReport) -> Vec<String> {
    let count = report.containers.len();
    let mut lines = vec![format!(
        "ironkit: boot took {} ms: init {}, system {}, onboot {}, services {} ({count} container{})",
        report.services_ms,
        report.init_ms,
        report.system_ms,
        report.onboot_ms,
        report.services_ms,
        if count == 1 { "" } else { "s" },
    )];
    lines.extend(
        report
            .problems
            .iter()
            .map(|problem| format!("ironkit: failed: {problem}")),
    );
    for container in &report.containers {
        if let Some(why) = failure(container, report.shutdown_ms) {
            lines.push(format!(
                "ironkit: failed: {} {}: {why}",
                container.section, container.name
            ));
        }
    }
    lines
}

/// Writes the report to its file, and as one line to `device`.
pub fn write(report: &mut BootReport, device: Option<&str>) -> Result<()> {
    report.ok = report.problems.is_empty()
        && report
            .containers
            .iter()
            .all(|container| failure(container, report.shutdown_ms).is_none());
    let text = serde_json::to_string(report).step(|| "boot report".to_owned())? + "\n";
    let path = Path::new(paths::BOOT_REPORT);
    let step = || format!("write {}", path.display());
    let draft = path.with_extension("new");
    fs::create_dir_all(path.parent().unwrap_or(path)).step(step)?;
    fs::write(&draft, &text)
        .and_then(|()| fs::rename(&draft, path))
        .step(step)?;
    match device {
        Some(device) => send(device, text.as_bytes()).step(|| format!("write {device}")),
        None => Ok(()),
    }
}

/// Writes to a device whose other side may have gone: it must not hold up PID 1 for long.
fn send(device: &str, bytes: &[u8]) -> std::io::Result<()> {
    let flags = i32::try_from((OFlags::NOCTTY | OFlags::CLOEXEC).bits()).unwrap_or_default();
    let mut file: File = OpenOptions::new().append(true).custom_flags(flags).open(device)?;
    if let Ok(mut settings) = tcgetattr(&file) {
        settings.make_raw();
        tcsetattr(&file, OptionalActions::Now, &settings)?;
    }
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_words() {
        let of = |section: &str, status, error: Option<&str>, shutdown| {
            let container = ContainerReport {
                section: section.to_owned(),
                end_ms: Some(50),
                status,
                error: error.map(str::to_owned),
                ..ContainerReport::default()
            };
            failure(&container, shutdown)
        };
        for (section, status, error, shutdown, expect) in [
            ("onboot", None, None, None, None),
            ("onboot", Some(0), None, None, None),
            ("onboot", Some(3), None, None, Some("exit status 3")),
            ("onboot", Some(137), None, None, Some("ended by signal 9")),
            (
                "onboot",
                None,
                Some("mount /sys: no"),
                None,
                Some("mount /sys: no"),
            ),
            (
                "onboot",
                Some(137),
                Some("took longer than 5 s"),
                None,
                Some("took longer than 5 s"),
            ),
            ("services", Some(143), None, None, Some("ended by signal 15")),
            ("services", Some(143), None, Some(60), Some("ended by signal 15")),
            ("services", Some(143), None, Some(40), None),
            ("services", Some(1), None, Some(40), Some("exit status 1")),
            (
                "services",
                Some(137),
                Some("did not stop within 10 s"),
                Some(40),
                Some("did not stop within 10 s"),
            ),
        ] {
            assert_eq!(
                of(section, status, error, shutdown).as_deref(),
                expect,
                "{section} {status:?} {shutdown:?}"
            );
        }
    }
}
