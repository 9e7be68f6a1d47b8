//! Disks that a machine boots: QEMU with a BIOS or UEFI and one disk, without anything of ironkit's in between.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Machine, free_port, http_get, judge};

/// Far more than any step takes.
const LIMIT: Duration = Duration::from_secs(300);
/// UEFI for QEMU, and where it keeps its settings, from Debian's package `ovmf`.
const OVMF: [&str; 2] = [
    "/usr/share/OVMF/OVMF_CODE_4M.fd",
    "/usr/share/OVMF/OVMF_VARS_4M.fd",
];

/// What starts a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS.
    Bios,
    /// OVMF.
    Uefi,
}

/// Boots `disk`, a raw image of examples/minimal.yml, and expects PID 1's first words and the web page. What the machine writes to
/// the disk is forgotten. Says so and does nothing where QEMU or the firmware is missing.
///
/// # Panics
/// With the console's transcript, when it does not come to that; in CI also when a program is missing.
#[track_caller]
pub fn boots(disk: &Path, firmware: Firmware) {
    boots_and_says(disk, firmware, &[]);
}

/// The same, where the console also shows these texts before the page is there.
///
/// # Panics
/// As [`boots`].
#[track_caller]
pub fn boots_and_says(disk: &Path, firmware: Firmware, texts: &[&str]) {
    let Some(qemu) = judge("qemu-system-x86_64") else {
        return;
    };
    let port = free_port();
    let mut command = Command::new(qemu);
    command.args(["-accel", "tcg", "-cpu", "max,-cx16", "-m", "1024", "-no-reboot"]);
    command.args(["-display", "none", "-serial", "mon:stdio"]);
    command.arg("-drive").arg(format!(
        "if=none,id=disk,format=raw,snapshot=on,file={}",
        disk.display()
    ));
    command.args(["-device", "virtio-blk-pci,drive=disk"]);
    command
        .arg("-netdev")
        .arg(format!("user,id=net,hostfwd=tcp:127.0.0.1:{port}-:80"));
    command.args(["-device", "virtio-net-pci,netdev=net"]);
    if firmware == Firmware::Uefi {
        if !OVMF.iter().all(|file| Path::new(file).exists()) {
            // Says that it is skipped, and fails in CI.
            let _ = judge("ovmf");
            return;
        }
        for (file, access) in OVMF.iter().zip(["readonly=on", "snapshot=on"]) {
            let drive = format!("if=pflash,format=raw,{access},file={file}");
            command.arg("-drive").arg(drive);
        }
    }
    let machine = Machine::start(&mut command);
    for text in [&["Welcome to IronKit"], texts].concat() {
        machine.console.wait_for(text, LIMIT);
    }
    let page = http_get(port, "/", LIMIT);
    assert!(page.text().contains("IronKit"), "{}", page.text());
}
