//! Images out of the store, for one platform.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use ironkit_formats::archive::tar::Writer;
use ironkit_tree::{BoxError, Content, FileSet, Kind, Node, Path, Source};
use serde_json::json;

use crate::document::{CONTAINERD_NAME, Index, REF_NAME};
use crate::store::Lookup;
use crate::{Digest, Error, Image, Layer, Platform, Reference, Result, Store};

/// What kind of archive to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// An OCI layout in a tar archive. Digests stay as they are, the index's included.
    Oci,
    /// What `docker save` writes, with plain layers.
    Docker,
}

/// How an image is exported.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// The kind of archive.
    pub format: ArchiveFormat,
    /// The name that the image has in it; None: the one that it was asked for by.
    pub name: Option<Reference>,
}

/// Writes the image with that name for that platform as an archive that can be imported under its name.
/// The blobs are verified on the way; after an error, what was written is of no use.
pub fn export(
    store: &Store,
    reference: &Reference,
    platform: &Platform,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> Result<()> {
    let image = image(store, reference, platform)?;
    let name = options
        .name
        .clone()
        .unwrap_or_else(|| image.name.clone())
        .or_latest();
    match options.format {
        ArchiveFormat::Oci => oci(store, &image, &name, out),
        ArchiveFormat::Docker => docker(store, &image, &name, out),
    }
}

/// The image with that name for that platform, or an error that says why the store does not have it.
pub fn image(store: &Store, reference: &Reference, platform: &Platform) -> Result<Image> {
    let mut found = store.lookup(reference, platform)?;
    if found == Lookup::Unknown && reference.or_latest() != *reference {
        found = store.lookup(&reference.or_latest(), platform)?;
    }
    match found {
        Lookup::Found(image) => Ok(*image),
        Lookup::Unknown => Err(Error::NotFound {
            reference: reference.clone().into(),
            tried: vec![format!("the store {}", store.root().display())],
        }),
        Lookup::OtherPlatforms(available) => Err(Error::NoPlatform {
            reference: reference.clone().into(),
            wanted: platform.clone().into(),
            available,
        }),
        Lookup::Incomplete(missing) => Err(match missing.first() {
            Some(digest) => store.absent(digest),
            None => Error::NotFound {
                reference: reference.clone().into(),
                tried: Vec::new(),
            },
        }),
    }
}

fn oci(store: &Store, image: &Image, name: &Reference, out: &mut dyn Write) -> Result<()> {
    let root = store.root_of(&image.name)?;
    let mut root = root.ok_or(Error::MissingBlob { digest: image.digest })?;
    let annotations = root.annotations.get_or_insert_default();
    for key in [REF_NAME, CONTAINERD_NAME] {
        annotations.insert(key.to_owned(), name.to_string());
    }
    let mut wanted = BTreeSet::from([image.config_digest]);
    wanted.extend(store.way_to(&root, &image.digest));
    wanted.extend(store.attestation_blobs(&root, &image.digest)?);
    wanted.extend(image.layers.iter().map(|layer| layer.digest));
    let index = Index {
        manifests: vec![root],
        ..Index::default()
    };
    let index = serde_json::to_vec(&index).map_err(|error| Error::document("index.json", error))?;
    let blobs = Blobs { store, layers: &[] };
    let mut archive = Writer::new(out);
    file(
        &mut archive,
        "oci-layout",
        br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec().into(),
        &blobs,
    )?;
    file(&mut archive, "index.json", index.into(), &blobs)?;
    for directory in ["blobs", "blobs/sha256"] {
        append(
            &mut archive,
            directory,
            &Node::new(Kind::Directory, 0o755),
            &blobs,
        )?;
    }
    for digest in wanted {
        let size = store.open_blob(&digest)?.size();
        let content = Content::Blob {
            layer: digest,
            offset: 0,
            size,
            digest,
        };
        file(
            &mut archive,
            &format!("blobs/sha256/{}", digest.hex()),
            content,
            &blobs,
        )?;
    }
    archive.finish().map_err(Error::stream("write the archive"))
}

fn docker(store: &Store, image: &Image, name: &Reference, out: &mut dyn Write) -> Result<()> {
    let config = store.read_blob(&image.config_digest)?;
    let config_name = format!("{}.json", image.config_digest.hex());
    let layer_name = |layer: &Layer| format!("{}.tar", layer.diff_id.hex());
    let tag = name.tag().unwrap_or("latest");
    let saved = json!([{
        "Config": config_name,
        "RepoTags": [format!("{}/{}:{tag}", name.registry(), name.repository())],
        "Layers": image.layers.iter().map(layer_name).collect::<Vec<_>>(),
    }]);
    let blobs = Blobs {
        store,
        layers: &image.layers,
    };
    let mut archive = Writer::new(out);
    file(
        &mut archive,
        "manifest.json",
        saved.to_string().into_bytes().into(),
        &blobs,
    )?;
    file(&mut archive, &config_name, config.into(), &blobs)?;
    let mut written = BTreeSet::new();
    for layer in &image.layers {
        if written.insert(layer.diff_id) {
            // The size comes first in a tar archive, so the layer is read twice.
            let size = io::copy(&mut layer.open(store)?, &mut io::sink());
            let size = size.map_err(Error::stream("read a layer"))?;
            let content = Content::Blob {
                layer: layer.diff_id,
                offset: 0,
                size,
                digest: layer.diff_id,
            };
            file(&mut archive, &layer_name(layer), content, &blobs)?;
        }
    }
    archive.finish().map_err(Error::stream("write the archive"))
}

fn file(archive: &mut Writer, path: &str, content: Content, blobs: &Blobs) -> Result<()> {
    append(archive, path, &Node::new(Kind::File(content), 0o644), blobs)
}

fn append(archive: &mut Writer, path: &str, node: &Node, blobs: &Blobs) -> Result<()> {
    let path = Path::parse(path).map_err(|error| Error::Archive(error.to_string()))?;
    let written = archive.append(&path, node, None, &[], blobs);
    written.map_err(|error| Error::stream("write the archive")(io::Error::other(error)))
}

/// The store's blobs by digest, and the uncompressed form of these layers by `diff_id`; verified as they are read.
struct Blobs<'a> {
    store: &'a Store,
    layers: &'a [Layer],
}

impl Source for Blobs<'_> {
    fn files(&self, key: &Digest) -> std::result::Result<FileSet, BoxError> {
        Err(format!("{key} is a blob, not a file set").into())
    }

    fn layer(&self, digest: &Digest, _: u64, _: u64) -> std::result::Result<Box<dyn Read + '_>, BoxError> {
        match self.layers.iter().find(|layer| layer.diff_id == *digest) {
            Some(layer) => Ok(Box::new(layer.open(self.store)?)),
            None => Ok(Box::new(self.store.open_blob(digest)?)),
        }
    }
}
