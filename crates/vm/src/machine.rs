//! The description of a machine: plain values that say what it consists of, not how QEMU spells it.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// A virtual machine, ready to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its processor.
    pub arch: Arch,
    /// What executes it: see [`choose_accelerator`](crate::choose_accelerator).
    pub accelerator: Accelerator,
    /// Number of processors. LinuxKit's default is 1.
    pub cpus: u32,
    /// Memory in MiB. LinuxKit's default is 1024.
    pub memory_mib: u64,
    /// What is there when it is switched on.
    pub firmware: Firmware,
    /// What it starts from.
    pub boot: Boot,
    /// Its disks, in order: `/dev/sda`, `/dev/sdb` … on x86_64, `/dev/vda` … elsewhere.
    pub disks: Vec<Disk>,
    /// ISO images, in order: `/dev/sr0`, `/dev/sr1` … on x86_64. Elsewhere they are read-only disks: before the others when
    /// it starts from a CD, else after them.
    pub cds: Vec<PathBuf>,
    /// Its network cards, in order.
    pub networks: Vec<Network>,
    /// Folders of this computer that the guest can mount.
    pub shares: Vec<Share>,
    /// The guest's address for sockets between it and this computer (vsock), from 3 on.
    pub vsock_cid: Option<u32>,
    /// A Trusted Platform Module.
    pub tpm: Option<Tpm>,
    /// Whether it has a USB controller, `usb.0`, also when no disk needs one.
    pub usb: bool,
    /// More devices, in QEMU's spelling.
    pub devices: Vec<String>,
    /// Whether it has a screen, in a window, beside its serial port.
    pub screen: bool,
    /// Where its first serial port goes.
    pub console: Console,
    /// A file that receives what the guest writes to its second serial port. The guest knows that port as
    /// [`Arch::report_device`]; telling it so on the kernel's command line is up to the caller.
    pub report: Option<PathBuf>,
    /// A unix socket that QEMU makes, over which the machine is told to stop.
    pub qmp: Option<PathBuf>,
    /// What happens when the guest restarts itself, also after a panic with `panic=` on its command line.
    pub on_reboot: OnReboot,
}

/// A processor architecture, in the kernel's spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// Intel and AMD, 64 bits; `amd64` in OCI.
    X86_64,
    /// Arm, 64 bits; `arm64` in OCI.
    Aarch64,
    /// RISC-V, 64 bits.
    Riscv64,
}

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// The host's processor, through the Linux kernel.
    Kvm,
    /// QEMU's emulation: works everywhere, several times slower.
    Tcg,
}

/// What a machine starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Boot {
    /// A kernel that QEMU loads itself.
    Kernel {
        /// The bootable kernel image.
        kernel: PathBuf,
        /// Its initial RAM disk.
        initrd: Option<PathBuf>,
        /// Its command line, verbatim.
        cmdline: String,
    },
    /// The first of its disks.
    Disk,
    /// The first of its CDs.
    Cd,
    /// A folder with `EFI/BOOT/…`, as if it were a disk with a FAT file system; UEFI only, and at most some 500 MB.
    Efi {
        /// The folder.
        folder: PathBuf,
    },
    /// The network of its first card, which must be [`Mode::User`].
    Network {
        /// What its TFTP server serves.
        folder: PathBuf,
        /// The iPXE script, a file of `folder`.
        script: String,
    },
}

/// The program that a machine begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Firmware {
    /// What QEMU has: SeaBIOS on x86_64, OpenSBI on riscv64, nothing on aarch64.
    Builtin,
    /// UEFI, from a file.
    Uefi {
        /// The program.
        code: PathBuf,
        /// Its variables; none when `code` has a place for them itself, and then they are lost in the end.
        vars: Option<Vars>,
    },
}

/// UEFI's variables, which outlive the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vars {
    /// What they are at first.
    pub template: PathBuf,
    /// Where they are kept: a copy of `template`, made when it is not there.
    pub path: PathBuf,
}

/// A disk: a file, made before the start if it does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The file.
    pub path: PathBuf,
    /// Size in MiB if the file has to be made. A file that is there is never resized.
    pub size_mib: Option<u64>,
    /// The file's format; QEMU looks at the file if there is none.
    pub format: Option<DiskFormat>,
    /// How it is attached.
    pub bus: Bus,
}

/// How a disk is attached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bus {
    /// As the board's disks are: SATA on x86_64, virtio elsewhere.
    #[default]
    Board,
    /// By virtio, on every board.
    Virtio,
    /// As a USB stick.
    Usb,
}

/// A disk file's format, in QEMU's spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFormat {
    /// Nothing but the disk's bytes.
    Raw,
    /// QEMU's own format.
    Qcow2,
    /// Connectix, later Microsoft Virtual PC: `.vhd`.
    Vpc,
    /// Microsoft Hyper-V.
    Vhdx,
    /// VMware.
    Vmdk,
}

/// A network card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// What it is connected to.
    pub mode: Mode,
    /// Its address; QEMU's own choice if there is none, which is the same in every machine.
    pub mac: Option<Mac>,
}

/// What a network card is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// A private network behind QEMU, which translates addresses and answers DHCP (10.0.2.0/24).
    User {
        /// Ports of the host that lead into the guest.
        publish: Vec<Publish>,
    },
    /// A bridge of this computer. `qemu-bridge-helper` must be allowed to use it.
    Bridge {
        /// The bridge's name.
        name: String,
    },
    /// A TAP device that is there already.
    Tap {
        /// The device's name.
        name: String,
    },
}

/// A network card's address. Its text form is `02:00:00:00:00:01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A folder of this computer that the guest can mount under a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Share {
    /// `mount -t 9p -o trans=virtio TAG /mnt`; QEMU itself serves it.
    NineP {
        /// The folder.
        folder: PathBuf,
        /// Its name in the guest.
        tag: String,
        /// Whether the guest can only read.
        read_only: bool,
    },
    /// `mount -t virtiofs TAG /mnt`; a daemon serves it, which lives as long as the machine.
    Virtiofs {
        /// The folder.
        folder: PathBuf,
        /// Its name in the guest.
        tag: String,
        /// The program virtiofsd.
        daemon: PathBuf,
        /// Where the daemon listens.
        socket: PathBuf,
    },
}

/// A Trusted Platform Module 2.0, emulated by a program that lives as long as the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tpm {
    /// The program swtpm.
    pub program: PathBuf,
    /// The folder for what it remembers, which is made when it is not there.
    pub state: PathBuf,
    /// Where it listens.
    pub socket: PathBuf,
}

/// A port of the host that leads to a port of the guest. Its text form is LinuxKit's `HOST:GUEST[/PROTOCOL]`,
/// with an address in front if wanted: `127.0.0.1:8080:80/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish {
    /// The host's address to listen on; all of them if there is none, as in LinuxKit.
    pub host_address: Option<Ipv4Addr>,
    /// The host's port.
    pub host: u16,
    /// The guest's port.
    pub guest: u16,
    /// What is forwarded.
    pub protocol: Protocol,
}

/// A transport protocol of [`Publish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Connections; the default.
    Tcp,
    /// Datagrams.
    Udp,
}

/// Where a machine's first serial port goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Console {
    /// The terminal that this process has, shared with QEMU's monitor: Ctrl-A X ends the machine, Ctrl-A C
    /// changes to the monitor, Ctrl-C goes to the guest.
    Terminal,
    /// A file, from its beginning.
    File(PathBuf),
    /// Pipes that [`Running`](crate::Running) hands out.
    Pipe,
}

/// What a restart of the guest does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReboot {
    /// The machine starts again, as in LinuxKit.
    Restart,
    /// The machine ends: for tests, where a panic should not start over.
    Exit,
}

impl Arch {
    /// The program that emulates it.
    pub fn qemu(self) -> &'static str {
        match self {
            Arch::X86_64 => "qemu-system-x86_64",
            Arch::Aarch64 => "qemu-system-aarch64",
            Arch::Riscv64 => "qemu-system-riscv64",
        }
    }

    /// The kernel's name of [`Machine::console`], for `console=`.
    pub fn console(self) -> &'static str {
        match self {
            Arch::X86_64 | Arch::Riscv64 => "ttyS0",
            Arch::Aarch64 => "ttyAMA0",
        }
    }

    /// The guest's device behind [`Machine::report`]. Arm's machine has only one port of its own kind, so the
    /// second one is a PCI card there.
    pub fn report_device(self) -> &'static str {
        match self {
            Arch::X86_64 | Arch::Riscv64 => "/dev/ttyS1",
            Arch::Aarch64 => "/dev/ttyS0",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
            Arch::Riscv64 => "riscv64",
        })
    }
}

impl Accelerator {
    /// QEMU's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg => "tcg",
        }
    }
}

impl DiskFormat {
    /// QEMU's name for it.
    pub fn name(self) -> &'static str {
        match self {
            DiskFormat::Raw => "raw",
            DiskFormat::Qcow2 => "qcow2",
            DiskFormat::Vpc => "vpc",
            DiskFormat::Vhdx => "vhdx",
            DiskFormat::Vmdk => "vmdk",
        }
    }
}

impl Protocol {
    /// QEMU's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}
