//! Other namespaces, entered for the time of one piece of work: setns(2).

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::thread::move_into_link_name_space;

use crate::{Errno, Result};

/// A namespace that this thread has entered; dropping it goes back.
///
/// Not for mount and user namespaces: there is no way back from those.
#[derive(Debug)]
pub struct Entered {
    home: File,
}

/// Enters the namespace bound on `path`. `kind` is its name below `/proc/self/ns`: `net`, `ipc`, `uts`, `cgroup` or
/// `pid`; of the last, only processes made from now on are in it.
///
/// # Errors
/// What opening the files and setns(2) say; `EINVAL` for another kind.
pub fn enter(kind: &str, path: &Path) -> Result<Entered> {
    if !["net", "ipc", "uts", "cgroup", "pid"].contains(&kind) {
        return Err(Errno::INVAL);
    }
    let open =
        |path: &Path| File::open(path).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO));
    let home = open(&Path::new("/proc/self/ns").join(kind))?;
    let there = open(path)?;
    move_into_link_name_space(there.as_fd(), None)?;
    Ok(Entered { home })
}

impl Drop for Entered {
    fn drop(&mut self) {
        // It was this thread's own a moment ago, so the kernel lets it back in.
        let _ = move_into_link_name_space(self.home.as_fd(), None);
    }
}
