//! Output files that appear whole or not at all, and are not written again when nothing changed.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use ironkit_image::{Out, Outputs, Sink};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, futimens, linkat, openat};

use crate::{Error, Result};

/// Permissions of every output, whatever the umask: outputs do not depend on who builds.
const MODE: u32 = 0o644;
/// Old outputs are compared in pieces of this many bytes; small writes to a stream are gathered up to it.
const BUFFER: usize = 128 * 1024;
/// So many zeros at least that are written become a hole: a block of most file systems.
const HOLE_MIN: usize = ZEROS.len();
static ZEROS: [u8; 4096] = [0; 4096];
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

/// The output files of a build, which appear together.
pub(crate) struct Files {
    /// What all names begin with; the whole name of the only one.
    base: PathBuf,
    suffixes: bool,
    outputs: Vec<Output>,
    absent: Vec<PathBuf>,
}

impl Files {
    /// Files in `directory` whose names begin with `name`.
    pub fn named(directory: PathBuf, name: String) -> Files {
        Files {
            base: directory.join(name),
            suffixes: true,
            outputs: Vec::new(),
            absent: Vec::new(),
        }
    }

    /// One file with that name.
    pub fn one(path: PathBuf) -> Files {
        Files {
            base: path,
            suffixes: false,
            outputs: Vec::new(),
            absent: Vec::new(),
        }
    }

    /// Gives all of them their names, and tells these and the sizes in bytes.
    pub fn publish(mut self) -> Result<Vec<(PathBuf, u64)>> {
        // First all that can fail for want of space, then the names.
        for output in &mut self.outputs {
            output.finish()?;
        }
        let mut published = Vec::new();
        for output in self.outputs {
            let size = output.position;
            published.push((output.publish()?, size));
        }
        for path in self.absent {
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::Write { path, source });
                }
                _ => {}
            }
        }
        Ok(published)
    }

    /// None of the files, and the names that they will have.
    pub fn same_names(&self) -> Files {
        Files {
            base: self.base.clone(),
            suffixes: self.suffixes,
            outputs: Vec::new(),
            absent: Vec::new(),
        }
    }

    /// The name of the file with that suffix.
    pub fn path(&self, suffix: &str) -> PathBuf {
        let mut path = self.base.clone().into_os_string();
        if self.suffixes {
            path.push(suffix);
        }
        path.into()
    }
}

impl Outputs for Files {
    fn name(&self) -> String {
        let name = match self.suffixes {
            true => self.base.file_name(),
            false => self.base.file_stem(),
        };
        name.map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    fn create(
        &mut self,
        suffix: &str,
        write: &mut dyn FnMut(&mut dyn Out) -> ironkit_image::Result<()>,
    ) -> ironkit_image::Result<()> {
        let path = self.path(suffix);
        if self.outputs.iter().any(|output| output.path == path) {
            // Several formats have it, such as the kernel, and it is the same in all of them.
            return Ok(());
        }
        let failed = |source| ironkit_image::Error::Create {
            path: path.display().to_string(),
            source,
        };
        let mut output = Output::new(path.clone()).map_err(failed)?;
        match write(&mut output) {
            Err(ironkit_image::Error::Output(source)) => return Err(failed(source)),
            written => written?,
        }
        self.outputs.push(output);
        Ok(())
    }

    fn absent(&mut self, suffix: &str) {
        self.absent.push(self.path(suffix));
    }
}

/// Standard output, or whatever else cannot be taken back.
pub(crate) struct Stream<'a> {
    out: io::BufWriter<&'a mut dyn Write>,
    position: u64,
}

impl<'a> Stream<'a> {
    /// Writes into `out`.
    pub fn new(out: &'a mut dyn Write) -> Stream<'a> {
        Stream {
            out: io::BufWriter::with_capacity(BUFFER, out),
            position: 0,
        }
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Sink for Stream<'_> {}

impl Out for Stream<'_> {
    fn position(&self) -> u64 {
        self.position
    }

    fn truncate(&mut self, position: u64) -> io::Result<()> {
        match position == self.position {
            true => Ok(()),
            false => Err(io::Error::other("what was written cannot be taken back")),
        }
    }
}

impl Outputs for Stream<'_> {
    fn name(&self) -> String {
        "image".to_owned()
    }

    fn create(
        &mut self,
        _suffix: &str,
        write: &mut dyn FnMut(&mut dyn Out) -> ironkit_image::Result<()>,
    ) -> ironkit_image::Result<()> {
        write(self)?;
        Ok(self.flush()?)
    }

    fn absent(&mut self, _suffix: &str) {}
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

/// The file at `path`, if it can be left there: a regular file of ours with the right permissions and one name.
fn existing(path: &Path) -> Option<File> {
    use std::os::unix::fs::MetadataExt;
    let fits =
        |metadata: &Metadata| metadata.is_file() && metadata.mode() & 0o7777 == MODE && metadata.nlink() == 1;
    fs::symlink_metadata(path).ok().filter(fits)?;
    File::options().read(true).write(true).open(path).ok()
}

/// Whether `file` has these bytes at `offset`; `buffer` is kept for the next time.
pub(crate) fn equal(file: &File, offset: u64, bytes: &[u8], buffer: &mut Vec<u8>) -> io::Result<bool> {
    buffer.resize(BUFFER, 0);
    let mut at = offset;
    for chunk in bytes.chunks(buffer.len()) {
        let old = &mut buffer[..chunk.len()];
        match file.read_exact_at(old, at) {
            Ok(()) if old == chunk => at += chunk.len() as u64,
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            _ => return Ok(false),
        }
    }
    Ok(true)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes
        .chunks(ZEROS.len())
        .all(|chunk| *chunk == ZEROS[..chunk.len()])
}

/// Whether `file` has nothing but zeros in `range`. Holes are not read.
fn zero(file: &File, range: std::ops::Range<u64>, buffer: &mut Vec<u8>) -> io::Result<bool> {
    if file.metadata()?.len() < range.end {
        return Ok(false);
    }
    for data in data(file, range) {
        let data = data?;
        for start in data.clone().step_by(ZEROS.len()) {
            let length = usize::try_from(data.end - start)
                .unwrap_or(usize::MAX)
                .min(ZEROS.len());
            if !equal(file, start, &ZEROS[..length], buffer)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Makes the first `size` bytes of `new`, and its place, those of `old`, with its holes.
fn copy(old: &mut File, mut new: &File, size: u64) -> io::Result<()> {
    for data in data(&old.try_clone()?, 0..size) {
        let data = data?;
        old.seek(SeekFrom::Start(data.start))?;
        new.seek(SeekFrom::Start(data.start))?;
        io::copy(&mut Read::take(&mut *old, data.end - data.start), &mut new)?;
    }
    new.seek(SeekFrom::Start(size)).map(drop)
}

/// The ranges in `range` of `file` that are not holes. All of it on file systems that do not tell.
fn data(
    file: &File,
    range: std::ops::Range<u64>,
) -> impl Iterator<Item = io::Result<std::ops::Range<u64>>> + '_ {
    let mut at = range.start;
    std::iter::from_fn(move || {
        if at >= range.end {
            return None;
        }
        let start = match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(at)) {
            Ok(start) => start.min(range.end),
            Err(rustix::io::Errno::NXIO) => range.end,
            Err(rustix::io::Errno::INVAL) => at,
            Err(error) => return Some(Err(error.into())),
        };
        let end = match rustix::fs::seek(file, rustix::fs::SeekFrom::Hole(start)) {
            Ok(end) => end.min(range.end),
            Err(_) => range.end,
        };
        at = end;
        (start < end).then_some(Ok(start..end))
    })
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
