//! A root file system of some size: written as a tar archive, and fetched from a registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::Workshop;
use super::build::milliseconds;
use super::images::{self, Layer};
use super::measure::{Work, interleaved};
use super::registry::Registry;
use super::report::{Quantity, Row};
use crate::ironkit::{Ironkit, timed};

/// LinuxKit takes 2.6 s for a tree of this size, as was measured once on the machine that limits are for.
const TAR_LIMIT: u64 = 260;
/// What fetching and building may take, in copies of the image by skopeo: the build unpacks every layer and writes it again.
const PULL_TIMES: f64 = 3.0;
/// How large a file system may be, in sizes of what other tools write.
const SIZE_TIMES: f64 = 1.03;
/// Fetching 120 MB takes a second or two.
const PULL_RUNS: usize = 3;

/// 235 MB in 3 102 files: small, middling and large ones.
fn layers() -> Vec<Layer> {
    let layer = |seed, files, bytes| Layer { seed, files, bytes };
    vec![
        layer(1, 2000, 16 << 10),
        layer(2, 1000, 64 << 10),
        layer(3, 100, 1 << 20),
        layer(4, 2, 16 << 20),
    ]
}

/// Measures something with the files of an image, which are also unpacked in a folder for whoever works on files, and cleans up.
/// `leftovers` are files that it leaves.
pub(super) fn with_files(
    shop: &Workshop,
    name: &str,
    leftovers: &[&str],
    measure: fn(&Workshop, manifest: &Path, unpacked: &Path) -> Result<Vec<Row>>,
) -> Result<Vec<Row>> {
    let image = format!("bench.example/{name}:1");
    shop.import(name, &[(image.clone(), layers())])?;
    let manifest = manifest(shop, &format!("{name}.yml"), &image)?;
    let folder = &shop.ironkit.directory;
    let unpacked = folder.join("unpacked");
    let measured = unpack(shop, &manifest, &unpacked).and_then(|()| measure(shop, &manifest, &unpacked));
    forget(&unpacked)?;
    for name in [&["tree.tar"], leftovers].concat() {
        // One that a failure left out is not there.
        let _ = fs::remove_file(folder.join(name));
    }
    shop.ironkit.run(["cache", "rm", &image])?;
    shop.ironkit.forget_derived()?;
    measured
}

/// The format `tar`: when nothing changed, and when there is no output yet; beside GNU tar with the same files.
pub fn tar(shop: &Workshop) -> Result<Vec<Row>> {
    with_files(shop, "tree", &["copy.tar"], measure_tar)
}

fn measure_tar(shop: &Workshop, manifest: &Path, _unpacked: &Path) -> Result<Vec<Row>> {
    let folder = &shop.ironkit.directory;
    let build = || tar_command(&shop.ironkit, manifest);
    let warm: Work = Box::new(|| elapsed(&mut build()));
    let anew: Work = Box::new(|| {
        fs::remove_file(folder.join("tree.tar"))?;
        elapsed(&mut build())
    });
    let gnu: Work = Box::new(|| {
        let mut tar = Command::new("tar");
        tar.args(["-cf", "copy.tar", "-C", "unpacked", "."]);
        elapsed(tar.current_dir(folder))
    });
    let [warm, anew, gnu] = interleaved(shop.runs, [warm, anew, gnu])?;
    let row = |what, measured| {
        let row = Row::new(what, measured).against("tar -cf", gnu);
        row.limit(milliseconds(TAR_LIMIT))
    };
    Ok(vec![
        row("tar of 235 MB, nothing changed", warm),
        row("tar of 235 MB, no output yet", anew),
    ])
}

/// Puts the files of an image into a folder, and leaves them in `tree.tar`.
fn unpack(shop: &Workshop, manifest: &Path, unpacked: &Path) -> Result<()> {
    timed(&mut tar_command(&shop.ironkit, manifest))?;
    forget(unpacked)?;
    fs::create_dir_all(unpacked)?;
    let mut unpack = Command::new("tar");
    // Devices can be made by root only, and have no content.
    unpack.args(["--exclude=*/dev/*", "--no-same-owner", "-xf", "tree.tar", "-C"]);
    timed(unpack.arg(unpacked).current_dir(&shop.ironkit.directory)).map(drop)
}

/// With an empty cache from a registry on loopback to a tar archive, beside skopeo's copy of the image to a folder.
pub fn pull(shop: &Workshop) -> Result<Vec<Row>> {
    let folder = shop.ironkit.directory.join("pull");
    let measured = measure_pull(shop, &folder);
    forget(&folder)?;
    measured
}

fn measure_pull(shop: &Workshop, folder: &Path) -> Result<Vec<Row>> {
    let registry = Registry::start(&folder.join("registry"))?;
    let image = format!("{}/bench/tree:1", registry.address());
    images::make_layout(&folder.join("layout"), &[("tree".to_owned(), layers())])?;
    let skopeo = |from: &str, to: &str| {
        let mut command = Command::new("skopeo");
        command.args([
            "copy",
            "--quiet",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            from,
            to,
        ]);
        command.current_dir(folder);
        command
    };
    timed(&mut skopeo("oci:layout:tree", &format!("docker://{image}")))?;

    let manifest = manifest(shop, "pull.yml", &image)?;
    let empty = Ironkit {
        program: shop.ironkit.program.clone(),
        root: shop.ironkit.root.clone(),
        directory: folder.to_owned(),
        cache: folder.join("cache"),
    };
    let build: Work = Box::new(|| {
        forget(&empty.cache)?;
        elapsed(&mut tar_command(&empty, &manifest))
    });
    let copy: Work = Box::new(|| {
        forget(&folder.join("copy"))?;
        elapsed(&mut skopeo(&format!("docker://{image}"), "oci:copy:tree"))
    });
    let [built, copied] = interleaved(shop.runs.min(PULL_RUNS), [build, copy])?;
    let row = Row::new("empty cache, from a registry to tar of 235 MB", built);
    Ok(vec![row.against("skopeo copy", copied).times(PULL_TIMES)])
}

/// A manifest with a service of that image.
fn manifest(shop: &Workshop, file: &str, image: &str) -> Result<PathBuf> {
    shop.write(file, &format!("services:\n  - name: tree\n    image: {image}\n"))
}

fn tar_command(ironkit: &Ironkit, manifest: &Path) -> Command {
    let mut command = ironkit.command(["build", "--format", "tar", "--name", "tree"]);
    command.arg(manifest);
    command
}

/// The size of our file beside the one that another tool wrote.
pub(super) fn sizes(folder: &Path, [ours, theirs]: [&str; 2], tool: &'static str) -> Result<Row> {
    let size = |name| fs::metadata(folder.join(name)).map(|it| Quantity::Size(it.len()));
    let row = Row::new(format!("{ours}, size"), size(ours)?);
    Ok(row.against(tool, size(theirs)?).times(SIZE_TIMES))
}

pub(super) fn elapsed(command: &mut Command) -> Result<Duration> {
    timed(command).map(|(_, elapsed)| elapsed)
}

/// Removes a folder, if it is there.
pub(super) fn forget(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}
