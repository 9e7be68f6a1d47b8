//! What depmod wrote: modules.dep, modules.alias, modules.softdep, modules.builtin. Pure: text in, names out.

use std::collections::{BTreeMap, BTreeSet};

use super::pattern;

/// The modules of one kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// By name: the file, and the files that it needs, the nearest first.
    files: BTreeMap<String, (String, Vec<String>)>,
    /// Pattern and name of a module.
    aliases: Vec<(String, String)>,
    /// By name: modules wanted before, and after.
    soft: BTreeMap<String, (Vec<String>, Vec<String>)>,
    /// Names of what is not a module here.
    builtin: BTreeSet<String>,
}

/// The texts of the files of the same names; empty for those that are missing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Texts<'a> {
    pub dep: &'a str,
    pub alias: &'a str,
    pub softdep: &'a str,
    pub builtin: &'a str,
}

impl Index {
    /// Reads the files. Lines that make no sense are left out, as kmod does.
    pub fn parse(texts: Texts<'_>) -> Index {
        let mut index = Index::default();
        for (file, needs) in texts.dep.lines().filter_map(|line| line.split_once(':')) {
            let needs = needs.split_ascii_whitespace().map(str::to_owned).collect();
            index.files.insert(name_of(file), (file.to_owned(), needs));
        }
        for line in texts.alias.lines() {
            let mut words = line.split_ascii_whitespace();
            if let (Some("alias"), Some(pattern), Some(name)) = (words.next(), words.next(), words.next()) {
                index.aliases.push((pattern.to_owned(), name.replace('-', "_")));
            }
        }
        for line in texts.softdep.lines() {
            let mut words = line.split_ascii_whitespace();
            if let (Some("softdep"), Some(name)) = (words.next(), words.next()) {
                index
                    .soft
                    .insert(name.replace('-', "_"), soft_dependencies(words));
            }
        }
        index.builtin = texts.builtin.lines().map(name_of).collect();
        index
    }

    /// The files to load for `wanted`, a module's name or an alias, in the order in which to load them. `None` when
    /// nothing goes by that name; empty when it is part of the kernel.
    pub fn files_for(&self, wanted: &str) -> Option<Vec<&str>> {
        let name = wanted.replace('-', "_");
        let mut files = Vec::new();
        if self.builtin.contains(&name) {
            return Some(files);
        }
        if let Some((name, _)) = self.files.get_key_value(&name) {
            self.collect(name, &mut files, &mut BTreeSet::new());
            return Some(files);
        }
        let mut known = false;
        for (_, name) in self
            .aliases
            .iter()
            .filter(|(pattern, _)| pattern::matches(pattern, wanted))
        {
            known = true;
            self.collect(name, &mut files, &mut BTreeSet::new());
        }
        known.then_some(files)
    }

    /// Adds a module's file after all that it needs. `path` ends circles of soft dependencies.
    fn collect<'a>(&'a self, name: &'a str, files: &mut Vec<&'a str>, path: &mut BTreeSet<&'a str>) {
        let Some((file, needs)) = self.files.get(name) else {
            return;
        };
        if !path.insert(name) {
            return;
        }
        let soft = self.soft.get(name);
        for before in soft.iter().flat_map(|(before, _)| before) {
            self.collect(before, files, path);
        }
        for file in needs.iter().rev().chain([file]) {
            if !files.contains(&file.as_str()) {
                files.push(file);
            }
        }
        for after in soft.iter().flat_map(|(_, after)| after) {
            self.collect(after, files, path);
        }
    }
}

/// The module's name in a path: without folders and endings, `_` for `-`.
fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

fn soft_dependencies<'a>(words: impl Iterator<Item = &'a str>) -> (Vec<String>, Vec<String>) {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut list: Option<&mut Vec<String>> = None;
    for word in words {
        match word {
            "pre:" => list = Some(&mut before),
            "post:" => list = Some(&mut after),
            _ => {
                if let Some(list) = &mut list {
                    list.push(word.replace('-', "_"));
                }
            }
        }
    }
    (before, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: Texts<'_> = Texts {
        dep: "kernel/net/core/failover.ko:\n\
              kernel/drivers/net/net_failover.ko.xz: kernel/net/core/failover.ko\n\
              kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko.xz kernel/net/core/failover.ko\n\
              kernel/lib/crc32c-intel.ko:\nkernel/lib/libcrc32c.ko:\n\
              kernel/fs/overlayfs/overlay.ko:\nkernel/a.ko:\nkernel/b.ko:\nnonsense\n",
        alias: "# Aliases\nalias virtio:d00000001v* virtio_net\nalias fs-overlay overlay\n\
                alias both a\nalias b?th b\nalias ghost gone\nalias broken\n",
        softdep: "# Soft\nsoftdep libcrc32c pre: crc32c-intel\nsoftdep a post: b\nsoftdep b pre: a\n",
        builtin: "kernel/drivers/virtio/virtio-pci.ko\n",
    };

    #[test]
    fn files_come_after_what_they_need() {
        let index = Index::parse(TEXTS);
        let net = [
            "kernel/net/core/failover.ko",
            "kernel/drivers/net/net_failover.ko.xz",
            "kernel/drivers/net/virtio_net.ko",
        ];
        let cases: &[(&str, Option<&[&str]>)] = &[
            ("virtio_net", Some(&net)),
            ("virtio-net", Some(&net)),
            ("virtio:d00000001v00001AF4", Some(&net)),
            ("virtio:d00000002v00001AF4", None),
            ("virtio_pci", Some(&[])),
            ("fs-overlay", Some(&["kernel/fs/overlayfs/overlay.ko"])),
            (
                "libcrc32c",
                Some(&["kernel/lib/crc32c-intel.ko", "kernel/lib/libcrc32c.ko"]),
            ),
            ("both", Some(&["kernel/a.ko", "kernel/b.ko"])),
            ("ghost", Some(&[])),
            ("nothing", None),
            ("", None),
        ];
        for (wanted, expect) in cases {
            assert_eq!(index.files_for(wanted).as_deref(), *expect, "{wanted}");
        }
    }
}
