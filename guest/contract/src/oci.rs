//! The part of the OCI runtime specification (1.2.1) that IronKit writes and runs: `config.json`.
//!
//! Fields stand in the order of the specification's Go structures and empty ones are left out as those do, so that
//! a written file equals LinuxKit's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of the specification that [`Spec::oci_version`] names.
pub const VERSION: &str = "1.2.1";

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

macro_rules! spec {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident : $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            $($(#[$field_doc])* #[serde(skip_serializing_if = "is_default")] pub $field: $type,)*
        }
    };
}

/// A container's `config.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// Version of the specification.
    pub oci_version: String,
    /// The process to run.
    pub process: Process,
    /// The root file system.
    pub root: Root,
    /// Host name inside a new UTS namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub hostname: String,
    /// Mounts, in order.
    #[serde(skip_serializing_if = "is_default")]
    pub mounts: Vec<Mount>,
    /// Anything, for whoever reads it.
    #[serde(skip_serializing_if = "is_default")]
    pub annotations: BTreeMap<String, String>,
    /// What is particular to Linux.
    pub linux: Linux,
}

/// The process of a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Process {
    /// Allocate a terminal; never set by the builder.
    #[serde(skip_serializing_if = "is_default")]
    pub terminal: bool,
    /// Who it runs as.
    pub user: User,
    /// Program and arguments.
    #[serde(skip_serializing_if = "is_default")]
    pub args: Vec<String>,
    /// Environment, `NAME=value`.
    #[serde(skip_serializing_if = "is_default")]
    pub env: Vec<String>,
    /// Working directory.
    pub cwd: String,
    /// Capability sets; absent leaves none.
    #[serde(skip_serializing_if = "is_default")]
    pub capabilities: Option<Capabilities>,
    /// Resource limits.
    #[serde(skip_serializing_if = "is_default")]
    pub rlimits: Vec<Rlimit>,
    /// No privileges by set-uid programs.
    #[serde(skip_serializing_if = "is_default")]
    pub no_new_privileges: bool,
    /// Added to the badness that the out-of-memory killer sees.
    #[serde(skip_serializing_if = "is_default")]
    pub oom_score_adj: Option<i32>,
}

/// Numeric user and groups.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups.
    #[serde(skip_serializing_if = "is_default")]
    pub additional_gids: Vec<u32>,
}

spec! {
    /// Capability sets, by name (`CAP_NET_ADMIN`).
    Capabilities {
        /// Limit for all.
        bounding: Vec<String>,
        /// In force at start.
        effective: Vec<String>,
        /// Kept over execve for programs that ask.
        inheritable: Vec<String>,
        /// May be made effective.
        permitted: Vec<String>,
        /// Kept over execve of any program.
        ambient: Vec<String>,
    }
}

/// One resource limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rlimit {
    /// `RLIMIT_NOFILE` …
    #[serde(rename = "type")]
    pub kind: String,
    /// Hard limit.
    pub hard: u64,
    /// Soft limit.
    pub soft: u64,
}

/// The root file system of a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Root {
    /// Relative to the bundle.
    pub path: String,
    /// Mounted read-only.
    #[serde(default, skip_serializing_if = "is_default")]
    pub readonly: bool,
}

/// One mount. `uidMappings` and `gidMappings` make an idmapped mount.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mount {
    /// Where, inside the container.
    pub destination: String,
    /// File system type; empty for bind mounts.
    #[serde(rename = "type", skip_serializing_if = "is_default")]
    pub kind: String,
    /// Device, path or any word.
    #[serde(skip_serializing_if = "is_default")]
    pub source: String,
    /// In the spelling of mount(8).
    #[serde(skip_serializing_if = "is_default")]
    pub options: Vec<String>,
    /// User mappings.
    #[serde(skip_serializing_if = "is_default")]
    pub uid_mappings: Vec<IdMapping>,
    /// Group mappings.
    #[serde(skip_serializing_if = "is_default")]
    pub gid_mappings: Vec<IdMapping>,
}

/// What is particular to Linux.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Linux {
    /// Users of a new user namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub uid_mappings: Vec<IdMapping>,
    /// Groups of a new user namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub gid_mappings: Vec<IdMapping>,
    /// Kernel parameters, `net.ipv4.ip_forward`.
    #[serde(skip_serializing_if = "is_default")]
    pub sysctl: BTreeMap<String, String>,
    /// Control group limits. Always written.
    pub resources: Resources,
    /// Control group, relative to the cgroup mount.
    #[serde(skip_serializing_if = "is_default")]
    pub cgroups_path: String,
    /// Namespaces to create or to join.
    #[serde(skip_serializing_if = "is_default")]
    pub namespaces: Vec<Namespace>,
    /// Device nodes to make.
    #[serde(skip_serializing_if = "is_default")]
    pub devices: Vec<Device>,
    /// System call filter.
    #[serde(skip_serializing_if = "is_default")]
    pub seccomp: Option<Seccomp>,
    /// Propagation of the root mount: `shared`, `slave`, `private`, `unbindable`, with or without `r`.
    #[serde(skip_serializing_if = "is_default")]
    pub rootfs_propagation: String,
    /// Paths that are made unreadable.
    #[serde(skip_serializing_if = "is_default")]
    pub masked_paths: Vec<String>,
    /// Paths that are made read-only.
    #[serde(skip_serializing_if = "is_default")]
    pub readonly_paths: Vec<String>,
}

/// A range of ids.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IdMapping {
    /// First id inside.
    #[serde(rename = "containerID")]
    pub container_id: u32,
    /// First id outside.
    #[serde(rename = "hostID")]
    pub host_id: u32,
    /// Number of ids.
    pub size: u32,
}

/// A namespace to create, or to join where `path` is given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Namespace {
    /// `pid`, `network`, `mount`, `ipc`, `uts`, `user`, `cgroup` or `time`.
    #[serde(rename = "type")]
    pub kind: String,
    /// File of an existing namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub path: String,
}

/// A device node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Device {
    /// Where, inside the container.
    pub path: String,
    /// `c`, `u`, `b` or `p`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Major number.
    pub major: i64,
    /// Minor number.
    pub minor: i64,
    /// Permission bits.
    #[serde(skip_serializing_if = "is_default")]
    pub file_mode: Option<u32>,
    /// Owner.
    #[serde(skip_serializing_if = "is_default")]
    pub uid: Option<u32>,
    /// Group.
    #[serde(skip_serializing_if = "is_default")]
    pub gid: Option<u32>,
}

spec! {
    /// Control group limits.
    Resources {
        /// Which devices may be used, first to last.
        devices: Vec<DeviceRule>,
        /// Memory.
        memory: Option<Memory>,
        /// Processor time.
        cpu: Option<Cpu>,
        /// Number of processes.
        pids: Option<Pids>,
        /// Block devices.
        #[serde(rename = "blockIO")]
        block_io: Option<BlockIo>,
        /// Huge pages.
        hugepage_limits: Vec<HugepageLimit>,
        /// Network classes.
        network: Option<Network>,
        /// RDMA, by device.
        rdma: BTreeMap<String, Rdma>,
        /// Any cgroup v2 file and its content.
        unified: BTreeMap<String, String>,
    }
}

/// Whether devices may be used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceRule {
    /// Allow or deny.
    pub allow: bool,
    /// `a` for all, `c` or `b`.
    #[serde(rename = "type", skip_serializing_if = "is_default")]
    pub kind: String,
    /// Major number; any when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub major: Option<i64>,
    /// Minor number; any when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub minor: Option<i64>,
    /// Any of `r`, `w`, `m`.
    #[serde(skip_serializing_if = "is_default")]
    pub access: String,
}

spec! {
    /// Memory limits, in bytes; -1 for none.
    Memory {
        /// Hard limit.
        limit: Option<i64>,
        /// Soft limit.
        reservation: Option<i64>,
        /// Memory and swap together.
        swap: Option<i64>,
        /// Kernel memory; ignored by current kernels.
        kernel: Option<i64>,
        /// Kernel memory for TCP; ignored by current kernels.
        #[serde(rename = "kernelTCP")]
        kernel_tcp: Option<i64>,
        /// 0 to 100; cgroup v1 only.
        swappiness: Option<u64>,
        /// Leave a container that is out of memory waiting; cgroup v1 only.
        #[serde(rename = "disableOOMKiller")]
        disable_oom_killer: Option<bool>,
        /// Account for children; cgroup v1 only.
        use_hierarchy: Option<bool>,
        /// Check a new limit against the use.
        check_before_update: Option<bool>,
    }
}

spec! {
    /// Processor limits.
    Cpu {
        /// Relative weight, 2 to 262144, 1024 by default.
        shares: Option<u64>,
        /// Microseconds in a period.
        quota: Option<i64>,
        /// Microseconds that may be saved up.
        burst: Option<u64>,
        /// Length of a period in microseconds.
        period: Option<u64>,
        /// Real-time microseconds in a period; cgroup v1 only.
        realtime_runtime: Option<i64>,
        /// Real-time period; cgroup v1 only.
        realtime_period: Option<u64>,
        /// Processors, `0-3,5`.
        cpus: String,
        /// Memory nodes.
        mems: String,
        /// 1 lets only idle time be used.
        idle: Option<i64>,
    }
}

/// Limit of the number of processes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pids {
    /// Largest number; 0 or less for none.
    pub limit: i64,
}

spec! {
    /// Block device limits.
    BlockIo {
        /// Relative weight, 10 to 1000.
        weight: Option<u16>,
        /// Weight against children; cgroup v1 only.
        leaf_weight: Option<u16>,
        /// Weight by device.
        weight_device: Vec<WeightDevice>,
        /// Bytes read a second.
        throttle_read_bps_device: Vec<ThrottleDevice>,
        /// Bytes written a second.
        throttle_write_bps_device: Vec<ThrottleDevice>,
        /// Reads a second.
        #[serde(rename = "throttleReadIOPSDevice")]
        throttle_read_iops_device: Vec<ThrottleDevice>,
        /// Writes a second.
        #[serde(rename = "throttleWriteIOPSDevice")]
        throttle_write_iops_device: Vec<ThrottleDevice>,
    }
}

/// Weight of one device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WeightDevice {
    /// Major number.
    pub major: i64,
    /// Minor number.
    pub minor: i64,
    /// Relative weight.
    #[serde(skip_serializing_if = "is_default")]
    pub weight: Option<u16>,
    /// Weight against children.
    #[serde(skip_serializing_if = "is_default")]
    pub leaf_weight: Option<u16>,
}

/// Limit of one device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThrottleDevice {
    /// Major number.
    pub major: i64,
    /// Minor number.
    pub minor: i64,
    /// A second.
    pub rate: u64,
}

/// Limit of huge pages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HugepageLimit {
    /// `2MB`, `1GB`.
    pub page_size: String,
    /// In bytes.
    pub limit: u64,
}

spec! {
    /// Network classes; cgroup v1 only.
    Network {
        /// Class of packets.
        #[serde(rename = "classID")]
        class_id: Option<u32>,
        /// By interface.
        priorities: Vec<InterfacePriority>,
    }
}

/// Priority of an interface.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InterfacePriority {
    /// The interface.
    pub name: String,
    /// Its priority.
    pub priority: u32,
}

spec! {
    /// RDMA limits of a device.
    Rdma {
        /// Handles.
        hca_handles: Option<u32>,
        /// Objects.
        hca_objects: Option<u32>,
    }
}

/// A system call filter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Seccomp {
    /// `SCMP_ACT_ALLOW`, `SCMP_ACT_ERRNO`, `SCMP_ACT_KILL_PROCESS` …
    pub default_action: String,
    /// Error number of the default action.
    #[serde(skip_serializing_if = "is_default")]
    pub default_errno_ret: Option<u32>,
    /// `SCMP_ARCH_X86_64` …
    #[serde(skip_serializing_if = "is_default")]
    pub architectures: Vec<String>,
    /// Rules.
    #[serde(skip_serializing_if = "is_default")]
    pub syscalls: Vec<Syscall>,
}

/// A rule of a system call filter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Syscall {
    /// Names of system calls.
    pub names: Vec<String>,
    /// What happens.
    pub action: String,
    /// Error number of `SCMP_ACT_ERRNO`.
    #[serde(skip_serializing_if = "is_default")]
    pub errno_ret: Option<u32>,
    /// Conditions, all of which must hold.
    #[serde(skip_serializing_if = "is_default")]
    pub args: Vec<SyscallArg>,
}

/// A condition on an argument.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyscallArg {
    /// 0 to 5.
    pub index: u32,
    /// Compared with.
    pub value: u64,
    /// Second value, of `SCMP_CMP_MASKED_EQ`.
    #[serde(skip_serializing_if = "is_default")]
    pub value_two: u64,
    /// `SCMP_CMP_EQ` …
    pub op: String,
}
