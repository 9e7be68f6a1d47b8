//! A container of the manifest → its OCI bundle: `config.json` and `runtime.json`.
//!
//! What runs is said in three places: the image's own configuration, its label `org.mobyproject.config` and the manifest;
//! [`settings`] brings them together, the manifest winning. The rest translates the outcome into the documents.

mod config;
mod mounts;
mod resources;
mod runtime;
mod seccomp;
mod settings;

use std::collections::BTreeMap;

use ironkit_contract::{Runtime, Spec};
use ironkit_manifest::{Container, Volume};
use ironkit_oci::ImageConfig;

use crate::Result;

/// The label of an image that holds the settings of its containers, as JSON.
pub const LABEL: &str = "org.mobyproject.config";

/// What a container may refer to by name.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    /// User and group ids (`Manifest::ids`).
    pub ids: &'a BTreeMap<String, u32>,
    /// Volumes.
    pub volumes: &'a BTreeMap<&'a str, &'a Volume>,
}

/// Where a container's files are in the root file system; absolute paths.
#[derive(Debug, Clone)]
pub(crate) struct Directories {
    /// The container's own directory.
    pub bundle: String,
    /// Where its image's files are: in this bundle or in that of an earlier container with the same image.
    pub files: String,
}

/// The documents of a container.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bundle {
    pub config: Spec,
    pub runtime: Runtime,
}

/// Makes the documents of a container.
pub(crate) fn bundle(
    container: &Container,
    image: &ImageConfig,
    names: &Names,
    directories: &Directories,
) -> Result<Bundle> {
    let settings = settings::effective(container, image)?;
    let mut runtime = runtime::runtime(&settings);
    let readonly = settings.config.readonly.unwrap_or(false);
    runtime
        .mounts
        .splice(0..0, mounts::root_mounts(directories, readonly));
    Ok(Bundle {
        config: config::config(&settings, names)?,
        runtime,
    })
}

/// Whether the container's root file system is read-only, by manifest or label.
pub(crate) fn is_readonly(container: &Container, image: &ImageConfig) -> Result<bool> {
    Ok(settings::effective(container, image)?
        .config
        .readonly
        .unwrap_or(false))
}
