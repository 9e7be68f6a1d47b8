//! The JSON documents of an image: index, manifest, configuration (OCI image specification 1.1, and Docker's
//! schema 2, which differs in its media types only).
//!
//! Only what is used is read, the rest is ignored: blobs are copied byte for byte, never written again. The
//! exception is the store's own `index.json`, whose unknown fields are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Digest, Error, Platform, Result};

/// The media types that are written, and the Docker ones that are read as well.
pub mod media {
    /// A list of images for several platforms.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// An image for one platform.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An image's configuration.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// The configuration of an artefact that needs none: `{}`.
    pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
    /// A layer: a tar archive.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// A layer, compressed with gzip.
    pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// A layer, compressed with zstd.
    pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// Docker's index.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker's manifest.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
}

/// The annotation that carries an image's name in a layout, by the specification.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The annotation that carries an image's full name in containerd's and LinuxKit's archives.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// A pointer to a blob.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    #[serde(default)]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The platform of the image that it points to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Free text by key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Fields that are not used here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Descriptor {
    /// A descriptor without annotations.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size,
            platform: None,
            annotations: None,
            other: Map::new(),
        }
    }

    /// The annotation `key`.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }
}

/// A list of descriptors: an image for several platforms, or a layout's `index.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// [`media::INDEX`], or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What it lists.
    #[serde(default, deserialize_with = "or_default")]
    pub manifests: Vec<Descriptor>,
    /// Fields that are not used here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for Index {
    fn default() -> Index {
        Index {
            schema_version: 2,
            media_type: Some(media::INDEX.to_owned()),
            manifests: Vec::new(),
            other: Map::new(),
        }
    }
}

/// An image for one platform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// [`media::MANIFEST`], or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the lowest first.
    #[serde(default, deserialize_with = "or_default")]
    pub layers: Vec<Descriptor>,
}

/// An image's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// The platform that the configuration names; empty texts when it does not.
    pub architecture: String,
    /// See [`ImageConfig::architecture`].
    pub os: String,
    /// See [`Platform::variant`].
    pub variant: Option<String>,
    /// When the image was made, as RFC 3339.
    pub created: Option<String>,
    /// `NAME=value`, in order.
    pub env: Vec<String>,
    /// What is run …
    pub entrypoint: Vec<String>,
    /// … and with which arguments.
    pub cmd: Vec<String>,
    /// Where it is run; empty when it is not said.
    pub working_dir: String,
    /// As whom; empty when it is not said.
    pub user: String,
    /// Free text by key; LinuxKit's settings are in `org.mobyproject.config`.
    pub labels: BTreeMap<String, String>,
    /// The digests of the uncompressed layers, the lowest first.
    pub diff_ids: Vec<Digest>,
}

impl ImageConfig {
    /// Reads a configuration blob.
    pub fn parse(bytes: &[u8]) -> serde_json::Result<ImageConfig> {
        let file: ConfigFile = serde_json::from_slice(bytes)?;
        let config = file.config.unwrap_or_default();
        Ok(ImageConfig {
            architecture: file.architecture,
            os: file.os,
            variant: file.variant,
            created: file.created,
            env: config.env,
            entrypoint: config.entrypoint,
            cmd: config.cmd,
            working_dir: config.working_dir,
            user: config.user,
            labels: config.labels,
            diff_ids: file.rootfs.diff_ids,
        })
    }

    /// The platform, when the configuration names one.
    pub fn platform(&self) -> Option<Platform> {
        let named = !self.os.is_empty() && !self.architecture.is_empty();
        named.then(|| Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone().filter(|variant| !variant.is_empty()),
        })
    }
}

/// What a root descriptor points to.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// Several platforms.
    Index(Index),
    /// One.
    Manifest(Manifest),
}

impl Document {
    /// Reads an index or a manifest. `announced` is the media type that came with it, which must not contradict
    /// the one inside.
    pub fn parse(what: &str, bytes: &[u8], announced: Option<&str>) -> Result<Document> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head {
            schema_version: u32,
            #[serde(default)]
            media_type: Option<String>,
            #[serde(default)]
            manifests: Option<serde::de::IgnoredAny>,
            #[serde(default)]
            config: Option<serde::de::IgnoredAny>,
        }
        let head: Head = serde_json::from_slice(bytes).map_err(|error| Error::document(what, error))?;
        if head.schema_version != 2 {
            let reason = format!(
                "schema version {} is not supported: expected 2",
                head.schema_version
            );
            return Err(Error::document(what, reason));
        }
        let inside = head.media_type.as_deref().filter(|media| !media.is_empty());
        let announced = announced.filter(|media| is_document(media));
        if let (Some(inside), Some(announced)) = (inside, announced)
            && inside != announced
        {
            return Err(Error::document(
                what,
                format!("it came as {announced}, but says that it is {inside}"),
            ));
        }
        let index = match (
            inside.or(announced),
            head.manifests.is_some(),
            head.config.is_some(),
        ) {
            (_, true, true) => return Err(Error::document(what, "it is an index and a manifest at once")),
            (Some(media::INDEX | media::DOCKER_LIST) | None, true, false) => true,
            (Some(media::MANIFEST | media::DOCKER_MANIFEST) | None, false, true) => false,
            (Some(media), _, _) => {
                return Err(Error::document(
                    what,
                    format!("{media} does not fit its fields or is not supported"),
                ));
            }
            (None, false, false) => {
                return Err(Error::document(what, "it is neither an index nor a manifest"));
            }
        };
        let error = |error| Error::document(what, error);
        Ok(match index {
            true => Document::Index(serde_json::from_slice(bytes).map_err(error)?),
            false => Document::Manifest(serde_json::from_slice(bytes).map_err(error)?),
        })
    }

    /// The media type to write in a descriptor when nobody said one.
    pub fn media_type(&self) -> &str {
        match self {
            Document::Index(index) => index.media_type.as_deref().unwrap_or(media::INDEX),
            Document::Manifest(manifest) => manifest.media_type.as_deref().unwrap_or(media::MANIFEST),
        }
    }
}

/// Whether a media type is that of an index or a manifest, so that it says something.
pub(crate) fn is_document(media_type: &str) -> bool {
    matches!(
        media_type,
        media::INDEX | media::MANIFEST | media::DOCKER_LIST | media::DOCKER_MANIFEST
    )
}

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    config: Option<ConfigInner>,
    #[serde(default)]
    rootfs: RootFs,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigInner {
    #[serde(default, deserialize_with = "or_default")]
    env: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    entrypoint: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    cmd: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    working_dir: String,
    #[serde(default, deserialize_with = "or_default")]
    user: String,
    #[serde(default, deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct RootFs {
    #[serde(default, deserialize_with = "or_default")]
    diff_ids: Vec<Digest>,
}

/// Go writes `null` for what is empty.
fn or_default<'de, D, T>(deserializer: D) -> std::result::Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
