//! Containers in a dump: the entries of `onboot`, `onshutdown` and `services`.

use super::{Fields, Name, Written};
use crate::data::Data;
use crate::{
    Bind, BindNamespaces, Container, Device, Interface, Mount, OnFailure, Restart, Rlimit, RuntimeConfig,
    SeccompPolicy, Tmpfs,
};

/// An entry of a section.
pub(super) fn container(container: &Container, name: Name<'_>) -> Data {
    let config = &container.config;
    let mut fields = Fields::default();
    fields.add("name", Some(&container.name));
    fields.add("image", Some(name(&container.image)));
    fields.add("capabilities", config.capabilities.as_ref());
    fields.add("capabilities.add", config.capabilities_add.as_ref());
    fields.add("ambient", config.ambient.as_ref());
    fields.add("mounts", config.mounts.as_ref());
    fields.add("binds", config.binds.as_ref());
    fields.add("binds.add", config.binds_add.as_ref());
    fields.add("devices", config.devices.as_ref());
    fields.add("tmpfs", config.tmpfs.as_ref());
    fields.add("command", config.command.as_ref());
    fields.add("env", config.env.as_ref());
    fields.add("cwd", config.cwd.as_ref());
    fields.add("net", config.net.as_ref());
    fields.add("pid", config.pid.as_ref());
    fields.add("ipc", config.ipc.as_ref());
    fields.add("uts", config.uts.as_ref());
    fields.add("userns", config.userns.as_ref());
    fields.add("hostname", config.hostname.as_ref());
    fields.add("readonly", config.readonly);
    fields.add("maskedPaths", config.masked_paths.as_ref());
    fields.add("readonlyPaths", config.readonly_paths.as_ref());
    fields.add("uid", config.uid.as_ref());
    fields.add("gid", config.gid.as_ref());
    fields.add("additionalGids", config.additional_gids.as_ref());
    fields.add("noNewPrivileges", config.no_new_privileges);
    fields.add("oomScoreAdj", config.oom_score_adj);
    fields.add("rootfsPropagation", config.rootfs_propagation.as_ref());
    fields.add("cgroupsPath", config.cgroups_path.as_ref());
    fields.add("resources", config.resources.as_ref());
    fields.add("sysctl", config.sysctl.as_ref());
    fields.add("rlimits", config.rlimits.as_ref());
    fields.add("uidMappings", config.uid_mappings.as_ref());
    fields.add("gidMappings", config.gid_mappings.as_ref());
    fields.add("annotations", config.annotations.as_ref());
    fields.add("runtime", config.runtime.as_ref());
    fields.data()
}

impl Written for RuntimeConfig {
    fn written(&self) -> Data {
        let mut fields = Fields::default();
        fields.add("cgroups", self.cgroups.as_ref());
        fields.add("mounts", self.mounts.as_ref());
        fields.add("mkdir", self.mkdir.as_ref());
        fields.add("interfaces", self.interfaces.as_ref());
        fields.add(
            "bindNS",
            Some(&self.bind_ns).filter(|paths| **paths != BindNamespaces::default()),
        );
        fields.add("namespace", self.namespace.as_ref());
        fields.add("restart", self.restart.as_ref());
        fields.add("onFailure", self.on_failure.as_ref());
        fields.add("timeout", self.timeout.as_ref());
        fields.add("stopTimeout", self.stop_timeout.as_ref());
        fields.add("stopSignal", self.stop_signal.as_ref());
        fields.add("seccomp", self.seccomp.as_ref());
        fields.data()
    }
}

impl Written for Interface {
    fn written(&self) -> Data {
        let mut fields = Fields::default();
        fields.add("name", Some(&self.name));
        fields.add("add", Some(&self.add).filter(|add| !add.is_empty()));
        fields.add("peer", Some(&self.peer).filter(|peer| !peer.is_empty()));
        fields.add("createInRoot", Some(self.create_in_root));
        fields.data()
    }
}

impl Written for BindNamespaces {
    fn written(&self) -> Data {
        let mut fields = Fields::default();
        fields.add("cgroup", self.cgroup.as_ref());
        fields.add("ipc", self.ipc.as_ref());
        fields.add("mnt", self.mnt.as_ref());
        fields.add("net", self.net.as_ref());
        fields.add("pid", self.pid.as_ref());
        fields.add("user", self.user.as_ref());
        fields.add("uts", self.uts.as_ref());
        fields.data()
    }
}

impl Written for Mount {
    fn written(&self) -> Data {
        let mut fields = Fields::default();
        fields.add(
            "destination",
            Some(&self.destination).filter(|text| !text.is_empty()),
        );
        fields.add("type", Some(&self.kind).filter(|text| !text.is_empty()));
        fields.add("source", Some(&self.source).filter(|text| !text.is_empty()));
        fields.add("options", Some(&self.options).filter(|list| !list.is_empty()));
        // LinuxKit knows these two in lower case only.
        fields.add(
            "uidmappings",
            Some(&self.uid_mappings).filter(|list| !list.is_empty()),
        );
        fields.add(
            "gidmappings",
            Some(&self.gid_mappings).filter(|list| !list.is_empty()),
        );
        fields.data()
    }
}

impl Written for Device {
    fn written(&self) -> Data {
        let mut fields = Fields::default();
        fields.add("path", Some(&self.path));
        fields.add("type", Some(&self.kind));
        fields.add("major", Some(self.major));
        fields.add("minor", Some(self.minor));
        fields.add("mode", self.mode.as_ref().map(|mode| mode.text.clone()));
        fields.data()
    }
}

impl Written for Bind {
    fn written(&self) -> Data {
        Data::text(self.to_string())
    }
}

impl Written for Tmpfs {
    fn written(&self) -> Data {
        Data::text(self.to_string())
    }
}

impl Written for Rlimit {
    fn written(&self) -> Data {
        Data::text(self.text.as_str())
    }
}

impl Written for Restart {
    fn written(&self) -> Data {
        Data::text(match self {
            Restart::Always => "always",
            Restart::OnFailure => "on-failure",
            Restart::Never => "never",
        })
    }
}

impl Written for OnFailure {
    fn written(&self) -> Data {
        Data::text(match self {
            OnFailure::Continue => "continue",
            OnFailure::Stop => "stop",
            OnFailure::Poweroff => "poweroff",
            OnFailure::Reboot => "reboot",
        })
    }
}

impl Written for SeccompPolicy {
    fn written(&self) -> Data {
        Data::text(match self {
            SeccompPolicy::Default => "default",
            SeccompPolicy::Unconfined => "unconfined",
        })
    }
}
