//! The content store: an OCI image layout that other tools read, and derived data beside it.
//!
//! ```text
//! oci-layout  index.json        the layout; every root descriptor carries its canonical name
//! blobs/sha256/<hex>            written to tmp/, synced, verified, renamed
//! derived/<kind>/<hex>          can be made again at any time; see `derived`
//! tmp/                          files in the making, each locked by its owner
//! .lock                         held while index.json changes
//! .use                          held, shared, by who reads or adds blobs; alone by who deletes them
//! ```
//!
//! Locks are `flock`s, so that they end with their process. A kill at any instant leaves at worst a file in
//! `tmp/` or a blob that nothing names: both are swept later.

pub mod attestation;
mod blob;
mod checksum;
mod derived;
mod find;
mod garbage;
mod index;
mod layout;
mod lock;
mod temp;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::{Digest, Error, Result};

pub use attestation::Statement;
pub(crate) use blob::damaged;
pub use blob::{BlobReader, BlobWriter, MAX_SMALL_BLOB};
pub use derived::{Derived, DerivedRange};
pub use find::{Image, Layer, Lookup};
pub(crate) use find::{candidates, layers};
pub use garbage::{Clean, Removed};
pub use index::StoredImage;
pub(crate) use layout::Selection;
pub use layout::{Layout, LayoutLookup};

/// A directory with images. Many processes and threads may use it at once.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// Where derived data is.
    derived: PathBuf,
    /// Removed with this value, when derived data is in it.
    _own: Option<temp::TempDirectory>,
    /// Told when a lock that another process holds has to be waited for.
    notice: fn(&Path),
    /// The shared hold on `.use`, taken when first needed and kept as long as this value.
    hold: Mutex<Option<File>>,
}

impl Store {
    /// Opens the store in `root`; what is missing of it is made. A complete store that cannot be written can
    /// be opened too, to read from it.
    pub fn open(root: &Path) -> Result<Store> {
        Store::open_with_notice(root, |_| {})
    }

    /// The same; `notice` is told when a lock, at this path, is held by another process for longer than a second.
    pub fn open_with_notice(root: &Path, notice: fn(&Path)) -> Result<Store> {
        let store = Store {
            root: root.to_path_buf(),
            derived: root.join("derived"),
            _own: None,
            notice,
            hold: Mutex::new(None),
        };
        for directory in ["blobs/sha256", "derived", "tmp"] {
            let path = root.join(directory);
            match fs::create_dir_all(&path) {
                Err(error) if !readable(&error) || !root.join("index.json").exists() => {
                    return Err(Error::file("make", &path)(error));
                }
                _ => {}
            }
        }
        store.check_layout()?;
        store.sweep();
        Ok(store)
    }

    /// The same images, and derived data of its own: none at first, and gone when this value is.
    pub fn apart(&self) -> Result<Store> {
        let own = self.temp_directory()?;
        Ok(Store {
            root: self.root.clone(),
            derived: own.path().to_path_buf(),
            _own: Some(own),
            notice: self.notice,
            hold: Mutex::new(None),
        })
    }

    /// Its directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file of a blob, whether it is there or not.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// Reads or writes `oci-layout`, and writes an empty index when there is none.
    fn check_layout(&self) -> Result<()> {
        const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
        let path = self.root.join("oci-layout");
        match fs::read(&path) {
            Ok(bytes) => check_version(&path, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let _lock = self.lock()?;
                if !path.exists() {
                    self.write_atomically(&path, LAYOUT.as_bytes())?;
                }
            }
            Err(error) => return Err(Error::file("read", &path)(error)),
        }
        let path = self.root.join("index.json");
        if !path.exists() {
            let _lock = self.lock()?;
            if !path.exists() {
                self.write_index(&crate::document::Index::default())?;
            }
        }
        Ok(())
    }

    /// Holds `.use` shared, so that nobody deletes blobs until this value is dropped.
    fn hold(&self) -> Result<()> {
        let mut hold = self.hold.lock().unwrap_or_else(PoisonError::into_inner);
        if hold.is_none() {
            *hold = lock::shared(&self.root.join(".use"), self.notice)?;
        }
        Ok(())
    }

    /// Puts `bytes` in the place of the file `path` at once.
    fn write_atomically(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut temp = self.temp()?;
        io::Write::write_all(temp.file(), bytes).map_err(Error::file("write", temp.path()))?;
        temp.file().sync_all().map_err(Error::file("sync", temp.path()))?;
        temp.rename(path)?;
        sync_directory(&self.root)
    }
}

fn check_version(path: &Path, bytes: &[u8]) -> Result<()> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Layout {
        image_layout_version: String,
    }
    let error = |reason: String| Error::Layout {
        path: path.to_path_buf(),
        reason,
    };
    let layout: Layout = serde_json::from_slice(bytes).map_err(|reason| error(reason.to_string()))?;
    match layout.image_layout_version.split('.').next() {
        Some("1") => Ok(()),
        _ => Err(error(format!(
            "expected layout version 1, found {}",
            layout.image_layout_version
        ))),
    }
}

/// Makes renames in a directory durable.
fn sync_directory(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(Error::file("sync", path))
}

/// Whether an error means that we may only read.
fn readable(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
    )
}
