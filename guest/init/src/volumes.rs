//! Volumes: `/containers/volumes/NAME/merged` shows `lower`, with an upper layer in memory where it may be written to.
//!
//! A volume that every container mounts read-only is read-only, truly: it has no upper layer. Which volumes are meant to be
//! so is not recorded in an image; a build makes sure that their containers mount them so.

use std::fs;
use std::path::{Path, PathBuf};

use ironkit_contract::oci::{Mount, Spec};
use ironkit_contract::paths;
use ironkit_sys::mount::flags::{BIND, RDONLY, RELATIME, REMOUNT};
use ironkit_sys::mount::mount;

use crate::error::{Error, Result, Step};
use crate::modules::Modules;

/// Mounts all volumes below `root`, in name order. One that fails does not keep the others from their turn.
pub fn mount_all(root: &Path, modules: &mut Modules) -> Vec<String> {
    let mut problems = Vec::new();
    let folders = folders(&root.join(paths::VOLUMES));
    let uses = if folders.is_empty() {
        Vec::new()
    } else {
        uses(root)
    };
    for folder in folders {
        let name = Path::new("/").join(folder.strip_prefix(root).unwrap_or(&folder));
        let writable = writable(&name.join(paths::MERGED), &uses);
        problems.extend(
            mount_one(&folder, writable, modules)
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

/// What containers mount from the root file system, and whether they may write there. A configuration that cannot be
/// read may mount anything; its container will say what is wrong with it.
fn uses(root: &Path) -> Vec<(PathBuf, bool)> {
    let sections = [paths::ONBOOT, paths::SERVICES, paths::ONSHUTDOWN];
    let bundles = sections.iter().flat_map(|section| folders(&root.join(section)));
    bundles
        .flat_map(|bundle| {
            let text = fs::read(bundle.join(paths::CONFIG)).ok();
            match text.and_then(|text| serde_json::from_slice::<Spec>(&text).ok()) {
                Some(spec) => spec.mounts.into_iter().map(mounted).collect(),
                None => vec![(PathBuf::from("/"), true)],
            }
        })
        .collect()
}

fn mounted(mount: Mount) -> (PathBuf, bool) {
    let readonly = mount
        .options
        .iter()
        .rfind(|option| *option == "ro" || *option == "rw");
    (mount.source.into(), readonly.is_none_or(|option| option == "rw"))
}

/// Whether a volume at `merged` is for writing: somebody mounts it, or what it is in, to write there, or nobody mounts it
/// at all.
fn writable(merged: &Path, uses: &[(PathBuf, bool)]) -> bool {
    let mut concerned = uses
        .iter()
        .filter(|(source, _)| source.is_absolute())
        .filter(|(source, _)| merged.starts_with(source) || source.starts_with(merged))
        .peekable();
    concerned.peek().is_none() || concerned.any(|(_, writable)| *writable)
}

fn mount_one(folder: &Path, writable: bool, modules: &mut Modules) -> Result<()> {
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
    if !writable || !tmp.is_dir() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_read_only_when_all_who_mount_it_say_so() {
        let volume = "/containers/volumes/v/merged";
        for (uses, expect) in [
            (&[][..], true),
            (&[("/etc", true)], true),
            (&[(volume, false)], false),
            (
                &[(volume, false), ("/containers/volumes/v/merged/sub", false)],
                false,
            ),
            (&[(volume, false), (volume, true)], true),
            (
                &[(volume, false), ("/containers/volumes/v/merged/sub", true)],
                true,
            ),
            (&[(volume, false), ("/containers", true)], true),
            (&[(volume, false), ("/containers/volumes/v2/merged", true)], false),
            (&[(volume, false), ("tmpfs", true)], false),
        ] {
            let uses: Vec<_> = uses.iter().map(|(path, rw)| (PathBuf::from(path), *rw)).collect();
            assert_eq!(writable(Path::new(volume), &uses), expect, "{uses:?}");
        }
    }
}
