//! What the builder writes into an image and the guest reads there: paths, file names and JSON documents.
//!
//! The builder's side is `crates/rootfs`, the guest's side `guest/init`. The layout is LinuxKit's, so that either
//! side can be exchanged for LinuxKit's own; what IronKit adds is optional everywhere and left out when unset.

pub mod boot_report;
pub mod oci;
pub mod runtime;
pub mod xattrs;

pub use boot_report::BootReport;
pub use oci::Spec;
pub use runtime::Runtime;

/// Where the containers of a manifest are in the root file system, relative to it.
pub mod paths {
    /// Holds a directory for each onboot container, in order: `000-dhcpcd`.
    pub const ONBOOT: &str = "containers/onboot";
    /// Holds a directory for each onshutdown container, in order.
    pub const ONSHUTDOWN: &str = "containers/onshutdown";
    /// Holds a directory for each service, by name.
    pub const SERVICES: &str = "containers/services";
    /// Holds a directory for each volume, by name.
    pub const VOLUMES: &str = "containers/volumes";

    /// The OCI runtime configuration, in a container's directory.
    pub const CONFIG: &str = "config.json";
    /// What is done around the container, in its directory: see [`Runtime`](crate::Runtime).
    pub const RUNTIME: &str = "runtime.json";
    /// The image's files when the container may write: the lower directory of its overlay.
    pub const LOWER: &str = "lower";
    /// Where the root of the container is mounted; the image's files themselves when it is read-only.
    pub const ROOTFS: &str = "rootfs";
    /// Holds the upper and work directories of the overlay.
    pub const TMP: &str = "tmp";
    /// Where a volume is mounted, in its directory.
    pub const MERGED: &str = "merged";

    /// What `/etc/resolv.conf` of the root file system links to; absolute.
    pub const RESOLV_CONF: &str = "/run/resolvconf/resolv.conf";
    /// The boot report; absolute.
    pub const BOOT_REPORT: &str = "/run/ironkit/boot.json";
}

/// Words of the kernel's command line that the guest honours.
pub mod cmdline {
    /// `=0` mounts cgroup v1, as LinuxKit does.
    pub const UNIFIED_CGROUP_HIERARCHY: &str = "linuxkit.unified_cgroup_hierarchy";
    /// `=1` prints each step of running an onboot or onshutdown container.
    pub const RUNC_DEBUG: &str = "linuxkit.runc_debug";
    /// `=1` sends the output of onboot and onshutdown containers straight to the console.
    pub const RUNC_CONSOLE: &str = "linuxkit.runc_console";
    /// `=DEVICE`, as for `root=`: `/var` is there instead of in memory.
    pub const DATA: &str = "ironkit.data";
    /// `=DEVICE`: the boot report is also written there, one JSON document a line.
    pub const REPORT: &str = "ironkit.report";
}

/// What the console shows when PID 1 starts; LinuxKit's tests and ours wait for the first words of it.
pub const WELCOME: &str = "Welcome to IronKit";
