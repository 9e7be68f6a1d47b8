//! Log files of containers: bounded, the last but one kept as `NAME.0`.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::fchown;
use rustix::fs::{Gid, OFlags, Uid};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::error::{Result, Step};

/// Bytes after which a file is put aside: they are in memory on most machines.
const LIMIT: u64 = 1 << 20;

/// Bytes of output that are taken at once.
const CHUNK: usize = 16 * 1024;

/// So often in a row: more than a pipe holds, but a container that never stops writing does not keep PID 1 busy.
const CHUNKS: usize = 64;

/// One stream of a container on its way to its file.
#[derive(Debug)]
pub struct Stream {
    pipe: OwnedFd,
    path: PathBuf,
    file: Option<File>,
    size: u64,
}

impl Stream {
    /// Makes a pipe whose other end is the container's, owned by its user, and a file. Without a file, for lack of space or
    /// a folder, output is read and lost: a container does not stop for that.
    pub fn open(path: &Path, owner: (u32, u32), keep: Keep) -> Result<(Stream, OwnedFd)> {
        let (pipe, theirs) = pipe_with(PipeFlags::CLOEXEC).step(|| "make a pipe".to_owned())?;
        let _ = fchown(
            &theirs,
            Some(Uid::from_raw(owner.0)),
            Some(Gid::from_raw(owner.1)),
        );
        let flags = rustix::fs::fcntl_getfl(&pipe).unwrap_or(OFlags::empty());
        rustix::fs::fcntl_setfl(&pipe, flags | OFlags::NONBLOCK).step(|| "make a pipe".to_owned())?;
        if let Some(folder) = path.parent() {
            let _ = fs::create_dir_all(folder);
        }
        let file = match keep {
            Keep::Nothing => File::create(path).ok(),
            Keep::Earlier => OpenOptions::new().create(true).append(true).open(path).ok(),
        };
        let size = file
            .as_ref()
            .and_then(|file| file.metadata().ok())
            .map_or(0, |data| data.len());
        Ok((
            Stream {
                pipe,
                path: path.to_owned(),
                file,
                size,
            },
            theirs,
        ))
    }

    /// Moves what is there from the pipe to the file. `false` when no more will come.
    pub fn pump(&mut self) -> bool {
        let mut buffer = [0_u8; CHUNK];
        for _ in 0..CHUNKS {
            match rustix::io::read(&self.pipe, &mut buffer) {
                Ok(0) => return false,
                Ok(length) => self.write(&buffer[..length]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
        true
    }

    fn write(&mut self, bytes: &[u8]) {
        let length = bytes.len() as u64;
        if self.size + length > LIMIT {
            let _ = fs::rename(&self.path, earlier(&self.path));
            self.file = File::create(&self.path).ok();
            self.size = 0;
        }
        if let Some(file) = &mut self.file {
            let _ = file.write_all(bytes);
            self.size += length;
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// What a new stream does to an older file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It is emptied.
    Nothing,
    /// It goes on.
    Earlier,
}

/// All that is kept of a log, oldest first.
pub fn read(path: &Path) -> Vec<u8> {
    [earlier(path), path.to_owned()]
        .iter()
        .flat_map(fs::read)
        .flatten()
        .collect()
}

fn earlier(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".0");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_bounded() {
        let folder = std::env::temp_dir().join(format!("ironkit-logs-{}", std::process::id()));
        let path = folder.join("a.log");
        let (mut stream, theirs) = Stream::open(&path, (0, 0), Keep::Nothing).unwrap();
        let line = [b'x'; 4096];
        for _ in 0..(3 * LIMIT / 4096) {
            rustix::io::write(&theirs, &line).unwrap();
            assert!(stream.pump());
        }
        rustix::io::write(&theirs, b"end").unwrap();
        drop(theirs);
        assert!(!stream.pump());
        let size = |path: &Path| fs::metadata(path).unwrap().len();
        assert!(size(&path) <= LIMIT && size(&earlier(&path)) <= LIMIT);
        assert!(read(&path).ends_with(b"xend"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
