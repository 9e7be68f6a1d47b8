//! The contents that a tree refers to: flattened images and uncompressed layers, made when first needed and kept in
//! the store as derived data.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use ironkit_formats::archive::tar;
use ironkit_oci::{BlobReader, Derived, Image, Layer, Store};
use ironkit_tree::{BoxError, Content, Digest, FileSet, Hasher, Kind, Path, Source};

use crate::fixups::{self, Place};
use crate::layer::{self, Budget, LayerError};
use crate::{Error, Result};

/// Time of everything that is in no image: the one LinuxKit uses, 2017-04-18T16:30:00Z.
pub const TIME: i64 = 1_492_533_000;
/// Changes whenever the same layers give another file set: part of every key.
const VERSION: &[u8] = b"3";
/// Derived data: file sets in their text form.
const FILES: &str = "files";
/// Derived data: uncompressed layers.
pub(crate) const LAYERS: &str = "layers";

/// Layers that are kept open: a process may have some thousand files open, and an image some thousand layers.
const OPEN_MAX: usize = 64;

/// What a file set is made from.
#[derive(Debug, Clone)]
enum Origin {
    /// An image's layers, with the fix-ups of the place it goes to.
    Image(Box<Image>, Place),
    /// A tar file inside another file set.
    Archive(Digest, Path),
    /// A file of several file sets, joined.
    Joined(Vec<Digest>, Path),
    /// A compressed kernel inside another file set.
    Kernel(Digest, Path),
}

/// Knows for every key of a tree what it is made from. Images are [added](Contents::image) when the tree is assembled;
/// nothing is read before somebody asks.
#[derive(Debug)]
pub struct Contents<'a> {
    time: i64,
    pub(crate) store: &'a Store,
    origins: BTreeMap<Digest, Origin>,
    layers: BTreeMap<Digest, Layer>,
    /// Blobs of the store that are contents as they are.
    blobs: BTreeSet<Digest>,
    /// Uncompressed layers in the store that were read once from end to end and are as they were written.
    sound: Mutex<BTreeSet<Digest>>,
    /// Some of these, open.
    open: Mutex<HashMap<Digest, Arc<Derived>>>,
}

impl<'a> Contents<'a> {
    /// Contents out of `store`, without any image yet.
    pub fn new(store: &'a Store) -> Contents<'a> {
        Contents::at(store, TIME)
    }

    /// The same, where what is in no image is of `time`, in seconds since 1970.
    pub fn at(store: &'a Store, time: i64) -> Contents<'a> {
        Contents {
            time,
            store,
            origins: BTreeMap::new(),
            layers: BTreeMap::new(),
            blobs: BTreeSet::new(),
            sound: Mutex::default(),
            open: Mutex::default(),
        }
    }

    /// The time of what is in no image.
    pub fn time(&self) -> i64 {
        self.time
    }

    /// The key of an image's files at a place.
    pub(crate) fn image(&mut self, image: &Image, place: Place) -> Digest {
        let mut hasher = key(b"image");
        hasher.field(place.name().as_bytes());
        hasher.update(&self.time.to_le_bytes());
        for layer in &image.layers {
            hasher.field(layer.diff_id.bytes());
            self.layers.insert(layer.diff_id, layer.clone());
        }
        let key = hasher.finish();
        self.origins
            .entry(key)
            .or_insert_with(|| Origin::Image(Box::new(image.clone()), place));
        key
    }

    /// The key of what the tar file `path` of the file set `files` contains.
    pub(crate) fn archive(&mut self, files: Digest, path: &Path) -> Digest {
        let mut hasher = key(b"archive");
        hasher.field(files.bytes());
        hasher.field(path.as_bytes());
        let key = hasher.finish();
        self.origins.insert(key, Origin::Archive(files, path.clone()));
        key
    }

    /// The key of a file set with one file at most: the files `path` of several file sets, one after the other, each
    /// followed by two newlines. Without two of them there is nothing to join, and the set is empty.
    pub(crate) fn joined(&mut self, files: &[Digest], path: &Path) -> Digest {
        let mut hasher = key(b"joined");
        for files in files {
            hasher.field(files.bytes());
        }
        hasher.field(path.as_bytes());
        let key = hasher.finish();
        self.origins
            .insert(key, Origin::Joined(files.to_vec(), path.clone()));
        key
    }

    /// Refers to a blob of the store, as it is there: compressed, if it is a compressed layer.
    pub(crate) fn blob(&mut self, digest: Digest, size: u64) -> Content {
        self.blobs.insert(digest);
        Content::Blob {
            layer: digest,
            offset: 0,
            size,
            digest,
        }
    }

    /// The key of a file set with the kernel proper of the kernel `path` of the file set `files`, under the same name.
    pub(crate) fn decompressed(&mut self, files: Digest, path: &Path) -> Digest {
        let mut hasher = key(b"decompressed");
        hasher.field(files.bytes());
        hasher.field(path.as_bytes());
        let key = hasher.finish();
        self.origins.insert(key, Origin::Kernel(files, path.clone()));
        key
    }

    /// The file set of `key`: from the store, or made anew and put there.
    pub(crate) fn file_set(&self, key: &Digest) -> Result<FileSet> {
        if let Some(files) = self.stored_files(key)? {
            // What is in no image's layer may be gone from the store without the image.
            let made_here = matches!(
                self.origins.get(key),
                Some(Origin::Joined(..) | Origin::Kernel(..))
            );
            if !made_here || self.holds(&files)? {
                return Ok(files);
            }
        }
        let files = match self.origins.get(key) {
            Some(Origin::Image(image, place)) => self.flatten(image, *place)?,
            Some(Origin::Archive(outer, path)) => self.unpack(outer, path)?,
            Some(Origin::Joined(outers, path)) => self.join(outers, path)?,
            Some(Origin::Kernel(outer, path)) => self.decompress(outer, path)?,
            None => return Err(Error::UnknownFiles(*key)),
        };
        self.store
            .put_derived(FILES, key, &mut |out| write!(out, "{files}"))?;
        Ok(files)
    }

    /// Derived data that does not read back is as good as none.
    fn stored_files(&self, key: &Digest) -> Result<Option<FileSet>> {
        let Some(derived) = self.store.derived(FILES, key)? else {
            return Ok(None);
        };
        let text = derived
            .read()
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        match text.and_then(|text| text.parse().ok()) {
            Some(files) => Ok(Some(files)),
            None => {
                self.store.remove_derived(FILES, key)?;
                Ok(None)
            }
        }
    }

    fn flatten(&self, image: &Image, place: Place) -> Result<FileSet> {
        let mut files = FileSet::new();
        let mut budget = Budget::default();
        for layer in &image.layers {
            self.read_layer(layer, &mut budget)
                .and_then(|entries| Ok(layer::apply(&mut files, entries, &mut budget)?))
                .map_err(|source| Error::in_layer(image, layer, source))?;
        }
        fixups::apply(&mut files, place, self.time);
        Ok(files)
    }

    /// The uncompressed form of a layer, if the store has it. One that was damaged is removed, to be made again.
    pub(crate) fn uncompressed(&self, diff_id: &Digest) -> Result<Option<Derived>> {
        let Some(derived) = self.store.derived(LAYERS, diff_id)? else {
            return Ok(None);
        };
        let mut sound = self.sound.lock().unwrap_or_else(PoisonError::into_inner);
        if sound.contains(diff_id) {
            return Ok(Some(derived));
        }
        match derived.copy_to(&mut io::sink()) {
            Ok(_) => {
                sound.insert(*diff_id);
                Ok(Some(derived))
            }
            Err(ironkit_oci::Error::CorruptDerived { .. }) => {
                self.store.remove_derived(LAYERS, diff_id)?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The entries of a layer. On the way its uncompressed form is put into the store, if it is not there.
    fn read_layer(&self, layer: &Layer, budget: &mut Budget) -> Result<Vec<layer::Entry>> {
        let place = layer::Place {
            layer: layer.diff_id,
            offset: 0,
        };
        if let Some(derived) = self.uncompressed(&layer.diff_id)? {
            let size = derived.size();
            return Ok(layer::read(&mut derived.open_range(0, size)?, place, budget)?);
        }
        let mut entries = Ok(Vec::new());
        let mut whole = false;
        let mut stream = layer.open(self.store)?;
        let stored = self.store.put_derived(LAYERS, &layer.diff_id, &mut |out| {
            let mut tee = Tee {
                from: &mut stream,
                to: out,
                broken: false,
            };
            entries = layer::read(&mut tee, place, budget);
            // A stream says once why it broke.
            if tee.broken
                && let Err(LayerError::Read(tar::ReadError::Stream { source, .. })) = &mut entries
            {
                return Err(std::mem::replace(source, io::ErrorKind::Other.into()));
            }
            // What follows the archive belongs to the layer too; reading it to its end verifies the layer.
            io::copy(&mut tee, &mut io::sink())?;
            whole = true;
            entries
                .as_ref()
                .map(drop)
                .map_err(|_| io::Error::other("the layer is refused"))
        });
        match (stored, entries) {
            // Out of a broken stream come broken entries: what broke the stream says more.
            (Err(error), _) if !whole => Err(error.into()),
            (_, Err(error)) => Err(error.into()),
            (Err(error), Ok(_)) => Err(error.into()),
            (Ok(_), Ok(entries)) => Ok(entries),
        }
    }

    /// The files of an image as its layers make them, without anything that a root file system adds.
    ///
    /// # Errors
    /// A layer that cannot be read.
    pub fn plain(&mut self, image: &Image) -> Result<FileSet> {
        let key = self.image(image, Place::Kernel);
        self.file_set(&key)
    }

    /// The topmost layer that has an entry for `path` in the image behind a key. None when the image is no image, or when
    /// no layer has it, as with what [`fixups`] adds.
    ///
    /// # Errors
    /// A layer that cannot be read.
    pub fn layer_of(&self, key: &Digest, path: &Path) -> Result<Option<Layer>> {
        let Some(Origin::Image(image, _)) = self.origins.get(key) else {
            return Ok(None);
        };
        for layer in image.layers.iter().rev() {
            let entries = self.read_layer(layer, &mut Budget::default())?;
            let adds = |entry: &layer::Entry| {
                matches!(entry.change, layer::Change::Add(_) | layer::Change::HardLink(_))
                    && Path::parse(&entry.name).is_ok_and(|name| name == *path)
            };
            if entries.iter().any(adds) {
                return Ok(Some(layer.clone()));
            }
        }
        Ok(None)
    }

    /// A layer in its uncompressed form, which is kept open when it was verified.
    fn open_layer(&self, diff_id: &Digest) -> Result<Arc<Derived>> {
        let Some(derived) = self.uncompressed(diff_id)? else {
            let layer = self.layers.get(diff_id).ok_or(Error::UnknownLayer(*diff_id))?;
            let mut stream = layer.open(self.store)?;
            let mut copy = |out: &mut (dyn Write + Send)| io::copy(&mut stream, out).map(drop);
            return Ok(Arc::new(self.store.put_derived(LAYERS, diff_id, &mut copy)?));
        };
        let derived = Arc::new(derived);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= OPEN_MAX {
            open.clear();
        }
        open.insert(*diff_id, Arc::clone(&derived));
        Ok(derived)
    }

    /// A tar file inside a file set, as a file set of its own.
    fn unpack(&self, outer: &Digest, path: &Path) -> Result<FileSet> {
        let image = match self.origins.get(outer) {
            Some(Origin::Image(image, _)) => image.name.to_string(),
            _ => "the image".to_owned(),
        };
        let outer = self.file_set(outer)?;
        let missing = || Error::UnknownArchive(path.clone());
        let Some(Kind::File(Content::Blob {
            layer, offset, size, ..
        })) = outer.get(path).map(|node| &node.kind)
        else {
            return Err(missing());
        };
        let mut stream = self.layer(layer, *offset, *size).map_err(Error::Contents)?;
        let place = layer::Place {
            layer: *layer,
            offset: *offset,
        };
        let mut budget = Budget::default();
        let mut files = FileSet::new();
        let unpacked = layer::read(&mut stream, place, &mut budget)
            .and_then(|entries| layer::apply(&mut files, entries, &mut budget));
        match unpacked {
            Ok(()) => Ok(files),
            Err(source) => Err(Error::Archive {
                image,
                archive: path.clone(),
                source: Box::new(source.into()),
            }),
        }
    }
}

impl Source for Contents<'_> {
    fn files(&self, key: &Digest) -> std::result::Result<FileSet, BoxError> {
        Ok(self.file_set(key)?)
    }

    fn weight(&self, key: &Digest) -> u64 {
        match self.origins.get(key) {
            Some(Origin::Image(image, _)) => image.layers.iter().map(|layer| layer.size).sum(),
            Some(Origin::Archive(outer, _) | Origin::Kernel(outer, _)) => self.weight(outer),
            // A database of packages; its size is not known before it is read.
            Some(Origin::Joined(..)) | None => 0,
        }
    }

    fn layer(
        &self,
        diff_id: &Digest,
        offset: u64,
        size: u64,
    ) -> std::result::Result<Box<dyn Read + '_>, BoxError> {
        // A blob that is an uncompressed layer is the same bytes either way.
        if self.blobs.contains(diff_id) && !self.layers.contains_key(diff_id) {
            let mut blob = self.store.open_blob(diff_id)?;
            skip(&mut blob, offset)?;
            return Ok(Box::new(blob.take(size)));
        }
        let opened = {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.get(diff_id).cloned()
        };
        let derived = match opened {
            Some(derived) => derived,
            None => self.open_layer(diff_id)?,
        };
        derived.open_range(offset, size)?;
        Ok(Box::new(Range {
            derived,
            offset,
            left: size,
        }))
    }

    fn is_verified(&self, layer: &Digest) -> bool {
        let sound = self.sound.lock().unwrap_or_else(PoisonError::into_inner);
        sound.contains(layer)
    }
}

/// Reads over the first bytes of a blob, so that its digest is still verified at its end.
fn skip(blob: &mut BlobReader, bytes: u64) -> io::Result<()> {
    io::copy(&mut blob.take(bytes), &mut io::sink()).map(drop)
}

/// A range of an uncompressed layer that keeps the layer open.
struct Range {
    derived: Arc<Derived>,
    offset: u64,
    left: u64,
}

impl Read for Range {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut range = self
            .derived
            .open_range(self.offset, self.left)
            .map_err(io::Error::other)?;
        let count = range.read(buffer)?;
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

fn key(kind: &[u8]) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.field(VERSION);
    hasher.field(kind);
    hasher
}

/// Reads, and writes what was read elsewhere too.
struct Tee<'a> {
    from: &'a mut dyn Read,
    to: &'a mut dyn Write,
    /// Whether reading failed.
    broken: bool,
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer);
        self.broken |= read
            .as_ref()
            .is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        let count = read?;
        self.to.write_all(&buffer[..count])?;
        Ok(count)
    }
}
