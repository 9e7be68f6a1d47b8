//! Removing images without taking what another image, or a running build, needs.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::PoisonError;

use super::{Store, index, lock};
use crate::document::{Descriptor, Document, Index};
use crate::{Digest, Error, Result};

/// What [`Store::remove`] and [`Store::clean`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many names are gone.
    pub images: usize,
    /// How many blobs are gone.
    pub blobs: usize,
    /// How many files of derived data are gone.
    pub derived: usize,
    /// How many bytes they had.
    pub bytes: u64,
    /// Blobs that nothing names were left, because another process is using the store.
    pub postponed: bool,
}

/// How much [`Store::clean`] removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clean {
    /// All images, and what was derived from them.
    Everything,
    /// The blobs that no image needs, and all derived data.
    Unneeded,
}

impl Store {
    /// Removes a name, as it stands in the index, and the blobs that no other name needs.
    pub fn remove(&self, name: &str) -> Result<Removed> {
        let mut images = 0;
        self.change_index(|index| {
            let before = index.manifests.len();
            index.manifests.retain(|root| index::name(root) != Some(name));
            images = before - index.manifests.len();
            images > 0
        })?;
        if images == 0 {
            return Err(Error::NoName {
                name: name.to_owned(),
                store: self.root.clone(),
            });
        }
        let mut removed = self.sweep_blobs()?;
        removed.images = images;
        Ok(removed)
    }

    /// Removes everything, or what no image needs.
    pub fn clean(&self, what: Clean) -> Result<Removed> {
        let mut images = 0;
        if what == Clean::Everything {
            self.change_index(|index| {
                images = index.manifests.len();
                index.manifests.clear();
                images > 0
            })?;
        }
        let mut removed = self.sweep_blobs()?;
        removed.images = images;
        for kind in entries(&self.derived)? {
            for file in entries(&kind)? {
                removed.bytes += delete(&file)?;
                removed.derived += 1;
            }
        }
        self.sweep();
        Ok(removed)
    }

    /// Removes the blobs that no name leads to, unless somebody else is using the store.
    fn sweep_blobs(&self) -> Result<Removed> {
        let mut removed = Removed::default();
        // Our own shared hold would keep us out too.
        *self.hold.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let Some(_alone) = lock::alone(&self.root.join(".use"))? else {
            return Ok(Removed {
                postponed: true,
                ..removed
            });
        };
        let needed = self.needed()?;
        for path in entries(&self.root.join("blobs/sha256"))? {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let digest = format!("sha256:{name}").parse::<Digest>();
            if digest.is_ok_and(|digest| !needed.contains(&digest)) {
                removed.bytes += delete(&path)?;
                removed.blobs += 1;
            }
        }
        Ok(removed)
    }

    /// All blobs that the index leads to, those that other tools put there without a name included. Called
    /// while `.use` is held alone, so no hold is taken.
    fn needed(&self) -> Result<BTreeSet<Digest>> {
        let index: Index = self.read_index()?;
        let mut needed = BTreeSet::new();
        for root in &index.manifests {
            self.reach(root, &mut needed);
        }
        Ok(needed)
    }

    /// Adds what a descriptor leads to. A document that cannot be read leads nowhere; it is damaged anyway.
    pub(super) fn reach(&self, from: &Descriptor, found: &mut BTreeSet<Digest>) {
        let mut queue = vec![from.clone()];
        while let Some(descriptor) = queue.pop() {
            // Layers and configurations are marked only, so a digest that was seen needs no second look.
            if !found.insert(descriptor.digest) {
                continue;
            }
            let bytes = fs::read(self.blob_path(&descriptor.digest)).unwrap_or_default();
            match Document::parse("", &bytes, None) {
                Ok(Document::Index(index)) => queue.extend(index.manifests),
                Ok(Document::Manifest(manifest)) => {
                    found.insert(manifest.config.digest);
                    found.extend(manifest.layers.iter().map(|layer| layer.digest));
                }
                Err(_) => {}
            }
        }
    }
}

/// The files of a directory that may be gone.
fn entries(path: &Path) -> Result<Vec<std::path::PathBuf>> {
    match fs::read_dir(path) {
        Ok(entries) => {
            let paths = entries.map(|entry| entry.map(|entry| entry.path()));
            paths
                .collect::<io::Result<_>>()
                .map_err(Error::file("read", path))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(Vec::new()),
        Err(error) => Err(Error::file("read", path)(error)),
    }
}

/// Removes a file that another process may have removed already; returns its size.
fn delete(path: &Path) -> Result<u64> {
    let size = fs::symlink_metadata(path)
        .map(|metadata| metadata.len())
        .unwrap_or(0);
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(size),
    }
}
