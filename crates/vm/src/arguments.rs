//! A machine's description → QEMU's command line. Nothing is opened, looked up or started here.
//!
//! `-nodefaults` and everything named: the guest has what is written here and nothing else, whatever the
//! version of QEMU. The kernel's own messages are all that appears on the console, because a machine with
//! `-display none`, unlike one with `-nographic`, keeps the firmware off the serial port.

use std::ffi::{OsStr, OsString};

use crate::{Accelerator, Arch, Boot, Console, Disk, Machine, Networking, OnReboot, Publish};

/// The arguments that QEMU gets, without the program's name.
pub fn arguments(machine: &Machine) -> Vec<OsString> {
    let mut line = Line::default();
    line.flag("-nodefaults").option("-display", "none");
    processor(&mut line, machine);
    boot(&mut line, &machine.boot);
    ports(&mut line, machine);
    for (index, disk) in machine.disks.iter().enumerate() {
        line.option("-drive", drive(index, disk));
    }
    line.option("-device", "virtio-rng-pci");
    network(&mut line, &machine.networking);
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
    };
    ["-machine", board, "-accel", accelerator.name(), "-cpu", processor]
}

fn processor(line: &mut Line, machine: &Machine) {
    line.0
        .extend(board(machine.arch, machine.accelerator).map(OsString::from));
    line.option("-smp", machine.cpus.to_string());
    line.option("-m", format!("{}M", machine.memory_mib));
}

fn boot(line: &mut Line, boot: &Boot) {
    match boot {
        Boot::Kernel {
            kernel,
            initrd,
            cmdline,
        } => {
            line.option("-kernel", kernel);
            if let Some(initrd) = initrd {
                line.option("-initrd", initrd);
            }
            line.option("-append", cmdline);
        }
    }
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
            Arch::Aarch64 => line.option("-device", "pci-serial,chardev=report"),
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

/// LinuxKit's way to attach a disk: QEMU picks the board's own bus, AHCI or virtio.
fn drive(index: usize, disk: &Disk) -> OsString {
    let format = disk
        .format
        .map(|format| format!(",format={}", format.name()))
        .unwrap_or_default();
    option_value("file=", &disk.path, &format!("{format},index={index},media=disk"))
}

fn network(line: &mut Line, networking: &Networking) {
    match networking {
        Networking::None => {}
        Networking::User { publish } => {
            let ports: String = publish.iter().map(forward).collect();
            line.option("-netdev", format!("user,id=net0{ports}"));
            // No boot ROM: nothing here boots from the network, and the file is a package of its own.
            line.option("-device", "virtio-net-pci,netdev=net0,romfile=");
        }
    }
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::path::PathBuf;

    use super::*;
    use crate::{DiskFormat, Protocol};

    fn smallest(arch: Arch, accelerator: Accelerator) -> Machine {
        Machine {
            arch,
            accelerator,
            cpus: 1,
            memory_mib: 1024,
            boot: Boot::Kernel {
                kernel: "k".into(),
                initrd: None,
                cmdline: "quiet".to_owned(),
            },
            disks: Vec::new(),
            networking: Networking::None,
            console: Console::Pipe,
            report: None,
            qmp: None,
            on_reboot: OnReboot::Restart,
        }
    }

    /// One option per line, as a person would write it.
    fn text(machine: &Machine) -> String {
        let words: Vec<String> = arguments(machine)
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        words.join(" ").replace(" -", "\n-")
    }

    #[test]
    fn the_smallest_machine() {
        let expected = "\
-nodefaults
-display none
-machine q35
-accel tcg
-cpu max,-cx16
-smp 1
-m 1024M
-kernel k
-append quiet
-chardev stdio,id=console,signal=off
-serial chardev:console
-device virtio-rng-pci";
        assert_eq!(text(&smallest(Arch::X86_64, Accelerator::Tcg)), expected);
    }

    #[test]
    fn a_machine_with_everything() {
        let machine = Machine {
            cpus: 4,
            memory_mib: 512,
            boot: Boot::Kernel {
                kernel: "dir/a,b-kernel".into(),
                initrd: Some("a,b-initrd.img".into()),
                cmdline: "console=ttyAMA0 x=1,2".to_owned(),
            },
            disks: vec![
                Disk {
                    path: "one.img".into(),
                    size_mib: Some(1),
                    format: Some(DiskFormat::Qcow2),
                },
                Disk {
                    path: "a,b.img".into(),
                    size_mib: None,
                    format: None,
                },
            ],
            networking: Networking::User {
                publish: vec![
                    Publish {
                        host_address: None,
                        host: 8080,
                        guest: 80,
                        protocol: Protocol::Tcp,
                    },
                    Publish {
                        host_address: Some(Ipv4Addr::LOCALHOST),
                        host: 53,
                        guest: 5353,
                        protocol: Protocol::Udp,
                    },
                ],
            },
            console: Console::Terminal,
            report: Some(PathBuf::from("report,1.json")),
            qmp: Some(PathBuf::from("qmp.sock")),
            on_reboot: OnReboot::Exit,
            ..smallest(Arch::Aarch64, Accelerator::Kvm)
        };
        let expected = "\
-nodefaults
-display none
-machine virt,gic-version=host
-accel kvm
-cpu host
-smp 4
-m 512M
-kernel dir/a,b-kernel
-initrd a,b-initrd.img
-append console=ttyAMA0 x=1,2
-chardev stdio,id=console,mux=on,signal=off
-mon chardev=console,mode=readline
-serial chardev:console
-chardev file,id=report,path=report,,1.json
-device pci-serial,chardev=report
-chardev socket,id=control,path=qmp.sock,server=on,wait=off
-mon chardev=control,mode=control
-drive file=one.img,format=qcow2,index=0,media=disk
-drive file=a,,b.img,index=1,media=disk
-device virtio-rng-pci
-netdev user,id=net0,hostfwd=tcp::8080-:80,hostfwd=udp:127.0.0.1:53-:5353
-device virtio-net-pci,netdev=net0,romfile=
-no-reboot";
        assert_eq!(text(&machine), expected);
    }

    #[test]
    fn ports_of_a_pc() {
        let machine = Machine {
            console: Console::File("c,1".into()),
            report: Some("r".into()),
            ..smallest(Arch::X86_64, Accelerator::Kvm)
        };
        let text = text(&machine);
        assert!(text.contains("-accel kvm\n-cpu host\n"), "{text}");
        assert!(
            text.contains(
                "-chardev file,id=console,path=c,,1\n-serial chardev:console\n\
                 -chardev file,id=report,path=r\n-serial chardev:report"
            ),
            "{text}"
        );
    }
}
