//! From a name to an image with several of its platforms, blob by blob: what an OCI layout of it takes.

use std::collections::{BTreeMap, BTreeSet};

use super::Store;
use super::find::{MAX_DEPTH, MAX_DOCUMENTS};
use crate::document::{Descriptor, Document, ImageConfig};
use crate::{Digest, Error, Platform, Reference, Result};

/// An image for several platforms. Its documents are verified, all its blobs are in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// The name under which it was asked for.
    pub name: Reference,
    /// The index or manifest that the name points to.
    pub root: Descriptor,
    /// Every blob, the root's included, with its size in bytes.
    pub blobs: BTreeMap<Digest, u64>,
}

/// What a store knows about a name and several platforms.
#[derive(Debug, Clone, PartialEq)]
pub enum LayoutLookup {
    /// The image.
    Found(Box<Layout>),
    /// The name is not known.
    Unknown,
    /// The image has nothing for the platform `wanted`, only for others.
    NoPlatform {
        /// The first platform that is missing.
        wanted: Platform,
        /// What it has.
        available: Vec<String>,
    },
    /// These blobs are not here, or have the wrong size.
    Incomplete(Vec<Digest>),
}

impl Store {
    /// The image with that name for all of `platforms`, or for every platform that it has when there are none given,
    /// when all its blobs are here. Documents are verified by digest, layers by size; what is damaged is an error.
    pub fn layout(&self, reference: &Reference, platforms: &[Platform]) -> Result<LayoutLookup> {
        self.hold()?;
        let Some(root) = self.root_of(reference)? else {
            return Ok(LayoutLookup::Unknown);
        };
        let mut search = Search {
            store: self,
            selection: Selection::new(platforms),
            blobs: BTreeMap::new(),
            missing: BTreeSet::new(),
            seen: BTreeSet::new(),
        };
        search.visit(&root, 0)?;
        if !search.missing.is_empty() {
            return Ok(LayoutLookup::Incomplete(search.missing.into_iter().collect()));
        }
        if let Some(wanted) = search.selection.unmet() {
            return Ok(LayoutLookup::NoPlatform {
                wanted,
                available: search.selection.available,
            });
        }
        Ok(LayoutLookup::Found(Box::new(Layout {
            name: reference.clone(),
            root,
            blobs: search.blobs,
        })))
    }
}

/// Which entries of an index belong to the wanted platforms, and which of these were met.
pub(crate) struct Selection<'a> {
    platforms: &'a [Platform],
    met: Vec<bool>,
    /// Every platform that was seen.
    pub(crate) available: Vec<String>,
}

impl<'a> Selection<'a> {
    /// Of no platforms everything is wanted.
    pub(crate) fn new(platforms: &'a [Platform]) -> Selection<'a> {
        Selection {
            platforms,
            met: vec![false; platforms.len()],
            available: Vec::new(),
        }
    }

    /// Whether an entry of an index has to be looked into: one that says nothing is decided by what it points to.
    pub(crate) fn wants(&self, entry: &Descriptor) -> bool {
        let named = entry.platform.as_ref().filter(|there| !there.os.is_empty());
        self.platforms.is_empty()
            || named.is_none_or(|there| self.platforms.iter().any(|wanted| there.fits(wanted)))
    }

    /// Notes a platform that the index does not want looked into.
    pub(crate) fn note(&mut self, entry: &Descriptor) {
        let named = entry.platform.as_ref().filter(|there| there.os != "unknown");
        self.available.extend(named.map(ToString::to_string));
    }

    /// Whether a manifest is wanted. What its entry says counts before what its configuration says.
    pub(crate) fn takes(&mut self, entry: &Descriptor, config: &[u8]) -> bool {
        let inside = || ImageConfig::parse(config).ok()?.platform();
        let named = entry.platform.clone().filter(|there| !there.os.is_empty());
        let Some(there) = named.or_else(inside) else {
            return self.platforms.is_empty();
        };
        let mut taken = self.platforms.is_empty();
        for (wanted, met) in self.platforms.iter().zip(&mut self.met) {
            let fits = there.fits(wanted);
            *met |= fits;
            taken |= fits;
        }
        if !taken {
            self.available.push(there.to_string());
        }
        taken
    }

    /// The first platform that nothing was found for.
    pub(crate) fn unmet(&self) -> Option<Platform> {
        let unmet = self.platforms.iter().zip(&self.met).find(|(_, met)| !**met);
        unmet.map(|(wanted, _)| wanted.clone())
    }
}

struct Search<'a> {
    store: &'a Store,
    selection: Selection<'a>,
    blobs: BTreeMap<Digest, u64>,
    missing: BTreeSet<Digest>,
    seen: BTreeSet<Digest>,
}

impl Search<'_> {
    fn visit(&mut self, at: &Descriptor, depth: usize) -> Result<()> {
        if !self.seen.insert(at.digest) {
            return Ok(());
        }
        let what = format!("blob {}", at.digest);
        if depth > MAX_DEPTH || self.seen.len() > MAX_DOCUMENTS {
            return Err(Error::document(
                what,
                "it leads through too many indexes and manifests",
            ));
        }
        let Some(bytes) = self.read(&at.digest)? else {
            return Ok(());
        };
        match Document::parse(&what, &bytes, Some(&at.media_type))? {
            Document::Index(index) => {
                for entry in &index.manifests {
                    match self.selection.wants(entry) {
                        true => self.visit(entry, depth + 1)?,
                        false => self.selection.note(entry),
                    }
                }
            }
            Document::Manifest(manifest) => {
                let Some(config) = self.read(&manifest.config.digest)? else {
                    return Ok(());
                };
                if !self.selection.takes(at, &config) {
                    return Ok(());
                }
                self.blobs.insert(manifest.config.digest, config.len() as u64);
                for layer in &manifest.layers {
                    match self.store.blob_size(&layer.digest) {
                        Some(size) if size == layer.size => self.blobs.insert(layer.digest, size).map(drop),
                        _ => self.missing.insert(layer.digest).then_some(()),
                    };
                }
            }
        }
        self.blobs.insert(at.digest, bytes.len() as u64);
        Ok(())
    }

    /// A document, noted as missing when it is not here.
    fn read(&mut self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        match self.store.read_blob(digest) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::MissingBlob { digest }) => {
                self.missing.insert(digest);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
