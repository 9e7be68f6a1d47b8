//! The mounts of a container, and those under it.

use std::collections::BTreeMap;

use ironkit_contract::oci::Mount;
use ironkit_contract::paths;
use ironkit_manifest::Bind;

use super::settings::Settings;
use super::{Directories, Names, resources};
use crate::volume;

/// What every container has, unless it mounts something else there.
const DEFAULTS: [(&str, &str, &[&str]); 5] = [
    (
        "/dev",
        "tmpfs",
        &["nosuid", "strictatime", "mode=755", "size=65536k"],
    ),
    (
        "/dev/pts",
        "devpts",
        &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
    ),
    ("/proc", "proc", &["nosuid", "nodev", "noexec", "relatime"]),
    ("/sys", "sysfs", &["nosuid", "noexec", "nodev"]),
    (
        "/sys/fs/cgroup",
        "cgroup",
        &["nosuid", "noexec", "nodev", "relatime", "ro"],
    ),
];
/// Those that become read-only with the container.
const READONLY: [&str; 2] = ["/dev", "/sys"];

/// `mounts` of config.json, by destination: what the manifest mounts over what it binds over tmpfs over the defaults.
pub(crate) fn mounts(settings: &Settings, names: &Names) -> Vec<Mount> {
    let config = &settings.config;
    let readonly = config.readonly.unwrap_or(false);
    let mut mounts: BTreeMap<String, Mount> = BTreeMap::new();
    let mut add = |mount: Mount| mounts.insert(mount.destination.clone(), mount);
    for (destination, kind, options) in DEFAULTS {
        let mut mount = simple(
            destination,
            kind,
            kind,
            options.iter().map(|option| (*option).to_owned()).collect(),
        );
        if readonly && READONLY.contains(&destination) {
            mount.options.push("ro".to_owned());
        }
        add(mount);
    }
    for tmpfs in config.tmpfs.iter().flatten() {
        add(simple(
            &tmpfs.destination,
            "tmpfs",
            "tmpfs",
            tmpfs.options.clone(),
        ));
    }
    for bind in config.binds.iter().flatten() {
        add(bind_mount(bind, names));
    }
    for mount in config
        .mounts
        .iter()
        .flatten()
        .map(ironkit_manifest::Mount::completed)
    {
        let source = volume_path(&mount.source, &mount.kind, names);
        add(Mount {
            uid_mappings: mount.uid_mappings.iter().map(resources::id_mapping).collect(),
            gid_mappings: mount.gid_mappings.iter().map(resources::id_mapping).collect(),
            ..simple(&mount.destination, &mount.kind, &source, mount.options.clone())
        });
    }
    mounts.into_values().collect()
}

/// The mounts that make the container's `rootfs`, in the root mount namespace: a read-only view of the image's files, or
/// an overlay whose upper directory is in memory.
pub(crate) fn root_mounts(directories: &Directories, readonly: bool) -> Vec<Mount> {
    let Directories { bundle, files } = directories;
    let rootfs = format!("{bundle}/{}", paths::ROOTFS);
    if readonly {
        return vec![simple(&rootfs, "", files, vec!["bind".to_owned()])];
    }
    let tmp = format!("{bundle}/{}", paths::TMP);
    let layers = [
        ("lowerdir", files.clone()),
        ("upperdir", format!("{tmp}/upper")),
        ("workdir", format!("{tmp}/work")),
    ];
    vec![
        simple(&tmp, "tmpfs", "tmpfs", Vec::new()),
        simple(&tmp, "", "", vec!["remount".to_owned(), "private".to_owned()]),
        simple(
            &rootfs,
            "overlay",
            "overlay",
            layers.map(|(option, path)| format!("{option}={path}")).to_vec(),
        ),
    ]
}

fn bind_mount(bind: &Bind, names: &Names) -> Mount {
    let options = match &bind.options {
        None => ["rw", "rbind", "rshared"].map(str::to_owned).to_vec(),
        Some(options) => options.iter().cloned().chain(["rbind".to_owned()]).collect(),
    };
    simple(
        &bind.destination,
        "bind",
        &volume_path(&bind.source, "bind", names),
        options,
    )
}

/// A bind source that is not a path is the name of a volume.
fn volume_path(source: &str, kind: &str, names: &Names) -> String {
    match names.volumes.get(source) {
        Some(volume) if kind == "bind" => format!("/{}/{}", volume::directory(&volume.name), paths::MERGED),
        _ => source.to_owned(),
    }
}

fn simple(destination: &str, kind: &str, source: &str, options: Vec<String>) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: kind.to_owned(),
        source: source.to_owned(),
        options,
        ..Mount::default()
    }
}
