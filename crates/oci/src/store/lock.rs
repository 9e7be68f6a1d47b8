//! File locks with a time limit. They end with the process that holds them.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Store;
use crate::{Error, Result};

/// How long to wait for somebody else. Index changes take milliseconds, so whoever holds it longer is stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// After this a person may wonder what is going on.
const NOTICE: Duration = Duration::from_secs(1);

impl Store {
    /// Holds the lock on `index.json` as long as the file lives.
    pub(super) fn lock(&self) -> Result<File> {
        let path = self.root.join(".lock");
        let file = open(&path)?;
        match wait(&path, PATIENCE, self.notice, || file.try_lock())? {
            true => Ok(file),
            false => Err(Error::Locked {
                path,
                waited: PATIENCE,
            }),
        }
    }
}

/// A shared hold; None where the file system cannot be written, since nobody can delete there either.
pub(super) fn shared(path: &Path, notice: fn(&Path)) -> Result<Option<File>> {
    let file = match open(path) {
        Ok(file) => file,
        Err(Error::File { source, .. }) if super::readable(&source) => return Ok(None),
        Err(error) => return Err(error),
    };
    match wait(path, PATIENCE, notice, || file.try_lock_shared())? {
        true => Ok(Some(file)),
        false => Err(Error::Locked {
            path: path.to_path_buf(),
            waited: PATIENCE,
        }),
    }
}

/// An exclusive hold, if it can be had at once.
pub(super) fn alone(path: &Path) -> Result<Option<File>> {
    let file = open(path)?;
    Ok(wait(path, Duration::ZERO, |_| {}, || file.try_lock())?.then_some(file))
}

fn open(path: &Path) -> Result<File> {
    // Locking needs no write access, so a lock file of another user does.
    let create = || {
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
    };
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(),
        other => other,
    }
    .map_err(Error::file("open", path))
}

fn wait(
    path: &Path,
    limit: Duration,
    notice: fn(&Path),
    attempt: impl Fn() -> std::result::Result<(), TryLockError>,
) -> Result<bool> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    let mut told = false;
    loop {
        if !told && start.elapsed() > NOTICE {
            notice(path);
            told = true;
        }
        match attempt() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(Error::file("lock", path)(error)),
            Err(TryLockError::WouldBlock) if start.elapsed() >= limit => return Ok(false),
            Err(TryLockError::WouldBlock) => sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
