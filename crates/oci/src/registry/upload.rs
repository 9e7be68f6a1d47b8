//! Blobs from the store into a repository: only those that it lacks, several at once, resumed where the registry can.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::session::Session;
use super::{Progress, auth};
use crate::http::{Method, Response, join};
use crate::{Digest, Error, Result, Store};

/// Uploads blobs of one image.
pub(super) struct Upload<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) store: &'a Store,
    pub(super) name: &'a str,
    pub(super) progress: &'a dyn Progress,
    /// Another repository of the same registry that may have a blob.
    pub(super) elsewhere: &'a (dyn Fn(&Digest) -> Option<String> + Sync),
}

impl Upload<'_> {
    /// Makes sure that the repository has the blobs; returns how many were sent. The first failure ends it.
    pub(super) fn all(&self, blobs: &[(Digest, u64)], parallel: usize) -> Result<usize> {
        let next = AtomicUsize::new(0);
        let sent = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let failure = Mutex::new(None);
        let work = || {
            while let Some((digest, size)) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                match self.blob(digest, *size) {
                    Ok(true) => _ = sent.fetch_add(1, Ordering::Relaxed),
                    Ok(false) => {}
                    Err(error) => {
                        stop.store(true, Ordering::Relaxed);
                        let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                        failure.get_or_insert(error);
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..parallel.min(blobs.len()) {
                scope.spawn(work);
            }
            work();
        });
        let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
        failure.map_or(Ok(sent.into_inner()), Err)
    }

    /// Whether it had to be sent.
    fn blob(&self, digest: &Digest, size: u64) -> Result<bool> {
        match self
            .session
            .ask(Method::Head, &self.session.url(&format!("blobs/{digest}")), &[])?
        {
            there if there.status == 200 => return Ok(false),
            absent if absent.status == 404 => {}
            other => return Err(other.into_error()),
        }
        let mut sending = Sending {
            upload: self,
            digest,
            size,
            attempts: 0,
            offset: 0,
            reported: 0,
        };
        match sending.run() {
            Ok(sent) => Ok(sent),
            Err(source @ (Error::File { .. } | Error::Unauthorized { .. } | Error::CorruptBlob { .. })) => {
                Err(source)
            }
            Err(source) => Err(Error::Send {
                digest: *digest,
                offset: sending.offset,
                attempts: sending.attempts.max(1),
                source: Box::new(source),
            }),
        }
    }
}

/// A blob under way.
struct Sending<'a> {
    upload: &'a Upload<'a>,
    digest: &'a Digest,
    size: u64,
    attempts: u32,
    /// How much the registry has.
    offset: u64,
    /// How much was told to the watcher.
    reported: u64,
}

impl Sending<'_> {
    /// Tries until it is there; given up after the client's time without progress.
    fn run(&mut self) -> Result<bool> {
        let options = self.upload.session.client().options();
        let mut location = None;
        let mut progress = Instant::now();
        let mut failures = 0;
        loop {
            self.attempts += 1;
            let before = self.offset;
            let error = match self.attempt(&mut location) {
                Ok(sent) => return Ok(sent),
                Err(error) => error,
            };
            failures += 1;
            if self.offset > before {
                (progress, failures) = (Instant::now(), 1);
            }
            let pause = Duration::from_millis(250) * 2u32.pow(failures.min(4));
            let late = progress.elapsed() + pause > options.give_up;
            if !may_pass(&error) || late || failures >= options.attempts {
                return Err(error);
            }
            sleep(pause);
        }
    }

    /// Goes on where an upload broke off, or begins one. `location` is where to.
    fn attempt(&mut self, location: &mut Option<String>) -> Result<bool> {
        let at = match location.take() {
            Some(at) => self.resume(at)?,
            None => None,
        };
        let at = match at {
            Some(at) => at,
            None => match self.begin()? {
                Some(at) => at,
                // Mounted from another repository.
                None => return Ok(false),
            },
        };
        *location = Some(at.clone());
        let at = if self.size > 0 { self.send(&at)? } else { at };
        let joint = if at.contains('?') { '&' } else { '?' };
        let url = format!("{at}{joint}digest={}", auth::escape(&self.digest.to_string()));
        let kind = [("content-type", "application/octet-stream")];
        // What is wrong now is wrong with the upload as a whole: the next attempt begins anew.
        *location = None;
        let response = self.upload.session.ask(Method::Put(&[]), &url, &kind)?;
        match response.status {
            201 | 204 => Ok(true),
            _ => {
                self.offset = 0;
                Err(response.into_error())
            }
        }
    }

    /// Asks for a place to send to; None when the registry took the blob from another repository.
    fn begin(&mut self) -> Result<Option<String>> {
        self.offset = 0;
        let session = self.upload.session;
        let mut url = session.url("blobs/uploads/");
        if let Some(from) = (self.upload.elsewhere)(self.digest) {
            let digest = auth::escape(&self.digest.to_string());
            url = format!("{url}?mount={digest}&from={}", auth::escape(&from));
        }
        let response = session.ask(Method::Post(&[]), &url, &[])?;
        match response.status {
            201 => Ok(None),
            202 => location(&response).map(Some),
            _ => Err(response.into_error()),
        }
    }

    /// How far an upload came. None when the registry does not know it any more.
    fn resume(&mut self, at: String) -> Result<Option<String>> {
        let response = self.upload.session.ask(Method::Get, &at, &[])?;
        let range = response.header("range").unwrap_or_default();
        let last = range.trim_start_matches("bytes=").split_once('-');
        let last = last.and_then(|(_, last)| last.parse::<u64>().ok());
        match (response.status, last) {
            (204, Some(last)) if last > 0 && last < self.size => {
                self.offset = last + 1;
                let name = self.upload.name;
                let text = format!("{name}: {}: resumed at byte {}", self.digest, self.offset);
                self.upload.progress.note(&text);
                Ok(Some(location(&response).unwrap_or(at)))
            }
            _ => Ok(None),
        }
    }

    /// Sends the rest; returns where the upload is finished.
    fn send(&mut self, at: &str) -> Result<String> {
        if self.offset == self.size {
            return Ok(at.to_owned());
        }
        if self.reported == 0 {
            self.upload
                .progress
                .blob(self.upload.name, self.digest, self.size);
        }
        let range = format!("{}-{}", self.offset, self.size - 1);
        let mut headers = vec![("content-type", "application/octet-stream")];
        if self.offset > 0 {
            headers.push(("content-range", range.as_str()));
        }
        let rest = self.size - self.offset;
        let session = self.upload.session;
        let mut broken = None;
        let response = session.request(at, &headers, &mut |headers| {
            let mut body = Body {
                blob: self.upload.store.open_blob(self.digest)?,
                left: rest,
                seen: self.offset,
                reported: &mut self.reported,
                upload: self.upload,
                digest: self.digest,
                broken: &mut broken,
            };
            body.skip(self.offset)?;
            session.client().stream(at, headers, &mut body, rest)
        });
        // That our own blob is damaged looks like a broken connection from outside.
        if let Some(error) = broken {
            return Err(error);
        }
        let response = response?;
        match response.status {
            202 | 201 | 204 => {
                self.offset = self.size;
                Ok(location(&response).unwrap_or(at.to_owned()))
            }
            _ => Err(response.into_error()),
        }
    }
}

/// What may go better when the blob is sent again. A registry that lost an upload says so with 404 or 416.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::Status { status, .. } => matches!(status, 404 | 416) || error.may_pass(),
        Error::CorruptBlob { .. } => false,
        error => error.may_pass(),
    }
}

fn location(response: &Response) -> Result<String> {
    match response.header("location") {
        Some(location) => Ok(join(&response.url, location)),
        None => Err(Error::document(
            &response.url,
            "the answer does not say where to upload to",
        )),
    }
}

/// The blob's bytes on their way.
struct Body<'a> {
    blob: crate::BlobReader,
    left: u64,
    seen: u64,
    reported: &'a mut u64,
    upload: &'a Upload<'a>,
    digest: &'a Digest,
    broken: &'a mut Option<Error>,
}

impl Body<'_> {
    /// Passes over what the registry has, which verifies it on the way.
    fn skip(&mut self, count: u64) -> Result<()> {
        let skipped = io::copy(&mut (&mut self.blob).take(count), &mut io::sink());
        skipped.map_err(Error::stream("read a blob")).map(drop)
    }

    fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.blob.read(&mut buffer[..limit])?;
        if count == 0 && self.left > 0 {
            let found = format!("{} bytes", self.seen);
            let expected = format!("{} bytes", self.seen + self.left);
            return Err(crate::store::damaged(self.digest, expected, found).into());
        }
        self.left -= count as u64;
        if self.left == 0 {
            // Only its end says whether the blob is whole.
            let rest = io::copy(&mut self.blob, &mut io::sink())?;
            if rest > 0 {
                let (expected, found) = (self.seen + count as u64, self.seen + count as u64 + rest);
                let size = |bytes: u64| format!("{bytes} bytes");
                return Err(crate::store::damaged(self.digest, size(expected), size(found)).into());
            }
        }
        Ok(count)
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let count = self.next(buffer).map_err(|error| {
            let kind = error.kind();
            *self.broken = Some(Error::stream("read a blob")(error));
            io::Error::new(kind, "the blob cannot be read")
        })?;
        self.seen += count as u64;
        let news = self.seen.saturating_sub(*self.reported);
        if news > 0 {
            self.upload.progress.advance(self.digest, news);
            *self.reported += news;
        }
        Ok(count)
    }
}
