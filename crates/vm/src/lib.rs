//! Paths and numbers → a running virtual machine, and its console.
//!
//! A [`Machine`] is a plain value. [`arguments`] turns it into QEMU's command line without touching anything;
//! [`start`] and [`run_in_terminal`] do it. [`choose_accelerator`] comes before both: KVM is probed, never assumed.
//!
//! This crate knows no manifest and no image format: whoever calls it has the files ready. QEMU is the one
//! host tool that it needs, and [`find_qemu`] says so before any work starts.

mod accelerator;
mod arguments;
mod error;
mod machine;
mod prepare;
mod probe;
mod qcow2;
mod qmp;
mod running;
mod spelling;

pub use accelerator::{Accel, Chosen, choose_accelerator};
pub use arguments::arguments;
pub use error::Error;
pub use machine::{
    Accelerator, Arch, Boot, Console, Disk, DiskFormat, Machine, Networking, OnReboot, Protocol, Publish,
};
pub use qmp::Qmp;
pub use running::{Running, find_qemu, run_in_terminal, start, start_detached};
pub use spelling::{DiskSpec, SpellingError};
