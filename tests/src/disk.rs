//! Machines without anything of ironkit's in between: QEMU with a BIOS or UEFI, and what it boots.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Machine, free_port, judge};

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

impl Firmware {
    /// Makes `command`, a QEMU, start with it. What it writes to its settings is forgotten. False, loudly, where it is not
    /// installed.
    pub fn put_into(self, command: &mut Command) -> bool {
        if self == Firmware::Bios {
            return true;
        }
        if !OVMF.iter().all(|file| Path::new(file).exists()) {
            // Says that it is skipped, and fails in CI.
            return judge("ovmf").is_some();
        }
        for (file, access) in OVMF.iter().zip(["readonly=on", "snapshot=on"]) {
            let drive = format!("if=pflash,format=raw,{access},file={file}");
            command.arg("-drive").arg(drive);
        }
        true
    }
}

/// QEMU with a console and a network card, and the port of this computer that leads to the machine's web server. `None`, loudly,
/// where it is not installed.
pub fn qemu() -> Option<(Command, u16)> {
    let port = free_port();
    let mut command = Command::new(judge("qemu-system-x86_64")?);
    command.args([
        "-machine",
        "q35",
        "-accel",
        "tcg",
        "-cpu",
        "max,-cx16",
        "-m",
        "1024",
        "-no-reboot",
    ]);
    command.args(["-display", "none", "-serial", "mon:stdio", "-netdev"]);
    command.arg(format!("user,id=net,hostfwd=tcp:127.0.0.1:{port}-:80"));
    command.args(["-device", "virtio-net-pci,netdev=net"]);
    Some((command, port))
}

/// Boots `disk`, an image of examples/minimal.yml in a format of QEMU's, and expects PID 1's first words and the web page. What the
/// machine writes to the disk is forgotten. Says so and does nothing where QEMU or the firmware is missing.
///
/// # Panics
/// With the console's transcript, when it does not come to that; in CI also when a program is missing.
#[track_caller]
pub fn boots(disk: &Path, format: &str, firmware: Firmware) {
    boots_and_says(disk, format, firmware, &[]);
}

/// The same, where the console also shows these texts before the page is there.
///
/// # Panics
/// As [`boots`].
#[track_caller]
pub fn boots_and_says(disk: &Path, format: &str, firmware: Firmware, texts: &[&str]) {
    let Some((mut command, port)) = qemu() else { return };
    command.arg("-drive").arg(format!(
        "if=none,id=disk,format={format},snapshot=on,file={}",
        disk.display()
    ));
    command.args(["-device", "virtio-blk-pci,drive=disk"]);
    if !firmware.put_into(&mut command) {
        return;
    }
    let machine = Machine::start(&mut command);
    for text in [&["Welcome to IronKit"], texts].concat() {
        machine.console.wait_for(text, LIMIT);
    }
    machine.serves(port, LIMIT);
}
