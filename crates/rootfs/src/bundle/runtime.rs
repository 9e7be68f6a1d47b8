//! `runtime.json` out of the manifest's `runtime:`.

use ironkit_contract::Runtime;
use ironkit_contract::oci::Mount;
use ironkit_contract::runtime::{Interface, Namespaces, OnFailure, Restart};
use ironkit_manifest as manifest;

use super::resources;
use super::settings::Settings;

/// The document, without the mounts of the container's own root.
pub(crate) fn runtime(settings: &Settings) -> Runtime {
    let Some(given) = &settings.config.runtime else {
        return Runtime::default();
    };
    let strings = |list: &Option<Vec<manifest::Spanned<String>>>| {
        list.iter()
            .flatten()
            .map(|item| item.value.clone())
            .collect::<Vec<_>>()
    };
    let path = |path: &Option<manifest::Spanned<String>>| {
        path.as_ref().map_or(String::new(), |path| path.value.clone())
    };
    let namespaces = &given.bind_ns;
    Runtime {
        cgroups: strings(&given.cgroups),
        mounts: given.mounts.iter().flatten().map(mount).collect(),
        mkdir: strings(&given.mkdir),
        interfaces: given.interfaces.iter().flatten().map(interface).collect(),
        bind_ns: Namespaces {
            cgroup: path(&namespaces.cgroup),
            ipc: path(&namespaces.ipc),
            mnt: path(&namespaces.mnt),
            net: path(&namespaces.net),
            pid: path(&namespaces.pid),
            user: path(&namespaces.user),
            uts: path(&namespaces.uts),
        },
        namespace: path(&given.namespace),
        restart: given.restart.as_ref().map(|restart| match restart.value {
            manifest::Restart::Always => Restart::Always,
            manifest::Restart::OnFailure => Restart::OnFailure,
            manifest::Restart::Never => Restart::Never,
        }),
        on_failure: given.on_failure.as_ref().map(|policy| match policy.value {
            manifest::OnFailure::Continue => OnFailure::Continue,
            manifest::OnFailure::Stop => OnFailure::Stop,
            manifest::OnFailure::Poweroff => OnFailure::Poweroff,
            manifest::OnFailure::Reboot => OnFailure::Reboot,
        }),
        timeout: given.timeout.as_ref().map(|seconds| seconds.value),
        stop_timeout: given.stop_timeout.as_ref().map(|seconds| seconds.value),
        stop_signal: given.stop_signal.as_ref().map(|signal| signal.value.clone()),
    }
}

fn mount(mount: &manifest::Mount) -> Mount {
    Mount {
        destination: mount.destination.value.clone(),
        kind: mount.kind.clone(),
        source: mount.source.value.clone(),
        options: mount.options.clone(),
        uid_mappings: mount.uid_mappings.iter().map(resources::id_mapping).collect(),
        gid_mappings: mount.gid_mappings.iter().map(resources::id_mapping).collect(),
    }
}

fn interface(interface: &manifest::Interface) -> Interface {
    Interface {
        name: interface.name.value.clone(),
        add: interface.add.clone(),
        peer: interface.peer.clone(),
        create_in_root: interface.create_in_root,
    }
}
