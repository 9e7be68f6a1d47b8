//! `lock`: every image that manifests name, pinned to a digest in a file beside them; and building by it.
//!
//! A pin that is there stays until it is asked to be updated, so that a changed manifest changes only its own lines. With
//! a lock file, images are taken out of the store by their digests, and no registry is asked (`pinned`).

mod file;
mod make;
mod pinned;

use std::io::Read;
use std::path::{Path, PathBuf};

use ironkit_oci::Platform;

pub use file::LockFile;
pub use make::lock;
pub(crate) use pinned::{image, layout};

use crate::{Error, Result};

/// Largest lock file that is read, in bytes: some 100 000 images.
const MAX: u64 = 16 << 20;

/// What is to be done about a lock file.
#[derive(Debug, Clone)]
pub struct LockOptions {
    /// The lock file.
    pub path: PathBuf,
    /// Images with boot loaders, which are pinned, too: names, or `@pkg:` and a folder.
    pub loaders: Vec<String>,
    /// What components are made for, and what is fetched.
    pub platform: Platform,
    /// Ask registries for the digests of images that are pinned, too.
    pub update: bool,
    /// Write nothing, and fail if something would have to change.
    pub check: bool,
    /// Fetch the pinned images that the store lacks.
    pub fetch: bool,
}

/// What became of a lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockReport {
    /// How many pins it has now.
    pub pins: usize,
    /// What changed, a line each.
    pub changes: Vec<String>,
}

/// Where the lock file of these manifests is: beside the last one, with the extension `lock`.
///
/// # Errors
/// When the last one is not a file.
pub fn path(manifests: &[String]) -> Result<PathBuf> {
    match manifests.last().map(String::as_str) {
        Some(last) if last != "-" && !is_address(last) => Ok(Path::new(last).with_extension("lock")),
        _ => Err(Error::Usage {
            message: "there is no file to have the lock file beside".to_owned(),
            hint: "say where it is with --lock-file FILE".to_owned(),
        }),
    }
}

/// Reads a lock file, the one beside the manifests if none is given, for a build that uses nothing else, so that its
/// manifests cannot come from the network either.
///
/// # Errors
/// A file that is missing or malformed, a manifest that is an address.
pub fn read_for(file: Option<&Path>, manifests: &[String]) -> Result<LockFile> {
    if let Some(address) = manifests.iter().find(|manifest| is_address(manifest)) {
        return Err(Error::Usage {
            message: format!("--locked uses no network, and {address} is an address"),
            hint: "download the manifest first".to_owned(),
        });
    }
    let path = match file {
        Some(file) => file.to_path_buf(),
        None => path(manifests)?,
    };
    read(&path)?.ok_or_else(|| Error::Usage {
        message: format!("there is no lock file {}", path.display()),
        hint: format!("`ironkit lock {}` writes it", manifests.join(" ")),
    })
}

fn is_address(manifest: &str) -> bool {
    manifest.starts_with("http://") || manifest.starts_with("https://")
}

/// Reads a lock file; none when there is no such file.
fn read(path: &Path) -> Result<Option<LockFile>> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed)?,
    };
    let mut text = String::new();
    file.take(MAX).read_to_string(&mut text).map_err(failed)?;
    let lock = LockFile::parse(&path.display().to_string(), &text);
    lock.map(Some).map_err(Error::Manifest)
}
