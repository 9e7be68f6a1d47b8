//! `runtime.json`: what is done around a container, beside its OCI configuration.
//!
//! The first six fields are LinuxKit's and always present. The rest is IronKit's, below the manifest's `runtime:` key
//! too, and left out when unset.

use serde::{Deserialize, Serialize};

use crate::oci::Mount;

/// The content of a `runtime.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Runtime {
    /// Control groups to create first, relative to the cgroup mount.
    #[serde(default)]
    pub cgroups: Vec<String>,
    /// Mounts made in the root mount namespace, in order, before the container is created. A relative destination is
    /// below the container's `rootfs`.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// Directories made after the mounts.
    #[serde(default)]
    pub mkdir: Vec<String>,
    /// Network interfaces created or moved between create and start.
    #[serde(default)]
    pub interfaces: Vec<Interface>,
    /// Files on which the container's namespaces are bound.
    #[serde(default, rename = "bindNS")]
    pub bind_ns: Namespaces,
    /// containerd namespace of a service; empty for the default.
    #[serde(default)]
    pub namespace: String,

    /// Services: when to start again after an exit. Default: on failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// Onboot containers: what to do when one fails. Default: go on, as LinuxKit does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// Onboot and onshutdown containers: seconds after which one is killed and counts as failed. Default: never for
    /// onboot, 60 for onshutdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// Services: seconds between the stop signal and SIGKILL. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u32>,
    /// Services: the signal that asks it to stop, by name (`SIGQUIT`). Default: SIGTERM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
}

/// A network interface that a container gets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Kind of link to create (`veth`, `dummy`, `wireguard`); empty to move an existing one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub add: String,
    /// The other end of a `veth`, which stays in the root namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub peer: String,
    /// Create it in the root network namespace and then move it.
    #[serde(default)]
    pub create_in_root: bool,
}

/// Paths on which namespaces are bound; empty for those that are not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are the kernel's names of namespaces")]
pub struct Namespaces {
    pub cgroup: String,
    pub ipc: String,
    pub mnt: String,
    pub net: String,
    pub pid: String,
    pub user: String,
    pub uts: String,
}

/// When a service that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Whenever it ends.
    Always,
    /// When it ends with another status than 0, or by a signal.
    OnFailure,
    /// Not at all, as in LinuxKit.
    Never,
}

/// What follows when an onboot container fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The next container runs.
    Continue,
    /// No further container is started, neither onboot nor service; the machine stays up for whoever looks.
    Stop,
    /// The machine shuts down and powers off.
    Poweroff,
    /// The machine shuts down and boots again.
    Reboot,
}
