//! Containers from their start to their end: one thread, one event loop.
//!
//! [`Supervisor::turn`] waits for the next thing that happens (a signal, a word of a container that sets itself up, output, the
//! power button, a time that has come) and deals with it. Everything else is written as if it waited by itself.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ironkit_contract::BootReport;
use ironkit_contract::boot_report::ContainerReport;
use ironkit_sys::signal::SignalFd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitOptions, wait};

use crate::bundle::Bundle;
use crate::cmdline::Cmdline;
use crate::container::{Child, Prepared, Stdio, Word, no_input};
use crate::error::{Result, Step};
use crate::logs::{self, Keep, Stream};
use crate::modules::{Devices, Modules};
use crate::policy::{FIRST_WAIT, LONGEST_WAIT, STEADY, notices, starts_again};
use crate::power::{self, Power};
use crate::report::{failure, now_ms};
use crate::section::Section;
use crate::{button, console};

/// After how long the devices that can wait, such as the power button, get their modules.
const SETTLE: Duration = Duration::from_secs(2);

/// Where a container is in its life.
#[derive(Debug)]
enum Stage {
    /// To be started again then.
    Waiting(Instant),
    /// Its process sets itself up.
    Starting(Child),
    /// Its program runs.
    Running(Child),
    /// It ended, or never ran.
    Ended,
}

/// One container.
#[derive(Debug)]
struct Run {
    section: Section,
    name: String,
    folder: PathBuf,
    bundle: Option<Bundle>,
    stage: Stage,
    /// Its place in the report.
    report: usize,
    started: Instant,
    wait: Duration,
    /// When it is killed, and what that is called.
    deadline: Option<(Instant, String)>,
    streams: Vec<Stream>,
}

/// PID 1 with all that it holds.
#[derive(Debug)]
pub struct Supervisor {
    /// What the command line says.
    pub cmdline: Cmdline,
    /// Kernel modules.
    pub modules: Modules,
    /// What happened so far.
    pub report: BootReport,
    /// What someone asked for: the machine is to go down.
    pub request: Option<Power>,
    signals: SignalFd,
    buttons: Vec<std::fs::File>,
    /// When the devices that could wait have their turn.
    settle: Option<Instant>,
    runs: Vec<Run>,
    /// Output of what containers that ended have left running.
    orphaned: Vec<Stream>,
    /// No service is started again.
    closing: bool,
}

/// What [`poll`] woke up for.
enum Event {
    Signal,
    Button(usize),
    Word(usize),
    Output(usize, usize),
    Orphaned(usize),
}

impl Supervisor {
    /// Takes over signals and the power button.
    pub fn new(cmdline: Cmdline, modules: Modules, report: BootReport) -> Result<Supervisor> {
        Ok(Supervisor {
            cmdline,
            modules,
            report,
            request: None,
            signals: SignalFd::new(power::SIGNALS).step(|| "signals".to_owned())?,
            buttons: Vec::new(),
            settle: Some(Instant::now() + SETTLE),
            runs: Vec::new(),
            orphaned: Vec::new(),
            closing: false,
        })
    }

    /// Starts the container in `folder`: its handle.
    pub fn start(&mut self, section: Section, folder: &Path) -> usize {
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        self.report.containers.push(ContainerReport {
            section: section.name().to_owned(),
            name: name.clone(),
            start_ms: now_ms(),
            ..ContainerReport::default()
        });
        self.runs.push(Run {
            section,
            name,
            folder: folder.to_owned(),
            bundle: None,
            stage: Stage::Ended,
            report: self.report.containers.len() - 1,
            started: Instant::now(),
            wait: FIRST_WAIT,
            deadline: None,
            streams: Vec::new(),
        });
        let run = self.runs.len() - 1;
        self.begin(run);
        run
    }

    /// Whether a container has ended for good.
    pub fn has_ended(&self, run: usize) -> bool {
        matches!(self.runs[run].stage, Stage::Ended)
    }

    /// Whether a container's program does not run yet.
    pub fn is_starting(&self, run: usize) -> bool {
        matches!(self.runs[run].stage, Stage::Starting(_))
    }

    /// What the report says of a container.
    pub fn outcome(&self, run: usize) -> &ContainerReport {
        &self.report.containers[self.runs[run].report]
    }

    /// A container's own settings, if they could be read.
    pub fn bundle(&self, run: usize) -> Option<&Bundle> {
        self.runs[run].bundle.as_ref()
    }

    /// Handles of the services that have not ended, after which none is started again.
    pub fn close(&mut self) -> Vec<usize> {
        self.closing = true;
        for run in &mut self.runs {
            if matches!(run.stage, Stage::Waiting(_)) {
                run.stage = Stage::Ended;
            }
        }
        (0..self.runs.len()).filter(|run| !self.has_ended(*run)).collect()
    }

    /// Kills a container after `time`; `why` is then what the report says.
    pub fn kill_after(&mut self, run: usize, time: Duration, why: &str) {
        self.runs[run].deadline = Some((Instant::now() + time, why.to_owned()));
    }

    /// Asks a container to stop, by a signal to its first process. One that would not notice is killed: the kernel keeps
    /// signals without a handler from the first process of a PID namespace.
    pub fn stop(&mut self, run: usize, signal: i32) {
        let Some(child) = self.runs[run].child() else {
            return;
        };
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.pid.as_raw_nonzero()));
        if status.is_ok_and(|status| notices(&status, signal)) {
            let _ = ironkit_sys::process::kill(child.pid, signal);
        } else {
            child.cgroup.kill();
        }
    }

    /// Says that a step of PID 1 failed.
    pub fn problem(&mut self, text: impl Into<String>) {
        let text = text.into();
        console::line(&format!("ironkit: failed: {text}"));
        self.report.problems.push(text);
    }

    /// Waits for the next thing that happens and deals with it, or until `limit`.
    pub fn turn(&mut self, limit: Option<Instant>) {
        let events = self.wait(limit);
        // Output and words first: when a process has ended, all that it said is known.
        for event in events {
            match event {
                Event::Signal => {}
                Event::Button(place) => {
                    if button::was_pressed(&self.buttons[place]) {
                        self.request.get_or_insert(Power::Off);
                    }
                }
                Event::Word(run) => self.listen(run),
                Event::Output(run, stream) => {
                    if !self.runs[run].streams[stream].pump() {
                        self.runs[run].streams.remove(stream);
                    }
                }
                Event::Orphaned(stream) => {
                    if !self.orphaned[stream].pump() {
                        self.orphaned.remove(stream);
                    }
                }
            }
        }
        while let Some(signal) = self.signals.next() {
            if let Some(power) = power::meaning(signal) {
                self.request.get_or_insert(power);
            }
        }
        self.reap();
        self.keep_time();
    }

    /// Collects every process that has ended, ours or left behind by others. `false` when there is no process left.
    pub fn reap(&mut self) -> bool {
        loop {
            let (pid, status) = match wait(WaitOptions::NOHANG) {
                Ok(Some(ended)) => ended,
                Ok(None) => return true,
                Err(_) => return false,
            };
            let code = match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => code,
                (None, Some(signal)) => 128 + signal,
                (None, None) => continue,
            };
            if let Some(run) = self.run_of(pid) {
                self.listen(run);
                self.finish(run, Some(code));
            }
        }
    }

    fn run_of(&self, pid: Pid) -> Option<usize> {
        self.runs
            .iter()
            .position(|run| run.child().is_some_and(|child| child.pid == pid))
    }

    fn wait(&self, limit: Option<Instant>) -> Vec<Event> {
        let mut sources: Vec<(Event, BorrowedFd<'_>)> = vec![(Event::Signal, self.signals.as_fd())];
        sources.extend(
            self.buttons
                .iter()
                .enumerate()
                .map(|(place, file)| (Event::Button(place), file.as_fd())),
        );
        for (place, run) in self.runs.iter().enumerate() {
            if let Stage::Starting(child) = &run.stage {
                sources.push((Event::Word(place), child.as_fd()));
            }
            // From last to first, since those that are done are taken out.
            let streams = run.streams.iter().enumerate().rev();
            sources.extend(streams.map(|(stream, pipe)| (Event::Output(place, stream), pipe.as_fd())));
        }
        let orphaned = self.orphaned.iter().enumerate().rev();
        sources.extend(orphaned.map(|(stream, pipe)| (Event::Orphaned(stream), pipe.as_fd())));
        let mut polled: Vec<_> = sources
            .iter()
            .map(|(_, fd)| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        let timeout = self.next_time(limit).map(until);
        if poll(&mut polled, timeout.as_ref()).is_err() {
            return Vec::new();
        }
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        sources
            .into_iter()
            .zip(ready)
            .filter_map(|((event, _), ready)| ready.then_some(event))
            .collect()
    }

    /// The next time at which something is due.
    fn next_time(&self, limit: Option<Instant>) -> Option<Instant> {
        let waiting = self.runs.iter().filter_map(|run| match run.stage {
            Stage::Waiting(when) => Some(when),
            _ => None,
        });
        let deadlines = self
            .runs
            .iter()
            .filter_map(|run| run.deadline.as_ref().map(|(when, _)| *when));
        waiting.chain(deadlines).chain(limit).chain(self.settle).min()
    }

    fn keep_time(&mut self) {
        let now = Instant::now();
        if self.settle.take_if(|when| *when <= now).is_some() {
            for problem in self.modules.coldplug(Devices::All) {
                self.problem(problem);
            }
            self.buttons = button::devices();
        }
        for run in 0..self.runs.len() {
            if matches!(self.runs[run].stage, Stage::Waiting(when) if when <= now) {
                let report = &mut self.report.containers[self.runs[run].report];
                report.restarts += 1;
                // The next run has its own reasons to fail.
                report.error = None;
                self.begin(run);
            }
            if let Some((_, why)) = self.runs[run].deadline.take_if(|(when, _)| *when <= now) {
                self.runs[run].kill();
                self.note(run, why);
            }
        }
    }

    /// Creates a container's process.
    fn begin(&mut self, run: usize) {
        self.debug(run, "creating");
        self.runs[run].started = Instant::now();
        match self.create(run) {
            Ok(child) => self.runs[run].stage = Stage::Starting(child),
            Err(error) => {
                self.note(run, error.to_string());
                self.finish(run, None);
            }
        }
    }

    fn create(&mut self, place: usize) -> Result<Child> {
        let run = &mut self.runs[place];
        let bundle = run.bundle.insert(Bundle::read(&run.folder)?);
        bundle.mount(&mut self.modules)?;
        let prepared = Prepared::read(&run.folder)?;
        let [out, err] = run.section.logs(&run.name);
        let direct = self.cmdline.direct && run.section != Section::Services;
        let (output, error) = if direct {
            let console = || {
                std::io::stderr()
                    .as_fd()
                    .try_clone_to_owned()
                    .step(|| "console".to_owned())
            };
            (console()?, console()?)
        } else {
            let again = self.report.containers[run.report].restarts > 0;
            let keep = if again { Keep::Earlier } else { Keep::Nothing };
            let (out, output) = Stream::open(&out, prepared.owner(), keep)?;
            let (err, error) = Stream::open(&err, prepared.owner(), keep)?;
            run.streams = vec![out, err];
            (output, error)
        };
        prepared.create(
            &run.name,
            &Stdio {
                input: no_input()?,
                output,
                error,
            },
        )
    }

    /// Hears what a container's process says while it sets itself up.
    fn listen(&mut self, place: usize) {
        let run = &mut self.runs[place];
        let Stage::Starting(child) = &run.stage else {
            return;
        };
        match child.word() {
            Word::Nothing => {}
            Word::Ready => {
                let pid = child.pid;
                let attached = run.bundle.as_ref().map_or(Ok(()), |bundle| bundle.attach(pid));
                if let Err(error) = attached.and_then(|()| child.start()) {
                    run.kill();
                    self.note(place, error.to_string());
                }
                self.debug(place, "starting");
            }
            Word::Failed(why) => self.note(place, why),
            Word::Done => {
                if let Stage::Starting(child) = std::mem::replace(&mut run.stage, Stage::Ended) {
                    run.stage = Stage::Running(child);
                }
            }
        }
    }

    /// Deals with the end of a container, or with one that could not be made.
    fn finish(&mut self, place: usize, status: Option<i32>) {
        let run = &mut self.runs[place];
        let mut streams = std::mem::take(&mut run.streams);
        streams.retain_mut(Stream::pump);
        self.orphaned.extend(streams);
        run.deadline = None;
        if let Stage::Starting(child) | Stage::Running(child) =
            std::mem::replace(&mut run.stage, Stage::Ended)
        {
            if run.section == Section::Services {
                child.cgroup.kill();
            }
            child.cgroup.remove();
        }
        if let Some(bundle) = &mut run.bundle {
            bundle.unmount();
        }
        let report = &mut self.report.containers[run.report];
        report.status = status;
        report.end_ms = Some(now_ms());
        let failed = failure(report, self.report.shutdown_ms);
        let again = self.restart(place, failed.is_some());
        self.show(place, failed.as_deref(), again);
    }

    /// Whether a service is started again, and after how long.
    fn restart(&mut self, place: usize, failed: bool) -> Option<Duration> {
        let run = &mut self.runs[place];
        let policy = run.bundle.as_ref().and_then(|bundle| bundle.runtime.restart);
        if run.section != Section::Services || self.closing || !starts_again(policy, failed) {
            return None;
        }
        if run.started.elapsed() >= STEADY {
            run.wait = FIRST_WAIT;
        }
        let wait = run.wait;
        run.wait = (wait * 2).min(LONGEST_WAIT);
        run.stage = Stage::Waiting(Instant::now() + wait);
        Some(wait)
    }

    /// Shows on the console what a container wrote and how it ended.
    fn show(&mut self, place: usize, failed: Option<&str>, again: Option<Duration>) {
        let run = &self.runs[place];
        if run.section != Section::Services && !self.cmdline.direct {
            for path in run.section.logs(&run.name) {
                console::raw(&logs::read(&path));
            }
        }
        self.debug(place, "ended");
        let run = &self.runs[place];
        let title = format!("{} {}", run.section.name(), run.name);
        match (failed, again) {
            (Some(why), None) => console::line(&format!("{title}: failed: {why}")),
            (Some(why), Some(wait)) => {
                console::line(&format!(
                    "{title}: failed: {why}; again in {} ms",
                    wait.as_millis()
                ));
            }
            (None, Some(wait)) => console::line(&format!("{title}: ended; again in {} ms", wait.as_millis())),
            (None, None) => {}
        }
    }

    /// Keeps the first reason for a container's failure.
    fn note(&mut self, run: usize, why: String) {
        self.report.containers[self.runs[run].report]
            .error
            .get_or_insert(why);
    }

    fn debug(&self, run: usize, what: &str) {
        if self.cmdline.debug {
            console::line(&format!(
                "{} {}: {what}",
                self.runs[run].section.name(),
                self.runs[run].name
            ));
        }
    }
}

impl Run {
    fn child(&self) -> Option<&Child> {
        match &self.stage {
            Stage::Starting(child) | Stage::Running(child) => Some(child),
            Stage::Waiting(_) | Stage::Ended => None,
        }
    }

    /// Kills all of the container.
    fn kill(&self) {
        if let Some(child) = self.child() {
            child.cgroup.kill();
        }
    }
}

/// The time from now to `when`, for poll(2).
fn until(when: Instant) -> Timespec {
    let left = when.saturating_duration_since(Instant::now());
    // Rounded up, so that the time has come when it is over.
    let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
    Timespec {
        tv_sec: seconds,
        tv_nsec: i64::from(left.subsec_nanos()),
    }
}
