//! Files in the making: each is locked by its owner, so that those of the dead can be told and removed.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::Store;
use crate::{Error, Result};

/// A file in `tmp/`, removed when it is dropped before [`Temp::rename`].
#[derive(Debug)]
pub(super) struct Temp {
    path: PathBuf,
    file: File,
    renamed: bool,
}

impl Temp {
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name, in the place of whatever has it.
    pub(super) fn rename(mut self, to: &Path) -> Result<()> {
        fs::rename(&self.path, to).map_err(Error::file("rename to", to))?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.renamed {
            // What cannot be removed now is swept by a later process.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A directory in `tmp/`, removed with all that is in it when it is dropped.
#[derive(Debug)]
pub(super) struct TempDirectory {
    path: PathBuf,
    /// Locked as long as somebody uses the directory.
    _directory: File,
}

impl TempDirectory {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDirectory {
    fn drop(&mut self) {
        // What cannot be removed now is swept by a later process.
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl Store {
    /// A new, empty directory.
    pub(super) fn temp_directory(&self) -> Result<TempDirectory> {
        let path = self.temp()?.path().with_extension("d");
        fs::create_dir(&path).map_err(Error::file("make", &path))?;
        let directory = File::open(&path).map_err(Error::file("open", &path))?;
        directory.lock().map_err(Error::file("lock", &path))?;
        Ok(TempDirectory {
            path,
            _directory: directory,
        })
    }

    /// A new, empty file, to be read and written.
    pub(super) fn temp(&self) -> Result<Temp> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let process = std::process::id();
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = self.root.join("tmp").join(format!("{process}-{count}"));
            match OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)
            {
                Ok(file) => {
                    file.lock().map_err(Error::file("lock", &path))?;
                    return Ok(Temp {
                        path,
                        file,
                        renamed: false,
                    });
                }
                // Left by a dead process that had our number.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::file("make", &path)(error)),
            }
        }
    }

    /// Removes what dead processes left in `tmp/`. Nothing depends on its success.
    pub(super) fn sweep(&self) {
        // A file is not locked yet in the moment after it was made.
        const YOUNG: Duration = Duration::from_secs(60);
        let Ok(entries) = fs::read_dir(self.root.join("tmp")) else {
            return;
        };
        for entry in entries.flatten() {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let age = modified
                .ok()
                .and_then(|time| SystemTime::now().duration_since(time).ok());
            if age.is_none_or(|age| age < YOUNG) {
                continue;
            }
            if let Ok(file) = File::open(entry.path())
                && file.try_lock().is_ok()
            {
                let _ = fs::remove_file(entry.path()).or_else(|_| fs::remove_dir_all(entry.path()));
            }
        }
    }
}
