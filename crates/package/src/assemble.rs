//! A recipe's contents → the files of the image.

use std::collections::BTreeMap;
use std::rc::Rc;

use ironkit_tree::{Content, Digest, FileSet, InodeId, Kind, Node, Path};

use crate::Error;
use crate::debian::Package;
use crate::debian::deb::{MERGED, merged};
use crate::recipe::{Access, Entry, Item, Recipe};
use crate::sources::Packages;
use crate::{glob, guest, kernel, libraries};

/// An image in the making.
pub struct Image {
    files: FileSet,
    /// Whether `/bin` and the like are links into `/usr`: where packages are taken from.
    merged: bool,
    /// Where each file of a package went, so that hard links stay hard links.
    taken: BTreeMap<(Digest, InodeId), Path>,
    /// Files of packages that were taken and whose libraries have not been looked for yet: path in the package.
    pub(crate) pending: Vec<(Rc<Package>, Path)>,
}

/// Makes the files of the image that `recipe` describes.
///
/// # Errors
/// [`Error::At`] with the entry's place and what is wrong.
pub fn assemble(recipe: &Recipe, packages: &mut Packages<'_>) -> Result<FileSet, Error> {
    let contents = &recipe.definition.contents;
    let mut image = Image {
        files: FileSet::new(),
        merged: contents
            .iter()
            .any(|entry| matches!(entry.item, Item::Package { .. })),
        taken: BTreeMap::new(),
        pending: Vec::new(),
    };
    for entry in contents {
        put(&mut image, recipe, entry, packages)?;
    }
    for name in MERGED {
        let (link, target) = (parse(name), parse(&format!("usr/{name}")));
        if image.merged && image.files.get(&target).is_some() && image.files.get(&link).is_none() {
            image.files.insert(
                link,
                Node::new(Kind::Symlink(format!("usr/{name}").into_bytes()), 0o777),
            );
        }
    }
    Ok(image.files)
}

impl Image {
    /// Whether there is something at `path`.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.files.get(&merged(path)).is_some()
    }

    /// Takes `path` of a package, with all below it and what a link points to, to the same place.
    pub(crate) fn take(&mut self, package: &Rc<Package>, path: &Path) -> Result<(), Error> {
        self.take_to(package, path, path, &[])
    }

    fn take_to(
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
            match self.taken.get(&(package.digest, inode)) {
                Some(first) if first != to && !self.has(to) => {
                    let first = first.clone();
                    self.check_parents(to)?;
                    self.files.link(to.clone(), &first);
                    return Ok(());
                }
                Some(_) => {}
                None => {
                    self.taken.insert((package.digest, inode), to.clone());
                    self.pending.push((Rc::clone(package), path.clone()));
                }
            }
        }
        self.insert(to, node.clone())
    }

    /// Puts a node in place; equal ones may meet, others may not.
    fn insert(&mut self, path: &Path, node: Node) -> Result<(), Error> {
        let path = if self.merged { merged(path) } else { path.clone() };
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

fn put(image: &mut Image, recipe: &Recipe, entry: &Entry, packages: &mut Packages<'_>) -> Result<(), Error> {
    let at = |span, what: String| {
        let place = recipe.place(span);
        move |source| Error::At {
            place,
            what,
            source: Box::new(source),
        }
    };
    let owned = |kind, access: &Access| Node {
        uid: access.uid,
        gid: access.gid,
        ..Node::new(kind, access.mode)
    };
    match &entry.item {
        Item::Package {
            suite,
            package: name,
            paths,
            except,
            to,
        } => {
            let failed = |span| at(span, format!("package `{name}`"));
            let package = packages.open(suite, name).map_err(failed(entry.span))?;
            for (pattern, span) in paths {
                put_paths(image, packages, suite, &package, (pattern, except, to.as_ref()))
                    .map_err(failed(*span))?;
            }
            libraries::close(image, packages, suite).map_err(failed(entry.span))
        }
        Item::Kernel {
            suite,
            package: name,
            modules,
        } => {
            let what = format!("kernel `{name}`");
            let package = kernel_package(packages, suite, name).map_err(at(entry.span, what.clone()))?;
            let failed = |span: &_, error| at(*span, what.clone())(error);
            let taken = kernel::take(&package, modules, packages.layers(), failed);
            let taken = taken.map_err(|error| match error {
                Error::At { .. } => error,
                error => at(entry.span, what.clone())(error),
            })?;
            let archive = Node::new(Kind::File(Content::from(taken.archive)), 0o644);
            let put = image
                .insert(&parse("kernel"), taken.image)
                .and_then(|()| image.insert(&parse("kernel.tar"), archive));
            put.map_err(at(entry.span, what))
        }
        Item::Binary { binary, path, mode } => {
            let failed = at(entry.span, format!("binary `{binary}`"));
            put_binary(image, binary, path, *mode, packages.architecture()).map_err(failed)
        }
        Item::File { file, path, access } => {
            let content = recipe.read_file(file);
            let put =
                content.and_then(|bytes| image.insert(path, owned(Kind::File(Content::from(bytes)), access)));
            put.map_err(at(entry.span, format!("file `{file}`")))
        }
        Item::Directory { path, access } => image
            .insert(path, owned(Kind::Directory, access))
            .map_err(at(entry.span, format!("directory `/{path}`"))),
        Item::Symlink { path, target } => image
            .insert(path, Node::new(Kind::Symlink(target.clone().into_bytes()), 0o777))
            .map_err(at(entry.span, format!("symlink `/{path}`"))),
    }
}

/// Takes what a pattern matches, from the package or, when that only depends on others, from those.
fn put_paths(
    image: &mut Image,
    packages: &mut Packages<'_>,
    suite: &str,
    package: &Rc<Package>,
    (pattern, except, to): (&str, &[String], Option<&Path>),
) -> Result<(), Error> {
    let wanted = merged(&parse(pattern));
    let mut searched = Vec::new();
    let mut candidates = vec![Rc::clone(package)];
    if package.is_empty() {
        packages.mark(suite, package);
        for name in package.record.depends.iter().flatten() {
            if packages.index(suite)?.satisfying(name).next().is_some() {
                candidates.push(packages.open(suite, name)?);
            }
        }
    }
    for package in candidates {
        searched.push(package.title());
        let found = package.files.iter().map(|(path, ..)| path);
        let found: Vec<Path> = match glob::is_pattern(pattern) {
            true => found
                .filter(|path| glob::matches(&wanted.to_string(), path))
                .cloned()
                .collect(),
            false => found.filter(|path| **path == wanted).cloned().collect(),
        };
        if found.is_empty() {
            continue;
        }
        packages.mark(suite, &package);
        for path in found {
            match to {
                // A link would not lead to its file from another place.
                Some(to) => image.take_to(&package, &follow(&package, &path), to, except)?,
                None => image.take_to(&package, &path, &path, except)?,
            }
        }
        return Ok(());
    }
    Err(Error::NoPath {
        path: pattern.to_owned(),
        searched: searched.join(", "),
    })
}

fn put_binary(
    image: &mut Image,
    name: &str,
    path: &Path,
    mode: u32,
    architecture: &str,
) -> Result<(), Error> {
    let known = || {
        guest::names()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(" and ")
    };
    let binary = guest::find(name).ok_or_else(|| Error::NoBinary {
        name: name.to_owned(),
        known: known(),
    })?;
    if guest::ARCHITECTURE != architecture {
        return Err(Error::Unsupported(format!("a static binary for {architecture}")));
    }
    image.insert(
        path,
        Node::new(Kind::File(Content::from(binary.bytes.to_vec())), mode),
    )
}

/// The package with the kernel in it: the one that is named, or one that it depends on.
fn kernel_package(packages: &mut Packages<'_>, suite: &str, name: &str) -> Result<Rc<Package>, Error> {
    let package = packages.open(suite, name)?;
    packages.mark(suite, &package);
    if kernel::has_kernel(&package) {
        return Ok(package);
    }
    for name in package
        .record
        .depends
        .iter()
        .flatten()
        .filter(|name| name.starts_with("linux-image-"))
    {
        let candidate = packages.open(suite, name)?;
        if kernel::has_kernel(&candidate) {
            packages.mark(suite, &candidate);
            return Ok(candidate);
        }
    }
    Err(Error::NoPath {
        path: "/boot/vmlinuz-*".to_owned(),
        searched: package.title(),
    })
}

/// The file that a link leads to, as far as that is in the package.
fn follow(package: &Package, path: &Path) -> Path {
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

/// A path that is known to be one: patterns are checked when the recipe is read.
fn parse(path: &str) -> Path {
    Path::parse(path).unwrap_or_default()
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
            assert_eq!(link_target(&parse(path), target.as_bytes()).to_string(), expect);
        }
    }
}
