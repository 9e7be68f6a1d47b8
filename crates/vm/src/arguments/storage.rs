//! Disks, CDs and what else is a block device.
//!
//! ```text
//! x86_64             SATA port 0 1 2 …   the disks: /dev/sda, /dev/sdb …
//!                    SATA port … 4 5     the CDs: /dev/sr0, /dev/sr1 …
//! aarch64, riscv64   virtio              the CD that it starts from, the disks, other CDs: /dev/vda, /dev/vdb …
//! ```
//!
//! These are the places that LinuxKit's disks and CDs have. Disks for which there is no SATA port left are virtio disks.

use super::{Line, option_value};
use crate::{Arch, Boot, Bus, Disk, Machine};

/// SATA ports of the board.
const PORTS: usize = 6;

/// Everything that is a block device, with the one to start from marked for the firmware.
pub(super) fn disks(line: &mut Line, machine: &Machine) {
    if machine.usb || machine.disks.iter().any(|disk| disk.bus == Bus::Usb) {
        line.option("-device", "qemu-xhci,id=usb");
    }
    match machine.arch {
        Arch::X86_64 => pc(line, machine),
        Arch::Aarch64 | Arch::Riscv64 => virt(line, machine),
    }
    if let Boot::Efi { folder } = &machine.boot {
        line.option(
            "-blockdev",
            option_value("driver=vvfat,node-name=efi,read-only=on,dir=", folder, ""),
        )
        .option("-device", "virtio-blk-pci,drive=efi,bootindex=0");
    }
}

fn pc(line: &mut Line, machine: &Machine) {
    let for_disks = PORTS.saturating_sub(machine.cds.len());
    let mut port = 0;
    for (index, disk) in machine.disks.iter().enumerate() {
        let device = match disk.bus {
            Bus::Usb => "usb-storage,bus=usb.0".to_owned(),
            Bus::Board if port < for_disks => {
                port += 1;
                format!("ide-hd,bus=ide.{}", port - 1)
            }
            Bus::Board | Bus::Virtio => "virtio-blk-pci".to_owned(),
        };
        attach(line, index, disk, &device, machine);
    }
    for index in 0..machine.cds.len() {
        let device = format!("ide-cd,bus=ide.{}", for_disks + index);
        cd(line, index, &device, machine);
    }
}

fn virt(line: &mut Line, machine: &Machine) {
    let first = usize::from(machine.boot == Boot::Cd && !machine.cds.is_empty());
    for index in 0..first {
        cd(line, index, "virtio-blk-pci", machine);
    }
    for (index, disk) in machine.disks.iter().enumerate() {
        let device = match disk.bus {
            Bus::Usb => "usb-storage,bus=usb.0",
            Bus::Board | Bus::Virtio => "virtio-blk-pci",
        };
        attach(line, index, disk, device, machine);
    }
    for index in first..machine.cds.len() {
        cd(line, index, "virtio-blk-pci", machine);
    }
}

fn attach(line: &mut Line, index: usize, disk: &Disk, device: &str, machine: &Machine) {
    let mut end = format!(",id=disk{index}");
    if let Some(format) = disk.format {
        end += &format!(",format={}", format.name());
    }
    line.option("-drive", option_value("if=none,file=", &disk.path, &end));
    let first = index == 0 && machine.boot == Boot::Disk;
    line.option("-device", format!("{device},drive=disk{index}{}", order(first)));
}

fn cd(line: &mut Line, index: usize, device: &str, machine: &Machine) {
    let end = format!(",id=cd{index},format=raw,readonly=on");
    line.option("-drive", option_value("if=none,file=", &machine.cds[index], &end));
    let first = index == 0 && machine.boot == Boot::Cd;
    line.option("-device", format!("{device},drive=cd{index}{}", order(first)));
}

/// The firmware looks there first, and UEFI's nowhere else.
fn order(first: bool) -> &'static str {
    if first { ",bootindex=0" } else { "" }
}
