//! Paths inside a container's root file system, followed as the container would: no link, and no `..`, leads out of it.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat, openat2};
use rustix::io::Errno;

/// What a mount point has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Folder,
    /// A file.
    File,
}

/// The root file system of a container.
#[derive(Debug)]
pub struct Inside(File);

impl Inside {
    /// Opens the root at `path`.
    pub fn open(path: &Path) -> std::io::Result<Inside> {
        File::open(path).map(Inside)
    }

    /// The root itself.
    pub fn root(&self) -> &File {
        &self.0
    }

    /// Finds what is at `path`.
    pub fn find(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.0, relative(path), flags, Mode::empty(), resolve)
    }

    /// Finds what is at `path`; a directory or file is made there, with the directories above, if there is nothing.
    pub fn find_or_make(&self, path: &Path, kind: Kind) -> Result<OwnedFd, Errno> {
        match self.find(path) {
            Err(Errno::NOENT) => {}
            found => return found,
        }
        let path = relative(path);
        let (parent, name) = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => (self.find_or_make(parent, Kind::Folder)?, name),
            _ => return Err(Errno::NOENT),
        };
        match kind {
            Kind::Folder => mkdirat(&parent, name, Mode::from_raw_mode(0o755))?,
            Kind::File => {
                let flags =
                    OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                drop(openat(&parent, name, flags, Mode::from_raw_mode(0o644))?);
            }
        }
        self.find(&path)
    }

    /// The directory that holds `path`, made if missing, and the last part of `path`.
    pub fn parent_of(&self, path: &Path) -> Result<(OwnedFd, PathBuf), Errno> {
        let path = relative(path);
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let parent = path.parent().unwrap_or(Path::new(""));
        Ok((self.find_or_make(parent, Kind::Folder)?, PathBuf::from(name)))
    }
}

/// A name for an open file that mount(2) takes.
pub fn path_of(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

/// The path without its leading `/`; `..` stays for the kernel to bound, except that none is left in what is made.
fn relative(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => {
                plain.pop();
            }
            _ => {}
        }
    }
    if plain.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_leads_out() {
        let above = std::env::temp_dir().join(format!("ironkit-inside-{}", std::process::id()));
        let root = above.join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        symlink("/", root.join("up")).unwrap();
        symlink("../../../..", root.join("dots")).unwrap();
        symlink("/etc", root.join("abs")).unwrap();
        symlink("/nowhere", root.join("dangling")).unwrap();
        let inside = Inside::open(&root).unwrap();
        for (path, made) in [
            ("/a/b/c", Some("a/b/c")),
            ("../../x", Some("x")),
            ("/up/y", Some("y")),
            ("/dots/z/w", Some("z/w")),
            ("/abs/file", Some("etc/file")),
            ("/dangling/q", None),
            ("/", Some(".")),
        ] {
            let found = inside.find_or_make(Path::new(path), Kind::Folder);
            assert_eq!(found.is_ok(), made.is_some(), "{path}");
            if let Some(made) = made {
                assert!(root.join(made).is_dir(), "{path}");
            }
        }
        assert_eq!(fs::read_dir(&above).unwrap().count(), 1);
        fs::remove_dir_all(&above).unwrap();
    }
}
