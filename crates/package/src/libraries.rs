//! The shared libraries that taken programs need, found where the dynamic loader would find them (ld.so(8)).
//!
//! What a program loads by itself later (dlopen(3)) cannot be seen from outside; recipes name it as paths.

use std::collections::BTreeSet;
use std::io::Read;
use std::rc::Rc;

use ironkit_tree::{Content, Kind, Path, Source};

use crate::Error;
use crate::debian::deb::merged;
use crate::debian::{Package, multiarch};
use crate::elf;
use crate::placement::Image;
use crate::sources::Packages;

/// How far dependencies are followed in search of a library. Libraries are direct dependencies of what needs them;
/// the rest is for packages that leave that to another one.
const MAX_DEPTH: usize = 3;

/// Adds the libraries of everything that was taken since the last time, and theirs.
///
/// # Errors
/// [`Error::NoLibrary`], and those of opening packages.
pub(crate) fn close(image: &mut Image, packages: &mut Packages<'_>, suite: &str) -> Result<(), Error> {
    while let Some((package, path)) = image.next_taken() {
        let Some(file) = read_elf(&package, &path, packages.layers())? else {
            continue;
        };
        let invalid = |reason| Error::Binary {
            file: path.to_string(),
            kind: "ELF file",
            reason,
        };
        let dynamic = elf::dynamic(&file).map_err(invalid)?;
        let mut wanted = Vec::new();
        if let Some(interpreter) = &dynamic.interpreter {
            wanted.push((interpreter.clone(), vec![parse(interpreter)]));
        }
        let folders = folders(&path, &dynamic.run_path, packages.architecture());
        for name in dynamic.needed {
            let paths = folders.iter().map(|folder| folder.join(&parse(&name))).collect();
            wanted.push((name, paths));
        }
        for (name, paths) in wanted {
            find(image, packages, suite, &package, &name, &paths).map_err(|error| match error {
                Error::NoLibrary {
                    library, searched, ..
                } => Error::NoLibrary {
                    library,
                    searched,
                    needed_by: format!("/{path}"),
                    package: package.title(),
                },
                error => error,
            })?;
        }
    }
    Ok(())
}

/// The file, when it is an ELF file of 64 bits.
fn read_elf(package: &Package, path: &Path, source: &dyn Source) -> Result<Option<Vec<u8>>, Error> {
    let Some(Kind::File(
        content @ Content::Blob {
            layer, offset, size, ..
        },
    )) = package.files.get(path).map(|node| &node.kind)
    else {
        return Ok(None);
    };
    let mut start = Vec::new();
    let reader = source.layer(layer, *offset, *size).map_err(Error::Layer)?;
    reader
        .take(5.min(*size))
        .read_to_end(&mut start)
        .map_err(|error| Error::Layer(error.into()))?;
    match elf::is_elf64(&start) {
        true => content.read(source).map(Some).map_err(Error::Layer),
        false => Ok(None),
    }
}

/// The directories that the loader searches for the libraries of `path`.
fn folders(path: &Path, run_path: &[String], architecture: &str) -> Vec<Path> {
    let origin = format!("/{}", path.parent().unwrap_or_default());
    let own = run_path.iter().map(|folder| {
        let folder = folder.replace("$ORIGIN", &origin).replace("${ORIGIN}", &origin);
        crate::placement::link_target(&Path::ROOT, folder.as_bytes())
    });
    let usual = multiarch(architecture).map(|tuple| format!("usr/lib/{tuple}"));
    let usual = usual
        .iter()
        .map(String::as_str)
        .chain(["usr/lib64", "usr/lib"])
        .map(parse);
    own.chain(usual).collect()
}

/// Takes the first of `paths` that is in a package that `package` depends on, unless one is in the image.
fn find(
    image: &mut Image,
    packages: &mut Packages<'_>,
    suite: &str,
    package: &Rc<Package>,
    name: &str,
    paths: &[Path],
) -> Result<(), Error> {
    let paths: Vec<Path> = paths.iter().map(merged).collect();
    if paths.iter().any(|path| image.has(path)) {
        return Ok(());
    }
    let mut searched = Vec::new();
    for candidate in candidates(packages, suite, package, name)? {
        let candidate = match candidate == package.record.package {
            true => Rc::clone(package),
            false => packages.open(suite, &candidate)?,
        };
        if let Some(path) = paths.iter().find(|path| candidate.files.get(path).is_some()) {
            packages.mark(suite, &candidate);
            return image.take(&candidate, path);
        }
        searched.push(candidate.title());
    }
    let (needed_by, package) = (String::new(), package.title());
    Err(Error::NoLibrary {
        library: name.to_owned(),
        needed_by,
        package,
        searched: searched.join(", "),
    })
}

/// The packages that may have a library, the likeliest first, so that little is downloaded in vain.
fn candidates(
    packages: &mut Packages<'_>,
    suite: &str,
    package: &Package,
    library: &str,
) -> Result<Vec<String>, Error> {
    let index = packages.index(suite)?;
    let mut found = vec![((0, 0), package.record.package.clone())];
    let mut seen = BTreeSet::from([package.record.package.clone()]);
    let mut level = vec![&package.record];
    for depth in 1..=MAX_DEPTH {
        let names = level.iter().flat_map(|record| record.depends.iter().flatten());
        let records: Vec<_> = names.flat_map(|name| index.satisfying(name)).collect();
        level = records
            .into_iter()
            .filter(|record| seen.insert(record.package.clone()))
            .collect();
        for record in &level {
            let rank = rank(&record.package, &record.section, library);
            // What does not look like a library comes last, however near it is.
            found.push((
                if rank == 2 {
                    (MAX_DEPTH + 1, depth)
                } else {
                    (depth, rank)
                },
                record.package.clone(),
            ));
        }
    }
    found.sort_by_key(|(order, _)| *order);
    Ok(found.into_iter().map(|(_, name)| name).collect())
}

/// 0: the package is named after the library; 1: it has libraries; 2: anything else.
fn rank(package: &str, section: &str, library: &str) -> usize {
    let library = library.rsplit('/').next().unwrap_or(library);
    let stem = library
        .split(".so")
        .next()
        .unwrap_or(library)
        .to_lowercase()
        .replace('_', "-");
    match () {
        () if stem.starts_with("ld-linux") && package.starts_with("libc6") => 0,
        () if package.starts_with(&stem) => 0,
        () if package.starts_with("lib") || section.ends_with("libs") => 1,
        () => 2,
    }
}

fn parse(path: &str) -> Path {
    Path::parse(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likely_packages_come_first() {
        for (package, section, library, expect) in [
            ("libssl3t64", "libs", "libssl.so.3", 0),
            ("libpcre2-8-0", "libs", "libpcre2-8.so.0", 0),
            ("libc6", "libs", "/lib64/ld-linux-x86-64.so.2", 0),
            ("libssl3t64", "libs", "libcrypto.so.3", 1),
            ("zlib1g", "libs", "libz.so.1", 1),
            ("iproute2", "net", "libz.so.1", 2),
        ] {
            assert_eq!(rank(package, section, library), expect, "{package} {library}");
        }
    }

    #[test]
    fn folders_are_the_loaders() {
        let found = folders(
            &parse("usr/lib/app/bin/x"),
            &["$ORIGIN/../lib".into(), "/opt/l".into()],
            "amd64",
        );
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "usr/lib/app/lib",
                "opt/l",
                "usr/lib/x86_64-linux-gnu",
                "usr/lib64",
                "usr/lib"
            ]
        );
    }
}
