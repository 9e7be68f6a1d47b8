//! The file that is there already: what of it is the same, and what is not looked at because it is a hole.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::MODE;

/// It is compared in pieces of this many bytes.
const BUFFER: usize = 128 * 1024;
pub(super) static ZEROS: [u8; 4096] = [0; 4096];

/// The file at `path`, if it can be left there: a regular file of ours with the right permissions and one name.
pub(super) fn existing(path: &Path) -> Option<File> {
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

pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes
        .chunks(ZEROS.len())
        .all(|chunk| *chunk == ZEROS[..chunk.len()])
}

/// Whether `file` has nothing but zeros in `range`. Holes are not read.
pub(super) fn zero(file: &File, range: std::ops::Range<u64>, buffer: &mut Vec<u8>) -> io::Result<bool> {
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
pub(super) fn copy(old: &mut File, mut new: &File, size: u64) -> io::Result<()> {
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
