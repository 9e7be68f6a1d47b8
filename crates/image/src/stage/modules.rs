//! Which kernel modules the first stage has: those of disks and CDs, of the buses that these are on, and of the file systems
//! that a root can be, with all that they need.

use std::collections::{BTreeMap, BTreeSet};

use ironkit_tree::{FileSet, Kind, Node, Path};

use crate::{Error, Image, Result};

/// Folders of drivers, below `kernel/`. The tree has only the modules that its kernel's recipe asks for.
const FOLDERS: &[&str] = &[
    "drivers/ata",
    "drivers/block",
    "drivers/cdrom",
    "drivers/hv",
    "drivers/message/fusion",
    "drivers/mmc",
    "drivers/nvdimm",
    "drivers/nvme/host",
    "drivers/pci",
    "drivers/scsi",
    "drivers/ufs",
    "drivers/usb/host",
    "drivers/usb/storage",
    "drivers/virtio",
    "drivers/xen",
    "fs/erofs",
    "fs/ext4",
    "fs/isofs",
    "fs/nls",
    "fs/squashfs",
];

/// The indices that depmod writes and PID 1 reads.
const INDICES: [&str; 4] = [DEP, ALIAS, SOFTDEP, BUILTIN];
const DEP: &str = "modules.dep";
const ALIAS: &str = "modules.alias";
const SOFTDEP: &str = "modules.softdep";
const BUILTIN: &str = "modules.builtin";

/// Adds the modules of each kernel in `tree` to `files`, with indices of just these, and tells their names. `folder` has a
/// folder for each kernel.
///
/// # Errors
/// [`Error::Contents`].
pub(super) fn select(
    tree: &FileSet,
    folder: &Path,
    image: &Image,
    files: &mut FileSet,
) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let kernels = tree
        .below(folder)
        .filter(|path| path.parent().as_ref() == Some(folder));
    for kernel in kernels {
        let below = tree.below(kernel).filter_map(|path| path.below(kernel));
        let below: Vec<String> = below.map(|path| path.to_string()).collect();
        let mut texts = BTreeMap::new();
        for name in INDICES {
            if let Some(Kind::File(content)) = tree.get(&at(kernel, name)).map(|node| &node.kind) {
                let bytes = content.read(image.source).map_err(Error::Contents)?;
                texts.insert(name, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        let chosen = choose(&below, &texts);
        for file in &chosen {
            if let Some(node) = tree.get(&at(kernel, file)) {
                files.insert(at(kernel, file), node.clone());
                names.insert(name_of(file));
            }
        }
        for (name, text) in narrow(&texts, &chosen) {
            let node = Node::new(Kind::File(text.into_bytes().into()), 0o644).at(image.time);
            files.insert(at(kernel, name), node);
        }
    }
    Ok(names)
}

fn at(kernel: &Path, name: &str) -> Path {
    Path::parse(name)
        .map(|name| kernel.join(&name))
        .unwrap_or_default()
}

/// The files of the modules to take, out of the names of all files.
fn choose(files: &[String], texts: &BTreeMap<&str, String>) -> BTreeSet<String> {
    let modules = files.iter().filter(|file| is_module(file));
    let by_name: BTreeMap<String, &String> = modules.map(|file| (name_of(file), file)).collect();
    let text = |name: &str| texts.get(name).map_or("", String::as_str);
    let needs: BTreeMap<&str, &str> = text(DEP)
        .lines()
        .filter_map(|line| line.split_once(':'))
        .collect();
    let wanted = |file: &&String| {
        let inside = file.strip_prefix("kernel/").unwrap_or(file);
        FOLDERS.iter().any(|folder| {
            let rest = inside.strip_prefix(folder);
            rest.is_some_and(|rest| rest.starts_with('/'))
        })
    };
    let mut chosen = BTreeSet::new();
    let mut queue: Vec<String> = by_name.values().copied().filter(wanted).cloned().collect();
    while let Some(file) = queue.pop() {
        if !chosen.insert(file.clone()) {
            continue;
        }
        let hard = needs.get(file.as_str()).map_or("", |needs| *needs);
        queue.extend(hard.split_ascii_whitespace().map(str::to_owned));
        for line in text(SOFTDEP).lines() {
            let mut words = line.split_ascii_whitespace();
            let is_of = words.next() == Some("softdep")
                && words.next().map(|name| name.replace('-', "_")) == Some(name_of(&file));
            let soft = words.filter(|word| is_of && !word.ends_with(':'));
            for name in soft.flat_map(|name| named(name, text(ALIAS))) {
                queue.extend(by_name.get(&name).map(|file| (*file).clone()));
            }
        }
    }
    chosen
}

/// The modules that a name without wild cards can mean.
fn named(name: &str, aliases: &str) -> Vec<String> {
    let mut names = vec![name.replace('-', "_")];
    for line in aliases.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        if let ["alias", pattern, module] = words[..]
            && pattern == name
        {
            names.push(module.replace('-', "_"));
        }
    }
    names
}

/// The indices of the chosen modules alone. What is built in stays known as such.
fn narrow<'a>(texts: &BTreeMap<&'a str, String>, chosen: &BTreeSet<String>) -> Vec<(&'a str, String)> {
    let names: BTreeSet<String> = chosen.iter().map(|file| name_of(file)).collect();
    let has = |name: Option<&str>| name.is_some_and(|name| names.contains(&name.replace('-', "_")));
    let kept = |index: &str, line: &str| match index {
        DEP => line
            .split_once(':')
            .is_some_and(|(file, _)| chosen.contains(file)),
        ALIAS => has(line.split_ascii_whitespace().nth(2)),
        SOFTDEP => has(line.split_ascii_whitespace().nth(1)),
        _ => true,
    };
    let narrowed = texts.iter().map(|(index, text)| {
        let lines = text.lines().filter(|line| kept(index, line));
        (*index, lines.map(|line| format!("{line}\n")).collect())
    });
    narrowed.collect()
}

fn is_module(file: &str) -> bool {
    [".ko", ".ko.xz", ".ko.gz", ".ko.zst"]
        .iter()
        .any(|end| file.ends_with(end))
}

/// The module's name: of the file without folders and endings, `_` for `-`.
fn name_of(file: &str) -> String {
    let file = file.rsplit('/').next().unwrap_or(file);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_of_disks_come_with_what_they_need() {
        let files = [
            "kernel/drivers/block/virtio_blk.ko.xz",
            "kernel/drivers/scsi/sd_mod.ko",
            "kernel/drivers/net/virtio_net.ko",
            "kernel/fs/isofs/isofs.ko",
            "kernel/fs/overlayfs/overlay.ko",
            "kernel/fs/squashfs/squashfs.ko",
            "kernel/lib/crc-t10dif.ko",
            "kernel/crypto/crct10dif_common.ko",
            "kernel/lib/xz.ko",
            "kernel/drivers/scsi-not/other.ko",
            "modules.dep",
        ];
        let files = files.map(str::to_owned);
        let texts = BTreeMap::from([
            (
                DEP,
                "kernel/drivers/block/virtio_blk.ko.xz:\n\
                 kernel/drivers/scsi/sd_mod.ko: kernel/lib/crc-t10dif.ko\n\
                 kernel/lib/crc-t10dif.ko:\nkernel/drivers/net/virtio_net.ko: kernel/gone.ko\n"
                    .to_owned(),
            ),
            (
                ALIAS,
                "# A comment\nalias virtio:d2v* virtio_blk\nalias virtio:d1v* virtio_net\n\
                 alias crypto-crct10dif crct10dif_common\nalias fs-iso9660 isofs\n"
                    .to_owned(),
            ),
            (
                SOFTDEP,
                "softdep crc-t10dif pre: crypto-crct10dif\nsoftdep squashfs post: xz\nsoftdep overlay pre: a\n"
                    .to_owned(),
            ),
            (BUILTIN, "kernel/fs/ext4/ext4.ko\n".to_owned()),
        ]);
        let chosen = choose(&files, &texts);
        let expect = [
            "kernel/crypto/crct10dif_common.ko",
            "kernel/drivers/block/virtio_blk.ko.xz",
            "kernel/drivers/scsi/sd_mod.ko",
            "kernel/fs/isofs/isofs.ko",
            "kernel/fs/squashfs/squashfs.ko",
            "kernel/lib/crc-t10dif.ko",
            "kernel/lib/xz.ko",
        ];
        assert!(chosen.iter().eq(expect), "{chosen:?}");
        let narrowed: BTreeMap<_, _> = narrow(&texts, &chosen).into_iter().collect();
        assert_eq!(narrowed[DEP].lines().count(), 3);
        assert_eq!(
            narrowed[ALIAS],
            "alias virtio:d2v* virtio_blk\nalias crypto-crct10dif crct10dif_common\nalias fs-iso9660 isofs\n"
        );
        assert_eq!(narrowed[SOFTDEP].lines().count(), 2);
        assert_eq!(narrowed[BUILTIN], texts[BUILTIN]);
    }

    #[test]
    fn a_kernel_without_modules_has_none() {
        assert!(choose(&[], &BTreeMap::new()).is_empty());
    }
}
