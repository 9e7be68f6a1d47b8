//! `config.json` out of a container's settings.

use ironkit_contract::oci::{
    Capabilities, Device, DeviceRule, Linux, Namespace, Process, Rlimit, Root, Spec, User, VERSION,
};
use ironkit_manifest::{CAPABILITIES, Id, Spanned};

use super::settings::Settings;
use super::{Names, mounts, resources, seccomp};
use crate::{Error, Result};

/// The document.
///
/// # Errors
/// A user or group name that no container has.
pub(crate) fn config(settings: &Settings, names: &Names) -> Result<Spec> {
    let config = &settings.config;
    let capabilities = capabilities(settings);
    let seccomp = seccomp::filter(settings, &capabilities);
    let word =
        |word: &Option<Spanned<String>>| word.as_ref().map_or(String::new(), |word| word.value.clone());
    let words =
        |list: &Option<Vec<Spanned<String>>>| list.iter().flatten().map(|item| item.value.clone()).collect();
    let mut limits = config
        .resources
        .as_ref()
        .map_or_else(Default::default, resources::resources);
    let (devices, rules) = devices(settings);
    limits.devices.extend(rules);
    Ok(Spec {
        oci_version: VERSION.to_owned(),
        process: Process {
            terminal: false,
            user: user(settings, names)?,
            args: settings.args.clone(),
            env: settings.env.clone(),
            cwd: settings.cwd.clone(),
            capabilities: Some(capabilities),
            rlimits: rlimits(settings),
            no_new_privileges: config.no_new_privileges.unwrap_or(false),
            oom_score_adj: config.oom_score_adj,
        },
        root: Root {
            path: ironkit_contract::paths::ROOTFS.to_owned(),
            readonly: config.readonly.unwrap_or(false),
        },
        hostname: word(&config.hostname),
        mounts: mounts::mounts(settings, names),
        annotations: config.annotations.clone().unwrap_or_default(),
        linux: Linux {
            uid_mappings: config
                .uid_mappings
                .iter()
                .flatten()
                .map(resources::id_mapping)
                .collect(),
            gid_mappings: config
                .gid_mappings
                .iter()
                .flatten()
                .map(resources::id_mapping)
                .collect(),
            sysctl: config.sysctl.clone().unwrap_or_default(),
            resources: limits,
            cgroups_path: word(&config.cgroups_path),
            namespaces: namespaces(settings),
            devices,
            seccomp,
            rootfs_propagation: word(&config.rootfs_propagation),
            masked_paths: words(&config.masked_paths),
            readonly_paths: words(&config.readonly_paths),
        },
    })
}

fn user(settings: &Settings, names: &Names) -> Result<User> {
    let number = |id: &Spanned<Id>| match &id.value {
        Id::Number(number) => Ok(*number),
        Id::Name(name) => names.ids.get(name).copied().ok_or_else(|| Error::UnknownId {
            container: settings.name.clone(),
            name: name.clone(),
        }),
    };
    let config = &settings.config;
    Ok(User {
        uid: config.uid.as_ref().map_or(Ok(0), number)?,
        gid: config.gid.as_ref().map_or(Ok(0), number)?,
        additional_gids: config
            .additional_gids
            .iter()
            .flatten()
            .map(number)
            .collect::<Result<_>>()?,
    })
}

/// Bounding, inheritable and permitted are all that the container lists; effective is without the ambient ones.
fn capabilities(settings: &Settings) -> Capabilities {
    let effective = expand(settings.config.capabilities.iter().flatten());
    let ambient = expand(settings.config.ambient.iter().flatten());
    let mut all: Vec<String> = effective.iter().chain(&ambient).cloned().collect();
    all.sort();
    all.dedup();
    Capabilities {
        bounding: all.clone(),
        effective,
        inheritable: all.clone(),
        permitted: all,
        ambient,
    }
}

/// Names once each, `all` as all of them in the kernel's order, `none` as nothing.
fn expand<'a>(names: impl Iterator<Item = &'a Spanned<String>>) -> Vec<String> {
    let mut expanded: Vec<String> = Vec::new();
    for name in names {
        if name.eq_ignore_ascii_case("all") {
            return CAPABILITIES.map(str::to_owned).to_vec();
        }
        if !name.eq_ignore_ascii_case("none") && !expanded.contains(&name.value) {
            expanded.push(name.value.clone());
        }
    }
    expanded
}

fn rlimits(settings: &Settings) -> Vec<Rlimit> {
    let limits = settings.config.rlimits.iter().flatten();
    limits
        .map(|limit| Rlimit {
            kind: limit.kind.clone(),
            hard: limit.hard,
            soft: limit.soft,
        })
        .collect()
}

/// Network, IPC, UTS, PID, user and mount, in that order. The host's are shared unless the container asks for its own,
/// save for PID and mount.
fn namespaces(settings: &Settings) -> Vec<Namespace> {
    let config = &settings.config;
    let mut namespaces = Vec::new();
    let mut add = |kind: &str, path: &str| {
        namespaces.push(Namespace {
            kind: kind.to_owned(),
            path: path.to_owned(),
        });
    };
    let shared = [
        ("network", &config.net),
        ("ipc", &config.ipc),
        ("uts", &config.uts),
    ];
    for (kind, word) in shared {
        match word.as_ref().map_or("", |word| word.as_str()) {
            "" | "root" | "host" => {}
            "new" => add(kind, ""),
            "none" if kind == "network" => add(kind, ""),
            path => add(kind, path),
        }
    }
    match config.pid.as_ref().map_or("", |word| word.as_str()) {
        "root" | "host" => {}
        "" | "new" => add("pid", ""),
        path => add("pid", path),
    }
    match config.userns.as_ref().map_or("", |word| word.as_str()) {
        "" | "root" | "host" => {}
        "new" => add("user", ""),
        path => add("user", path),
    }
    add("mount", "");
    namespaces
}

/// Device nodes, and the rules that allow them. The path `all` is a rule alone.
fn devices(settings: &Settings) -> (Vec<Device>, Vec<DeviceRule>) {
    let mut devices = Vec::new();
    let mut rules = Vec::new();
    for device in settings.config.devices.iter().flatten() {
        let mut rule = DeviceRule {
            allow: true,
            kind: device.kind.clone(),
            access: "rwm".to_owned(),
            ..DeviceRule::default()
        };
        if !device.is_all() {
            rule.major = Some(device.major);
            rule.minor = Some(device.minor);
            devices.push(Device {
                path: device.path.value.clone(),
                kind: device.kind.clone(),
                major: device.major,
                minor: device.minor,
                file_mode: device.mode.as_ref().map(|mode| mode.bits),
                ..Device::default()
            });
        }
        rules.push(rule);
    }
    (devices, rules)
}
