//! A root file system as EROFS, without compression.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::Workshop;
use super::build::milliseconds;
use super::measure::{Work, interleaved};
use super::report::Row;
use super::tree::{elapsed, sizes, with_files};

/// What a disk format may take when nothing changed.
const WARM_LIMIT: u64 = 250;

/// The format `kernel+erofs`: when there is no output yet, and when nothing changed; beside mkfs.erofs with the same files.
pub fn erofs(shop: &Workshop) -> Result<Vec<Row>> {
    with_files(shop, "erofs", &["tree-erofs.img", "copy.erofs"], measure)
}

fn measure(shop: &Workshop, manifest: &Path, unpacked: &Path) -> Result<Vec<Row>> {
    let folder = &shop.ironkit.directory;
    let build = || {
        let mut command = shop
            .ironkit
            .command(["build", "--name", "tree", "--format", "kernel+erofs"]);
        elapsed(command.arg(manifest))
    };
    build()?;
    let (ours, copy) = (folder.join("tree-erofs.img"), folder.join("copy.erofs"));
    let warm: Work = Box::new(build);
    let anew: Work = Box::new(|| {
        fs::remove_file(&ours)?;
        build()
    });
    let theirs: Work = Box::new(|| {
        // Another one would be written over, which takes longer.
        let _ = fs::remove_file(&copy);
        let mut mkfs = Command::new("mkfs.erofs");
        elapsed(mkfs.arg("--quiet").args([&copy, unpacked]))
    });
    let [warm, anew, theirs] = interleaved(shop.runs, [warm, anew, theirs])?;
    let again = Row::new("EROFS of 235 MB, nothing changed", warm);
    let row = Row::new("EROFS of 235 MB, no output yet", anew);
    Ok(vec![
        row.against("mkfs.erofs", theirs).times(1.0),
        again.limit(milliseconds(WARM_LIMIT)),
        sizes(folder, ["tree-erofs.img", "copy.erofs"], "mkfs.erofs")?,
    ])
}
