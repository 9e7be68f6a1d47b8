//! From a name and a platform to an image whose blobs are here.

use std::collections::BTreeSet;

use super::{Store, index};
use crate::document::{Descriptor, Document, ImageConfig, Manifest};
use crate::{Digest, Error, Platform, Reference, Result};

/// How deep indexes may nest, and how many documents one image may have. Real ones have one index.
pub(super) const MAX_DEPTH: usize = 4;
pub(super) const MAX_DOCUMENTS: usize = 1024;

/// The most layers that an image may have; overlay file systems end at 500.
const MAX_LAYERS: usize = 4096;

/// An image for one platform. Its manifest and configuration are verified, its layers are in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The name under which it was asked for.
    pub name: Reference,
    /// The manifest.
    pub digest: Digest,
    /// The platform: the configuration's, or what was asked for when that does not say.
    pub platform: Platform,
    /// The configuration.
    pub config: ImageConfig,
    /// The configuration's blob.
    pub config_digest: Digest,
    /// The layers, the lowest first.
    pub layers: Vec<Layer>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The blob.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// How it is compressed.
    pub media_type: String,
    /// The digest of the uncompressed layer.
    pub diff_id: Digest,
}

/// What a store knows about a name and a platform.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// The image.
    Found(Box<Image>),
    /// The name is not known.
    Unknown,
    /// The image is for other platforms only.
    OtherPlatforms(Vec<String>),
    /// These blobs are not here, or have the wrong size.
    Incomplete(Vec<Digest>),
}

impl Store {
    /// The image with that name for that platform, when all its blobs are here. Documents are verified by
    /// digest, layers by size; what is damaged is an error.
    pub fn find(&self, reference: &Reference, platform: &Platform) -> Result<Option<Image>> {
        match self.lookup(reference, platform)? {
            Lookup::Found(image) => Ok(Some(*image)),
            _ => Ok(None),
        }
    }

    /// The same, with the reason when it is not here.
    pub fn lookup(&self, reference: &Reference, platform: &Platform) -> Result<Lookup> {
        self.hold()?;
        let Some(root) = self.root_of(reference)? else {
            return Ok(Lookup::Unknown);
        };
        let mut search = Search {
            store: self,
            platform,
            available: Vec::new(),
            missing: Vec::new(),
            seen: BTreeSet::new(),
        };
        let found = search.visit(&root, 0)?;
        let Search {
            available, missing, ..
        } = search;
        let Some((descriptor, manifest, config)) = found else {
            let nothing = missing.is_empty();
            return Ok(if nothing {
                Lookup::OtherPlatforms(available)
            } else {
                Lookup::Incomplete(missing)
            });
        };
        let layers = layers(
            &format!("{reference}: manifest {}", descriptor.digest),
            &manifest,
            &config,
        )?;
        let absent = layers
            .iter()
            .filter(|layer| self.blob_size(&layer.digest) != Some(layer.size));
        let absent: Vec<Digest> = absent.map(|layer| layer.digest).collect();
        if !absent.is_empty() {
            return Ok(Lookup::Incomplete(absent));
        }
        Ok(Lookup::Found(Box::new(Image {
            name: reference.clone(),
            digest: descriptor.digest,
            platform: config.platform().unwrap_or_else(|| platform.clone()),
            config,
            config_digest: manifest.config.digest,
            layers,
        })))
    }

    /// The digest of what a name points to, an index or a manifest, whether all of the image is here or not.
    pub fn digest_of(&self, reference: &Reference) -> Result<Option<Digest>> {
        self.hold()?;
        Ok(self.root_of(reference)?.map(|root| root.digest))
    }

    /// The root descriptor of a name. `name` and `name:latest` stand for each other, as LinuxKit records the
    /// one when it pulls and looks for the other when it builds; a digest may also be found under another tag.
    pub(crate) fn root_of(&self, reference: &Reference) -> Result<Option<Descriptor>> {
        let index = self.read_index()?;
        let named = |wanted: &str| {
            index
                .manifests
                .iter()
                .rev()
                .find(|root| index::name(root) == Some(wanted))
        };
        let canonical = reference.to_string();
        let root = named(&canonical).or_else(|| match (reference.tag(), reference.digest()) {
            (None, None) => named(&format!("{canonical}:latest")),
            (Some("latest"), None) => named(canonical.strip_suffix(":latest")?),
            (_, Some(digest)) => index.manifests.iter().find(|root| {
                let there = index::name(root).and_then(|name| name.parse::<Reference>().ok());
                root.digest == *digest && there.is_some_and(|there| there.same_repository(reference))
            }),
            _ => None,
        });
        match (root, reference.digest()) {
            (Some(root), Some(digest)) if root.digest != *digest => Err(Error::Pinned {
                reference: reference.clone().into(),
                found: root.digest,
            }),
            (root, _) => Ok(root.cloned()),
        }
    }

    /// Every manifest below a root, with None for one that is not here or cannot be read.
    pub(crate) fn manifests(&self, root: &Descriptor) -> Vec<(Descriptor, Option<Manifest>)> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut queue = vec![(root.clone(), 0)];
        while let Some((descriptor, depth)) = queue.pop() {
            if !seen.insert(descriptor.digest) || seen.len() > MAX_DOCUMENTS {
                continue;
            }
            let bytes = self.read_blob(&descriptor.digest).ok();
            match bytes.and_then(|bytes| Document::parse("", &bytes, Some(&descriptor.media_type)).ok()) {
                Some(Document::Index(index)) if depth < MAX_DEPTH => {
                    queue.extend(index.manifests.into_iter().rev().map(|child| (child, depth + 1)));
                }
                Some(Document::Manifest(manifest)) => found.push((descriptor, Some(manifest))),
                _ => found.push((descriptor, None)),
            }
        }
        found
    }
}

impl Store {
    /// The documents from a root down to a manifest, both included.
    pub(crate) fn way_to(&self, root: &Descriptor, manifest: &Digest) -> Vec<Digest> {
        fn walk(
            store: &Store,
            way: &mut Vec<Digest>,
            seen: &mut BTreeSet<Digest>,
            manifest: &Digest,
        ) -> bool {
            let Some(at) = way.last().copied().filter(|at| seen.insert(*at)) else {
                return false;
            };
            let bytes = store
                .read_blob(&at)
                .ok()
                .filter(|_| way.len() <= MAX_DEPTH)
                .unwrap_or_default();
            let Ok(Document::Index(index)) = Document::parse("", &bytes, None) else {
                return false;
            };
            index.manifests.iter().any(|entry| {
                way.push(entry.digest);
                let found = entry.digest == *manifest || walk(store, way, seen, manifest);
                if !found {
                    way.pop();
                }
                found
            })
        }
        let mut way = vec![root.digest];
        if root.digest != *manifest {
            walk(self, &mut way, &mut BTreeSet::new(), manifest);
        }
        way
    }
}

/// The layers of a manifest, checked against the configuration.
pub(crate) fn layers(what: &str, manifest: &Manifest, config: &ImageConfig) -> Result<Vec<Layer>> {
    let (count, ids) = (manifest.layers.len(), config.diff_ids.len());
    if count != ids {
        let reason = format!("it has {count} layers, but its configuration names {ids}");
        return Err(Error::document(what, reason));
    }
    if count > MAX_LAYERS {
        return Err(Error::document(
            what,
            format!("it has {count} layers: at most {MAX_LAYERS} are accepted"),
        ));
    }
    for layer in &manifest.layers {
        crate::layer::check_media_type(&layer.media_type).map_err(|reason| Error::document(what, reason))?;
    }
    let pairs = manifest.layers.iter().zip(&config.diff_ids);
    let layer = |(layer, diff_id): (&Descriptor, &Digest)| Layer {
        digest: layer.digest,
        size: layer.size,
        media_type: layer.media_type.clone(),
        diff_id: *diff_id,
    };
    Ok(pairs.map(layer).collect())
}

/// The order in which an index's entries are tried for a platform: the ones that say that they fit, then those
/// that say nothing, whose configuration decides.
pub(crate) fn candidates<'a>(entries: &'a [Descriptor], platform: &Platform) -> Vec<&'a Descriptor> {
    let fits = |entry: &&Descriptor| entry.platform.as_ref().is_some_and(|there| there.fits(platform));
    let silent = |entry: &&Descriptor| entry.platform.as_ref().is_none_or(|there| there.os.is_empty());
    entries
        .iter()
        .filter(fits)
        .chain(entries.iter().filter(silent))
        .collect()
}

/// A walk down from a root to the manifest for a platform.
struct Search<'a> {
    store: &'a Store,
    platform: &'a Platform,
    available: Vec<String>,
    missing: Vec<Digest>,
    seen: BTreeSet<Digest>,
}

impl Search<'_> {
    fn visit(
        &mut self,
        at: &Descriptor,
        depth: usize,
    ) -> Result<Option<(Descriptor, Manifest, ImageConfig)>> {
        let what = format!("blob {}", at.digest);
        if depth > MAX_DEPTH || !self.seen.insert(at.digest) || self.seen.len() > MAX_DOCUMENTS {
            return Ok(None);
        }
        let Some(bytes) = self.read(&at.digest)? else {
            return Ok(None);
        };
        match Document::parse(&what, &bytes, Some(&at.media_type))? {
            Document::Index(index) => {
                let others = index.manifests.iter().filter_map(|entry| entry.platform.as_ref());
                self.available.extend(
                    others
                        .filter(|other| other.os != "unknown")
                        .map(ToString::to_string),
                );
                for entry in candidates(&index.manifests, self.platform) {
                    if let Some(found) = self.visit(entry, depth + 1)? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
            Document::Manifest(manifest) => {
                let Some(bytes) = self.read(&manifest.config.digest)? else {
                    return Ok(None);
                };
                let what = format!("configuration {}", manifest.config.digest);
                let config = ImageConfig::parse(&bytes).map_err(|error| Error::document(what, error))?;
                // An index that names the platform is believed: configurations often leave out the variant.
                let named = at.platform.as_ref().is_some_and(|there| !there.os.is_empty());
                match config.platform() {
                    Some(there) if !named && !there.fits(self.platform) => {
                        self.available.push(there.to_string());
                        Ok(None)
                    }
                    _ => Ok(Some((at.clone(), manifest, config))),
                }
            }
        }
    }

    /// A document, noted as missing when it is not here.
    fn read(&mut self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        match self.store.read_blob(digest) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::MissingBlob { digest }) => {
                self.missing.push(digest);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
