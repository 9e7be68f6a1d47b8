//! The files of a component → an OCI image in the store: one layer, a configuration, a manifest, an index, and an attestation
//! of what it is made from.
//!
//! Nothing of the machine or the time gets into it. The image has no name yet when this is done.

use std::io::{self, Write};

use ironkit_formats::archive::tar;
use ironkit_formats::compress::{Codec, Effort, Encoder};
use ironkit_oci::attestation::REFERENCE_DIGEST;
use ironkit_oci::document::{Descriptor, Index, Manifest, media};
use ironkit_oci::{BlobWriter, Platform, Reference, Store};
use ironkit_sbom::Package;
use ironkit_tree::{Digest, FileSet, Hasher, Source};
use serde_json::{Map, Value, json};

use crate::{Error, attestation};

/// When every image was made, as far as it says: fixed, since the time of a build is no part of its input.
const CREATED: &str = "1970-01-01T00:00:00Z";
/// The label that LinuxKit reads a container's configuration from.
const CONFIG_LABEL: &str = "org.mobyproject.config";

/// A written image.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The image's root.
    pub index: Descriptor,
    /// The image for the platform: digest of its manifest.
    pub manifest: Digest,
    /// Length of the layer in bytes, compressed.
    pub layer_size: u64,
}

/// What an image says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Description<'a> {
    /// Its title, for people.
    pub title: &'a str,
    /// The reference that it will have.
    pub name: &'a Reference,
    /// Its label with settings.
    pub config: Option<&'a Value>,
    /// What it is made from, for its attestation.
    pub packages: &'a [Package],
}

/// Writes an image for `platform`, and its attestation.
///
/// # Errors
/// Those of the store and of `source`.
pub fn write(
    store: &Store,
    files: &FileSet,
    source: &dyn Source,
    platform: &Platform,
    description: &Description,
) -> Result<Written, Error> {
    let config = description.config;
    let (layer, diff_id) = write_layer(store, files, source)?;
    let layer_size = layer.size;
    let mut labels = Map::from_iter([(
        "org.opencontainers.image.title".to_owned(),
        json!(description.title),
    )]);
    if let Some(config) = config {
        labels.insert(CONFIG_LABEL.to_owned(), json!(config.to_string()));
    }
    let mut process = Map::from_iter([("Labels".to_owned(), Value::Object(labels))]);
    for (theirs, ours) in [("Entrypoint", "command"), ("Env", "env"), ("WorkingDir", "cwd")] {
        if let Some(value) = config.and_then(|config| config.get(ours)) {
            process.insert(theirs.to_owned(), value.clone());
        }
    }
    let image = json!({
        "architecture": platform.architecture,
        "os": platform.os,
        "created": CREATED,
        "config": process,
        "rootfs": {"type": "layers", "diff_ids": [diff_id.to_string()]},
        "history": [{"created": CREATED, "created_by": "ironkit pkg build"}],
    });
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(media::MANIFEST.to_owned()),
        config: write_json(store, media::CONFIG, &image)?,
        layers: vec![layer],
    };
    let manifest = write_json(store, media::MANIFEST, &manifest)?;
    let digest = manifest.digest;
    let attestation = attestation::write(store, &manifest, description.name, description.packages)?;
    let own = Descriptor {
        platform: Some(platform.clone()),
        ..manifest
    };
    let mut images = others(store, description.name, platform);
    images.push(vec![own, attestation]);
    images.sort_by_key(|image| image[0].platform.as_ref().map(ToString::to_string));
    let index = Index {
        manifests: images.concat(),
        ..Index::default()
    };
    Ok(Written {
        index: write_json(store, media::INDEX, &index)?,
        manifest: digest,
        layer_size,
    })
}

/// The images for other platforms that the store has under this name, each with its attestations: they stay. What cannot be
/// read is made again when it is wanted.
fn others(store: &Store, name: &Reference, platform: &Platform) -> Vec<Vec<Descriptor>> {
    let root = store.named(&name.to_string()).ok();
    let bytes = root.and_then(|(_, digest)| store.read_blob(&digest).ok());
    let index = bytes.and_then(|bytes| serde_json::from_slice::<Index>(&bytes).ok());
    let all = index.unwrap_or_default().manifests;
    let attests = |descriptor: &Descriptor| -> Option<String> {
        let annotations = descriptor.annotations.as_ref()?;
        annotations.get(REFERENCE_DIGEST).cloned()
    };
    let images = all.iter().filter(|image| {
        let theirs = image.platform.as_ref();
        attests(image).is_none() && theirs.is_some_and(|theirs| theirs != platform)
    });
    let whole = images.map(|image| {
        let own = image.digest.to_string();
        let attestations = all.iter().filter(|other| attests(other).as_ref() == Some(&own));
        [image].into_iter().chain(attestations).cloned().collect()
    });
    whole.collect()
}

/// The layer's descriptor and the digest of what it unpacks to. gzip, since not every tool of today reads zstd.
fn write_layer(store: &Store, files: &FileSet, source: &dyn Source) -> Result<(Descriptor, Digest), Error> {
    let failed = |error: io::Error| Error::Layer(error.into());
    let mut writer = store.begin_blob()?;
    let diff_id = {
        let encoder = Encoder::new(Codec::Gzip, Effort::Thorough, Blob(&mut writer)).map_err(failed)?;
        let mut layer = Layer {
            encoder,
            hasher: Hasher::new(),
        };
        tar::write_fileset(files, source, &mut layer).map_err(|error| Error::Layer(error.into()))?;
        layer.encoder.finish().map_err(failed)?;
        layer.hasher.finish()
    };
    let (digest, size) = writer.commit(None)?;
    Ok((Descriptor::new(media::LAYER_GZIP, digest, size), diff_id))
}

pub(crate) fn write_json(
    store: &Store,
    media_type: &str,
    document: &impl serde::Serialize,
) -> Result<Descriptor, Error> {
    let bytes = serde_json::to_vec(document).map_err(|error| Error::Layer(error.into()))?;
    let mut writer = store.begin_blob()?;
    writer.write(&bytes)?;
    let (digest, size) = writer.commit(None)?;
    Ok(Descriptor::new(media_type, digest, size))
}

/// What is written to it goes through the hasher into the encoder.
struct Layer<'a, 's> {
    encoder: Encoder<Blob<'a, 's>>,
    hasher: Hasher,
}

/// A blob of the store as a plain writer.
struct Blob<'a, 's>(&'a mut BlobWriter<'s>);

impl Write for Layer<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.encoder.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

impl Write for Blob<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
