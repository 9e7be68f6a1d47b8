//! Output files that appear whole or not at all, and are not written again when nothing changed.

mod files;
mod old;

use std::fs::{self, File, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use ironkit_image::{Out, Sink};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, futimens, linkat, openat};

use crate::{Error, Result};
pub(crate) use files::{Files, Stream};
pub(crate) use old::equal;
use old::{ZEROS, copy, existing, is_zero, zero};

/// Permissions of every output, whatever the umask: outputs do not depend on who builds.
const MODE: u32 = 0o644;
/// So many zeros at least that are written become a hole: a block of most file systems.
const HOLE_MIN: usize = ZEROS.len();
/// Distinguishes the temporary names of one process.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Writes the output `path` with `write`.
///
/// # Errors
/// Those of `write`, and of making the file; nothing is at `path` then that was not there before.
pub fn write_output(path: PathBuf, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let mut output = Output::create(path)?;
    write(&mut output)?;
    output.publish().map(drop)
}

/// A file in the making. As long as what is written equals what is at its path already, it is only compared; from the
/// first difference on it is a new file, which has no name until [`publish`](Output::publish). A build that fails, or is
/// killed, leaves nothing behind and the old file as it was.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    position: u64,
    state: State,
    /// What the old file has, to compare with.
    old: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// Equal so far to this file.
    Same(File),
    /// Different from what was there.
    New {
        file: File,
        /// Its name meanwhile, on file systems that cannot do without.
        temporary: Option<PathBuf>,
    },
    /// It has its name.
    Done,
}

impl Output {
    /// An output that will be `path`.
    pub fn create(path: PathBuf) -> Result<Output> {
        Output::new(path.clone()).map_err(|source| Error::Write { path, source })
    }

    fn new(path: PathBuf) -> io::Result<Output> {
        let state = match existing(&path) {
            Some(file) => State::Same(file),
            None => nameless(&path)?,
        };
        Ok(Output {
            path,
            position: 0,
            state,
            old: Vec::new(),
        })
    }

    /// Gives it its name, replacing what was there.
    pub fn publish(mut self) -> Result<PathBuf> {
        self.finish()?;
        if let State::New {
            temporary: Some(name),
            ..
        } = &self.state
        {
            fs::rename(name, &self.path).map_err(|source| self.failed(source))?;
            self.state = State::Done;
        }
        Ok(std::mem::take(&mut self.path))
    }

    /// Does all of publishing that is not seen: the file has a temporary name then.
    fn finish(&mut self) -> Result<()> {
        self.settle().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Error {
        let path = self.path.clone();
        Error::Write { path, source }
    }

    fn settle(&mut self) -> io::Result<()> {
        if let State::Same(file) = &self.state {
            if file.metadata()?.len() == self.position {
                // It is as good as written now, and tools like make look at the time.
                let now = Timespec {
                    tv_sec: 0,
                    tv_nsec: UTIME_NOW,
                };
                return Ok(futimens(
                    file,
                    &Timestamps {
                        last_access: now,
                        last_modification: now,
                    },
                )?);
            }
            self.diverge()?;
        }
        let State::New { file, temporary } = &mut self.state else {
            return Ok(());
        };
        // It may end in a hole.
        file.set_len(self.position)?;
        file.set_permissions(Permissions::from_mode(MODE))?;
        if temporary.is_none() {
            // A file without a name can be linked, but not over another one.
            let name = temporary_name(&self.path);
            linkat(
                CWD,
                format!("/proc/self/fd/{}", file.as_raw_fd()),
                CWD,
                &name,
                AtFlags::SYMLINK_FOLLOW,
            )?;
            *temporary = Some(name);
        }
        Ok(())
    }

    /// Goes on with a new file, which begins as the old one does.
    fn diverge(&mut self) -> io::Result<()> {
        let new = nameless(&self.path)?;
        if let (State::Same(old), State::New { file, .. }) = (&mut self.state, &new) {
            copy(old, file, self.position)?;
        }
        self.state = new;
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() >= HOLE_MIN && is_zero(bytes) {
            self.zeros(bytes.len() as u64)?;
            return Ok(bytes.len());
        }
        if let State::Same(old) = &self.state
            && !equal(old, self.position, bytes, &mut self.old)?
        {
            self.diverge()?;
        }
        if let State::New { file, .. } = &mut self.state {
            file.write_all(bytes)?;
        }
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Output {
    /// A hole, and nothing to look at where the old file has a hole too.
    fn zeros(&mut self, count: u64) -> io::Result<()> {
        let end = self.position + count;
        if let State::Same(old) = &self.state
            && !zero(old, self.position..end, &mut self.old)?
        {
            self.diverge()?;
        }
        if let State::New { file, .. } = &mut self.state {
            file.seek(SeekFrom::Start(end))?;
        }
        self.position = end;
        Ok(())
    }
}

impl Out for Output {
    fn position(&self) -> u64 {
        self.position
    }

    fn truncate(&mut self, position: u64) -> io::Result<()> {
        if let State::New { file, .. } = &mut self.state {
            file.set_len(position)?;
            file.seek(SeekFrom::Start(position))?;
        }
        self.position = position;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let State::New {
            temporary: Some(name),
            ..
        } = &self.state
        {
            // What cannot be removed stays behind under a name that says what it is.
            let _ = fs::remove_file(name);
        }
    }
}

/// A new file in the directory of `path`, without a name where the file system can.
fn nameless(path: &Path) -> io::Result<State> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match openat(CWD, parent(path), flags, Mode::from(MODE)) {
        Ok(fd) => Ok(State::New {
            file: File::from(fd),
            temporary: None,
        }),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {
            let temporary = temporary_name(path);
            Ok(State::New {
                file: File::create_new(&temporary)?,
                temporary: Some(temporary),
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// A file in `directory` that has no name, or loses it at once.
pub(crate) fn scratch(directory: &Path) -> io::Result<File> {
    match nameless(&directory.join("ironkit"))? {
        State::New { file, temporary } => {
            temporary.map_or(Ok(()), fs::remove_file)?;
            Ok(file)
        }
        State::Same(file) => Ok(file),
        State::Done => Err(io::ErrorKind::NotFound.into()),
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

    /// Writes `chunks` over a file with `old` and checks what is left, published or not.
    fn check(old: Option<&str>, chunks: &[&str]) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        if let Some(old) = old {
            fs::write(&path, old).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(MODE)).unwrap();
        }
        let fill = || {
            let mut output = Output::create(path.clone()).unwrap();
            chunks
                .iter()
                .for_each(|chunk| output.write_all(chunk.as_bytes()).unwrap());
            output
        };
        let entries = || fs::read_dir(directory.path()).unwrap().count();
        drop(fill());
        assert_eq!(
            fs::read_to_string(&path).ok().as_deref(),
            old,
            "a dropped output changes nothing"
        );
        assert_eq!(entries(), usize::from(old.is_some()));
        assert_eq!(fill().publish().unwrap(), path);
        assert_eq!(
            (fs::read_to_string(&path).unwrap(), entries()),
            (chunks.concat(), 1)
        );
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
    }

    #[test]
    fn an_output_appears_when_it_is_published_and_not_before() {
        check(None, &["new"]);
        check(Some("old"), &["new"]);
        check(Some("same"), &["sa", "me"]);
        check(Some("same and more"), &["same"]);
        check(Some("sam"), &["same"]);
        check(Some("same tail"), &["same ", "head"]);
        check(Some("old"), &[]);
    }

    #[test]
    fn zeros_are_holes() {
        const HOLE: usize = 1 << 20;
        let zeros = vec![0; HOLE];
        let whole = [b"head".as_slice(), &zeros, b"middle", &zeros].concat();
        let other = [b"head".as_slice(), &zeros, b"muddle", &zeros].concat();
        for old in [None, Some(&whole), Some(&other), Some(&zeros)] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("out");
            if let Some(old) = old {
                fs::write(&path, old).unwrap();
                fs::set_permissions(&path, Permissions::from_mode(MODE)).unwrap();
            }
            let mut output = Output::create(path.clone()).unwrap();
            output.write_all(b"head").unwrap();
            output.zeros(HOLE as u64).unwrap();
            output.write_all(b"middle").unwrap();
            // Zeros that are the content of a file, too.
            output.write_all(&zeros).unwrap();
            output.publish().unwrap();
            assert!(fs::read(&path).unwrap() == whole);
            use std::os::unix::fs::MetadataExt;
            let taken = fs::metadata(&path).unwrap().blocks() * 512;
            assert!(old.is_some() || taken < HOLE as u64, "{taken} bytes are taken");
        }
    }

    #[test]
    fn what_was_written_can_be_taken_back() {
        for old in ["piece one", "other", "piece two"] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("out");
            fs::write(&path, old).unwrap();
            let mut output = Output::create(path.clone()).unwrap();
            output.write_all(b"piece ").unwrap();
            let start = output.position();
            output.write_all(b"damaged").unwrap();
            output.truncate(start).unwrap();
            output.write_all(b"two").unwrap();
            output.publish().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "piece two");
        }
    }
}
