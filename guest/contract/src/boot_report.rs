//! The boot report: what ran, how long it took, what failed.

use serde::{Deserialize, Serialize};

/// Written as JSON when all services were started, and again before the machine goes down. Times are milliseconds
/// since the kernel started (CLOCK_BOOTTIME).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BootReport {
    /// Version of this document: 1.
    pub version: u32,
    /// The kernel's release (`uname -r`).
    pub kernel: String,
    /// When PID 1 started.
    pub init_ms: u64,
    /// When the first onboot container was about to start: mounts, modules and network devices were ready.
    pub system_ms: u64,
    /// When the last onboot container had ended.
    pub onboot_ms: u64,
    /// When the last service had been started.
    pub services_ms: u64,
    /// Whether everything that ran so far succeeded.
    pub ok: bool,
    /// Steps of PID 1 itself that failed, as text.
    pub problems: Vec<String>,
    /// Every container, in the order of its first start.
    pub containers: Vec<ContainerReport>,
    /// When shutdown began; absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown_ms: Option<u64>,
}

/// What became of one container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerReport {
    /// `onboot`, `services` or `onshutdown`.
    pub section: String,
    /// Its directory's name: `000-dhcpcd`, `nginx`.
    pub name: String,
    /// When it was first started.
    pub start_ms: u64,
    /// When it last ended; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ms: Option<u64>,
    /// Exit status of its last run; 128 + the signal's number when a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// Why it could not be started, or was ended by PID 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How often it was started again.
    #[serde(default)]
    pub restarts: u32,
}
