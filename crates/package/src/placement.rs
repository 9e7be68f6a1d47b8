//! The files of an image in the making: what is taken from packages, and where it may go.

use std::collections::BTreeMap;
use std::rc::Rc;

use ironkit_tree::{Digest, FileSet, InodeId, Kind, Node, Path};

use crate::Error;
use crate::debian::Package;
use crate::debian::deb::{MERGED, merged};
use crate::glob;

/// An image in the making.
pub(crate) struct Image {
    files: FileSet,
    /// Whether `/bin` and the like are links into `/usr`: where packages are taken from.
    merged: bool,
    /// Where each file of a package went, so that hard links stay hard links.
    taken: BTreeMap<(Digest, InodeId), Path>,
    /// Files of packages that were taken and whose libraries have not been looked for yet: path in the package.
    pending: Vec<(Rc<Package>, Path)>,
}

/// Whether `/bin`, `/sbin` and `/lib*` are links into `/usr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merged {
    /// As in a distribution.
    Yes,
    /// Every path is as written.
    No,
}

impl Image {
    /// An image without files. `merged`: packages will be taken, so `/bin` and the like are links into `/usr`.
    pub(crate) fn new(merged: Merged) -> Image {
        Image {
            files: FileSet::new(),
            merged: merged == Merged::Yes,
            taken: BTreeMap::new(),
            pending: Vec::new(),
        }
    }

    /// The next file of a package that was taken and whose libraries have not been looked for yet.
    pub(crate) fn next_taken(&mut self) -> Option<(Rc<Package>, Path)> {
        self.pending.pop()
    }

    /// The files, with the links into `/usr` that they need.
    pub(crate) fn finish(mut self) -> FileSet {
        for name in MERGED.iter().filter(|_| self.merged) {
            let target = merged(&Path::parse(name).unwrap_or_default());
            if self.files.get(&target).is_some() {
                let link = Node::new(Kind::Symlink(target.as_bytes().to_vec()), 0o777);
                self.files.insert(Path::parse(name).unwrap_or_default(), link);
            }
        }
        self.files
    }

    /// Whether there is something at `path`.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.files.get(&merged(path)).is_some()
    }

    /// Takes `path` of a package, with all below it and what a link points to, to the same place.
    pub(crate) fn take(&mut self, package: &Rc<Package>, path: &Path) -> Result<(), Error> {
        self.take_to(package, path, path, &[])
    }

    /// Takes `path` of a package to another place, without what `except` matches.
    pub(crate) fn take_to(
        &mut self,
        package: &Rc<Package>,
        path: &Path,
        to: &Path,
        except: &[String],
    ) -> Result<(), Error> {
        let Some(node) = package.files.get(path) else {
            return Ok(());
        };
        if except.iter().any(|pattern| glob::matches(pattern, path)) {
            return Ok(());
        }
        self.take_one(package, path, to)?;
        if node.is_directory() {
            for below in package.files.below(path) {
                // A pattern that leaves out a directory leaves out what is below it.
                let left_out = |pattern: &String| {
                    glob::matches(pattern, below)
                        || below.ancestors().any(|parent| glob::matches(pattern, &parent))
                };
                if !except.iter().any(left_out) {
                    let place = below
                        .below(path)
                        .map_or_else(|| below.clone(), |rest| to.join(&rest));
                    self.take_one(package, below, &place)?;
                }
            }
        }
        if let Kind::Symlink(target) = &node.kind {
            let target = link_target(path, target);
            if target != *path && !self.has(&target) {
                self.take_to(package, &target, &target, &[])?;
            }
        }
        Ok(())
    }

    fn take_one(&mut self, package: &Rc<Package>, path: &Path, to: &Path) -> Result<(), Error> {
        let (Some(node), Some(inode)) = (package.files.get(path), package.files.inode(path)) else {
            return Ok(());
        };
        if let Kind::File(_) = node.kind {
            let to = self.place(to);
            match self.taken.get(&(package.digest, inode)).cloned() {
                Some(first) if first != to && self.files.get(&to).is_none() => {
                    self.check_parents(&to)?;
                    self.files.link(to, &first);
                    return Ok(());
                }
                Some(_) => {}
                None => {
                    self.taken.insert((package.digest, inode), to);
                    self.pending.push((Rc::clone(package), path.clone()));
                }
            }
        }
        self.insert(to, node.clone())
    }

    /// Puts a node in place; equal ones may meet, others may not.
    pub(crate) fn insert(&mut self, path: &Path, node: Node) -> Result<(), Error> {
        let path = self.place(path);
        self.check_parents(&path)?;
        match self.files.get(&path) {
            Some(there) if there.is_directory() && node.is_directory() => {
                if !node.implied {
                    self.files.insert(path, node);
                }
                Ok(())
            }
            Some(there) if *there == node => Ok(()),
            Some(_) => Err(Error::Conflict {
                path: path.to_string(),
            }),
            None => {
                self.files.insert(path, node);
                Ok(())
            }
        }
    }

    /// Where a path really is.
    fn place(&self, path: &Path) -> Path {
        if self.merged { merged(path) } else { path.clone() }
    }

    fn check_parents(&self, path: &Path) -> Result<(), Error> {
        let file = |parent: &Path| self.files.get(parent).is_some_and(|node| !node.is_directory());
        match path.ancestors().find(file) {
            Some(parent) => Err(Error::Conflict {
                path: parent.to_string(),
            }),
            None => Ok(()),
        }
    }
}

/// The file that a link leads to, as far as that is in the package.
pub(crate) fn follow(package: &Package, path: &Path) -> Path {
    let mut path = path.clone();
    // As the kernel, give up after 40 links (path_resolution(7)).
    for _ in 0..40 {
        match package.files.get(&path).map(|node| &node.kind) {
            Some(Kind::Symlink(target)) => path = link_target(&path, target),
            _ => break,
        }
    }
    path
}

/// Where a link at `path` points, `..` at the root staying there.
pub(crate) fn link_target(path: &Path, target: &[u8]) -> Path {
    let directory = path.parent().unwrap_or_default();
    let start = if target.starts_with(b"/") {
        Vec::new()
    } else {
        directory.as_bytes().to_vec()
    };
    let mut parts: Vec<&[u8]> = start
        .split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty())
        .collect();
    for part in target.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    merged(&Path::parse(parts.join(&b'/')).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_where_the_kernel_would_go() {
        for (path, target, expect) in [
            ("usr/lib64/ld.so", "../lib/x/ld.so", "usr/lib/x/ld.so"),
            ("lib64/ld.so", "/lib/x/ld.so", "usr/lib/x/ld.so"),
            ("usr/lib/libz.so.1", "libz.so.1.3", "usr/lib/libz.so.1.3"),
            ("a", "../../../etc/passwd", "etc/passwd"),
            ("usr/a/b", "./c//d/.", "usr/a/c/d"),
        ] {
            assert_eq!(
                link_target(&Path::parse(path).unwrap(), target.as_bytes()).to_string(),
                expect
            );
        }
    }
}
