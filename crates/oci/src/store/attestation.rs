//! What an image's builder says of it: attestation manifests beside the image in its index, in BuildKit's form.
//!
//! Such a manifest is for the platform `unknown/unknown` and names, in its descriptor's annotations, the manifest that it
//! is about. Each of its layers is an in-toto statement, not a file system.

use std::collections::BTreeSet;
use std::io::Read;

use super::{Store, damaged};
use crate::document::{Descriptor, Document, Index, Manifest};
use crate::{Digest, Error, Image, Result};

/// The annotation of a descriptor that says what kind of manifest it points to …
pub const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
/// … its value for attestations …
pub const ATTESTATION_MANIFEST: &str = "attestation-manifest";
/// … and the annotation with the digest of the manifest that it is about.
pub const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";
/// The annotation of a layer with the type of its statement.
pub const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";
/// The media type of a layer with a statement.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// The largest statement that is fetched and read: 32 MiB.
pub const MAX_STATEMENT: u64 = 32 << 20;
/// The most statements of one image.
const MAX_STATEMENTS: usize = 64;

/// A statement about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its type: `https://spdx.dev/Document`.
    pub predicate_type: String,
    /// The blob.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Store {
    /// The statements about an image, in their order. An attestation of which a blob is not here counts as none:
    /// older versions and other tools do not fetch it.
    ///
    /// # Errors
    /// A document that is damaged or broken.
    pub fn statements(&self, image: &Image) -> Result<Vec<Statement>> {
        let Some(root) = self.root_of(&image.name)? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for descriptor in self.attestation_manifests(&root, &image.digest)? {
            let bytes = match self.read_blob(&descriptor.digest) {
                Ok(bytes) => bytes,
                Err(Error::MissingBlob { .. }) => continue,
                Err(error) => return Err(error),
            };
            let what = format!("{}: attestation {}", image.name, descriptor.digest);
            let Document::Manifest(manifest) = Document::parse(&what, &bytes, Some(&descriptor.media_type))?
            else {
                return Err(Error::document(what, "it is an index, not a manifest"));
            };
            let statements: Vec<Statement> = statements(&manifest).collect();
            if statements.len() > MAX_STATEMENTS {
                let reason = format!(
                    "it has {} statements: at most {MAX_STATEMENTS} are accepted",
                    statements.len()
                );
                return Err(Error::document(what, reason));
            }
            let mut whole = true;
            for there in &statements {
                match self.blob_size(&there.digest) {
                    Some(size) if size == there.size => {}
                    Some(size) => {
                        let (expected, found) = (format!("{} bytes", there.size), format!("{size} bytes"));
                        return Err(damaged(&there.digest, expected, found));
                    }
                    None => whole = false,
                }
            }
            if whole {
                found.extend(statements);
            }
        }
        Ok(found)
    }

    /// The bytes of a statement, verified.
    ///
    /// # Errors
    /// [`Error::TooLarge`], and those of reading.
    pub fn read_statement(&self, statement: &Statement) -> Result<Vec<u8>> {
        let mut reader = self.open_blob(&statement.digest)?;
        if reader.size() > MAX_STATEMENT {
            let what = format!("attestation {}", statement.digest);
            let (size, limit) = (reader.size(), MAX_STATEMENT);
            return Err(Error::TooLarge { what, size, limit });
        }
        let mut bytes = Vec::new();
        let read = reader.read_to_end(&mut bytes);
        read.map_err(Error::stream("read an attestation"))?;
        Ok(bytes)
    }

    /// Every blob of the attestations of a manifest below a root, as far as they are here.
    pub(crate) fn attestation_blobs(&self, root: &Descriptor, manifest: &Digest) -> Result<Vec<Digest>> {
        let mut blobs = BTreeSet::new();
        for descriptor in self.attestation_manifests(root, manifest)? {
            let Ok(bytes) = self.read_blob(&descriptor.digest) else {
                continue;
            };
            blobs.insert(descriptor.digest);
            if let Ok(Document::Manifest(manifest)) = Document::parse("", &bytes, None) {
                blobs.insert(manifest.config.digest);
                blobs.extend(manifest.layers.iter().map(|layer| layer.digest));
            }
        }
        blobs.retain(|digest| self.blob_size(digest).is_some());
        Ok(blobs.into_iter().collect())
    }

    /// The descriptors of attestations in the index that lists the manifest.
    fn attestation_manifests(&self, root: &Descriptor, manifest: &Digest) -> Result<Vec<Descriptor>> {
        let way = self.way_to(root, manifest);
        let [.., index, _] = way.as_slice() else {
            return Ok(Vec::new());
        };
        match Document::parse(&format!("index {index}"), &self.read_blob(index)?, None)? {
            Document::Index(index) => Ok(attestations(&index, manifest).cloned().collect()),
            Document::Manifest(_) => Ok(Vec::new()),
        }
    }
}

/// The entries of an index that are attestations of a manifest.
pub(crate) fn attestations<'a>(
    index: &'a Index,
    manifest: &'a Digest,
) -> impl Iterator<Item = &'a Descriptor> {
    let about = manifest.to_string();
    index.manifests.iter().filter(move |entry| {
        entry.annotation(REFERENCE_TYPE) == Some(ATTESTATION_MANIFEST)
            && entry.annotation(REFERENCE_DIGEST) == Some(&about)
            && entry.digest != *manifest
    })
}

/// The statements of an attestation manifest.
pub(crate) fn statements(manifest: &Manifest) -> impl Iterator<Item = Statement> + '_ {
    let statements = manifest.layers.iter().filter(|layer| layer.media_type == IN_TOTO);
    statements.map(|layer| Statement {
        predicate_type: layer.annotation(PREDICATE_TYPE).unwrap_or_default().to_owned(),
        digest: layer.digest,
        size: layer.size,
    })
}
