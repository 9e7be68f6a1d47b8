//! The SBOM of a build: what each image says of its packages, joined into files of the root file system.
//!
//! What an image says is in its attestation, else in its package database. A finished document is kept in the store
//! under a key of all that it is made from, so that a build that changes nothing only looks up where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use ironkit_oci::{Image, Statement, Store};
use ironkit_rootfs::{Contents, Images};
use ironkit_sbom::{Container, Fragment, Merge, Merged, Placed, cyclonedx, database, spdx, statement};
use ironkit_tree::{Digest, FileSet, Files, Hasher, Kind, Node, Part, Path, Source, Tree};

use crate::{Error, Result, Watcher};

/// The kind of derived data.
const KIND: &str = "sbom";
/// What documents say made them.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Which documents are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SbomOptions {
    /// The formats; none twice.
    pub formats: Vec<SbomFormat>,
    /// Where the document goes, relative to the root file system; none: where its format usually is. Only one format can
    /// go there.
    pub output: Option<String>,
    /// The time that documents have, in seconds since 1970.
    pub created: i64,
}

/// A document's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SbomFormat {
    /// SPDX 2.3, in `sbom.spdx.json`.
    Spdx,
    /// CycloneDX 1.6, in `sbom.cdx.json`.
    CycloneDx,
}

impl FromStr for SbomFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<SbomFormat> {
        match name {
            "spdx" => Ok(SbomFormat::Spdx),
            "cyclonedx" => Ok(SbomFormat::CycloneDx),
            _ => Err(Error::Usage {
                message: format!("`{name}` is not a format of SBOMs"),
                hint: "spdx and cyclonedx are".to_owned(),
            }),
        }
    }
}

impl SbomFormat {
    /// Its name in arguments.
    pub fn name(self) -> &'static str {
        match self {
            SbomFormat::Spdx => "spdx",
            SbomFormat::CycloneDx => "cyclonedx",
        }
    }

    fn file(self) -> &'static str {
        match self {
            SbomFormat::Spdx => spdx::FILE_NAME,
            SbomFormat::CycloneDx => cyclonedx::FILE_NAME,
        }
    }

    fn document(self, merged: &Merged, created: i64) -> Vec<u8> {
        match self {
            SbomFormat::Spdx => spdx::document(merged, created, VERSION),
            SbomFormat::CycloneDx => cyclonedx::document(merged, created, VERSION),
        }
    }
}

/// The documents of a tree, as its last part.
///
/// # Errors
/// [`Error::Sbom`] for an attestation or package database that is broken or too large, [`Error::Usage`] for an output that is no path.
pub fn part(
    options: &SbomOptions,
    tree: &Tree,
    images: &Images,
    contents: &Contents,
    store: &Store,
    watcher: &dyn Watcher,
) -> Result<Part> {
    let unpacked = unpacked(tree, images, store)?;
    let mut merged = None;
    let mut files = FileSet::new();
    for &format in &options.formats {
        let key = key(options, format, &unpacked);
        let document = match stored(store, &key)? {
            Some(document) => document,
            None => {
                let merged = match &merged {
                    Some(merged) => merged,
                    None => merged.insert(merge(&unpacked, contents, store, watcher)?),
                };
                let document = format.document(merged, options.created);
                store.put_derived(KIND, &key, &mut |out| out.write_all(&document))?;
                document
            }
        };
        let path = path(options, format)?;
        files.insert(
            path,
            Node::new(Kind::File(document.into()), 0o644).at(contents.time()),
        );
    }
    let text = String::new;
    Ok(Part {
        location: text(),
        name: "sbom".to_owned(),
        source: text(),
        files: Files::Listed(files),
    })
}

/// Where a document goes.
fn path(options: &SbomOptions, format: SbomFormat) -> Result<Path> {
    let name = options.output.as_deref().unwrap_or(format.file());
    let usage = |message: String| Error::Usage {
        message,
        hint: format!("name a file in the image, such as {}", format.file()),
    };
    if options.output.is_some() && options.formats.len() > 1 {
        return Err(usage(format!("`{name}` cannot hold several SBOMs")));
    }
    match Path::parse(name) {
        Ok(path) if !path.is_root() && !name.ends_with('/') => Ok(path),
        Ok(_) => Err(usage(format!("`{name}` is not the name of a file for the SBOM"))),
        Err(error) => Err(usage(format!("the SBOM cannot go there: {error}"))),
    }
}

/// An image, where it is unpacked, and where its list of packages is.
struct Unpacked<'a> {
    image: &'a Image,
    directory: String,
    /// Its SPDX attestations.
    statements: Vec<Statement>,
    /// Its files; none for the kernel's image, which is not unpacked.
    files: Option<Digest>,
}

/// Every image at every place where it is, in the tree's order.
fn unpacked<'a>(tree: &Tree, images: &'a Images, store: &Store) -> Result<Vec<Unpacked<'a>>> {
    let by_name: BTreeMap<String, &Image> = images
        .values()
        .map(|image| (image.name.to_string(), image))
        .collect();
    let kernel = tree
        .kernel
        .iter()
        .map(|kernel| (kernel.source.as_str(), String::new(), None));
    let parts = tree.parts.iter().filter_map(|part| match &part.files {
        Files::Stored { key, under } if part.location != "kernel" => {
            Some((part.source.as_str(), under.to_string(), Some(*key)))
        }
        _ => None,
    });
    let mut seen = BTreeSet::new();
    let mut unpacked = Vec::new();
    for (source, directory, files) in kernel.chain(parts) {
        let Some(image) = by_name.get(source) else {
            continue;
        };
        if !seen.insert((image.digest, directory.clone(), files.is_some())) {
            continue;
        }
        let mut statements = store.statements(image)?;
        statements.retain(|there| there.predicate_type == statement::SPDX);
        unpacked.push(Unpacked {
            image,
            directory,
            statements,
            files,
        });
    }
    Ok(unpacked)
}

/// Names a document by all that it is made from.
fn key(options: &SbomOptions, format: SbomFormat, unpacked: &[Unpacked]) -> Digest {
    let mut hasher = Hasher::new();
    for field in [
        ironkit_sbom::VERSION,
        VERSION.as_bytes(),
        format.name().as_bytes(),
    ] {
        hasher.field(field);
    }
    hasher.field(&options.created.to_le_bytes());
    for there in unpacked {
        // An image's own entry in the document has its name.
        hasher.field(there.image.name.to_string().as_bytes());
        hasher.field(there.image.digest.bytes());
        hasher.field(there.directory.as_bytes());
        hasher.field(there.files.as_ref().map_or(&[][..], |key| key.bytes()));
        hasher.field(&(there.statements.len() as u64).to_le_bytes());
        for statement in &there.statements {
            hasher.field(statement.digest.bytes());
        }
    }
    hasher.finish()
}

/// Derived data; damaged is as good as absent.
fn stored(store: &Store, key: &Digest) -> Result<Option<Vec<u8>>> {
    Ok(store.derived(KIND, key)?.and_then(|derived| derived.read().ok()))
}

fn merge(unpacked: &[Unpacked], source: &dyn Source, store: &Store, watcher: &dyn Watcher) -> Result<Merged> {
    let mut merge = Merge::default();
    for there in unpacked {
        let broken = |source| Error::Sbom {
            image: there.image.name.to_string(),
            source,
        };
        for placed in fragments(there, source, store, watcher)? {
            merge.add(&placed).map_err(broken)?;
        }
    }
    Ok(merge.finish())
}

/// What an image says: each of its attestations, or its package database.
fn fragments(
    there: &Unpacked,
    source: &dyn Source,
    store: &Store,
    watcher: &dyn Watcher,
) -> Result<Vec<Placed>> {
    let name = there.image.name.to_string();
    let placed = |fragment, keeps| Placed {
        image: there.image.digest,
        keeps,
        directory: there.directory.clone(),
        fragment,
    };
    let mut attested = Vec::new();
    for statement in &there.statements {
        match Fragment::from_statement(&store.read_statement(statement)?) {
            Ok(fragment) => attested.push(placed(fragment, true)),
            Err(error @ ironkit_sbom::Error::Version(_)) => {
                watcher.note(&format!("{name}: {error}; its package database is read instead"));
            }
            Err(source) => {
                let image = format!("{name}: attestation {}", statement.digest);
                return Err(Error::Sbom { image, source });
            }
        }
    }
    if !attested.is_empty() {
        return Ok(attested);
    }
    let Some(files) = &there.files else {
        return Ok(Vec::new());
    };
    let fragment = packages(there.image, files, source, store, watcher)?;
    Ok(vec![placed(fragment, false)])
}

/// What an image's package database says.
fn packages(
    image: &Image,
    files: &Digest,
    source: &dyn Source,
    store: &Store,
    watcher: &dyn Watcher,
) -> Result<Fragment> {
    let mut hasher = Hasher::new();
    for field in [
        ironkit_sbom::VERSION,
        b"packages",
        image.name.to_string().as_bytes(),
    ] {
        hasher.field(field);
    }
    hasher.field(image.digest.bytes());
    hasher.field(files.bytes());
    let key = hasher.finish();
    if let Some(fragment) = stored(store, &key)?.and_then(|text| Fragment::from_text(&text)) {
        return Ok(fragment);
    }
    let mut container = Container {
        name: format!("{}/{}", image.name.registry(), image.name.repository()),
        version: image.name.tag().unwrap_or_default().to_owned(),
        digest: Some(image.digest),
        ..Container::default()
    };
    let broken = |source| Error::Sbom {
        image: image.name.to_string(),
        source,
    };
    let databases = databases(&source.files(files).map_err(Error::Tree)?, source, &broken)?;
    let packages = database::read(&databases, &mut container).map_err(broken)?;
    if !container.comment.is_empty() {
        watcher.note(&format!("{}: {}", image.name, container.comment));
    }
    let fragment = match packages.is_empty() && container.comment.is_empty() {
        true => Fragment::default(),
        false => Fragment::of_packages(&container, &packages),
    };
    let text = fragment.to_text();
    store.put_derived(KIND, &key, &mut |out| out.write_all(&text))?;
    Ok(fragment)
}

/// The contents of the package databases that are among an image's files, by path.
fn databases(
    files: &FileSet,
    source: &dyn Source,
    broken: &dyn Fn(ironkit_sbom::Error) -> Error,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let path = |name: &str| Path::parse(name).unwrap_or_default();
    let mut paths: Vec<Path> = database::FILES.into_iter().map(path).collect();
    for folder in database::FOLDERS {
        paths.extend(files.below(&path(folder)).cloned());
    }
    let mut found = BTreeMap::new();
    let mut size = 0;
    for path in paths {
        let name = path.to_string();
        let (Some(kind), Some(node)) = (database::kind(&name), files.get(&path)) else {
            continue;
        };
        let Kind::File(content) = &node.kind else {
            continue;
        };
        if kind == database::Kind::Rpm {
            found.insert(name, Vec::new());
            continue;
        }
        size += content.size();
        if size > database::MAX_DATABASE {
            return Err(broken(ironkit_sbom::Error::TooMuch {
                what: format!("bytes of package databases, up to `{name}`"),
                limit: usize::try_from(database::MAX_DATABASE).unwrap_or(usize::MAX),
            }));
        }
        found.insert(name, content.read(source).map_err(Error::Tree)?);
    }
    Ok(found)
}
