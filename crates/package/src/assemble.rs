//! A recipe's contents → the files of the image.

use std::rc::Rc;
use std::sync::Arc;

use ironkit_tree::{Content, FileSet, Kind, Node, Path};

use crate::Error;
use crate::debian::Package;
use crate::debian::deb::merged;
use crate::placement::{Image, Merged, follow};
use crate::recipe::{Access, Entry, Item, Recipe};
use crate::sources::Packages;
use crate::{glob, guest, kernel, libraries};

/// Makes the files of the image that `recipe` describes.
///
/// # Errors
/// [`Error::At`] with the entry's place and what is wrong.
pub fn assemble(recipe: &Recipe, packages: &mut Packages<'_>) -> Result<FileSet, Error> {
    let contents = &recipe.definition.contents;
    let architecture = packages.architecture().to_owned();
    let wanted = |entry: &&Entry| entry.is_for(&architecture);
    let takes = contents
        .iter()
        .filter(wanted)
        .any(|entry| matches!(entry.item, Item::Package { .. }));
    let mut image = Image::new(if takes { Merged::Yes } else { Merged::No });
    for entry in contents.iter().filter(wanted) {
        put(&mut image, recipe, entry, packages)?;
    }
    Ok(image.finish())
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
            device_trees,
        } => {
            let what = format!("kernel `{name}`");
            let package = kernel_package(packages, suite, name).map_err(at(entry.span, what.clone()))?;
            let failed = |span: &_, error| at(*span, what.clone())(error);
            let wanted = kernel::Wanted {
                modules,
                device_trees,
            };
            let taken = kernel::take(&package, &wanted, packages.layers(), failed);
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
            let put = recipe.file(file).and_then(|(opened, digest, size)| {
                packages.layers().add(digest, Arc::new(opened));
                let content = Content::Blob {
                    layer: digest,
                    offset: 0,
                    size,
                    digest,
                };
                image.insert(path, owned(Kind::File(content), access))
            });
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
    let binary =
        guest::find(name, architecture).ok_or_else(|| match guest::find(name, guest::ARCHITECTURE) {
            Some(_) => Error::NoGuest(architecture.to_owned()),
            None => Error::NoBinary {
                name: name.to_owned(),
                known: guest::names()
                    .map(|name| format!("`{name}`"))
                    .collect::<Vec<_>>()
                    .join(" and "),
            },
        })?;
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

/// A path that is known to be one: patterns are checked when the recipe is read.
fn parse(path: &str) -> Path {
    Path::parse(path).unwrap_or_default()
}
