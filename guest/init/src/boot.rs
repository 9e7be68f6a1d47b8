//! Onboot containers one after the other, then all services.

use std::path::Path;
use std::time::{Duration, Instant};

use ironkit_contract::paths;
use ironkit_contract::runtime::OnFailure;

use crate::console;
use crate::power::Power;
use crate::report::{self, failure, now_ms};
use crate::section::Section;
use crate::supervisor::Supervisor;
use crate::volumes::folders;

/// How long the report waits for services to become their programs.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long an onboot container may go on when the machine is to go down: it may be the one that asked.
const GRACE: Duration = Duration::from_secs(1);

/// Whether the boot goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// With what comes next.
    Go,
    /// Not: nothing more is started.
    Stop,
}

/// Runs the onboot containers below `root`.
pub fn onboot(supervisor: &mut Supervisor, root: &Path) -> Next {
    let mut next = Next::Go;
    for folder in folders(&root.join(paths::ONBOOT)) {
        next = run_one(supervisor, Section::Onboot, &folder);
        if next == Next::Stop || supervisor.request.is_some() {
            next = Next::Stop;
            break;
        }
    }
    let _ = std::os::unix::fs::symlink("/run/log/onboot", "/var/log/onboot");
    supervisor.report.onboot_ms = now_ms();
    next
}

/// Runs a container to its end, or until the machine is asked to go down.
pub fn run_one(supervisor: &mut Supervisor, section: Section, folder: &Path) -> Next {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    console::line(&format!("{} {name}: from {}", section.name(), folder.display()));
    let run = supervisor.start(section, folder);
    let (timeout, policy) = supervisor.bundle(run).map_or((None, None), |bundle| {
        (bundle.runtime.timeout, bundle.runtime.on_failure)
    });
    let timeout = timeout
        .or((section == Section::Onshutdown).then_some(60))
        .filter(|seconds| *seconds > 0);
    if let Some(seconds) = timeout {
        supervisor.kill_after(
            run,
            Duration::from_secs(seconds.into()),
            &format!("took longer than {seconds} s"),
        );
    }
    let mut interrupted = false;
    while !supervisor.has_ended(run) {
        supervisor.turn(None);
        if section == Section::Onboot && supervisor.request.is_some() && !interrupted {
            interrupted = true;
            supervisor.kill_after(run, GRACE, "the machine was asked to go down");
        }
    }
    match policy {
        Some(policy) if failure(supervisor.outcome(run), None).is_some() => apply(supervisor, policy),
        _ => Next::Go,
    }
}

fn apply(supervisor: &mut Supervisor, policy: OnFailure) -> Next {
    match policy {
        OnFailure::Continue => return Next::Go,
        OnFailure::Stop => console::line("ironkit: stopped: nothing more is started"),
        OnFailure::Poweroff => {
            supervisor.request.get_or_insert(Power::Off);
        }
        OnFailure::Reboot => {
            supervisor.request.get_or_insert(Power::Reboot);
        }
    }
    Next::Stop
}

/// Starts all services below `root` and waits until each runs its program.
pub fn services(supervisor: &mut Supervisor, root: &Path) {
    let started: Vec<_> = folders(&root.join(paths::SERVICES))
        .iter()
        .map(|folder| supervisor.start(Section::Services, folder))
        .collect();
    let limit = Instant::now() + PATIENCE;
    let mut open = started;
    while !open.is_empty() && supervisor.request.is_none() && Instant::now() < limit {
        open.retain(|run| supervisor.is_starting(*run));
        if !open.is_empty() {
            supervisor.turn(Some(limit));
        }
    }
}

/// Writes the report and shows its summary.
pub fn report(supervisor: &mut Supervisor) {
    supervisor.report.services_ms = now_ms();
    report::summary(&supervisor.report)
        .iter()
        .for_each(|line| console::line(line));
    write_report(supervisor);
}

/// Writes the report to wherever it belongs.
pub fn write_report(supervisor: &mut Supervisor) {
    let device = supervisor.cmdline.report.clone();
    if let Err(error) = report::write(&mut supervisor.report, device.as_deref()) {
        console::line(&format!("ironkit: boot report: {error}"));
    }
}
