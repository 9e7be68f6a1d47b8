//! The parts of the manifest that containers are from, and where their output goes. Pure.

use std::path::PathBuf;

/// Which part of the manifest a container is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Onboot,
    Services,
    Onshutdown,
}

impl Section {
    /// Its name in the boot report and on the console.
    pub fn name(self) -> &'static str {
        match self {
            Section::Onboot => "onboot",
            Section::Services => "services",
            Section::Onshutdown => "onshutdown",
        }
    }

    /// Files of a container's output and errors, where LinuxKit has them.
    pub fn logs(self, name: &str) -> [PathBuf; 2] {
        let start = match self {
            Section::Onboot => format!("/run/log/onboot/onboot.{name}"),
            Section::Services => format!("/var/log/{name}"),
            Section::Onshutdown => format!("/run/log/shutdown/shutdown.{name}"),
        };
        [format!("{start}.out.log").into(), format!("{start}.log").into()]
    }
}
