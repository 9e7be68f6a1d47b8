//! Pulling several platforms of an image at once, with everything that their manifests name.

use std::collections::BTreeSet;

use super::fetch::Fetch;
use super::session::Session;
use super::{Fetched, MAX_DEPTH, Progress, Registry, named};
use crate::document::{Document, Manifest};
use crate::store::Selection;
use crate::{Digest, Error, Layout, LayoutLookup, Platform, Reference, Result, Store};

/// Manifests that are fetched of one image: builders add one attestation for each platform.
const MAX_DOCUMENTS: usize = 256;

impl Registry {
    /// Fetches all of `platforms` of an image, or everything below its name when there are none given, and names it in
    /// the store. Blobs that are there are verified and kept.
    pub fn pull_layout(
        &self,
        store: &Store,
        reference: &Reference,
        platforms: &[Platform],
        progress: &dyn Progress,
    ) -> Result<Layout> {
        let session = self.session(reference, progress).map_err(named(reference))?;
        let mut pull = Pull {
            session: &session,
            store,
            reference,
            progress,
            parallel: self.options.parallel,
            selection: Selection::new(platforms),
            seen: BTreeSet::new(),
        };
        pull.run(platforms).map_err(named(reference))
    }
}

struct Pull<'a> {
    session: &'a Session<'a>,
    store: &'a Store,
    reference: &'a Reference,
    progress: &'a dyn Progress,
    parallel: usize,
    selection: Selection<'a>,
    seen: BTreeSet<Digest>,
}

impl Pull<'_> {
    fn run(&mut self, platforms: &[Platform]) -> Result<Layout> {
        let root = self.session.root(self.reference)?;
        let descriptor = root.descriptor.clone();
        // A name is given when all that it leads to is there.
        self.walk(root, 0)?;
        if let Some(wanted) = self.selection.unmet() {
            return Err(Error::NoPlatform {
                reference: self.reference.clone().into(),
                wanted: wanted.into(),
                available: std::mem::take(&mut self.selection.available),
            });
        }
        let digest = descriptor.digest;
        self.store.add_image(self.reference, descriptor)?;
        match self.store.layout(self.reference, platforms)? {
            LayoutLookup::Found(layout) => Ok(*layout),
            LayoutLookup::Incomplete(missing) => Err(Error::MissingBlob {
                digest: missing.first().copied().unwrap_or(digest),
            }),
            LayoutLookup::Unknown | LayoutLookup::NoPlatform { .. } => Err(Error::MissingBlob { digest }),
        }
    }

    fn walk(&mut self, at: Fetched, depth: usize) -> Result<()> {
        if !self.seen.insert(at.descriptor.digest) {
            return Ok(());
        }
        if depth > MAX_DEPTH || self.seen.len() > MAX_DOCUMENTS {
            let what = format!("index {}", at.descriptor.digest);
            return Err(Error::document(
                what,
                "it leads through too many indexes and manifests",
            ));
        }
        match &at.document {
            Document::Manifest(manifest) => {
                if !self.image(&at, manifest)? {
                    return Ok(());
                }
            }
            Document::Index(index) => {
                for entry in &index.manifests {
                    if self.selection.wants(entry) {
                        let child = self.session.child(self.store, entry)?;
                        self.walk(child, depth + 1)?;
                    } else {
                        self.selection.note(entry);
                    }
                }
            }
        }
        let expected = (&at.descriptor.digest, at.descriptor.size);
        self.store.write_blob(Some(expected), &mut at.bytes.as_slice())?;
        Ok(())
    }

    /// Fetches configuration and layers of a manifest; false when it is not wanted.
    fn image(&mut self, at: &Fetched, manifest: &Manifest) -> Result<bool> {
        let name = self.reference.to_string();
        let fetch = Fetch {
            session: self.session,
            store: self.store,
            name: &name,
            progress: self.progress,
        };
        let (digest, size) = (manifest.config.digest, manifest.config.size);
        if size > crate::MAX_SMALL_BLOB {
            let what = format!("configuration {digest}");
            let limit = crate::MAX_SMALL_BLOB;
            return Err(Error::TooLarge { what, size, limit });
        }
        fetch.all("configuration", &[(digest, size)], 1)?;
        if !self
            .selection
            .takes(&at.descriptor, &self.store.read_blob(&digest)?)
        {
            return Ok(false);
        }
        let blobs = manifest.layers.iter().map(|layer| (layer.digest, layer.size));
        let blobs: BTreeSet<(Digest, u64)> = blobs.collect();
        fetch.all("layer", &blobs.into_iter().collect::<Vec<_>>(), self.parallel)?;
        Ok(true)
    }
}
