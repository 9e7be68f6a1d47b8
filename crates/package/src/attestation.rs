//! What a component is made from, as an SPDX attestation beside its image, in the form of BuildKit's.
//!
//! Whoever has the image can list its Debian packages from it, with their versions and digests; the image itself has no
//! package database.

use std::collections::BTreeMap;

use ironkit_oci::document::{Descriptor, Manifest, media};
use ironkit_oci::{Digest, Platform, Reference, Store, attestation};
use ironkit_sbom::statement::{self, Subject};
use ironkit_sbom::{Container, Fragment, Merge, Package, Placed, Registry, spdx};
use serde_json::{Value, json};

use crate::image::write_json;
use crate::lock::Locked;
use crate::recipe::{Item, Recipe};
use crate::{Error, guest};

/// The version of the programs that come with this ironkit, and of the documents' tool.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The time of the documents, seconds since 1970: as in the image, the time of a build is no part of its input.
const CREATED: i64 = 0;

/// The packages and programs that an image of `recipe` holds.
pub fn packages(recipe: &Recipe, locked: &[Locked], platform: &Platform) -> Vec<Package> {
    let debian = locked.iter().map(|locked| Package {
        architecture: locked.architecture.clone(),
        release: locked.suite.clone(),
        maintainer: "Debian".to_owned(),
        sha256: Some(locked.sha256),
        ..Package::new(Registry::Deb, &locked.package, &locked.version)
    });
    let programs = recipe
        .definition
        .contents
        .iter()
        .filter(|entry| entry.is_for(&platform.architecture))
        .filter_map(|entry| match &entry.item {
            Item::Binary { binary, .. } => guest::find(binary, &platform.architecture),
            _ => None,
        });
    let programs = programs.map(|program| Package {
        architecture: platform.architecture.clone(),
        maintainer: "IronKit".to_owned(),
        licence: "Apache-2.0".to_owned(),
        sha256: Some(program.digest()),
        ..Package::new(Registry::Generic, &format!("ironkit-{}", program.name), VERSION)
    });
    debian.chain(programs).collect()
}

/// Writes the attestation of the image `manifest`, which is called `name`, and returns its place in the index.
///
/// # Errors
/// Those of the store.
pub fn write(
    store: &Store,
    manifest: &Descriptor,
    name: &Reference,
    packages: &[Package],
) -> Result<Descriptor, Error> {
    let container = Container {
        name: format!("{}/{}", name.registry(), name.repository()),
        version: name.tag().unwrap_or_default().to_owned(),
        digest: Some(manifest.digest),
        ..Container::default()
    };
    let document = document(&container, manifest.digest, packages)?;
    let subject = Subject {
        name: container.url(),
        digest: manifest.digest,
    };
    let statement = write_json(
        store,
        attestation::IN_TOTO,
        &statement::statement(&[subject], statement::SPDX, &document),
    )?;
    let config = json!({
        "architecture": "unknown",
        "os": "unknown",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [statement.digest.to_string()]},
    });
    let attestation = Manifest {
        schema_version: 2,
        media_type: Some(media::MANIFEST.to_owned()),
        config: write_json(store, media::CONFIG, &config)?,
        layers: vec![annotated(
            statement,
            [(attestation::PREDICATE_TYPE, statement::SPDX.to_owned())],
        )],
    };
    let written = write_json(store, media::MANIFEST, &attestation)?;
    let about = [
        (
            attestation::REFERENCE_TYPE,
            attestation::ATTESTATION_MANIFEST.to_owned(),
        ),
        (attestation::REFERENCE_DIGEST, manifest.digest.to_string()),
    ];
    Ok(Descriptor {
        platform: Some(Platform {
            os: "unknown".to_owned(),
            architecture: "unknown".to_owned(),
            variant: None,
        }),
        ..annotated(written, about)
    })
}

fn document(container: &Container, image: Digest, packages: &[Package]) -> Result<Value, Error> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Error::Layer(error);
    let mut merge = Merge::default();
    let placed = Placed {
        image,
        keeps: true,
        directory: String::new(),
        fragment: Fragment::of_packages(container, packages),
    };
    merge.add(&placed).map_err(|error| failed(error.into()))?;
    let text = spdx::document(&merge.finish(), CREATED, VERSION);
    serde_json::from_slice(&text).map_err(|error| failed(error.into()))
}

fn annotated<const N: usize>(descriptor: Descriptor, annotations: [(&str, String); N]) -> Descriptor {
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value));
    Descriptor {
        annotations: Some(BTreeMap::from(annotations)),
        ..descriptor
    }
}
