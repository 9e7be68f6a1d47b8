//! The provenance of a build: its outputs by digest, and what they were made from.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use ironkit_image::DiskOptions;
use ironkit_manifest::SourceFile;
use ironkit_oci::{Image, Platform};
use ironkit_rootfs::{Images, Layouts};
use ironkit_sbom::provenance::{Build, Dependency, document};
use ironkit_sbom::statement::Subject;
use ironkit_sbom::{Container, rfc3339};
use ironkit_tree::{Digest, Hasher};
use serde_json::{Map, Value, json};

use crate::sbom::SbomOptions;
use crate::{Error, Result, write_output};

/// What a build says of itself beside its outputs and what it used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenanceOptions {
    /// Where the statement goes.
    pub file: PathBuf,
    /// The names of the formats, in order.
    pub formats: Vec<String>,
}

/// What a build used, beside its manifests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used<'a> {
    pub(crate) images: &'a Images,
    pub(crate) layouts: &'a Layouts,
    /// Those with boot loaders.
    pub(crate) loaders: &'a [Image],
    pub(crate) disk: &'a DiskOptions,
    pub(crate) platform: &'a Platform,
    pub(crate) sbom: Option<&'a SbomOptions>,
}

/// Writes the statement about a build that wrote `outputs`.
///
/// # Errors
/// [`Error::Usage`] without outputs, [`Error::Read`] for one that cannot be read back, [`Error::Write`].
pub(crate) fn write(
    options: &ProvenanceOptions,
    outputs: &[(PathBuf, u64)],
    sources: &[SourceFile],
    used: Used,
) -> Result<()> {
    if outputs.is_empty() {
        return Err(Error::Usage {
            message: "a provenance names files by digest, and this build writes none".to_owned(),
            hint: "write the outputs to files, not to standard output".to_owned(),
        });
    }
    let build = Build {
        outputs: outputs
            .iter()
            .map(|(path, _)| subject(path))
            .collect::<Result<_>>()?,
        dependencies: dependencies(sources, &used),
        parameters: parameters(sources, &options.formats, &used),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let text = document(&build);
    write_output(options.file.clone(), |out| {
        out.write_all(&text).map_err(|source| Error::Write {
            path: options.file.clone(),
            source,
        })
    })
}

/// Every manifest, every image.
fn dependencies(sources: &[SourceFile], used: &Used) -> Vec<Dependency> {
    let manifests = sources.iter().map(|source| Dependency {
        name: source.name.clone(),
        uri: String::new(),
        digest: Digest::of(source.text.as_bytes()),
    });
    let images = used.images.values().chain(used.loaders);
    let images = images.map(|image| (&image.name, image.digest));
    let layouts = used
        .layouts
        .values()
        .map(|layout| (&layout.name, layout.root.digest));
    let mut seen = BTreeSet::new();
    let images = images
        .chain(layouts)
        .filter(|(name, digest)| seen.insert((name.to_string(), *digest)))
        .map(|(name, digest)| {
            let container = Container {
                name: format!("{}/{}", name.registry(), name.repository()),
                version: name.tag().unwrap_or_default().to_owned(),
                digest: Some(digest),
                ..Container::default()
            };
            Dependency {
                name: name.to_string(),
                uri: container.url(),
                digest,
            }
        });
    let images: Vec<Dependency> = images.collect();
    manifests.chain(images).collect()
}

/// What the user asked for, as far as it decides about the outputs.
fn parameters(sources: &[SourceFile], formats: &[String], used: &Used) -> Value {
    let manifests: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let mut parameters = Map::new();
    parameters.insert("manifests".to_owned(), json!(manifests));
    parameters.insert("formats".to_owned(), json!(formats));
    parameters.insert("platform".to_owned(), json!(used.platform.to_string()));
    let disk = used.disk;
    let disk = json!({"root": disk.root.name(), "size": disk.size, "dataPartition": disk.data});
    parameters.insert("disk".to_owned(), disk);
    let sbom = used.sbom.map(|sbom| {
        let formats: Vec<&str> = sbom.formats.iter().map(|format| format.name()).collect();
        let mut value = json!({"formats": formats, "created": rfc3339(sbom.created)});
        if let Some(output) = &sbom.output {
            value["output"] = json!(output);
        }
        value
    });
    parameters.insert("sbom".to_owned(), json!(sbom));
    Value::Object(parameters)
}

fn subject(path: &Path) -> Result<Subject> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let digest = digest(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(Subject { name, digest })
}

fn digest(path: &Path) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher.finish())
}
