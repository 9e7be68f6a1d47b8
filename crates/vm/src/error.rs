//! What can go wrong between a machine's description and its end.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::{Arch, Publish, SpellingError};

/// A machine that could not be started, or did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The hypervisor is not installed.
    #[error("{program} is needed to run a machine, and it is not in PATH")]
    NoQemu {
        /// The program that was looked for.
        program: &'static str,
        /// The processor that the machine should have.
        arch: Arch,
    },
    /// `qemu-img` is not installed, and a disk has to be made.
    #[error("qemu-img is needed to make the disk {}, and it could not be run", path.display())]
    NoQemuImg {
        /// The disk.
        path: PathBuf,
        /// Why it could not be run.
        source: io::Error,
    },
    /// UEFI's firmware is not installed.
    #[error("UEFI firmware for {arch} is needed, and none was found")]
    NoFirmware {
        /// The processor that the machine should have.
        arch: Arch,
    },
    /// A program that a device of the machine needs is not installed.
    #[error("{program} is needed for {what}, and it was not found")]
    NoHelper {
        /// The program that was looked for.
        program: &'static str,
        /// What it is needed for.
        what: &'static str,
        /// The package that has it.
        package: &'static str,
    },
    /// The kernel's interface for sockets between guests and this computer.
    #[error(
        "/dev/vhost-vsock is needed for sockets between the machine and this computer, and it cannot be used"
    )]
    NoVsock {
        /// Why not.
        source: io::Error,
    },
    /// KVM was asked for by name, and it does not work.
    #[error("KVM was asked for, but {why}")]
    NoKvm {
        /// What the probe found.
        why: String,
    },
    /// A file that the machine needs.
    #[error("cannot use {what} {}", path.display())]
    File {
        /// What the file is: `the kernel`, `the disk`.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A disk that neither exists nor says how large it should be made.
    #[error("the disk {} does not exist, and no size is given to make it", path.display())]
    DiskWithoutSize {
        /// Where it should be.
        path: PathBuf,
    },
    /// A disk that is to be a qcow2, because that was said, or because only a size was.
    #[error("the disk {} is no qcow2", path.display())]
    NotQcow2 {
        /// The file.
        path: PathBuf,
    },
    /// A disk in LinuxKit's spelling.
    #[error(transparent)]
    Spelling(#[from] SpellingError),
    /// A socket's path that does not fit into the system's address structure.
    #[error("the path of the control socket is {length} bytes long, and {limit} are possible: {}", path.display())]
    SocketPath {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// The system's limit.
        limit: usize,
    },
    /// QEMU ended before the machine ran.
    #[error("{program} ended at once ({status}){}{output}", if output.is_empty() { "" } else { ": " })]
    Exited {
        /// The program as it was called.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it printed on its standard error.
        output: String,
    },
    /// QEMU ended with an error, which it said on the terminal.
    #[error("{program} ended with an error ({status})")]
    Ended {
        /// The program as it was called.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it printed on its standard error; everybody has seen it.
        output: String,
    },
    /// A port of this computer that is to lead into the guest.
    #[error("cannot publish port {}", port.host)]
    Publish {
        /// What was asked for.
        port: Publish,
        /// Why not.
        source: io::Error,
    },
    /// A bridge or TAP device that is to be there already.
    #[error("there is no network interface `{name}`")]
    NoInterface {
        /// Its name.
        name: String,
        /// The commands that make one of the kind.
        make: String,
    },
    /// QEMU could not be run or waited for.
    #[error("cannot run {}", program.display())]
    Run {
        /// The program as it was called.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The machine has no control socket, so it cannot be told anything.
    #[error("this machine was started without a control socket")]
    NoControl,
    /// The control socket (QMP) failed.
    #[error("the machine's control socket failed while it was told `{command}`")]
    Control {
        /// The QMP command.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// QEMU refused a command.
    #[error("the machine refused `{command}`: {answer}")]
    Refused {
        /// The QMP command.
        command: String,
        /// QEMU's description.
        answer: String,
    },
}

impl Error {
    /// Whether what was asked for is at fault, and not this computer.
    pub fn is_input(&self) -> bool {
        matches!(
            self,
            Error::File { .. }
                | Error::DiskWithoutSize { .. }
                | Error::NotQcow2 { .. }
                | Error::Spelling(_)
                | Error::NoInterface { .. }
        )
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::NoQemu { arch, .. } => {
                let package = match arch {
                    Arch::X86_64 => "qemu-system-x86",
                    Arch::Aarch64 => "qemu-system-arm",
                    Arch::Riscv64 => "qemu-system-riscv (Debian 12: qemu-system-misc)",
                };
                Some(format!(
                    "on Debian: apt install --no-install-recommends {package}"
                ))
            }
            Error::NoFirmware { arch } => {
                let package = match arch {
                    Arch::X86_64 => "ovmf",
                    Arch::Aarch64 => "qemu-efi-aarch64",
                    Arch::Riscv64 => "qemu-efi-riscv64",
                };
                Some(format!(
                    "on Debian: apt install {package}; or name the file: --fw FILE"
                ))
            }
            Error::NoHelper { package, .. } => Some(format!("on Debian: apt install {package}")),
            Error::NoVsock { .. } => {
                Some("load the module, and be allowed to use the device: modprobe vhost_vsock".to_owned())
            }
            Error::NoQemuImg { .. } => Some(
                "on Debian: apt install qemu-utils; or use format=raw or format=qcow2, which need no tool"
                    .to_owned(),
            ),
            Error::NoKvm { .. } => {
                Some("--accel auto falls back to emulation, --accel tcg always emulates".to_owned())
            }
            Error::NotQcow2 { .. } => {
                Some("say what it is, file=PATH,format=raw for one, or take another file".to_owned())
            }
            Error::DiskWithoutSize { .. } => Some("give a size: file=PATH,size=1G".to_owned()),
            Error::Exited { output, .. } | Error::Ended { output, .. } => advice(output).map(str::to_owned),
            Error::Publish { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Some("another program listens there: publish another port of this computer".to_owned())
            }
            Error::NoInterface { make, .. } => Some(format!("make it first: {make}")),
            Error::Spelling(error) => error.hint(),
            _ => None,
        }
    }
}

/// What QEMU says, in parts, and what can be done about it.
const ADVICE: [(&str, &str); 9] = [
    (
        "host forwarding rule",
        "another program listens on the port: publish another one",
    ),
    (
        "\"write\" lock",
        "another machine uses the file: end it, or run this one with a copy and a --state of its own",
    ),
    (
        "bridge helper failed",
        "QEMU's helper must be allowed to use the bridge: the line `allow NAME` in /etc/qemu/bridge.conf",
    ),
    (
        "configure /dev/net/tun",
        "be allowed to use the device: ip tuntap add NAME mode tap user \"$USER\"",
    ),
    (
        "cannot set up guest memory",
        "this computer has less memory than that: --mem MIB",
    ),
    (
        "setgroups() failed",
        "the virtiofsd that came with QEMU runs as root only: take a newer one, --virtiofsd FILE",
    ),
    ("initrd is too large", "the machine needs more memory: --mem MIB"),
    ("initialization failed", "--gui needs a graphical session"),
    (
        "is not a valid device model name",
        "`qemu-system-… -device help` lists the devices",
    ),
];

fn advice(output: &str) -> Option<&'static str> {
    let found = ADVICE.iter().find(|(part, _)| output.contains(part));
    found.map(|(_, advice)| *advice)
}
