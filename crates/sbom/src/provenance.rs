//! Where outputs came from: an in-toto statement with SLSA's provenance, version 1 (slsa.dev/spec/v1.0/provenance).
//!
//! It is what the builder says of itself, without a signature. It has no times, so the same build says the same.

use ironkit_tree::Digest;
use serde_json::{Value, json};

use crate::statement::{Subject, statement};

/// The predicate type.
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// How outputs are made from parameters and dependencies.
const BUILD_TYPE: &str = "urn:ironkit:build:v1";
/// Who built: whoever ran IronKit on a machine of theirs.
const BUILDER: &str = "urn:ironkit:local";

/// Something that a build used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Its name as it was given.
    pub name: String,
    /// Where it is: `pkg:oci/…` for an image; empty where only the name is known.
    pub uri: String,
    /// Its digest.
    pub digest: Digest,
}

/// A build.
#[derive(Debug, Clone, PartialEq)]
pub struct Build {
    /// The outputs.
    pub outputs: Vec<Subject>,
    /// Manifests and images.
    pub dependencies: Vec<Dependency>,
    /// What the user asked for, an object.
    pub parameters: Value,
    /// IronKit's version.
    pub version: String,
}

/// The statement about a build.
pub fn document(build: &Build) -> Vec<u8> {
    let dependency = |dependency: &Dependency| {
        let mut value = json!({"name": dependency.name, "digest": {"sha256": dependency.digest.hex()}});
        if !dependency.uri.is_empty() {
            value["uri"] = json!(dependency.uri);
        }
        value
    };
    let predicate = json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": build.parameters,
            "resolvedDependencies": build.dependencies.iter().map(dependency).collect::<Vec<_>>(),
        },
        "runDetails": {"builder": {"id": BUILDER, "version": {"ironkit": build.version}}},
    });
    let mut text = statement(&build.outputs, PROVENANCE, &predicate)
        .to_string()
        .into_bytes();
    text.push(b'\n');
    text
}
