//! The initrd: cpio archives one after the other, each compressed on its own.
//!
//! ```text
//! ┌────────────────┬───────────┬───────────┬───────────┬─────┐
//! │ microcode cpio │ kernel    │ init[0]   │ onboot[0] │  …  │   a piece for each part of the tree,
//! └────────────────┴───────────┴───────────┴───────────┴─────┘   small neighbours together
//!   uncompressed     modules     each compressed, then zeros up to a multiple of 4
//! ```
//!
//! The kernel unpacks such a file from front to back (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::io::Write;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ironkit_formats::archive::cpio;
use ironkit_formats::compress::{self, Codec, Effort, Encoder};
use ironkit_formats::extents::{Data, Extents, Sink};
use ironkit_tree::{BoxError, Content, Digest, Files, Hasher, Source};

use crate::{Damaged, Error, Image, Out, Result, kernel, root, xattrs};

/// Changes whenever the same parts give another piece: part of every key.
const VERSION: &[u8] = b"2";
/// Largest file of an archive in bytes: newc has 32 bits for a size.
const FILE_MAX: u64 = u32::MAX as u64;
/// Pieces start at multiples of this.
pub(crate) const ALIGNMENT: u64 = 4;
/// Encoders at work at once. Each holds some 16 MiB, and a build stays below 64.
const WORKERS_MAX: usize = 2;
/// Parts that weigh at least this much, in bytes, are pieces of their own. Smaller neighbours share one: they compress
/// better together, and compressing this much again takes a millisecond.
const LARGE: u64 = 128 * 1024;
/// How often a piece that is gone again is made anew.
const ATTEMPTS: usize = 5;
/// What an entry without content weighs.
const ENTRY: u64 = 64;

/// An initrd whose pieces are in the cache.
#[derive(Debug)]
pub struct Initrd {
    /// What the parts take.
    pub pieces: Vec<Piece>,
    codec: Codec,
    /// The pieces' groups and sizes, without those that are empty.
    groups: Vec<(Group, u64)>,
}

/// What one part takes in the initrd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Index of the part in the tree.
    pub part: usize,
    /// Compressed bytes. Parts that are compressed together share their bytes in proportion to their weight.
    pub size: u64,
    /// Whether it was in the cache.
    pub cached: bool,
}

/// Neighbouring parts that are one piece.
#[derive(Debug, Clone)]
struct Group {
    parts: Range<usize>,
    key: Digest,
}

impl Initrd {
    /// Makes the pieces that the cache lacks, compressed as `kernel` can unpack them.
    ///
    /// # Errors
    /// [`Error`]: those of the source and the cache, and entries that no initrd can hold.
    pub(crate) fn link(image: &Image, kernel: Option<&Content>) -> Result<Initrd> {
        let codec = kernel::initrd_codec(kernel, image.source, image.cache)?;
        let weights = weights(image);
        let groups = groups(&weights).into_iter().map(|parts| Group {
            key: key(image, parts.clone(), codec),
            parts,
        });
        let groups: Vec<Group> = groups.collect();
        let made = make_missing(&groups, codec, image)?;
        let mut initrd = Initrd {
            pieces: Vec::new(),
            codec,
            groups: Vec::new(),
        };
        for (group, made) in groups.into_iter().zip(made) {
            let look = || image.cache.size(&group.key).map_err(Error::Cache);
            let size = kept(&group, codec, image, look)?;
            if size > 0 {
                let shares = shares(size.next_multiple_of(ALIGNMENT), &weights[group.parts.clone()]);
                let pieces = group.parts.clone().zip(shares).map(|(part, size)| Piece {
                    part,
                    size,
                    cached: !made,
                });
                initrd.pieces.extend(pieces);
                initrd.groups.push((group, size));
            }
        }
        Ok(initrd)
    }

    /// The size in bytes.
    pub fn size(&self) -> u64 {
        let padded = |(_, size): &(Group, u64)| size.next_multiple_of(ALIGNMENT);
        self.groups.iter().map(padded).sum()
    }

    /// Its bytes, for a place inside another image.
    pub(crate) fn extents<'a>(&'a self, image: &'a Image) -> Extents<'a> {
        let mut extents = Extents::new();
        for (group, size) in &self.groups {
            extents.data(Arc::new(Inside {
                group,
                size: *size,
                codec: self.codec,
                image,
            }));
            extents.align(ALIGNMENT);
        }
        extents
    }

    /// Writes it to the end of `out`, which is at a multiple of 4.
    pub(crate) fn write(&self, image: &Image, out: &mut dyn Out) -> Result<()> {
        for (group, size) in &self.groups {
            let start = out.position();
            append(group, self.codec, image, out)?;
            if out.position() - start != *size {
                return Err(Error::Lost(image.tree.parts[group.parts.start].location.clone()));
            }
            pad(out)?;
        }
        Ok(())
    }
}

/// A piece inside another image.
struct Inside<'a> {
    group: &'a Group,
    size: u64,
    codec: Codec,
    image: &'a Image<'a>,
}

impl Data for Inside<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn key(&self) -> Digest {
        self.group.key
    }

    fn write_to(&self, out: &mut dyn Sink) -> std::result::Result<(), BoxError> {
        let look = || {
            let copied = self.image.cache.copy(&self.group.key, out);
            copied.map_err(Error::Cache)
        };
        let size = kept(self.group, self.codec, self.image, look)?;
        match size == self.size {
            true => Ok(()),
            false => Err(Damaged.into()),
        }
    }
}

/// The neighbouring parts that are one piece.
pub(crate) fn grouped(image: &Image) -> Vec<Range<usize>> {
    groups(&weights(image))
}

fn weights(image: &Image) -> Vec<u64> {
    let parts = image.tree.parts.iter();
    parts.map(|part| weight(&part.files, image.source)).collect()
}

/// About how many bytes a part brings.
fn weight(files: &Files, source: &dyn Source) -> u64 {
    match files {
        Files::Stored { key, .. } => source.weight(key),
        Files::Listed(files) => {
            let boot = root::boot();
            let inside = files.iter().filter(|(path, ..)| path.below(&boot).is_none());
            inside.map(|(_, _, node)| node.size() + ENTRY).sum()
        }
    }
}

/// Which neighbouring parts of these weights are one piece.
fn groups(weights: &[u64]) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (index, &weight) in weights.iter().enumerate() {
        if weight >= LARGE && start < index {
            groups.push(start..index);
            start = index;
        }
        sum += weight;
        if weight >= LARGE || sum >= LARGE {
            groups.push(start..index + 1);
            (start, sum) = (index + 1, 0);
        }
    }
    if start < weights.len() {
        groups.push(start..weights.len());
    }
    groups
}

/// `size` bytes divided among parts of these weights, to the last byte.
fn shares(size: u64, weights: &[u64]) -> Vec<u64> {
    let total = weights
        .iter()
        .map(|&weight| u128::from(weight))
        .sum::<u128>()
        .max(1);
    let until = |sum: u128| u64::try_from(u128::from(size) * sum / total).unwrap_or(size);
    let mut sum = 0;
    let mut shares: Vec<u64> = weights
        .iter()
        .map(|&weight| {
            let before = until(sum);
            sum += u128::from(weight);
            until(sum) - before
        })
        .collect();
    if let Some(last) = shares.last_mut() {
        *last += size - until(sum);
    }
    shares
}

/// Identifies a piece: the same key always means the same bytes.
fn key(image: &Image, parts: Range<usize>, codec: Codec) -> Digest {
    let mut hasher = Hasher::new();
    hasher.field(b"initrd piece");
    hasher.field(VERSION);
    hasher.update(&compress::VERSION.to_le_bytes());
    hasher.field(codec.name().as_bytes());
    add_to_key(image, parts, &mut hasher);
    hasher.finish()
}

/// Adds all that tells what these parts contribute.
pub(crate) fn add_to_key(image: &Image, parts: Range<usize>, hasher: &mut Hasher) {
    for index in parts {
        match &image.tree.parts[index].files {
            Files::Listed(files) => hasher.field(files.key().bytes()),
            Files::Stored { key, under } => {
                hasher.field(key.bytes());
                hasher.field(under.as_bytes());
            }
        }
        image.resolution.edits[index].add_to(hasher);
    }
}

/// Makes the pieces that the cache lacks, in parallel, and tells for each whether it was made.
fn make_missing(groups: &[Group], codec: Codec, image: &Image) -> Result<Vec<bool>> {
    let mut made = Vec::with_capacity(groups.len());
    for group in groups {
        made.push(image.cache.size(&group.key).map_err(Error::Cache)?.is_none());
    }
    let missing: Vec<&Group> = groups
        .iter()
        .zip(&made)
        .filter_map(|(group, made)| made.then_some(group))
        .collect();
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let work = || {
        while let Some(group) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = make(group, codec, image) {
                next.store(missing.len(), Ordering::Relaxed);
                failure
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner())
                    .get_or_insert(error);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..image.threads.get().min(WORKERS_MAX).min(missing.len()) {
            scope.spawn(work);
        }
        work();
    });
    match failure
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
    {
        Some(error) => Err(error),
        None => Ok(made),
    }
}

/// Makes one piece and puts it into the cache. Parts that contribute nothing make an empty piece.
fn make(group: &Group, codec: Codec, image: &Image) -> Result<()> {
    let mut files = root::files(image, group.parts.clone())?;
    files.clear(&root::boot());
    for (path, _, node) in files.iter() {
        if node.size() > FILE_MAX {
            return Err(Error::Unsuitable {
                format: "initrd",
                reason: format!("`{path}` has {} bytes, and a file can have {FILE_MAX}", node.size()),
                hint: Some(
                    "a root beside the initrd can hold it: --format kernel+squashfs, or a disk with --root squashfs".to_owned(),
                ),
            });
        }
    }
    let bytes = files.iter().map(|(_, _, node)| node.size()).sum();
    let mut write = |out: &mut (dyn Write + Send)| -> std::result::Result<(), BoxError> {
        if files.is_empty() {
            return Ok(());
        }
        let mut encoder = Encoder::new(codec, Effort::for_size(bytes), out)?;
        cpio::write_fileset(&files, image.source, &mut encoder)?;
        if let Some(list) = xattrs::archive(&files)? {
            cpio::write_fileset(&list, image.source, &mut encoder)?;
        }
        encoder.finish()?;
        Ok(())
    };
    let first = &image.tree.parts[group.parts.start];
    image
        .cache
        .put(&group.key, &mut write)
        .map_err(|source| root::failed(first, source))
}

/// Appends a piece.
fn append(group: &Group, codec: Codec, image: &Image, out: &mut dyn Out) -> Result<()> {
    let look = || image.cache.append(&group.key, out).map_err(Error::Cache);
    kept(group, codec, image, look).map(drop)
}

/// What `look` finds of a piece. One that the cache does not have after all, since somebody cleans it or it is damaged,
/// is made anew.
fn kept(
    group: &Group,
    codec: Codec,
    image: &Image,
    mut look: impl FnMut() -> Result<Option<u64>>,
) -> Result<u64> {
    for _ in 0..ATTEMPTS {
        if let Some(size) = look()? {
            return Ok(size);
        }
        make(group, codec, image)?;
    }
    look()?.ok_or_else(|| Error::Lost(image.tree.parts[group.parts.start].location.clone()))
}

/// Zeros up to where a piece can begin.
pub(crate) fn pad(out: &mut dyn Out) -> Result<()> {
    let padding = out.position().next_multiple_of(ALIGNMENT) - out.position();
    Ok(out.write_all(&[0; 4][..usize::try_from(padding).unwrap_or(0)])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_neighbours_share_a_piece() {
        for (weights, ends) in [
            (&[][..], &[][..]),
            (&[1], &[1]),
            (&[1, 1, 1], &[3]),
            (&[LARGE, 1, 1], &[1, 3]),
            (&[1, LARGE, LARGE, 1], &[1, 2, 3, 4]),
            (&[LARGE - 1, 1, 1], &[2, 3]),
        ] {
            let found = groups(weights);
            let found: Vec<usize> = found.into_iter().map(|group| group.end).collect();
            assert_eq!(found, ends, "{weights:?}");
        }
    }

    #[test]
    fn shares_add_up() {
        for (size, weights, expect) in [
            (10, vec![1], vec![10]),
            (10, vec![1, 1], vec![5, 5]),
            (10, vec![1, 2], vec![3, 7]),
            (8, vec![0, 0], vec![0, 8]),
            (u64::MAX, vec![u64::MAX], vec![u64::MAX]),
        ] {
            assert_eq!(shares(size, &weights), expect, "{weights:?}");
        }
    }
}
