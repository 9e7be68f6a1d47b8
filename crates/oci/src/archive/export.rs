//! Images out of the store, for one platform.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use serde_json::json;

use super::tar::{write_end, write_header, write_padding};
use crate::document::{CONTAINERD_NAME, Index, REF_NAME};
use crate::store::Lookup;
use crate::{Error, Image, Layer, Platform, Reference, Result, Store};

/// What kind of archive to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// An OCI layout in a tar archive. Digests stay as they are, the index's included.
    Oci,
    /// What `docker save` writes, with plain layers.
    Docker,
}

/// Writes the image with that name for that platform as an archive that can be imported under its name.
/// The blobs are verified on the way; after an error, what was written is of no use.
pub fn export(
    store: &Store,
    reference: &Reference,
    platform: &Platform,
    format: ArchiveFormat,
    out: &mut dyn Write,
) -> Result<()> {
    let image = match store.lookup(reference, platform)? {
        Lookup::Found(image) => image,
        Lookup::Unknown => {
            let tried = vec![format!("the store {}", store.root().display())];
            return Err(Error::NotFound {
                reference: reference.clone().into(),
                tried,
            });
        }
        Lookup::OtherPlatforms(available) => {
            let (reference, wanted) = (reference.clone().into(), platform.clone().into());
            return Err(Error::NoPlatform {
                reference,
                wanted,
                available,
            });
        }
        Lookup::Incomplete(missing) => {
            return Err(match missing.first() {
                Some(digest) => Error::MissingBlob { digest: *digest },
                None => Error::NotFound {
                    reference: reference.clone().into(),
                    tried: Vec::new(),
                },
            });
        }
    };
    match format {
        ArchiveFormat::Oci => oci(store, &image, out),
        ArchiveFormat::Docker => docker(store, &image, out),
    }
}

fn oci(store: &Store, image: &Image, out: &mut dyn Write) -> Result<()> {
    let root = store.root_of(&image.name)?;
    let mut root = root.ok_or(Error::MissingBlob { digest: image.digest })?;
    let annotations = root.annotations.get_or_insert_default();
    for key in [REF_NAME, CONTAINERD_NAME] {
        annotations.insert(key.to_owned(), image.name.to_string());
    }
    let mut blobs = BTreeSet::from([image.config_digest]);
    blobs.extend(store.way_to(&root, &image.digest));
    blobs.extend(image.layers.iter().map(|layer| layer.digest));
    let index = Index {
        manifests: vec![root],
        ..Index::default()
    };
    let index = serde_json::to_vec(&index).map_err(|error| Error::document("index.json", error))?;
    file(out, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    file(out, "index.json", &index)?;
    for directory in ["blobs/", "blobs/sha256/"] {
        write_header(out, directory, 0).map_err(Error::stream("write the archive"))?;
    }
    for digest in blobs {
        let mut blob = store.open_blob(&digest)?;
        let size = blob.size();
        stream(out, &format!("blobs/sha256/{}", digest.hex()), size, &mut blob)?;
    }
    write_end(out).map_err(Error::stream("write the archive"))
}

fn docker(store: &Store, image: &Image, out: &mut dyn Write) -> Result<()> {
    let config = store.read_blob(&image.config_digest)?;
    let config_name = format!("{}.json", image.config_digest.hex());
    let layer_name = |layer: &Layer| format!("{}.tar", layer.diff_id.hex());
    let tag = image.name.tag().unwrap_or("latest");
    let saved = json!([{
        "Config": config_name,
        "RepoTags": [format!("{}/{}:{tag}", image.name.registry(), image.name.repository())],
        "Layers": image.layers.iter().map(layer_name).collect::<Vec<_>>(),
    }]);
    file(out, "manifest.json", saved.to_string().as_bytes())?;
    file(out, &config_name, &config)?;
    let mut written = BTreeSet::new();
    for layer in &image.layers {
        if written.insert(layer.diff_id) {
            // The size comes first in a tar archive, so the layer is read twice.
            let size = io::copy(&mut layer.open(store)?, &mut io::sink());
            let size = size.map_err(Error::stream("read a layer"))?;
            stream(out, &layer_name(layer), size, &mut layer.open(store)?)?;
        }
    }
    write_end(out).map_err(Error::stream("write the archive"))
}

fn file(out: &mut dyn Write, path: &str, content: &[u8]) -> Result<()> {
    stream(out, path, content.len() as u64, &mut &content[..])
}

fn stream(out: &mut dyn Write, path: &str, size: u64, content: &mut dyn Read) -> Result<()> {
    let error = || Error::stream("write the archive");
    write_header(out, path, size).map_err(error())?;
    let copied = io::copy(content, out).map_err(error())?;
    if copied != size {
        let reason = format!("{path} changed while it was read: expected {size} bytes, found {copied}");
        return Err(Error::Archive(reason));
    }
    write_padding(out, size).map_err(error())
}
