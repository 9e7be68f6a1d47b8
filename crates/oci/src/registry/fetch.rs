//! Blobs from a repository into the store: several at once, resumed, verified.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Progress;
use super::session::Session;
use crate::http::{Sink, transfer};
use crate::store::BlobWriter;
use crate::{Digest, Error, Result, Store};

/// How often a blob whose digest does not fit is fetched from its start.
const TRIES: u32 = 2;

/// Fetches blobs of one image.
pub(super) struct Fetch<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) store: &'a Store,
    pub(super) name: &'a str,
    pub(super) progress: &'a dyn Progress,
}

impl Fetch<'_> {
    /// Makes sure that the blobs are in the store, whole. The first failure ends it.
    pub(super) fn all(&self, what: &'static str, blobs: &[(Digest, u64)], parallel: usize) -> Result<()> {
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let failure = Mutex::new(None);
        let work = || {
            while let Some((digest, size)) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(error) = self.blob(what, digest, *size, &stop) {
                    // Those that fail because they were told to stop come second.
                    stop.store(true, Ordering::Relaxed);
                    failure
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .get_or_insert(error);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..parallel.min(blobs.len()) {
                scope.spawn(work);
            }
            work();
        });
        failure
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .map_or(Ok(()), Err)
    }

    fn blob(&self, what: &'static str, digest: &Digest, size: u64, stop: &AtomicBool) -> Result<()> {
        if self.whole(digest, size) {
            return Ok(());
        }
        self.progress.blob(self.name, digest, size);
        let mut tries = 0;
        loop {
            tries += 1;
            let writer = self.store.begin_blob()?;
            let mut arrival = Arrival {
                writer,
                digest,
                progress: self.progress,
                reported: 0,
                stop,
            };
            let mut attempts = 0;
            let url = self.session.url(&format!("blobs/{digest}"));
            let mut open = |offset: u64, budget: Duration| {
                attempts += 1;
                if offset > 0 {
                    self.progress.note(&format!(
                        "{}: {what} {digest}: resumed at byte {offset}",
                        self.name
                    ));
                }
                self.session.get(&url, None, offset, budget)
            };
            let fetched = transfer(
                self.session.client().options(),
                &url,
                size,
                &mut open,
                &mut arrival,
            );
            let offset = arrival.writer.size();
            let result = fetched.and_then(|_| arrival.writer.commit(Some((digest, size))));
            match result {
                Ok(_) => return Ok(()),
                Err(Error::CorruptBlob { .. }) if tries < TRIES => {
                    self.progress.note(&format!(
                        "{}: {what} {digest} came damaged, fetching it again",
                        self.name
                    ));
                }
                Err(source @ (Error::File { .. } | Error::Unauthorized { .. })) => return Err(source),
                Err(source) => {
                    let attempts = attempts.max(tries);
                    let (digest, source) = (*digest, Box::new(source));
                    return Err(Error::Transfer {
                        what,
                        digest,
                        offset,
                        attempts,
                        source,
                    });
                }
            }
        }
    }

    /// Whether the blob is here, byte for byte: a pull is also the way to mend a store.
    fn whole(&self, digest: &Digest, size: u64) -> bool {
        self.store.verify_blob(digest, size, &mut io::sink()).is_ok()
    }
}

/// A blob that is arriving.
struct Arrival<'a> {
    writer: BlobWriter<'a>,
    digest: &'a Digest,
    progress: &'a dyn Progress,
    /// How much was told; a restart is not told again.
    reported: u64,
    stop: &'a AtomicBool,
}

impl Sink for Arrival<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("another blob of the image failed"));
        }
        self.writer.write(bytes)?;
        let news = self.writer.size().saturating_sub(self.reported);
        if news > 0 {
            self.progress.advance(self.digest, news);
            self.reported += news;
        }
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        Ok(self.writer.restart()?)
    }
}
