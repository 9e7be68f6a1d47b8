//! Image archives into the store.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;

use ironkit_formats::archive::tar::{Reader, typeflag};

use crate::document::{CONTAINERD_NAME, Descriptor, Document, ImageConfig, Index, Manifest, REF_NAME, media};
use crate::store::{MAX_SMALL_BLOB, layers};
use crate::{Digest, Error, Reference, Result, Store};

/// The most entries of an archive: an image has at most some thousands.
const MAX_ENTRIES: usize = 100_000;

/// How an archive is imported.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// The name to give, for an archive with one image. None: the names that the archive gives.
    pub name: Option<Reference>,
}

/// Reads an image archive, plain or compressed with gzip or zstd, into the store; returns the names.
///
/// # Errors
/// [`Error::Archive`] for whatever is wrong with the archive itself.
pub fn import(store: &Store, archive: impl Read, options: &ImportOptions) -> Result<Vec<Reference>> {
    import_named(store, archive, options).map_err(of_archive)
}

/// What is wrong with an archive, as such: it is not the store that is damaged.
fn of_archive(error: Error) -> Error {
    let of_machine = |error: &(dyn std::error::Error + 'static)| {
        error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.raw_os_error().is_some())
    };
    match &error {
        Error::Document { .. }
        | Error::TooLarge { .. }
        | Error::CorruptBlob { .. }
        | Error::MissingBlob { .. }
        | Error::Layer { .. }
        | Error::Stream { .. } => {}
        _ => return error,
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        if of_machine(cause) {
            return error;
        }
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Error::Archive(text)
}

fn import_named(store: &Store, archive: impl Read, options: &ImportOptions) -> Result<Vec<Reference>> {
    let mut input = BufReader::with_capacity(128 * 1024, archive);
    let magic = input.fill_buf().map_err(Error::stream("read the archive"))?;
    let mut contents = match magic {
        [0x1f, 0x8b, ..] => read(store, MultiGzDecoder::new(input))?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = zstd::Decoder::with_buffer(input).map_err(Error::stream("read the archive"))?;
            read(store, decoder)?
        }
        _ => read(store, input)?,
    };
    let named = match (
        contents.documents.remove("index.json"),
        contents.documents.remove("manifest.json"),
    ) {
        (Some(index), _) => from_layout(&index, options)?,
        (None, Some(manifests)) => from_docker(store, &contents, &manifests, options)?,
        (None, None) => {
            return Err(Error::Archive(
                "it has neither index.json nor manifest.json".into(),
            ));
        }
    };
    for (name, root) in &named {
        check_image(store, name, root)?;
    }
    for (name, root) in &named {
        store.add_image(name, root.clone())?;
    }
    Ok(named.into_iter().map(|(name, _)| name).collect())
}

/// What an archive has, beside the blobs that are in the store now.
#[derive(Default)]
struct Contents {
    /// `index.json`, `manifest.json`, `oci-layout`.
    documents: BTreeMap<String, Vec<u8>>,
    /// All other files, by path.
    files: BTreeMap<String, (Digest, u64)>,
    /// Where links lead, by path.
    links: BTreeMap<String, String>,
}

fn read(store: &Store, input: impl Read) -> Result<Contents> {
    let mut contents = Contents::default();
    let mut reader = Reader::new(input);
    let broken = |error| Error::stream("read the archive")(io::Error::other(error));
    for _ in 0..MAX_ENTRIES {
        let Some(entry) = reader.next_entry().map_err(broken)? else {
            return Ok(contents);
        };
        let path = plain(&String::from_utf8_lossy(&entry.name));
        match (path.as_str(), entry.typeflag) {
            (_, typeflag::SYMLINK | typeflag::HARD_LINK) => {
                let target = String::from_utf8_lossy(&entry.link).into_owned();
                contents.links.insert(path, target);
            }
            (name, typeflag::FILE) if entry.sparse => {
                return Err(Error::Archive(format!(
                    "`{name}` is a sparse file, which is not supported"
                )));
            }
            ("index.json" | "manifest.json", typeflag::FILE) => {
                let bytes = document(&path, entry.size, &mut reader)?;
                contents.documents.insert(path, bytes);
            }
            // Known to say nothing that is needed.
            ("oci-layout" | "repositories", _) => {}
            (name, typeflag::FILE) if name.ends_with("/VERSION") || name.ends_with("/json") => {}
            (name, typeflag::FILE) => {
                let blob = blob(store, name, entry.size, &mut reader)?;
                contents.files.insert(path, blob);
            }
            _ => {}
        }
    }
    Err(Error::Archive(format!("it has more than {MAX_ENTRIES} entries")))
}

/// A document of the archive as a whole.
fn document(name: &str, size: u64, reader: &mut dyn Read) -> Result<Vec<u8>> {
    if size > MAX_SMALL_BLOB {
        let what = name.to_owned();
        return Err(Error::TooLarge {
            what,
            size,
            limit: MAX_SMALL_BLOB,
        });
    }
    let mut bytes = Vec::new();
    let read = reader
        .read_to_end(&mut bytes)
        .map_err(Error::stream("read the archive"))?;
    whole(name, size, read as u64)?;
    Ok(bytes)
}

/// Stores a file of the archive; one whose name is a digest has to have that digest.
fn blob(store: &Store, name: &str, size: u64, reader: &mut dyn Read) -> Result<(Digest, u64)> {
    let Some(hex) = name.strip_prefix("blobs/sha256/") else {
        let stored = store.write_blob(None, reader)?;
        whole(name, size, stored.1)?;
        return Ok(stored);
    };
    let digest = format!("sha256:{hex}")
        .parse()
        .map_err(|_| Error::Archive(format!("`{name}` is not a blob's name")))?;
    store.write_blob(Some((&digest, size)), reader)
}

/// An archive may break off inside of a file.
fn whole(name: &str, size: u64, found: u64) -> Result<()> {
    if size == found {
        return Ok(());
    }
    Err(Error::Archive(format!(
        "it ends inside of `{name}`, after {found} of {size} bytes"
    )))
}

/// The path without what does not count: `./a//b` is `a/b`.
fn plain(path: &str) -> String {
    path.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect::<Vec<_>>()
        .join("/")
}

/// The images of an OCI layout.
fn from_layout(index: &[u8], options: &ImportOptions) -> Result<Vec<(Reference, Descriptor)>> {
    let index: Index = serde_json::from_slice(index).map_err(|error| Error::document("index.json", error))?;
    if let Some(name) = &options.name {
        return match index.manifests.as_slice() {
            [root] => Ok(vec![(name.clone(), bare(root))]),
            roots => Err(Error::Archive(format!(
                "one name cannot be given to {} images",
                roots.len()
            ))),
        };
    }
    let named = index
        .manifests
        .iter()
        .filter_map(|root| Some((full_name(root)?, bare(root))));
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        return Err(Error::Nameless);
    }
    Ok(named)
}

/// The name that a root descriptor carries: containerd's, or the specification's when it is more than a tag.
fn full_name(root: &Descriptor) -> Option<Reference> {
    let specified = root.annotation(REF_NAME).filter(|name| name.contains(['/', ':']));
    [root.annotation(CONTAINERD_NAME), specified]
        .into_iter()
        .flatten()
        .find_map(|name| name.parse().ok())
}

/// The descriptor without what named it elsewhere.
fn bare(root: &Descriptor) -> Descriptor {
    let mut root = root.clone();
    if let Some(annotations) = &mut root.annotations {
        annotations.remove(REF_NAME);
        annotations.remove(CONTAINERD_NAME);
    }
    root
}

/// The images of a `docker save` archive, for which manifests are made.
fn from_docker(
    store: &Store,
    contents: &Contents,
    manifests: &[u8],
    options: &ImportOptions,
) -> Result<Vec<(Reference, Descriptor)>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Saved {
        config: String,
        #[serde(default)]
        repo_tags: Option<Vec<String>>,
        #[serde(default)]
        layers: Option<Vec<String>>,
    }
    let saved: Vec<Saved> =
        serde_json::from_slice(manifests).map_err(|error| Error::document("manifest.json", error))?;
    if options.name.is_some() && saved.len() != 1 {
        return Err(Error::Archive(format!(
            "one name cannot be given to {} images",
            saved.len()
        )));
    }
    let mut named = Vec::new();
    for image in saved {
        let (digest, size) = contents.find(&image.config)?;
        let config = Descriptor::new(media::CONFIG, digest, size);
        let layers = image.layers.unwrap_or_default();
        let layers = layers
            .iter()
            .map(|path| layer(store, contents.find(path)?))
            .collect::<Result<_>>()?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media::MANIFEST.to_owned()),
            config,
            layers,
        };
        let bytes = serde_json::to_vec(&manifest).map_err(|error| Error::document("manifest", error))?;
        let (digest, size) = store.write_blob(None, &mut bytes.as_slice())?;
        let root = Descriptor::new(media::MANIFEST, digest, size);
        let names = match &options.name {
            Some(name) => vec![name.clone()],
            None => image
                .repo_tags
                .unwrap_or_default()
                .iter()
                .map(|tag| tag.parse())
                .collect::<Result<_>>()?,
        };
        named.extend(names.into_iter().map(|name| (name, root.clone())));
    }
    if named.is_empty() {
        return Err(Error::Nameless);
    }
    Ok(named)
}

impl Contents {
    /// The file at a path, links followed.
    fn find(&self, path: &str) -> Result<(Digest, u64)> {
        const MAX_LINKS: usize = 8;
        let mut at = plain(path);
        for _ in 0..MAX_LINKS {
            if let Some(found) = self.files.get(&at) {
                return Ok(*found);
            }
            let Some(target) = self.links.get(&at) else { break };
            // Symbolic links are relative to their directory; hard links, in practice, name an entry.
            let hard = plain(target);
            at = if self.files.contains_key(&hard) {
                hard
            } else {
                resolve(&at, target)
            };
        }
        Err(Error::Archive(format!(
            "manifest.json names `{path}`, which is not in it"
        )))
    }
}

/// Where a relative link in `from` leads.
fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn layer(store: &Store, (digest, size): (Digest, u64)) -> Result<Descriptor> {
    let mut magic = [0; 4];
    let mut blob = store.open_blob(&digest)?;
    let read = blob.read(&mut magic).map_err(Error::stream("read a layer"))?;
    Ok(Descriptor::new(
        crate::layer::media_type_of(&magic[..read]),
        digest,
        size,
    ))
}

/// An image is worth a name when all of one platform is there.
fn check_image(store: &Store, name: &Reference, root: &Descriptor) -> Result<()> {
    let missing = |digest: &Digest| Error::Archive(format!("blob {digest} of {name} is not in it"));
    let bytes = store.read_blob(&root.digest).map_err(|error| match error {
        Error::MissingBlob { digest } => missing(&digest),
        error => error,
    })?;
    Document::parse(
        &format!("{name}: blob {}", root.digest),
        &bytes,
        Some(&root.media_type),
    )?;
    let mut reason = Error::Archive(format!("{name} has no image in it"));
    for (descriptor, manifest) in store.manifests(root) {
        let Some(manifest) = manifest else {
            reason = missing(&descriptor.digest);
            continue;
        };
        match check_manifest(store, &manifest) {
            Ok(None) => return Ok(()),
            Ok(Some(digest)) => reason = missing(&digest),
            Err(error) => reason = error,
        }
    }
    Err(reason)
}

/// The first blob that a manifest needs and the store has not.
fn check_manifest(store: &Store, manifest: &Manifest) -> Result<Option<Digest>> {
    if manifest.config.media_type == media::EMPTY {
        // An artefact: its layers are whatever they are.
        let mut blobs = std::iter::once(&manifest.config).chain(&manifest.layers);
        let missing = blobs.find(|blob| store.blob_size(&blob.digest) != Some(blob.size));
        return Ok(missing.map(|blob| blob.digest));
    }
    let what = format!("configuration {}", manifest.config.digest);
    let config = match store.read_blob(&manifest.config.digest) {
        Ok(bytes) if bytes.len() as u64 != manifest.config.size => {
            let reason = format!("expected {} bytes, found {}", manifest.config.size, bytes.len());
            return Err(Error::document(what, reason));
        }
        Ok(bytes) => ImageConfig::parse(&bytes).map_err(|error| Error::document(what, error))?,
        Err(Error::MissingBlob { digest }) => return Ok(Some(digest)),
        Err(error) => return Err(error),
    };
    let layers = layers("the image's manifest", manifest, &config)?;
    Ok(layers
        .iter()
        .find(|layer| store.blob_size(&layer.digest) != Some(layer.size))
        .map(|layer| layer.digest))
}
