//! Output files that appear whole or not at all.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};

use crate::{Error, Result};

/// Distinguishes the temporary names of one process.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Writes the output `path` with `write`.
///
/// # Errors
/// Those of `write`, and of making the file; nothing is at `path` then that was not there before.
pub fn write_output(path: PathBuf, write: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let mut output = Output::create(path)?;
    write(&mut output.file)?;
    output.publish().map(drop)
}

/// A file that has no name until [`publish`](Output::publish): a build that fails, or is killed, leaves nothing behind
/// and the old file as it was.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    /// What is written to.
    pub file: File,
    /// Its name meanwhile, on file systems that cannot do without.
    temporary: Option<PathBuf>,
}

impl Output {
    /// A new output that will be `path`.
    pub fn create(path: PathBuf) -> Result<Output> {
        let directory = parent(&path);
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match openat(CWD, directory, flags, Mode::from(0o644)) {
            Ok(fd) => Ok(Output {
                path,
                file: File::from(fd),
                temporary: None,
            }),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {
                let temporary = temporary_name(&path);
                let file = File::create_new(&temporary).map_err(|source| Error::Write {
                    path: path.clone(),
                    source,
                })?;
                Ok(Output {
                    path,
                    file,
                    temporary: Some(temporary),
                })
            }
            Err(error) => Err(Error::Write {
                path,
                source: error.into(),
            }),
        }
    }

    /// Gives it its name, replacing what was there. The mode is 0644 whatever the umask, so that outputs do not depend
    /// on who builds.
    pub fn publish(mut self) -> Result<PathBuf> {
        self.give_name().map_err(|source| Error::Write {
            path: self.path.clone(),
            source,
        })?;
        self.temporary = None;
        Ok(std::mem::take(&mut self.path))
    }

    fn give_name(&mut self) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        self.file.set_permissions(fs::Permissions::from_mode(0o644))?;
        let temporary = match &self.temporary {
            Some(temporary) => temporary.clone(),
            None => {
                // A file without a name can be linked, but not over another one.
                let temporary = temporary_name(&self.path);
                let unnamed = format!(
                    "/proc/self/fd/{}",
                    std::os::fd::AsRawFd::as_raw_fd(&self.file.as_fd())
                );
                linkat(CWD, unnamed, CWD, &temporary, AtFlags::SYMLINK_FOLLOW)?;
                self.temporary.insert(temporary).clone()
            }
        };
        fs::rename(temporary, &self.path)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // What cannot be removed stays behind under a name that says what it is.
            let _ = fs::remove_file(temporary);
        }
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn temporary_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    parent(path).join(format!(".{name}.{}-{number}.tmp", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn an_output_appears_when_it_is_published_and_not_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        fs::write(&path, "old").unwrap();
        let entries = || fs::read_dir(directory.path()).unwrap().count();

        let mut output = Output::create(path.clone()).unwrap();
        output.file.write_all(b"half").unwrap();
        drop(output);
        assert_eq!((fs::read(&path).unwrap(), entries()), (b"old".to_vec(), 1));

        let mut output = Output::create(path.clone()).unwrap();
        output.file.write_all(b"new").unwrap();
        assert_eq!(output.publish().unwrap(), path);
        assert_eq!((fs::read(&path).unwrap(), entries()), (b"new".to_vec(), 1));
    }
}
