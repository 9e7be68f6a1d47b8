//! Images from the store into a registry, as LinuxKit's `cache push` does it: what the registry has of other platforms
//! stays, and what it has already is not sent.

use std::collections::{BTreeMap, BTreeSet};

use super::merge::{self, Merged};
use super::session::{Purpose, Session};
use super::{Fetched, Progress, Registry, upload};
use crate::document::{Descriptor, Document, Index, Manifest, media};
use crate::http::Method;
use crate::{Digest, Error, Reference, Result, Store};

/// How an image is pushed.
#[derive(Debug, Clone, Default)]
pub struct PushOptions {
    /// The name in the registry; None: the same as in the store.
    pub remote_name: Option<Reference>,
    /// Push although the registry has the tag. An index is merged with the one that is there: per platform, what is pushed
    /// wins.
    pub replace: bool,
    /// Name each platform's image too: `TAG-ARCHITECTURE`.
    pub arch_tags: bool,
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The name in the registry.
    pub name: Reference,
    /// What the name points to there now.
    pub digest: Digest,
    /// How many blobs had to be sent; the registry had the others.
    pub blobs: usize,
    /// Whether the name points to something else than before.
    pub changed: bool,
    /// The names of the platforms' images.
    pub arch_names: Vec<Reference>,
}

impl Registry {
    /// Sends the image `reference`, with all platforms that the store has, to its registry. Platforms that an index lists
    /// and the store lacks are left out. Mirrors are not asked and not written to.
    pub fn push(
        &self,
        store: &Store,
        reference: &Reference,
        options: &PushOptions,
        progress: &dyn Progress,
    ) -> Result<Pushed> {
        let remote = options.remote_name.as_ref().unwrap_or(reference).or_latest();
        // A tag is written to; the digest beside it only said what was to be there.
        let remote = match remote.tag() {
            Some(tag) => remote.with_tag(tag)?,
            None => remote,
        };
        let run = || {
            let session = self.origin(&remote, Purpose::Push, progress)?;
            Push {
                session,
                store,
                remote: &remote,
                options,
                progress,
                parallel: self.options.parallel,
            }
            .run(reference)
        };
        run().map_err(|error| match error {
            Error::NotFound { .. } | Error::Unauthorized { .. } => error,
            source => Error::Push {
                reference: remote.clone().into(),
                source: Box::new(source),
            },
        })
    }
}

/// One push under way.
struct Push<'a> {
    session: Session<'a>,
    store: &'a Store,
    remote: &'a Reference,
    options: &'a PushOptions,
    progress: &'a dyn Progress,
    parallel: usize,
}

/// An image for one platform, all of it in the store.
struct Part {
    descriptor: Descriptor,
    manifest: Manifest,
    bytes: Vec<u8>,
}

impl Push<'_> {
    fn run(&self, reference: &Reference) -> Result<Pushed> {
        let root = self.store.root_of(reference)?.ok_or_else(|| Error::NotFound {
            reference: reference.clone().into(),
            tried: vec![format!("the store {}", self.store.root().display())],
        })?;
        let there = self.there()?;
        if let Some(there) = there.as_ref().filter(|_| !self.options.replace) {
            if there.descriptor.digest != root.digest {
                let text = format!(
                    "{}: the registry has it already, so it is left as it is",
                    self.remote
                );
                self.progress.note(&text);
            }
            return Ok(self.pushed(there.descriptor.digest, 0, false, Vec::new()));
        }
        let bytes = self.store.read_blob(&root.digest)?;
        let document = Document::parse(&format!("blob {}", root.digest), &bytes, Some(&root.media_type))?;
        let parts = self.parts(&root, &document)?;
        let (body, media_type, unchanged) = match document {
            Document::Manifest(_) => (bytes, root.media_type.clone(), false),
            Document::Index(index) => match self.merged(&index, &parts, there.as_ref())? {
                Merged::Same => (bytes, root.media_type.clone(), false),
                Merged::Nothing => (Vec::new(), String::new(), true),
                Merged::Index(index) => {
                    let media_type = index
                        .media_type
                        .clone()
                        .unwrap_or_else(|| media::INDEX.to_owned());
                    let bytes =
                        serde_json::to_vec(&index).map_err(|error| Error::document("index", error))?;
                    (bytes, media_type, false)
                }
            },
        };
        if let Some(there) = there.as_ref().filter(|_| unchanged) {
            let names = self.arch_tags(&parts)?;
            return Ok(self.pushed(there.descriptor.digest, 0, false, names));
        }
        let sent = self.send(&parts)?;
        for part in parts.iter().filter(|part| part.descriptor.digest != root.digest) {
            self.put(
                &part.descriptor.digest.to_string(),
                &part.descriptor.media_type,
                &part.bytes,
            )?;
        }
        let digest = Digest::of(&body);
        let target = self
            .remote
            .tag()
            .map_or_else(|| digest.to_string(), str::to_owned);
        self.put(&target, &media_type, &body)?;
        let names = self.arch_tags(&parts)?;
        let changed = there.is_none_or(|there| there.descriptor.digest != digest);
        Ok(self.pushed(digest, sent, changed, names))
    }

    fn pushed(&self, digest: Digest, blobs: usize, changed: bool, arch_names: Vec<Reference>) -> Pushed {
        Pushed {
            name: self.remote.clone(),
            digest,
            blobs,
            changed,
            arch_names,
        }
    }

    /// What the registry has under the name.
    fn there(&self) -> Result<Option<Fetched>> {
        match self.session.root(self.remote) {
            Ok(fetched) => Ok(Some(fetched)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The images below the root that are here as a whole.
    fn parts(&self, root: &Descriptor, document: &Document) -> Result<Vec<Part>> {
        let entries = match document {
            Document::Manifest(_) => std::slice::from_ref(root),
            Document::Index(index) => &index.manifests,
        };
        let mut parts = Vec::new();
        for entry in entries {
            match self.part(entry)? {
                Some(part) => parts.push(part),
                None if merge::is_attestation(entry) => {}
                None => {
                    let platform = entry.platform.as_ref().map(ToString::to_string);
                    let what = platform.unwrap_or_else(|| entry.digest.to_string());
                    let text = format!("{}: {what} is not in the store and is not pushed", self.remote);
                    self.progress.note(&text);
                }
            }
        }
        match parts.is_empty() {
            true => Err(Error::MissingBlob { digest: root.digest }),
            false => Ok(parts),
        }
    }

    fn part(&self, entry: &Descriptor) -> Result<Option<Part>> {
        let bytes = match self.store.read_blob(&entry.digest) {
            Ok(bytes) => bytes,
            Err(Error::MissingBlob { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let what = format!("blob {}", entry.digest);
        let manifest = match Document::parse(&what, &bytes, Some(&entry.media_type))? {
            Document::Manifest(manifest) => manifest,
            Document::Index(_) => {
                return Err(Error::document(
                    what,
                    "an index inside of an index cannot be pushed",
                ));
            }
        };
        let mut whole = true;
        for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
            match self.store.blob_size(&blob.digest) {
                Some(size) if size == blob.size => {}
                Some(_) => return Err(self.store.absent(&blob.digest)),
                None => whole = false,
            }
        }
        Ok(whole.then(|| Part {
            descriptor: entry.clone(),
            manifest,
            bytes,
        }))
    }

    /// The index to push: what is here, with what the registry has of other platforms.
    fn merged(&self, index: &Index, parts: &[Part], there: Option<&Fetched>) -> Result<Merged> {
        let here: BTreeSet<Digest> = parts.iter().map(|part| part.descriptor.digest).collect();
        let there = match there.map(|there| &there.document) {
            Some(Document::Index(there)) => Some(there),
            _ => None,
        };
        Ok(merge::merge(index, &|entry| here.contains(&entry.digest), there))
    }

    /// Sends the blobs that the registry lacks.
    fn send(&self, parts: &[Part]) -> Result<usize> {
        let mut blobs = BTreeMap::new();
        for part in parts {
            for blob in std::iter::once(&part.manifest.config).chain(&part.manifest.layers) {
                blobs.insert(blob.digest, blob.size);
            }
        }
        let blobs: Vec<_> = blobs.into_iter().collect();
        let repositories = self.repositories();
        let elsewhere = |digest: &Digest| {
            let found = repositories.iter().find(|(_, blobs)| blobs.contains(digest));
            found.map(|(path, _)| path.clone())
        };
        upload::Upload {
            session: &self.session,
            store: self.store,
            name: &self.remote.to_string(),
            progress: self.progress,
            elsewhere: &elsewhere,
        }
        .all(&blobs, self.parallel)
    }

    /// Other repositories of the same registry, with the blobs that they should have, going by the names in the store.
    fn repositories(&self) -> BTreeMap<String, BTreeSet<Digest>> {
        let mut found: BTreeMap<String, BTreeSet<Digest>> = BTreeMap::new();
        for (name, blobs) in self.store.named_blobs().unwrap_or_default() {
            if name.host() == self.remote.host() && name.path() != self.session.path() {
                found.entry(name.path()).or_default().extend(blobs);
            }
        }
        found
    }

    /// Puts a document under a tag or digest.
    fn put(&self, target: &str, media_type: &str, bytes: &[u8]) -> Result<()> {
        let url = self.session.url(&format!("manifests/{target}"));
        let kind = [("content-type", media_type)];
        let response = self.session.ask(Method::Put(bytes), &url, &kind)?;
        match response.status {
            200..=204 => Ok(()),
            _ => Err(response.into_error()),
        }
    }

    /// Names each platform's image. What is no image for a platform, an attestation, gets no name.
    fn arch_tags(&self, parts: &[Part]) -> Result<Vec<Reference>> {
        let Some(tag) = self.remote.tag().filter(|_| self.options.arch_tags) else {
            return Ok(Vec::new());
        };
        let mut names: BTreeMap<String, &Part> = BTreeMap::new();
        for part in parts
            .iter()
            .filter(|part| !merge::is_attestation(&part.descriptor))
        {
            let Some(platform) = self.platform(part)? else {
                continue;
            };
            let plain = platform.architecture.clone();
            // Of several variants the first has the short name.
            let name = match (names.contains_key(&plain), platform.variant) {
                (true, Some(variant)) => format!("{plain}{variant}"),
                _ => plain,
            };
            names.entry(name).or_insert(part);
        }
        let mut tagged = Vec::new();
        for (name, part) in names {
            let reference = self.remote.with_tag(&format!("{tag}-{name}"))?;
            let target = reference.tag().unwrap_or_default();
            self.put(target, &part.descriptor.media_type, &part.bytes)?;
            tagged.push(reference);
        }
        Ok(tagged)
    }

    fn platform(&self, part: &Part) -> Result<Option<crate::Platform>> {
        if let Some(platform) = &part.descriptor.platform {
            return Ok(Some(platform.clone()));
        }
        let digest = &part.manifest.config.digest;
        let config = crate::ImageConfig::parse(&self.store.read_blob(digest)?);
        let config = config.map_err(|error| Error::document(format!("configuration {digest}"), error))?;
        Ok(config.platform())
    }
}
