//! A machine that `ironkit run` started in the background: its console, its web server, its power button.
//!
//! Its control socket says how it ended: a guest that switched itself off is told from one that was killed.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use crate::control::{Control, Received};
use crate::ironkit::Ironkit;

/// How long a machine may take to switch itself off.
const POWER_OFF_LIMIT: Duration = Duration::from_secs(60);
/// After how long its button is pressed again: a machine that has just started may not have its driver yet.
const PRESS_AGAIN: Duration = Duration::from_secs(3);
/// How long a web server that has been started may take for one answer before it is asked anew. Emulated machines on busy
/// hosts are slow.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Pause between two looks at something that is not there yet: what boot times are exact to.
const PAUSE: Duration = Duration::from_millis(5);
/// What PID 1 writes on the console when all services were started.
const SERVICES_STARTED: &str = "ironkit: boot took";

/// A running machine; it is stopped hard when this is dropped.
#[derive(Debug)]
pub struct Machine {
    control: Control,
    console: PathBuf,
    /// How much of the console was handed over, in bytes.
    shown: usize,
    report: PathBuf,
    process: u32,
    port: u16,
    ended: bool,
}

/// What a web server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `HTTP/1.1 200 OK`
    pub status: String,
    /// The page.
    pub page: String,
}

impl Machine {
    /// Starts the image `name` of the program's folder with more arguments of `run qemu`; port 80 of the machine becomes
    /// a free port of loopback. Returns what the program noted as well.
    ///
    /// # Errors
    /// The program fails or its machine cannot be controlled.
    pub fn start(ironkit: &Ironkit, name: &str, arguments: &[&str]) -> Result<(Machine, Vec<String>)> {
        let state = ironkit.directory.join(format!("{name}-state"));
        let (console, report) = (state.join("console"), state.join("report.json"));
        for old in [&console, &report] {
            match std::fs::remove_file(old) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    bail!("cannot remove {}: {error}", old.display())
                }
                _ => {}
            }
        }
        let port = free_port()?;
        let publish = format!("127.0.0.1:{port}:80");
        let report_argument = format!("{name}-state/report.json");
        let mut line = vec![
            "run",
            "qemu",
            "--detached",
            "--publish",
            &publish,
            "--report",
            &report_argument,
        ];
        line.extend(arguments);
        line.push(name);
        let mut notes = Vec::new();
        ironkit
            .follow(&line, |text| {
                notes.push(text.to_owned());
                Ok(())
            })
            .map_err(|error| anyhow!("{error}\n{}", notes.join("\n")))?;
        let process = notes.iter().find_map(|line| line.parse().ok());
        notes.retain(|line| line.starts_with("note: "));
        let machine = Machine {
            control: Control::connect(&state)?,
            console,
            shown: 0,
            report,
            process: process.context("`ironkit run --detached` did not print a process number")?,
            port,
            ended: false,
        };
        Ok((machine, notes))
    }

    /// All that is on the console so far.
    ///
    /// # Errors
    /// Those of reading the file.
    pub fn console(&self) -> Result<String> {
        read(&self.console)
    }

    /// Hands over the console's lines since the last time; returns all that is on it.
    ///
    /// # Errors
    /// Those of reading the file and of `line`.
    pub fn follow_console(&mut self, mut line: impl FnMut(&str) -> Result<()>) -> Result<String> {
        let console = self.console()?;
        let end = console.rfind('\n').map_or(0, |end| end + 1);
        for text in console.get(self.shown..end).unwrap_or_default().lines() {
            line(text)?;
        }
        self.shown = end;
        Ok(console)
    }

    /// The guest's last boot report, if it wrote one.
    ///
    /// # Errors
    /// Those of reading the file.
    pub fn report(&self) -> Result<Option<Value>> {
        let text = read(&self.report)?;
        Ok(text
            .lines()
            .rev()
            .find_map(|line| serde_json::from_str(line).ok()))
    }

    /// Waits until the web server answers, and hands over every line of the console as it comes.
    ///
    /// # Errors
    /// The machine ends or `limit` passes before there is an answer.
    pub fn wait_for_page(
        &mut self,
        limit: Duration,
        mut line: impl FnMut(&str) -> Result<()>,
    ) -> Result<Answer> {
        let start = Instant::now();
        let mut failure = "its services were not started".to_owned();
        loop {
            let console = self.follow_console(&mut line)?;
            // Asked earlier, the connection would wait in the network's emulation, which tries again less and less often.
            if console.contains(SERVICES_STARTED) {
                match self.get() {
                    Ok(answer) => return Ok(answer),
                    Err(error) => failure = format!("its web server does not answer: {error}"),
                }
            }
            if !is_running(self.process) {
                bail!("the machine ended by itself");
            }
            if start.elapsed() > limit {
                bail!("{} s after the machine was started, {failure}", limit.as_secs());
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Presses the power button, again and again, until the machine is off; returns how long that took since the last
    /// press.
    ///
    /// # Errors
    /// The machine does not react, or ends in another way than by switching itself off.
    pub fn power_off(&mut self) -> Result<Duration> {
        let first = Instant::now();
        let mut reason = None;
        while first.elapsed() < POWER_OFF_LIMIT {
            let pressed = Instant::now();
            // It is too late when the machine is just ending; the messages say so.
            let _ = self.control.send("system_powerdown");
            while let Some(left) = PRESS_AGAIN
                .checked_sub(pressed.elapsed())
                .filter(|left| !left.is_zero())
            {
                match self.control.receive(left)? {
                    Received::Message(message) if message["event"] == "SHUTDOWN" => {
                        reason = message["data"]["reason"].as_str().map(str::to_owned);
                    }
                    Received::Message(_) | Received::Nothing => {}
                    Received::End => {
                        self.ended = true;
                        return match reason.as_deref() {
                            Some("guest-shutdown") => Ok(pressed.elapsed()),
                            other => bail!(
                                "the machine did not switch itself off: {}",
                                other.unwrap_or("it vanished")
                            ),
                        };
                    }
                }
            }
        }
        bail!(
            "the machine is not off {} s after its button was pressed",
            POWER_OFF_LIMIT.as_secs()
        )
    }

    /// Asks the web server for its first page, once.
    fn get(&self) -> io::Result<Answer> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        // Version 1.0: the page ends with the connection.
        write!(stream, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        answer(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if !self.ended {
            // One that cannot be reached is off already.
            let _ = self.control.send("quit");
        }
    }
}

/// A file that grows, as text. One that is not there yet is empty.
fn read(path: &Path) -> Result<String> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).replace('\r', "")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Whether there is such a process, and not just its exit status.
fn is_running(process: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    state
        .rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn answer(text: &str) -> Option<Answer> {
    let (head, page) = text.split_once("\r\n\r\n")?;
    let status = head.lines().next().filter(|line| line.starts_with("HTTP/"))?;
    Some(Answer {
        status: status.to_owned(),
        page: page.to_owned(),
    })
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port of loopback is free")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let page = |status: &str, page: &str| {
            Some(Answer {
                status: status.to_owned(),
                page: page.to_owned(),
            })
        };
        for (text, expect) in [
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\nhi", page("HTTP/1.1 200 OK", "hi")),
            (
                "HTTP/1.0 404 Not Found\r\n\r\n",
                page("HTTP/1.0 404 Not Found", ""),
            ),
            ("HTTP/1.1 200 OK\r\nA: b", None),
            ("SSH-2.0\r\n\r\n", None),
            ("", None),
        ] {
            assert_eq!(answer(text), expect, "{text}");
        }
    }
}
