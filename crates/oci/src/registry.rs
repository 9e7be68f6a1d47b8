//! Images from registries and into them (OCI distribution specification 1.1, Docker's registry interface 2).
//!
//! Of an image only the wanted platform is fetched: its manifest, configuration, layers and attestations, and the index that
//! leads to them, so that the name keeps pointing at the index. Everything is verified before the store names
//! it. What is pushed is described in [`push`].

mod attestation;
mod auth;
mod credentials;
mod fetch;
mod layout;
mod merge;
mod push;
mod session;
mod upload;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use crate::document::{Descriptor, Document, ImageConfig, Manifest};
use crate::http::{self, Client};
use crate::store::{candidates, layers};
use crate::{Digest, Error, Image, Platform, Reference, Result, Store};

pub use credentials::Credentials;
pub use push::{PushOptions, Pushed};
use session::Session;

/// The largest index or manifest that is fetched, as registries limit them: 4 MiB.
const MAX_MANIFEST: u64 = 4 << 20;

/// How deep indexes may nest, and how many documents are fetched on the way to one platform.
const MAX_DEPTH: usize = 4;
const MAX_DOCUMENTS: usize = 16;

/// How registries are reached.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Time limits, certificates, proxy.
    pub http: http::Options,
    /// Who we are, by registry.
    pub credentials: Credentials,
    /// Other places to ask; of several that fit, the last counts.
    pub mirrors: Vec<Mirror>,
    /// Registries, as references name them, that speak plain HTTP though they are not on a private network.
    pub insecure: Vec<String>,
    /// How many layers are fetched at once.
    pub parallel: usize,
}

/// A place to ask in a registry's stead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The registry that it stands for; None for all.
    pub registry: Option<String>,
    /// Its address with the scheme, and a path that goes in front of every repository.
    pub url: String,
}

impl Default for RegistryOptions {
    fn default() -> RegistryOptions {
        RegistryOptions {
            http: http::Options::default(),
            credentials: Credentials::default(),
            mirrors: Vec::new(),
            insecure: Vec::new(),
            parallel: 4,
        }
    }
}

impl RegistryOptions {
    /// Adds the credentials of a docker or podman configuration file; see [`Credentials::read`].
    pub fn read_docker_config(&mut self, path: &Path) -> Result<()> {
        self.credentials.read(path)
    }
}

/// What a pull or push tells while it works. Calls come from several threads.
pub trait Progress: Sync {
    /// A blob of `size` bytes is on its way, for the image `name`.
    fn blob(&self, _name: &str, _digest: &Digest, _size: u64) {}

    /// `bytes` more bytes of a blob have been received or sent.
    fn advance(&self, _digest: &Digest, _bytes: u64) {}

    /// Something that a person may want to know.
    fn note(&self, _text: &str) {}
}

/// Says nothing.
impl Progress for () {}

/// A client for all registries. Connections and tokens are kept.
#[derive(Debug)]
pub struct Registry {
    client: Client,
    options: RegistryOptions,
    /// `Authorization` headers by base address and repository.
    tokens: Mutex<BTreeMap<String, String>>,
    /// Base addresses of registries on private networks, by host: whether they speak TLS was tried out.
    bases: Mutex<BTreeMap<String, String>>,
}

impl Registry {
    /// A client with `options`.
    pub fn new(options: RegistryOptions) -> Result<Registry> {
        let client = Client::new(options.http.clone())?;
        Ok(Registry {
            client,
            options,
            tokens: Mutex::new(BTreeMap::new()),
            bases: Mutex::new(BTreeMap::new()),
        })
    }

    /// The digest that a reference has in its registry now: that of an index or manifest, which is all that is fetched.
    pub fn digest_of(&self, reference: &Reference, progress: &dyn Progress) -> Result<Digest> {
        let session = self.session(reference, progress).map_err(named(reference))?;
        let root = session.root(reference).map_err(named(reference))?;
        Ok(root.descriptor.digest)
    }

    /// Fetches an image for one platform into the store, and names it there. Blobs that are there are verified
    /// and kept. When it fails, the store is as it was, except for blobs that the next try will use.
    pub fn pull(
        &self,
        store: &Store,
        reference: &Reference,
        platform: &Platform,
        progress: &dyn Progress,
    ) -> Result<Image> {
        let session = self.session(reference, progress).map_err(named(reference))?;
        Pull {
            session,
            store,
            reference,
            platform,
            progress,
            parallel: self.options.parallel,
        }
        .run()
        .map_err(named(reference))
    }
}

/// Says of which image an error is, unless it does.
fn named(reference: &Reference) -> impl Fn(Error) -> Error + Copy + '_ {
    move |error| match error {
        Error::NotFound { .. } | Error::NoPlatform { .. } | Error::Unauthorized { .. } => error,
        source => Error::Pull {
            reference: reference.clone().into(),
            source: Box::new(source),
        },
    }
}

impl Registry {
    /// Whether the registry, or its mirror, has this very image or index under that name.
    pub fn has(&self, reference: &Reference, digest: &Digest, progress: &dyn Progress) -> Result<bool> {
        let there = self.session(reference, progress)?.head(reference)?;
        Ok(there == Some(*digest))
    }
}

/// A document that was fetched, not yet stored.
struct Fetched {
    descriptor: Descriptor,
    bytes: Vec<u8>,
    document: Document,
}

/// One pull under way.
struct Pull<'a> {
    session: Session<'a>,
    store: &'a Store,
    reference: &'a Reference,
    platform: &'a Platform,
    progress: &'a dyn Progress,
    parallel: usize,
}

impl Pull<'_> {
    fn run(&self) -> Result<Image> {
        let root = self.session.root(self.reference)?;
        let descriptor = root.descriptor.clone();
        let mut walk = Walk {
            available: Vec::new(),
            seen: BTreeSet::new(),
        };
        // The documents on the way, the root last: a name is given when all that it leads to is there.
        let path = self.walk(root, 0, &mut walk)?.ok_or_else(|| Error::NoPlatform {
            reference: self.reference.clone().into(),
            wanted: self.platform.clone().into(),
            available: walk.available,
        })?;
        for fetched in &path {
            let expected = (&fetched.descriptor.digest, fetched.descriptor.size);
            self.store
                .write_blob(Some(expected), &mut fetched.bytes.as_slice())?;
        }
        self.store.add_image(self.reference, descriptor.clone())?;
        self.store
            .find(self.reference, self.platform)?
            .ok_or(Error::MissingBlob {
                digest: descriptor.digest,
            })
    }

    /// Fetches what the platform needs below a document; None when it has nothing for the platform.
    fn walk(&self, at: Fetched, depth: usize, walk: &mut Walk) -> Result<Option<Vec<Fetched>>> {
        // An index may list a manifest twice; the second time it is no better.
        if !walk.seen.insert(at.descriptor.digest) {
            return Ok(None);
        }
        if depth > MAX_DEPTH || walk.seen.len() > MAX_DOCUMENTS {
            let what = format!("index {}", at.descriptor.digest);
            return Err(Error::document(
                what,
                "it leads through too many indexes and manifests",
            ));
        }
        let index = match &at.document {
            Document::Manifest(manifest) => {
                return Ok(self.image(&at, manifest, walk)?.then(|| vec![at]));
            }
            Document::Index(index) => index.clone(),
        };
        let platforms = index.manifests.iter().filter_map(|entry| entry.platform.as_ref());
        walk.available.extend(
            platforms
                .filter(|there| there.os != "unknown")
                .map(ToString::to_string),
        );
        for entry in candidates(&index.manifests, self.platform) {
            let child = self.session.child(self.store, entry)?;
            if let Some(mut path) = self.walk(child, depth + 1, walk)? {
                self.attestations(&index, &entry.digest)?;
                path.push(at);
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Fetches configuration and layers of a manifest; false when it is for another platform.
    fn image(&self, at: &Fetched, manifest: &Manifest, walk: &mut Walk) -> Result<bool> {
        let what = format!("manifest {}", at.descriptor.digest);
        let (digest, size) = (&manifest.config.digest, manifest.config.size);
        if size > crate::MAX_SMALL_BLOB {
            let what = format!("configuration {digest}");
            return Err(Error::TooLarge {
                what,
                size,
                limit: crate::MAX_SMALL_BLOB,
            });
        }
        let name = self.reference.to_string();
        let fetch = fetch::Fetch {
            session: &self.session,
            store: self.store,
            name: &name,
            progress: self.progress,
        };
        fetch.all("configuration", &[(*digest, size)], 1)?;
        let config = ImageConfig::parse(&self.store.read_blob(digest)?)
            .map_err(|error| Error::document(format!("configuration {digest}"), error))?;
        let named = at
            .descriptor
            .platform
            .as_ref()
            .is_some_and(|there| !there.os.is_empty());
        if let Some(there) = config
            .platform()
            .filter(|there| !named && !there.fits(self.platform))
        {
            walk.available.push(there.to_string());
            return Ok(false);
        }
        let layers = layers(&what, manifest, &config)?;
        let blobs: BTreeSet<(Digest, u64)> = layers.iter().map(|layer| (layer.digest, layer.size)).collect();
        fetch.all("layer", &blobs.into_iter().collect::<Vec<_>>(), self.parallel)?;
        Ok(true)
    }
}

/// What a walk has seen.
struct Walk {
    available: Vec<String>,
    seen: BTreeSet<Digest>,
}
