//! Volumes: `/containers/volumes/NAME/merged` shows `lower`, with an upper layer in memory where it may be written to.
//!
//! A volume without a `tmp` folder is read-only, truly: it has no upper layer.

use std::fs;
use std::path::{Path, PathBuf};

use ironkit_contract::paths;
use ironkit_sys::mount::flags::{BIND, RDONLY, RELATIME, REMOUNT};
use ironkit_sys::mount::mount;

use crate::error::{Error, Result, Step};
use crate::modules::Modules;

/// Mounts all volumes below `root`, in name order. One that fails does not keep the others from their turn.
pub fn mount_all(root: &Path, modules: &mut Modules) -> Vec<String> {
    let mut problems = Vec::new();
    for folder in folders(&root.join(paths::VOLUMES)) {
        problems.extend(
            mount_one(&folder, modules)
                .err()
                .map(|error| format!("volume {}: {error}", folder.display())),
        );
    }
    problems
}

/// The folders in `folder`, by name.
pub fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}

fn mount_one(folder: &Path, modules: &mut Modules) -> Result<()> {
    let (lower, merged, tmp) = (
        folder.join(paths::LOWER),
        folder.join(paths::MERGED),
        folder.join(paths::TMP),
    );
    for needed in [&lower, &merged] {
        if !needed.is_dir() {
            return Err(Error::Invalid(format!("{} is missing", needed.display())));
        }
    }
    let step = || format!("mount {}", merged.display());
    if !tmp.is_dir() {
        let source = lower.to_string_lossy();
        mount(&source, &merged, "", BIND, "").step(step)?;
        return mount("", &merged, "", REMOUNT | BIND | RDONLY | RELATIME, "").step(step);
    }
    modules.load("fs-overlay")?;
    mount("tmpfs", &tmp, "tmpfs", RELATIME, "").step(|| format!("mount {}", tmp.display()))?;
    let (upper, work) = (tmp.join("upper"), tmp.join("work"));
    for made in [&upper, &work] {
        fs::create_dir(made).step(|| format!("make {}", made.display()))?;
    }
    let data = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    mount("overlay", &merged, "overlay", RELATIME, &data).step(step)
}
