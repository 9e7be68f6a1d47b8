//! The packages that one build looks at: opened when first needed, from the lock file or from the newest index.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock};

use ironkit_tree::{BoxError, Digest, FileSet, Source};

use crate::Error;
use crate::debian::{Downloads, Index, Package, Record};
use crate::lock::{Lock, Locked};

/// Which packages there are.
#[derive(Debug, Clone, Copy)]
pub enum Choice<'a> {
    /// Those of the lock file.
    Locked(&'a Lock),
    /// The newest of the distribution.
    Newest,
}

/// The packages of one build.
pub struct Packages<'a> {
    downloads: &'a Downloads<'a>,
    architecture: &'a str,
    areas: &'a [String],
    choice: Choice<'a>,
    layers: &'a Layers,
    progress: &'a dyn Fn(&str),
    indices: BTreeMap<String, Index>,
    opened: BTreeMap<(String, String), Rc<Package>>,
    used: BTreeSet<Locked>,
}

/// The unpacked packages and the recipe's own files, as what the contents of files refer to.
#[derive(Debug, Default)]
pub struct Layers(RwLock<BTreeMap<Digest, Arc<File>>>);

impl<'a> Packages<'a> {
    /// Packages for `architecture`, the newest of them out of `areas`. Each that is opened gets into `layers`, and `progress`
    /// hears of it.
    pub fn new(
        downloads: &'a Downloads<'a>,
        (architecture, areas): (&'a str, &'a [String]),
        choice: Choice<'a>,
        layers: &'a Layers,
        progress: &'a dyn Fn(&str),
    ) -> Packages<'a> {
        let (indices, opened, used) = Default::default();
        Packages {
            downloads,
            architecture,
            areas,
            choice,
            layers,
            progress,
            indices,
            opened,
            used,
        }
    }

    /// Debian's name of the architecture.
    pub fn architecture(&self) -> &str {
        self.architecture
    }

    /// What the contents of files refer to.
    pub fn layers(&self) -> &'a Layers {
        self.layers
    }

    /// The packages that were marked as used, for the lock file.
    pub fn used(&self) -> Vec<Locked> {
        self.used.iter().cloned().collect()
    }

    /// Records that something was taken from a package.
    pub fn mark(&mut self, suite: &str, package: &Package) {
        self.used.extend(Locked::of(suite, &package.record));
    }

    /// The index of a release.
    ///
    /// # Errors
    /// Those of reading it, or of opening the locked packages.
    pub fn index(&mut self, suite: &str) -> Result<&Index, Error> {
        if !self.indices.contains_key(suite) {
            let index = match self.choice {
                Choice::Locked(lock) => self.open_locked(suite, lock)?,
                Choice::Newest => {
                    (self.progress)(&format!("reading the index of {suite} for {}", self.architecture));
                    Index::of_suite(self.downloads, suite, self.areas, self.architecture)?
                }
            };
            self.indices.insert(suite.to_owned(), index);
        }
        self.indices.get(suite).ok_or_else(|| self.no_package(suite, ""))
    }

    /// Opens a package, or one that provides it.
    ///
    /// # Errors
    /// [`Error::NoPackage`], and those of downloading and opening it.
    pub fn open(&mut self, suite: &str, name: &str) -> Result<Rc<Package>, Error> {
        let record = self.index(suite)?.satisfying(name).next().cloned();
        let record = record.ok_or_else(|| self.no_package(suite, name))?;
        match self.opened.get(&(suite.to_owned(), record.package.clone())) {
            Some(package) => Ok(Rc::clone(package)),
            None => self.open_record(suite, &record),
        }
    }

    fn open_locked(&mut self, suite: &str, lock: &Lock) -> Result<Index, Error> {
        let mut records = Vec::new();
        for locked in lock.of(suite, self.architecture) {
            let record = Record {
                package: locked.package.clone(),
                version: locked.version.clone(),
                architecture: locked.architecture.clone(),
                section: String::new(),
                depends: Vec::new(),
                provides: Vec::new(),
                filename: locked.filename.clone(),
                size: locked.size,
                sha256: Some(locked.sha256),
            };
            records.push(self.open_record(suite, &record)?.record.clone());
        }
        Ok(Index::new(records))
    }

    fn open_record(&mut self, suite: &str, record: &Record) -> Result<Rc<Package>, Error> {
        let digest = record
            .sha256
            .ok_or_else(|| self.no_package(suite, &record.package))?;
        (self.progress)(&format!("{} {}", record.package, record.version));
        let file = self.downloads.file(&record.filename, &digest, record.size)?;
        let package = Rc::new(Package::open(&file, record, digest, self.downloads.directory())?);
        self.layers.add(digest, Arc::clone(&package.data));
        self.opened
            .insert((suite.to_owned(), record.package.clone()), Rc::clone(&package));
        Ok(package)
    }

    fn no_package(&self, suite: &str, package: &str) -> Error {
        Error::NoPackage {
            package: package.to_owned(),
            architecture: self.architecture.to_owned(),
            suite: suite.to_owned(),
        }
    }
}

impl Layers {
    /// Adds a file whose digest is known.
    pub(crate) fn add(&self, digest: Digest, file: Arc<File>) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(digest, file);
    }
}

impl Source for Layers {
    fn files(&self, key: &Digest) -> Result<FileSet, BoxError> {
        Err(format!("{key} is no file set of a package").into())
    }

    fn layer(&self, layer: &Digest, offset: u64, _size: u64) -> Result<Box<dyn Read + '_>, BoxError> {
        let layers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let file = layers
            .get(layer)
            .ok_or_else(|| format!("package {layer} is not open"))?;
        Ok(Box::new(At {
            file: Arc::clone(file),
            offset,
        }))
    }
}

/// Reads a file from an offset without moving anybody else's position.
struct At {
    file: Arc<File>,
    offset: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}
