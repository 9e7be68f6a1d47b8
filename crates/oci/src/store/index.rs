//! The names in a store: `index.json`, changed under the lock and replaced at once.

use std::collections::BTreeSet;
use std::fs;

use super::Store;
use crate::document::{CONTAINERD_NAME, Descriptor, Document, ImageConfig, Index, REF_NAME};
use crate::{Digest, Error, Platform, Reference, Result};

/// The largest `index.json` that is read: a store with 100 000 images has some 40 MB.
const MAX_INDEX: u64 = 64 << 20;

/// An image as `cache ls` shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredImage {
    /// Its name as it stands in the index: a canonical reference unless another tool wrote it.
    pub name: String,
    /// The index or manifest that the name points to.
    pub digest: Digest,
    /// What that is.
    pub media_type: String,
    /// The bytes of all its blobs that are here.
    pub size: u64,
    /// The platforms whose blobs are all here.
    pub platforms: Vec<Platform>,
    /// The platforms that it lists, but that are not here, or not wholly.
    pub absent: Vec<Platform>,
}

impl Store {
    /// All named images, in the index's order.
    pub fn images(&self) -> Result<Vec<StoredImage>> {
        self.hold()?;
        let index = self.read_index()?;
        let named = index
            .manifests
            .iter()
            .filter_map(|root| Some((name(root)?, root)));
        Ok(named.map(|(name, root)| self.describe(name, root)).collect())
    }

    /// Names the image at `root`, whose blobs are in the store. A name is given once: what had it loses it.
    pub fn add_image(&self, name: &Reference, root: Descriptor) -> Result<()> {
        self.hold()?;
        let what = format!("{name}: blob {}", root.digest);
        Document::parse(&what, &self.read_blob(&root.digest)?, Some(&root.media_type))?;
        self.sync_blobs()?;
        let canonical = name.to_string();
        let mut root = root;
        root.annotations
            .get_or_insert_default()
            .insert(REF_NAME.to_owned(), canonical.clone());
        self.change_index(|index| {
            if index.manifests.contains(&root) {
                return false;
            }
            index
                .manifests
                .retain(|there| self::name(there) != Some(&canonical));
            index.manifests.push(root);
            true
        })
    }

    /// The name in the index that `text` means, and what it points to: the very name, else the reference that it is short
    /// for, else that with the tag `latest`.
    pub fn named(&self, text: &str) -> Result<(String, Digest)> {
        let index = self.read_index()?;
        let reference = text.parse::<Reference>().ok();
        let full = reference.iter().flat_map(|reference| {
            let plain = reference.to_string();
            let tagless = plain.strip_suffix(":latest").map(str::to_owned);
            [Some(plain), Some(reference.or_latest().to_string()), tagless]
        });
        let names = std::iter::once(Some(text.to_owned())).chain(full).flatten();
        for wanted in names {
            let root = index
                .manifests
                .iter()
                .rev()
                .find(|root| name(root) == Some(&wanted));
            if let Some(root) = root {
                return Ok((wanted, root.digest));
            }
        }
        Err(Error::NoName {
            name: reference.map_or(text.to_owned(), |reference| reference.to_string()),
            store: self.root.clone(),
        })
    }

    /// What a name points to: an index or a manifest.
    pub fn digest(&self, reference: &Reference) -> Result<Option<Digest>> {
        Ok(self.root_of(reference)?.map(|root| root.digest))
    }

    /// The blobs that each name leads to.
    pub(crate) fn named_blobs(&self) -> Result<Vec<(Reference, BTreeSet<Digest>)>> {
        self.hold()?;
        let index = self.read_index()?;
        let mut found = Vec::new();
        for root in &index.manifests {
            let reference = name(root).and_then(|name| name.parse::<Reference>().ok());
            if let Some(reference) = reference {
                let mut blobs = BTreeSet::new();
                self.reach(root, &mut blobs);
                found.push((reference, blobs));
            }
        }
        Ok(found)
    }

    pub(super) fn read_index(&self) -> Result<Index> {
        let path = self.root.join("index.json");
        let size = fs::metadata(&path).map_err(Error::file("read", &path))?.len();
        if size > MAX_INDEX {
            return Err(Error::TooLarge {
                what: path.display().to_string(),
                size,
                limit: MAX_INDEX,
            });
        }
        let bytes = fs::read(&path).map_err(Error::file("read", &path))?;
        serde_json::from_slice(&bytes).map_err(|error| Error::Layout {
            path,
            reason: format!("its index cannot be read: {error}"),
        })
    }

    pub(super) fn write_index(&self, index: &Index) -> Result<()> {
        let path = self.root.join("index.json");
        let bytes = serde_json::to_vec(index).map_err(|error| Error::document("index.json", error))?;
        self.write_atomically(&path, &bytes)
    }

    /// Changes the index under the lock; `change` says whether it did.
    pub(super) fn change_index(&self, change: impl FnOnce(&mut Index) -> bool) -> Result<()> {
        let _lock = self.lock()?;
        let mut index = self.read_index()?;
        if change(&mut index) {
            self.write_index(&index)
        } else {
            Ok(())
        }
    }

    fn describe(&self, name: &str, root: &Descriptor) -> StoredImage {
        let mut image = StoredImage {
            name: name.to_owned(),
            digest: root.digest,
            media_type: root.media_type.clone(),
            size: 0,
            platforms: Vec::new(),
            absent: Vec::new(),
        };
        let mut blobs = BTreeSet::new();
        self.reach(root, &mut blobs);
        image.size = blobs.iter().filter_map(|digest| self.blob_size(digest)).sum();
        for (descriptor, manifest) in self.manifests(root) {
            let config = manifest
                .as_ref()
                .and_then(|manifest| self.read_blob(&manifest.config.digest).ok());
            let config = config.and_then(|bytes| ImageConfig::parse(&bytes).ok());
            let platform = descriptor
                .platform
                .clone()
                .or_else(|| config.as_ref()?.platform());
            let Some(platform) = platform.filter(|platform| platform.os != "unknown") else {
                continue;
            };
            let whole = manifest.is_some_and(|manifest| {
                config.is_some()
                    && manifest
                        .layers
                        .iter()
                        .all(|layer| self.blob_size(&layer.digest) == Some(layer.size))
            });
            if whole {
                image.platforms.push(platform)
            } else {
                image.absent.push(platform)
            }
        }
        image
    }
}

/// The name of a root descriptor.
pub(super) fn name(root: &Descriptor) -> Option<&str> {
    root.annotation(REF_NAME)
        .or_else(|| root.annotation(CONTAINERD_NAME))
}
