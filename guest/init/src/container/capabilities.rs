//! Names of capabilities, and the sets of a process.

use ironkit_contract::oci;
use rustix::thread::CapabilitySet;

use crate::error::{Error, Result};

/// The five sets, by the kernel's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sets {
    pub bounding: CapabilitySet,
    pub effective: CapabilitySet,
    pub inheritable: CapabilitySet,
    pub permitted: CapabilitySet,
    pub ambient: CapabilitySet,
}

/// All that Linux 6.12 has, in the kernel's order: the place in the list is the number.
pub const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Reads the sets; without any, the process has no capability.
///
/// # Errors
/// [`Error::Invalid`] for a name that there is not.
pub fn sets(names: Option<&oci::Capabilities>) -> Result<Sets> {
    let none = oci::Capabilities::default();
    let names = names.unwrap_or(&none);
    Ok(Sets {
        bounding: set(&names.bounding)?,
        effective: set(&names.effective)?,
        inheritable: set(&names.inheritable)?,
        permitted: set(&names.permitted)?,
        ambient: set(&names.ambient)?,
    })
}

fn set(names: &[String]) -> Result<CapabilitySet> {
    let mut bits = 0;
    for name in names {
        let short = name.strip_prefix("CAP_").unwrap_or(name);
        let number = NAMES
            .iter()
            .position(|known| known.eq_ignore_ascii_case(short))
            .ok_or_else(|| Error::Invalid(format!("unknown capability {name}")))?;
        bits |= 1_u64 << number;
    }
    Ok(CapabilitySet::from_bits_retain(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_numbers() {
        for (name, expect) in [
            ("CAP_CHOWN", Some(CapabilitySet::CHOWN)),
            ("CAP_SYS_ADMIN", Some(CapabilitySet::SYS_ADMIN)),
            ("sys_boot", Some(CapabilitySet::SYS_BOOT)),
            ("CAP_CHECKPOINT_RESTORE", Some(CapabilitySet::CHECKPOINT_RESTORE)),
            ("CAP_NOTHING", None),
            ("", None),
        ] {
            assert_eq!(set(&[name.to_owned()]).ok(), expect, "{name}");
        }
    }
}
