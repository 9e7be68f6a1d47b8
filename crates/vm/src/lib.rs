//! Paths and numbers → a running virtual machine, and its console.
//!
//! A [`Machine`] is a plain value. [`arguments`] turns it into QEMU's command line without touching anything;
//! [`start`] and [`run_in_terminal`] do it. [`choose_accelerator`] comes before both: KVM is probed, never assumed.
//!
//! This crate knows no manifest and no image format: whoever calls it has the files ready, and says what the machine starts
//! from. QEMU is the one host tool that it needs, and some devices need one more: [`find_qemu`], [`find_virtiofsd`] and
//! [`find_swtpm`] say so before any work starts.

mod accelerator;
mod arguments;
mod error;
mod firmware;
mod helpers;
mod launcher;
mod mac;
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
pub use firmware::{find_firmware, firmware_at};
pub use launcher::{UNTIL_PARENT_ENDS, until_parent_ends};
pub use mac::kept_mac;
pub use machine::{
    Accelerator, Arch, Boot, Bus, Console, Disk, DiskFormat, Firmware, Mac, Machine, Mode, Network, OnReboot,
    Protocol, Publish, Share, Tpm, Vars,
};
pub use qmp::Qmp;
pub use running::{Running, find_qemu, find_swtpm, find_virtiofsd, run_in_terminal, start, start_detached};
pub use spelling::{DiskSpec, ShareSpec, SpellingError};
