//! The initrd: cpio archives one after the other, each compressed on its own.
//!
//! ```text
//! ┌────────────────┬───────────┬───────────┬───────────┬─────┐
//! │ microcode cpio │ kernel    │ init[0]   │ onboot[0] │  …  │   one piece for each part of the tree
//! └────────────────┴───────────┴───────────┴───────────┴─────┘
//!   uncompressed     modules     each compressed, then zeros up to a multiple of 4
//! ```
//!
//! The kernel unpacks such a file from front to back (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ironkit_formats::archive::cpio;
use ironkit_formats::compress::{self, Codec, Effort, Encoder};
use ironkit_tree::{BoxError, Digest, Edits, Files, Hasher, Kind, Part, Resolution, Source, Tree};

use crate::{Cache, Error, Out, Result};

/// Changes whenever the same part gives another piece: part of every key.
const VERSION: &[u8] = b"1";
/// Pieces start at multiples of this.
const ALIGNMENT: u64 = 4;
/// Encoders at work at once. Each holds some 16 MiB, and a build stays below 64.
const WORKERS_MAX: usize = 2;

/// How an initrd is written.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Compression of every piece.
    pub codec: Codec,
    /// Threads that may compress at once.
    pub threads: NonZeroUsize,
}

/// What one part takes in the initrd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Index of the part in the tree.
    pub part: usize,
    /// Compressed bytes, with padding.
    pub size: u64,
    /// Whether it was in the cache.
    pub cached: bool,
}

/// Writes the initrd of `tree` to the end of `out` and tells what each part took. A tree without any entry gives no
/// pieces.
///
/// # Errors
/// [`Error`]: those of `source`, `cache` and `out`, and entries that no initrd can hold.
pub fn write(
    tree: &Tree,
    resolution: &Resolution,
    options: Options,
    source: &dyn Source,
    cache: &dyn Cache,
    out: &mut dyn Out,
) -> Result<Vec<Piece>> {
    if let Some(microcode) = tree.kernel.as_ref().and_then(|kernel| kernel.microcode.as_ref()) {
        microcode.copy_to(source, out).map_err(Error::Contents)?;
    }
    let jobs: Vec<Job> = tree
        .parts
        .iter()
        .zip(&resolution.edits)
        .enumerate()
        .map(|(index, (part, edits))| Job {
            index,
            part,
            edits,
            key: key(&part.files, edits, options.codec),
        })
        .collect();
    let made = make_missing(&jobs, options, source, cache)?;
    let mut pieces = Vec::new();
    for job in &jobs {
        let size = append(job, options, source, cache, out)?;
        if size > 0 {
            pieces.push(Piece {
                part: job.index,
                size: size + pad(out)?,
                cached: !made.contains(&job.index),
            });
        }
    }
    Ok(pieces)
}

/// One part and the key of its piece.
struct Job<'a> {
    index: usize,
    part: &'a Part,
    edits: &'a Edits,
    key: Digest,
}

/// Identifies a piece: the same key always means the same bytes.
fn key(files: &Files, edits: &Edits, codec: Codec) -> Digest {
    let mut hasher = Hasher::new();
    hasher.field(b"initrd piece");
    hasher.field(VERSION);
    hasher.update(&compress::VERSION.to_le_bytes());
    hasher.field(codec.name().as_bytes());
    match files {
        Files::Listed(files) => hasher.field(files.key().bytes()),
        Files::Stored { key, under } => {
            hasher.field(key.bytes());
            hasher.field(under.as_bytes());
        }
    }
    edits.add_to(&mut hasher);
    hasher.finish()
}

/// Makes the pieces that the cache lacks, in parallel, and tells which.
fn make_missing(
    jobs: &[Job],
    options: Options,
    source: &dyn Source,
    cache: &dyn Cache,
) -> Result<BTreeSet<usize>> {
    let mut missing = Vec::new();
    for job in jobs {
        if !cache.has(&job.key).map_err(Error::Cache)? {
            missing.push(job);
        }
    }
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let work = || {
        while let Some(job) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = make(job, options, source, cache) {
                next.store(missing.len(), Ordering::Relaxed);
                failure
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner())
                    .get_or_insert(error);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..options.threads.get().min(WORKERS_MAX).min(missing.len()) {
            scope.spawn(work);
        }
        work();
    });
    match failure
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
    {
        Some(error) => Err(error),
        None => Ok(missing.iter().map(|job| job.index).collect()),
    }
}

/// Makes one piece and puts it into the cache. A part that contributes nothing makes an empty piece.
fn make(job: &Job, options: Options, source: &dyn Source, cache: &dyn Cache) -> Result<()> {
    let failed = |source: BoxError| Error::Part {
        location: job.part.location.clone(),
        source_name: job.part.source.clone(),
        source,
    };
    let files = job.edits.apply(job.part.files.load(source).map_err(failed)?);
    let bytes = files
        .iter()
        .map(|(_, _, node)| {
            if matches!(node.kind, Kind::File(_)) {
                node.size()
            } else {
                0
            }
        })
        .sum();
    let mut write = |out: &mut dyn Write| -> std::result::Result<(), BoxError> {
        if files.is_empty() {
            return Ok(());
        }
        let mut encoder = Encoder::new(options.codec, Effort::for_size(bytes), out)?;
        cpio::write_fileset(&files, source, &mut encoder)?;
        encoder.finish()?;
        Ok(())
    };
    cache.put(&job.key, &mut write).map_err(failed)
}

/// Appends a piece; makes it anew when the cache turns out not to have it after all.
fn append(
    job: &Job,
    options: Options,
    source: &dyn Source,
    cache: &dyn Cache,
    out: &mut dyn Out,
) -> Result<u64> {
    if let Some(size) = cache.append(&job.key, out).map_err(Error::Cache)? {
        return Ok(size);
    }
    make(job, options, source, cache)?;
    let size = cache.append(&job.key, out).map_err(Error::Cache)?;
    size.ok_or_else(|| Error::Lost(job.part.location.clone()))
}

fn pad(out: &mut dyn Out) -> Result<u64> {
    let excess = out.position() % ALIGNMENT;
    let padding = (ALIGNMENT - excess) % ALIGNMENT;
    out.write_all(&[0; 4][..usize::try_from(padding).unwrap_or(0)])?;
    Ok(padding)
}
