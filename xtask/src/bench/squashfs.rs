//! A root file system as squashfs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::Workshop;
use super::build::milliseconds;
use super::measure::{Work, interleaved};
use super::report::Row;
use super::tree::{forget, sizes, with_files};
use crate::ironkit::timed;

/// What a disk format may take when nothing changed.
const WARM_LIMIT: u64 = 250;
/// Compressing 235 MB takes some seconds.
const RUNS: usize = 3;

/// The format `kernel+squashfs`: compressed anew, and when nothing changed; beside mksquashfs with the same files, compressor,
/// level and number of threads.
pub fn squashfs(shop: &Workshop) -> Result<Vec<Row>> {
    with_files(shop, "squashfs", &["tree-squashfs.img", "copy.squashfs"], measure)
}

fn measure(shop: &Workshop, manifest: &Path, unpacked: &Path) -> Result<Vec<Row>> {
    let folder = &shop.ironkit.directory;
    let build = |format: &str| {
        let mut command = shop
            .ironkit
            .command(["build", "--name", "tree", "--format", format]);
        command.arg(manifest);
        timed(&mut command).map(|(_, elapsed)| elapsed)
    };
    let pieces = pieces(shop);
    let anew: Work = Box::new(|| {
        forget(&pieces)?;
        build("kernel+squashfs")
    });
    let theirs: Work = Box::new(|| {
        let copy = folder.join("copy.squashfs");
        let _ = fs::remove_file(&copy);
        mksquashfs(unpacked, &copy)
    });
    let runs = shop.runs.min(RUNS);
    let [anew, theirs] = interleaved(runs, [anew, theirs])?;
    let [warm] = interleaved(shop.runs, [Box::new(|| build("kernel+squashfs")) as Work])?;
    let row = Row::new("squashfs of 235 MB, compressed anew", anew);
    let again = Row::new("squashfs of 235 MB, nothing changed", warm);
    Ok(vec![
        row.against("mksquashfs", theirs).times(1.0),
        again.limit(milliseconds(WARM_LIMIT)),
        sizes(folder, ["tree-squashfs.img", "copy.squashfs"], "mksquashfs")?,
    ])
}

/// Where compressed pieces are kept. Layers that are unpacked stay, as mksquashfs has its files unpacked, too.
fn pieces(shop: &Workshop) -> PathBuf {
    shop.ironkit.cache.join("derived/pieces")
}

/// gzip, as for a tree without a kernel; the level is that for a part of this size.
fn mksquashfs(from: &Path, to: &Path) -> Result<Duration> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut command = Command::new("mksquashfs");
    command
        .arg(from)
        .arg(to)
        .arg("-processors")
        .arg(threads.to_string());
    command.args([
        "-comp",
        "gzip",
        "-Xcompression-level",
        "6",
        "-no-progress",
        "-quiet",
    ]);
    timed(&mut command).map(|(_, elapsed)| elapsed)
}
