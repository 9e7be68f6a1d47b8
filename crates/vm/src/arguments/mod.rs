//! A machine's description → QEMU's command line. Nothing is opened, looked up or started here.
//!
//! `-nodefaults` and everything named: the guest has what is written here and nothing else, whatever the
//! version of QEMU. The kernel's own messages are all that appears on the console, because a machine with
//! `-display none`, unlike one with `-nographic`, keeps a PC's BIOS off the serial port.

mod storage;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};

use crate::{Accelerator, Arch, Boot, Console, Firmware, Machine, Mode, Network, OnReboot, Publish, Share};

/// The arguments that QEMU gets, without the program's name.
pub fn arguments(machine: &Machine) -> Vec<OsString> {
    let mut line = Line::default();
    line.flag("-nodefaults");
    display(&mut line, machine);
    processor(&mut line, machine);
    firmware(&mut line, &machine.firmware);
    kernel(&mut line, &machine.boot);
    ports(&mut line, machine);
    storage::disks(&mut line, machine);
    line.option("-device", "virtio-rng-pci");
    for (index, network) in machine.networks.iter().enumerate() {
        card(&mut line, index, network, &machine.boot);
    }
    shares(&mut line, machine);
    if let Some(cid) = machine.vsock_cid {
        line.option("-device", format!("vhost-vsock-pci,guest-cid={cid}"));
    }
    tpm(&mut line, machine);
    for device in &machine.devices {
        line.option("-device", device);
    }
    if machine.on_reboot == OnReboot::Exit {
        line.flag("-no-reboot");
    }
    line.0
}

/// The board and the processor that fit `arch` and `accelerator`, as arguments. The probe of KVM uses the
/// same: a processor that the host cannot provide must be found out there.
pub(crate) fn board(arch: Arch, accelerator: Accelerator) -> [&'static str; 6] {
    let (board, processor) = match (arch, accelerator) {
        (Arch::X86_64, Accelerator::Kvm) => ("q35", "host"),
        // QEMU 7.2 (Debian 12) emulates `cmpxchg16b` with wrong flags, which an interrupt right after it saves and
        // restores: the kernel's allocator uses it, and one boot in four died on a busy host. Without the feature
        // the kernel does without. To be removed when no supported distribution carries that version.
        (Arch::X86_64, Accelerator::Tcg) => ("q35", "max,-cx16"),
        (Arch::Aarch64, Accelerator::Kvm) => ("virt,gic-version=host", "host"),
        // Not `max`: emulating its pointer authentication costs more than its other features save.
        (Arch::Aarch64, Accelerator::Tcg) => ("virt", "cortex-a57"),
        (Arch::Riscv64, Accelerator::Kvm) => ("virt", "host"),
        (Arch::Riscv64, Accelerator::Tcg) => ("virt", "rv64"),
    };
    ["-machine", board, "-accel", accelerator.name(), "-cpu", processor]
}

/// A screen and a keyboard, or neither. The boards that are called virt have none of their own.
fn display(line: &mut Line, machine: &Machine) {
    match (machine.screen, machine.arch) {
        (false, _) => {
            line.option("-display", "none");
        }
        (true, Arch::X86_64) => {
            line.option("-vga", "std");
        }
        (true, Arch::Aarch64 | Arch::Riscv64) => {
            line.option("-device", "virtio-gpu-pci")
                .option("-device", "virtio-keyboard-pci");
        }
    }
}

fn processor(line: &mut Line, machine: &Machine) {
    line.0
        .extend(board(machine.arch, machine.accelerator).map(OsString::from));
    line.option("-smp", machine.cpus.to_string());
    line.option("-m", format!("{}M", machine.memory_mib));
}

fn firmware(line: &mut Line, firmware: &Firmware) {
    match firmware {
        Firmware::Builtin => {}
        Firmware::Uefi { code, vars: None } => {
            line.option("-bios", code);
        }
        Firmware::Uefi {
            code,
            vars: Some(vars),
        } => {
            let code = option_value("if=pflash,format=raw,readonly=on,file=", code, "");
            line.option("-drive", code).option(
                "-drive",
                option_value("if=pflash,format=raw,file=", &vars.path, ""),
            );
        }
    }
}

fn kernel(line: &mut Line, boot: &Boot) {
    let Boot::Kernel {
        kernel,
        initrd,
        cmdline,
    } = boot
    else {
        return;
    };
    line.option("-kernel", kernel);
    if let Some(initrd) = initrd {
        line.option("-initrd", initrd);
    }
    line.option("-append", cmdline);
}

/// The serial ports and the control socket.
fn ports(line: &mut Line, machine: &Machine) {
    match &machine.console {
        // Without `signal=off`, Ctrl-C would end QEMU instead of reaching the guest.
        Console::Terminal => {
            line.option("-chardev", "stdio,id=console,mux=on,signal=off");
            line.option("-mon", "chardev=console,mode=readline");
        }
        Console::Pipe => {
            line.option("-chardev", "stdio,id=console,signal=off");
        }
        Console::File(path) => {
            line.option("-chardev", option_value("file,id=console,path=", path, ""));
        }
    }
    line.option("-serial", "chardev:console");
    if let Some(path) = &machine.report {
        line.option("-chardev", option_value("file,id=report,path=", path, ""));
        match machine.arch {
            Arch::X86_64 => line.option("-serial", "chardev:report"),
            Arch::Aarch64 | Arch::Riscv64 => line.option("-device", "pci-serial,chardev=report"),
        };
    }
    if let Some(path) = &machine.qmp {
        line.option(
            "-chardev",
            option_value("socket,id=control,path=", path, ",server=on,wait=off"),
        );
        line.option("-mon", "chardev=control,mode=control");
    }
}

/// A network card.
fn card(line: &mut Line, index: usize, network: &Network, boot: &Boot) {
    let backend: OsString = match &network.mode {
        Mode::User { publish } => {
            let ports: String = publish.iter().map(forward).collect();
            match boot {
                // The first card's network has a TFTP server then.
                Boot::Network { folder, script } if index == 0 => {
                    let mut backend = option_value("user,id=net0,tftp=", folder, "");
                    backend.push(option_value(",bootfile=", script, &ports));
                    backend
                }
                _ => format!("user,id=net{index}{ports}").into(),
            }
        }
        Mode::Bridge { name } => option_value(&format!("bridge,id=net{index},br="), name, ""),
        Mode::Tap { name } => option_value(
            &format!("tap,id=net{index},ifname="),
            name,
            ",script=no,downscript=no",
        ),
    };
    let address = network.mac.map(|mac| format!(",mac={mac}")).unwrap_or_default();
    // The boot ROM is a package of its own, and only who boots from the network needs it.
    let rom = match boot {
        Boot::Network { .. } if index == 0 => ",bootindex=0",
        _ => ",romfile=",
    };
    line.option("-netdev", backend);
    line.option(
        "-device",
        format!("virtio-net-pci,netdev=net{index}{address}{rom}"),
    );
}

fn forward(port: &Publish) -> String {
    let address = port
        .host_address
        .map(|address| address.to_string())
        .unwrap_or_default();
    format!(
        ",hostfwd={}:{address}:{}-:{}",
        port.protocol.name(),
        port.host,
        port.guest
    )
}

/// Folders of the host in the guest.
fn shares(line: &mut Line, machine: &Machine) {
    if machine
        .shares
        .iter()
        .any(|share| matches!(share, Share::Virtiofs { .. }))
    {
        // The daemon reads and writes the guest's memory.
        let size = machine.memory_mib;
        line.option(
            "-object",
            format!("memory-backend-memfd,id=memory,size={size}M,share=on"),
        )
        .option("-numa", "node,memdev=memory");
    }
    for (index, share) in machine.shares.iter().enumerate() {
        match share {
            Share::NineP {
                folder,
                tag,
                read_only,
            } => {
                let end = if *read_only { ",readonly=on" } else { "" };
                line.option(
                    "-fsdev",
                    option_value(
                        &format!("local,id=share{index},security_model=none,path="),
                        folder,
                        end,
                    ),
                )
                .option(
                    "-device",
                    option_value(&format!("virtio-9p-pci,fsdev=share{index},mount_tag="), tag, ""),
                );
            }
            Share::Virtiofs { socket, tag, .. } => {
                line.option(
                    "-chardev",
                    option_value(&format!("socket,id=share{index},path="), socket, ""),
                )
                .option(
                    "-device",
                    option_value(&format!("vhost-user-fs-pci,chardev=share{index},tag="), tag, ""),
                );
            }
        }
    }
}

fn tpm(line: &mut Line, machine: &Machine) {
    let Some(tpm) = &machine.tpm else { return };
    line.option("-chardev", option_value("socket,id=tpm,path=", &tpm.socket, ""))
        .option("-tpmdev", "emulator,id=tpm0,chardev=tpm");
    let device = match machine.arch {
        Arch::X86_64 => "tpm-crb,tpmdev=tpm0",
        Arch::Aarch64 | Arch::Riscv64 => "tpm-tis-device,tpmdev=tpm0",
    };
    line.option("-device", device);
}

/// A path inside a list of options, where a comma is written twice.
fn option_value(before: &str, path: impl AsRef<OsStr>, after: &str) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = before.as_bytes().to_vec();
    for &byte in path.as_ref().as_bytes() {
        bytes.push(byte);
        if byte == b',' {
            bytes.push(b',');
        }
    }
    bytes.extend_from_slice(after.as_bytes());
    OsString::from_vec(bytes)
}

#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn flag(&mut self, name: &str) -> &mut Line {
        self.0.push(name.into());
        self
    }

    fn option(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Line {
        self.0.push(name.into());
        self.0.push(value.as_ref().to_owned());
        self
    }
}
