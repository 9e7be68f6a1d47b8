//! A machine's serial console: the oracle of a boot test.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Collects what a machine writes, in a thread of its own, so that the machine never waits for a reader.
#[derive(Debug)]
pub struct Serial {
    shared: Arc<(Mutex<State>, Condvar)>,
    start: Instant,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    closed: bool,
}

impl Serial {
    /// Begins to read, to the end of `console`. Carriage returns are left out.
    pub fn read(mut console: impl Read + Send + 'static) -> Serial {
        let shared = Arc::<(Mutex<State>, Condvar)>::default();
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let count = console.read(&mut buffer).unwrap_or(0);
                let mut state = lock(&theirs.0);
                state
                    .bytes
                    .extend(buffer[..count].iter().filter(|&&byte| byte != b'\r'));
                state.closed = count == 0;
                theirs.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        Serial {
            shared,
            start: Instant::now(),
        }
    }

    /// Waits until `text` has appeared, wherever in the transcript, and returns the time since reading began.
    ///
    /// # Panics
    /// With the whole transcript, if `text` has not appeared after `limit`, or the machine ends without it.
    #[track_caller]
    pub fn wait_for(&self, text: &str, limit: Duration) -> Duration {
        let (found, state) = self.wait(limit, |state| contains(&state.bytes, text));
        let how = if state.closed {
            "the machine ended"
        } else {
            "time is up"
        };
        let transcript = String::from_utf8_lossy(&state.bytes).into_owned();
        drop(state);
        assert!(
            found,
            "{how} without {text:?} (limit {limit:?}) on the console:\n{transcript}\n--- end of the console"
        );
        self.start.elapsed()
    }

    /// Whether `text` appears within `limit`, wherever in the transcript.
    pub fn shows(&self, text: &str, limit: Duration) -> bool {
        self.wait(limit, |state| contains(&state.bytes, text)).0
    }

    /// Waits until the machine closes its console, which it does when it ends.
    ///
    /// # Panics
    /// With the whole transcript, if it has not after `limit`.
    #[track_caller]
    pub fn wait_for_end(&self, limit: Duration) -> Duration {
        let (ended, state) = self.wait(limit, |state| state.closed);
        let transcript = String::from_utf8_lossy(&state.bytes).into_owned();
        drop(state);
        assert!(
            ended,
            "the machine still runs after {limit:?}:\n{transcript}\n--- end of the console"
        );
        self.start.elapsed()
    }

    /// Everything until now.
    pub fn transcript(&self) -> String {
        String::from_utf8_lossy(&lock(&self.shared.0).bytes).into_owned()
    }

    /// Waits until `done`, the end of the console or the end of `limit`.
    fn wait(&self, limit: Duration, done: impl Fn(&State) -> bool) -> (bool, MutexGuard<'_, State>) {
        let deadline = Instant::now() + limit;
        let mut state = lock(&self.shared.0);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if done(&state) || state.closed || left.is_zero() {
                return (done(&state), state);
            }
            let woken = self.shared.1.wait_timeout(state, left);
            state = woken.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }
}

/// A panic elsewhere leaves bytes that are as good as before.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn contains(bytes: &[u8], text: &str) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn text_is_waited_for_across_pieces() {
        let (console, mut machine) = UnixStream::pair().unwrap();
        let serial = Serial::read(console);
        let writer = std::thread::spawn(move || {
            for piece in ["Welcome ", "to Iron", "Kit\r\n", "\u{1b}[0m\r\n"] {
                std::thread::sleep(Duration::from_millis(5));
                machine.write_all(piece.as_bytes()).unwrap();
            }
            machine
        });
        assert!(serial.wait_for("Welcome to IronKit\n", LONG) < LONG);
        drop(writer.join().unwrap());
        serial.wait_for_end(LONG);
        assert_eq!(serial.transcript(), "Welcome to IronKit\n\u{1b}[0m\n");
    }

    #[test]
    fn failures_show_the_transcript() {
        let message = |work: &dyn Fn() -> Duration| {
            let payload = catch_unwind(AssertUnwindSafe(work)).unwrap_err();
            payload.downcast_ref::<String>().cloned().unwrap_or_default()
        };
        let (console, mut machine) = UnixStream::pair().unwrap();
        let serial = Serial::read(console);
        machine.write_all(b"kernel panic\n").unwrap();
        serial.wait_for("panic", LONG);
        assert!(serial.shows("kernel", SOON) && !serial.shows("login:", SOON));
        let text = message(&|| serial.wait_for("login:", SOON));
        assert!(
            text.starts_with("time is up without \"login:\"") && text.contains("kernel panic\n"),
            "{text}"
        );
        assert!(message(&|| serial.wait_for_end(SOON)).contains("still runs"));
        drop(machine);
        let text = message(&|| serial.wait_for("login:", LONG));
        assert!(text.starts_with("the machine ended without"), "{text}");
    }
}
