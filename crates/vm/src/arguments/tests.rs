//! Command lines as a person would write them.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use super::*;
use crate::{Bus, Disk, DiskFormat, Mac, Protocol, Tpm, Vars};

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
        firmware: Firmware::Builtin,
        disks: Vec::new(),
        cds: Vec::new(),
        networks: Vec::new(),
        shares: Vec::new(),
        vsock_cid: None,
        tpm: None,
        usb: false,
        devices: Vec::new(),
        screen: false,
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
                bus: Bus::Board,
            },
            Disk {
                path: "a,b.img".into(),
                size_mib: None,
                format: None,
                bus: Bus::Board,
            },
        ],
        networks: vec![Network {
            mode: Mode::User {
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
            mac: None,
        }],
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
-drive if=none,file=one.img,id=disk0,format=qcow2
-device virtio-blk-pci,drive=disk0
-drive if=none,file=a,,b.img,id=disk1
-device virtio-blk-pci,drive=disk1
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

fn disk(path: &str, bus: Bus) -> Disk {
    Disk {
        path: path.into(),
        size_mib: None,
        format: Some(DiskFormat::Raw),
        bus,
    }
}

/// What a machine has more than the smallest one of its kind, which starts from its first disk.
fn more(change: impl FnOnce(&mut Machine), arch: Arch) -> String {
    let mut machine = Machine {
        boot: Boot::Disk,
        ..smallest(arch, Accelerator::Tcg)
    };
    let plain = text(&machine);
    change(&mut machine);
    let plain: Vec<&str> = plain.lines().collect();
    let text = text(&machine);
    let lines: Vec<&str> = text.lines().filter(|line| !plain.contains(line)).collect();
    lines.join("\n")
}

#[test]
fn block_devices() {
    for (arch, boot, disks, cds, expect) in [
        (
            Arch::X86_64,
            Boot::Disk,
            vec![disk("a", Bus::Board), disk("b", Bus::Board)],
            vec!["c"],
            "-drive if=none,file=a,id=disk0,format=raw\n-device ide-hd,bus=ide.0,drive=disk0,bootindex=0\n\
             -drive if=none,file=b,id=disk1,format=raw\n-device ide-hd,bus=ide.1,drive=disk1\n\
             -drive if=none,file=c,id=cd0,format=raw,readonly=on\n-device ide-cd,bus=ide.5,drive=cd0",
        ),
        (
            Arch::X86_64,
            Boot::Cd,
            vec![disk("a", Bus::Board)],
            vec!["c", "d"],
            "-drive if=none,file=a,id=disk0,format=raw\n-device ide-hd,bus=ide.0,drive=disk0\n\
             -drive if=none,file=c,id=cd0,format=raw,readonly=on\n-device ide-cd,bus=ide.4,drive=cd0,bootindex=0\n\
             -drive if=none,file=d,id=cd1,format=raw,readonly=on\n-device ide-cd,bus=ide.5,drive=cd1",
        ),
        (
            Arch::X86_64,
            Boot::Disk,
            vec![disk("a", Bus::Usb)],
            vec![],
            "-device qemu-xhci,id=usb\n\
             -drive if=none,file=a,id=disk0,format=raw\n-device usb-storage,bus=usb.0,drive=disk0,bootindex=0",
        ),
        (
            Arch::Aarch64,
            Boot::Cd,
            vec![disk("a", Bus::Board)],
            vec!["c", "d"],
            "-drive if=none,file=c,id=cd0,format=raw,readonly=on\n-device virtio-blk-pci,drive=cd0,bootindex=0\n\
             -drive if=none,file=a,id=disk0,format=raw\n-device virtio-blk-pci,drive=disk0\n\
             -drive if=none,file=d,id=cd1,format=raw,readonly=on\n-device virtio-blk-pci,drive=cd1",
        ),
        (
            Arch::Riscv64,
            Boot::Disk,
            vec![disk("a", Bus::Board)],
            vec!["c"],
            "-drive if=none,file=a,id=disk0,format=raw\n-device virtio-blk-pci,drive=disk0,bootindex=0\n\
             -drive if=none,file=c,id=cd0,format=raw,readonly=on\n-device virtio-blk-pci,drive=cd0",
        ),
        (
            Arch::X86_64,
            Boot::Efi { folder: "x,y".into() },
            vec![],
            vec![],
            "-blockdev driver=vvfat,node-name=efi,read-only=on,dir=x,,y\n-device virtio-blk-pci,drive=efi,bootindex=0",
        ),
    ] {
        let change = |machine: &mut Machine| {
            machine.boot = boot;
            machine.disks = disks;
            machine.cds = cds.into_iter().map(PathBuf::from).collect();
        };
        assert_eq!(more(change, arch), expect);
    }
}

#[test]
fn more_disks_than_ports() {
    let change = |machine: &mut Machine| {
        machine.disks = vec![disk("a", Bus::Board); 6];
        machine.cds = vec!["c".into()];
    };
    let text = more(change, Arch::X86_64);
    assert!(text.contains("ide-hd,bus=ide.4,drive=disk4\n"), "{text}");
    assert!(text.contains("virtio-blk-pci,drive=disk5\n"), "{text}");
    assert!(text.contains("ide-cd,bus=ide.5,drive=cd0"), "{text}");
}

#[test]
fn firmware_of_a_machine() {
    let change = |machine: &mut Machine| {
        machine.firmware = Firmware::Uefi {
            code: "c,1".into(),
            vars: Some(Vars {
                template: "t".into(),
                path: "v".into(),
            }),
        };
    };
    assert_eq!(
        more(change, Arch::X86_64),
        "-drive if=pflash,format=raw,readonly=on,file=c,,1\n-drive if=pflash,format=raw,file=v"
    );
    let change = |machine: &mut Machine| {
        machine.firmware = Firmware::Uefi {
            code: "c".into(),
            vars: None,
        };
    };
    assert_eq!(more(change, Arch::Aarch64), "-bios c");
}

#[test]
fn network_cards() {
    let card = |mode, mac| Network { mode, mac };
    let name = || "br,0".to_owned();
    let mac = Some(Mac([2, 0, 0, 0, 0, 10]));
    for (boot, networks, expect) in [
        (
            Boot::Disk,
            vec![
                card(Mode::Bridge { name: name() }, mac),
                card(Mode::Tap { name: name() }, None),
            ],
            "-netdev bridge,id=net0,br=br,,0\n-device virtio-net-pci,netdev=net0,mac=02:00:00:00:00:0a,romfile=\n\
             -netdev tap,id=net1,ifname=br,,0,script=no,downscript=no\n-device virtio-net-pci,netdev=net1,romfile=",
        ),
        (
            Boot::Network {
                folder: "a,b".into(),
                script: "c.ipxe".to_owned(),
            },
            vec![
                card(
                    Mode::User {
                        publish: vec!["1:2".parse().unwrap()],
                    },
                    None,
                ),
                card(Mode::User { publish: Vec::new() }, None),
            ],
            "-netdev user,id=net0,tftp=a,,b,bootfile=c.ipxe,hostfwd=tcp::1-:2\n\
             -device virtio-net-pci,netdev=net0,bootindex=0\n\
             -netdev user,id=net1\n-device virtio-net-pci,netdev=net1,romfile=",
        ),
    ] {
        let change = |machine: &mut Machine| {
            machine.boot = boot;
            machine.networks = networks;
        };
        assert_eq!(more(change, Arch::X86_64), expect);
    }
}

#[test]
fn other_devices() {
    let change = |machine: &mut Machine| {
        machine.shares = vec![
            Share::NineP {
                folder: "a,b".into(),
                tag: "t".to_owned(),
                read_only: true,
            },
            Share::Virtiofs {
                folder: "x".into(),
                tag: "virtiofs0".to_owned(),
                daemon: "d".into(),
                socket: "s".into(),
            },
        ];
        machine.vsock_cid = Some(7);
        machine.tpm = Some(Tpm {
            program: "p".into(),
            state: "f".into(),
            socket: "t".into(),
        });
        machine.usb = true;
        machine.devices = vec!["usb-host,vendorid=1".to_owned()];
    };
    assert_eq!(
        more(change, Arch::X86_64),
        "-device qemu-xhci,id=usb\n\
         -object memory-backend-memfd,id=memory,size=1024M,share=on\n-numa node,memdev=memory\n\
         -fsdev local,id=share0,security_model=none,path=a,,b,readonly=on\n\
         -device virtio-9p-pci,fsdev=share0,mount_tag=t\n\
         -chardev socket,id=share1,path=s\n-device vhost-user-fs-pci,chardev=share1,tag=virtiofs0\n\
         -device vhost-vsock-pci,guest-cid=7\n\
         -chardev socket,id=tpm,path=t\n-tpmdev emulator,id=tpm0,chardev=tpm\n-device tpm-crb,tpmdev=tpm0\n\
         -device usb-host,vendorid=1"
    );
}

#[test]
fn a_screen() {
    for (arch, expect) in [
        (Arch::X86_64, "-vga std"),
        (
            Arch::Aarch64,
            "-device virtio-gpu-pci\n-device virtio-keyboard-pci",
        ),
    ] {
        let change = |machine: &mut Machine| machine.screen = true;
        assert_eq!(more(change, arch), expect);
        let mut machine = smallest(arch, Accelerator::Tcg);
        machine.screen = true;
        assert!(
            !text(&machine).contains("-display"),
            "a window is what QEMU has by default"
        );
    }
}
