//! A body fetched whole, however often the connection breaks.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::response::DRIP;
use super::{Options, Response, back_off, broken};
use crate::{Error, Result};

/// Where the bytes of a transfer go.
pub trait Sink {
    /// Takes the next bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Forgets all bytes: the server starts again at the first one.
    fn restart(&mut self) -> io::Result<()>;
}

/// In memory.
impl Sink for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.clear();
        Ok(())
    }
}

/// Fetches what `open(offset, budget)` answers with, into `sink`. When a body breaks off, it is asked for from
/// there on; a server that does not do ranges is read from the start. Given up after [`Options::give_up`]
/// without progress. Returns the number of bytes.
pub fn transfer(
    options: &Options,
    name: &str,
    limit: u64,
    open: &mut dyn FnMut(u64, Duration) -> Result<Response>,
    sink: &mut dyn Sink,
) -> Result<u64> {
    let mut state = Transfer {
        offset: 0,
        reached: 0,
        progress: Instant::now(),
    };
    let mut attempt = 0;
    loop {
        attempt += 1;
        let budget = options.give_up.saturating_sub(state.progress.elapsed());
        let before = state.reached;
        // What could not be asked for at all has been retried by `open`; what broke off is retried here.
        let response = open(state.offset, budget)?;
        let error = match state.receive(name, limit, response, sink) {
            Ok(size) => return Ok(size),
            Err(error) => error,
        };
        if state.reached > before {
            attempt = 1;
        }
        let left = options.give_up.saturating_sub(state.progress.elapsed());
        let pause = back_off(attempt);
        let again = matches!(error, Error::Http { again: true, .. }) && attempt < options.attempts;
        if !again || pause + Duration::from_secs(1) > left {
            return Err(error);
        }
        sleep(pause);
    }
}

struct Transfer {
    /// How many bytes the sink has.
    offset: u64,
    /// How far any attempt came, in steps that are worth being called progress.
    reached: u64,
    /// When that was.
    progress: Instant,
}

impl Transfer {
    fn receive(
        &mut self,
        name: &str,
        limit: u64,
        mut response: Response,
        sink: &mut dyn Sink,
    ) -> Result<u64> {
        match response.status {
            206 if self.offset > 0 && starts_at(&response, self.offset) => {}
            200 => self.restart(sink)?,
            // The server may have nothing after the offset, or a different idea of the size: start again.
            206 | 416 if self.offset > 0 => {
                self.restart(sink)?;
                return Err(broken(name, "the server's range does not fit".into(), true));
            }
            _ => return Err(response.into_error()),
        }
        let announced = response
            .content_length()
            .map(|length| length.saturating_add(self.offset));
        if let Some(size) = announced.filter(|size| *size > limit) {
            return Err(Error::TooLarge {
                what: name.to_owned(),
                size,
                limit,
            });
        }
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let read = response.reader().read(&mut buffer);
            let count =
                read.map_err(|error| broken(name, format!("{error} at byte {}", self.offset), true))?;
            if count == 0 {
                break;
            }
            self.offset += count as u64;
            if self.offset > limit {
                return Err(Error::TooLarge {
                    what: name.to_owned(),
                    size: self.offset,
                    limit,
                });
            }
            sink.write(&buffer[..count])
                .map_err(Error::stream("store what was fetched"))?;
            if self.offset >= self.reached + DRIP {
                self.reached = self.offset;
                self.progress = Instant::now();
            }
        }
        match announced {
            Some(size) if size != self.offset => Err(broken(
                name,
                format!("cut off at byte {} of {size}", self.offset),
                true,
            )),
            _ => Ok(self.offset),
        }
    }

    fn restart(&mut self, sink: &mut dyn Sink) -> Result<()> {
        if self.offset > 0 {
            sink.restart()
                .map_err(Error::stream("start the transfer again"))?;
            self.offset = 0;
        }
        Ok(())
    }
}

fn starts_at(response: &Response, offset: u64) -> bool {
    let range = response.header("content-range").unwrap_or_default();
    range.starts_with(&format!("bytes {offset}-"))
}
