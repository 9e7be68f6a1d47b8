//! An answer and its body, which is watched while it is read.

use std::io::{self, Read};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{broken, date};
use crate::{Error, Result};

/// The answer to a request, its body not yet read.
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The address that answered, after redirects.
    pub url: String,
    pub(super) headers: ureq::http::HeaderMap,
    pub(super) body: Body,
}

impl Response {
    /// The value of a header, when it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The size that the server announces for the body.
    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// The body as a stream. It fails when the server stalls, drips or breaks off.
    pub fn reader(&mut self) -> &mut dyn Read {
        &mut self.body
    }

    /// The body as a stream of its own.
    pub fn into_reader(self) -> Box<dyn Read + Send> {
        Box::new(self.body)
    }

    /// The whole body, of at most `limit` bytes.
    pub fn bytes(&mut self, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = Read::take(&mut self.body, limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| broken(&self.url, error.to_string(), true))?;
        let size = bytes.len() as u64;
        if size > limit {
            return Err(Error::TooLarge {
                what: self.url.clone(),
                size,
                limit,
            });
        }
        Ok(bytes)
    }

    /// The answer as an error: the status and what the server says about it.
    pub fn into_error(mut self) -> Error {
        const MAX_TEXT: u64 = 4096;
        let mut text = Vec::new();
        // The status is the news; a body that cannot be read adds nothing.
        let _ = Read::take(&mut self.body, MAX_TEXT).read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text);
        let text = serde_json::from_str::<serde_json::Value>(&text)
            .ok()
            .and_then(|json| json.pointer("/errors/0/message")?.as_str().map(str::to_owned))
            .unwrap_or_else(|| text.lines().next().unwrap_or_default().to_owned());
        let limits = ["ratelimit-limit", "ratelimit-remaining", "retry-after"];
        let limits = limits
            .iter()
            .filter(|_| self.status == 429)
            .filter_map(|name| Some(format!("; {name}: {}", self.header(name)?)));
        let text = limits.fold(text, |text, limit| text + &limit);
        let text = text
            .trim_start_matches("; ")
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect::<String>();
        Error::Status {
            url: self.url,
            status: self.status,
            text: text.trim().to_owned(),
        }
    }

    /// How long the server wants to be left alone. A date is compared with the server's own clock, where it says that.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let value = self.header("retry-after")?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let then = date::seconds(value)?;
        let here = || SystemTime::now().duration_since(UNIX_EPOCH).ok();
        let now = self.header("date").and_then(|now| date::seconds(now.trim()));
        let now = now.or_else(|| Some(here()?.as_secs()))?;
        Some(Duration::from_secs(then.saturating_sub(now)))
    }
}

/// A body that has to keep coming: every window of time must bring something worth waiting for.
pub(super) struct Body {
    inner: Box<dyn Read + Send>,
    window: Duration,
    since: Instant,
    seen: u64,
}

/// A server that sends less than this in one [`Options::stall`] drips: about 340 bytes a second.
pub(super) const DRIP: u64 = 4096;

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer).map_err(|error| self.explain(error))?;
        self.seen += count as u64;
        if count > 0 && self.since.elapsed() > self.window {
            if self.seen < DRIP {
                let seconds = self.since.elapsed().as_secs();
                let reason = format!("the server sent only {} bytes in {seconds} s", self.seen);
                return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
            }
            self.since = Instant::now();
            self.seen = 0;
        }
        Ok(count)
    }
}

impl Body {
    /// A body that has to bring something in every `window`.
    pub(super) fn new(inner: Box<dyn Read + Send>, window: Duration) -> Body {
        Body {
            inner,
            window,
            since: Instant::now(),
            seen: 0,
        }
    }

    fn explain(&self, error: io::Error) -> io::Error {
        match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(ureq::Error::Timeout(_)) => {
                let reason = format!("nothing came for {:.0?}", self.window);
                io::Error::new(io::ErrorKind::TimedOut, reason)
            }
            _ => error,
        }
    }
}
