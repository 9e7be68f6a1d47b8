//! The system call filter of `runtime.seccomp: default`.
//!
//! It refuses, with EPERM, what a container has no business with: calls that change the kernel or the machine as a
//! whole, or that have been the way into the kernel before. A capability that the container holds unlocks the calls
//! that it is about.

use ironkit_contract::oci::{Capabilities, Seccomp, Syscall};
use ironkit_manifest::SeccompPolicy;

use super::settings::Settings;

/// EPERM (errno(3)).
const EPERM: u32 = 1;

/// Calls that are refused, and the capability that unlocks them; empty for none.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "add_key",
            "keyctl",
            "request_key",
            "userfaultfd",
            "kcmp",
            "vhangup",
            "sysfs",
            "uselib",
            "ustat",
        ],
    ),
    (
        "CAP_SYS_ADMIN",
        &[
            "bpf",
            "fanotify_init",
            "fsconfig",
            "fsmount",
            "fsopen",
            "fspick",
            "lookup_dcookie",
            "mount",
            "mount_setattr",
            "move_mount",
            "open_tree",
            "perf_event_open",
            "pivot_root",
            "quotactl",
            "quotactl_fd",
            "setdomainname",
            "sethostname",
            "setns",
            "swapoff",
            "swapon",
            "umount2",
            "unshare",
        ],
    ),
    (
        "CAP_SYS_MODULE",
        &["delete_module", "finit_module", "init_module"],
    ),
    ("CAP_SYS_BOOT", &["kexec_file_load", "kexec_load", "reboot"]),
    (
        "CAP_SYS_TIME",
        &["adjtimex", "clock_adjtime", "clock_settime", "settimeofday"],
    ),
    ("CAP_SYS_RAWIO", &["ioperm", "iopl"]),
    ("CAP_SYS_PACCT", &["acct"]),
    (
        "CAP_SYS_PTRACE",
        &[
            "pidfd_getfd",
            "process_madvise",
            "process_vm_readv",
            "process_vm_writev",
            "ptrace",
        ],
    ),
    (
        "CAP_SYS_NICE",
        &["mbind", "migrate_pages", "move_pages", "set_mempolicy"],
    ),
    ("CAP_SYSLOG", &["syslog"]),
    ("CAP_DAC_READ_SEARCH", &["name_to_handle_at", "open_by_handle_at"]),
];

/// The filter that the settings ask for, if any.
pub(crate) fn filter(settings: &Settings, capabilities: &Capabilities) -> Option<Seccomp> {
    let policy = settings.config.runtime.as_ref()?.seccomp.as_ref()?;
    match policy.value {
        SeccompPolicy::Unconfined => None,
        SeccompPolicy::Default => Some(default_filter(capabilities)),
    }
}

fn default_filter(capabilities: &Capabilities) -> Seccomp {
    let holds = |capability: &str| capabilities.bounding.iter().any(|held| held == capability);
    let refused = REFUSED
        .iter()
        .filter(|(capability, _)| capability.is_empty() || !holds(capability));
    let mut names: Vec<String> = refused
        .flat_map(|(_, calls)| calls.iter().map(|call| (*call).to_owned()))
        .collect();
    names.sort();
    Seccomp {
        default_action: "SCMP_ACT_ALLOW".to_owned(),
        syscalls: vec![Syscall {
            names,
            action: "SCMP_ACT_ERRNO".to_owned(),
            errno_ret: Some(EPERM),
            args: Vec::new(),
        }],
        ..Seccomp::default()
    }
}
