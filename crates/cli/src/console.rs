//! What goes to the terminal: progress while something takes time, notes, tables.
//!
//! Progress is one line on standard error that is written over and in the end wiped away; it only appears on a
//! terminal. Colours follow the terminal and `NO_COLOR`.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ironkit_oci::{Digest, Progress};
use ironkit_pipeline::Watcher;

use crate::args::Global;

/// A step shorter than this is not worth a line.
const PATIENCE: Duration = Duration::from_millis(300);
/// The line is not written more often than this.
const REFRESH: Duration = Duration::from_millis(100);

/// Shows progress and notes.
#[derive(Debug)]
pub struct Console {
    progress: bool,
    steps: bool,
    notes: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    started: Instant,
    drawn: Option<Instant>,
    step: String,
    expected: u64,
    received: u64,
    /// What is missing of each blob under way.
    missing: BTreeMap<Digest, u64>,
    /// How many blobs there were.
    blobs: usize,
}

impl Console {
    /// As the global arguments ask for.
    pub fn new(global: &Global) -> Console {
        let state = State {
            started: Instant::now(),
            drawn: None,
            step: String::new(),
            expected: 0,
            received: 0,
            missing: BTreeMap::new(),
            blobs: 0,
        };
        Console {
            progress: std::io::stderr().is_terminal() && !global.quiet,
            steps: global.verbose >= 2 && !global.quiet,
            notes: !global.quiet,
            state: Mutex::new(state),
        }
    }

    /// Wipes the progress away.
    pub fn finish(&self) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.wipe(&mut state);
    }

    /// A line on standard output. A reader that went away is not an error.
    pub fn print(&self, text: &str) {
        self.finish();
        let _ = writeln!(anstream::stdout(), "{text}");
    }

    /// A line on standard error, unless the user wants quiet.
    pub fn inform(&self, text: &str) {
        if self.notes {
            self.finish();
            error_line(text);
        }
    }

    fn wipe(&self, state: &mut State) {
        if state.drawn.take().is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }

    fn draw(&self, state: &mut State) {
        let now = Instant::now();
        let too_soon = state.drawn.is_some_and(|drawn| now - drawn < REFRESH);
        if !self.progress || too_soon || now - state.started < PATIENCE {
            return;
        }
        let megabytes = |bytes: u64| bytes / 1_000_000;
        let amount = match state.expected {
            0 => String::new(),
            expected => {
                let done = state.blobs - state.missing.len();
                let (received, expected) = (megabytes(state.received), megabytes(expected));
                format!(": {received} of {expected} MB, {done} of {} blobs", state.blobs)
            }
        };
        let line: String = format!("{}{amount}", state.step).chars().take(100).collect();
        let _ = write!(std::io::stderr(), "\r\x1b[K{line} …");
        let _ = std::io::stderr().flush();
        state.drawn = Some(now);
    }
}

/// Says that another process keeps us waiting.
pub fn waiting(lock: &std::path::Path) {
    error_line(&format!(
        "note: waiting for another process that holds {}",
        lock.display()
    ));
}

/// A line on standard error.
pub fn error_line(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

impl Progress for Console {
    fn blob(&self, _name: &str, digest: &Digest, size: u64) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        state.expected += size;
        state.blobs += 1;
        state.missing.insert(*digest, size);
        self.draw(&mut state);
    }

    fn advance(&self, digest: &Digest, bytes: u64) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        state.received += bytes;
        if let Some(missing) = state.missing.get_mut(digest) {
            *missing = missing.saturating_sub(bytes);
            if *missing == 0 {
                state.missing.remove(digest);
            }
        }
        self.draw(&mut state);
    }

    fn note(&self, text: &str) {
        self.inform(&format!("note: {text}"));
    }
}

impl Watcher for Console {
    fn step(&self, text: &str) {
        if self.steps {
            error_line(text);
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        state.step = text.to_owned();
        self.draw(&mut state);
    }
}

/// Bytes as a person reads them: `11.7 MB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100),
        1_000_000..1_000_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
        _ => format!(
            "{}.{} GB",
            bytes / 1_000_000_000,
            bytes % 1_000_000_000 / 100_000_000
        ),
    }
}

/// Rows in columns; the last column is ragged.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_read_well() {
        for (bytes, expect) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_500, "1.5 kB"),
            (11_708_352, "11.7 MB"),
            (2_040_000_000, "2.0 GB"),
        ] {
            assert_eq!(size(bytes), expect);
        }
    }
}
