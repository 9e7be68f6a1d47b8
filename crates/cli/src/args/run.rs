//! The arguments of `run`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct RunArguments {
    #[command(subcommand)]
    pub backend: Option<Backend>,
    #[command(flatten)]
    pub qemu: QemuArguments,
}

#[derive(Debug, Subcommand)]
pub enum Backend {
    /// Run with QEMU
    Qemu(Box<QemuArguments>),
    /// LinuxKit's other backends
    #[command(name = "aws", hide = true, aliases = [
        "azure", "equinixmetal", "gcp", "hyperkit", "hyperv", "openstack", "packet", "scaleway", "vbox", "vcenter",
        "virtualization", "vmware",
    ])]
    Elsewhere {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
What is run is what the file is, not what it is called: ISO images, disks (raw, qcow2, VHD, VHDX, VMDK), programs for UEFI,
iPXE scripts. A base name means a kernel and what belongs to it. UEFI is used where nothing else can start the image.

Examples:
  ironkit run qemu minimal                            console on this terminal; Ctrl-A X leaves
  ironkit run qemu --publish 8080:80 --mem 512 minimal
  ironkit run qemu --disk size=4G minimal             with a disk, kept in minimal-state/
  ironkit run qemu --uefi minimal-hybrid.iso          an ISO image as a CD, with UEFI
  ironkit run qemu --attach usb minimal-hybrid.iso    the same as a USB stick, with a BIOS
  ironkit run qemu --arch aarch64 minimal-efi.img
  ironkit run qemu --detached minimal                 in the background; the console goes to minimal-state/console")]
pub struct QemuArguments {
    /// Base name of the image, as given to `build --name`, or a file of a disk, a CD, a UEFI program or an iPXE script
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    pub name: Option<String>,
    /// Number of processors
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub cpus: u32,
    /// Memory in MiB
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..))]
    pub mem: u64,
    /// Reach a port of the guest on this machine: [ADDRESS:]HOST:GUEST[/udp]; may be repeated
    #[arg(long, value_name = "PORTS")]
    pub publish: Vec<ironkit_vm::Publish>,
    /// A disk: file=PATH,size=1G,format=qcow2; made when it is not there; may be repeated
    #[arg(long, value_name = "DISK")]
    pub disk: Vec<ironkit_vm::DiskSpec>,
    /// UEFI, also where a BIOS would do
    #[arg(long)]
    pub uefi: bool,
    /// UEFI firmware, instead of the one that is installed
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub fw: Option<PathBuf>,
    /// How the image is attached: auto, cd, disk or usb
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub attach: ironkit_pipeline::run::Attach,
    /// The image is a CD, whatever it looks like
    #[arg(long, conflicts_with = "attach")]
    pub iso: bool,
    /// Run NAME-kernel with NAME-initrd.img, also when other files are there
    #[arg(long, conflicts_with_all = ["iso", "attach"])]
    pub kernel: bool,
    /// Run NAME-kernel with NAME-squashfs.img
    #[arg(long, conflicts_with_all = ["iso", "attach", "kernel"])]
    pub squashfs: bool,
    /// Run NAME-kernel with NAME-erofs.img
    #[arg(long, conflicts_with_all = ["iso", "attach", "kernel", "squashfs"])]
    pub erofs: bool,
    /// Accelerator: auto, kvm or tcg [default: $LINUXKIT_QEMU_ACCEL or auto]
    #[arg(long)]
    pub accel: Option<ironkit_vm::Accel>,
    /// Architecture of the machine: x86_64, aarch64 or riscv64 [default: the image's, or else this machine's]
    #[arg(long)]
    pub arch: Option<ironkit_vm::Arch>,
    /// Network: user, bridge,NAME, tap,NAME or none; may be repeated
    #[arg(long, value_name = "NETWORK", default_value = "user")]
    pub networking: Vec<ironkit_pipeline::run::NetworkSpec>,
    /// Text for the guest's metadata, on a CD
    #[arg(
        long,
        value_name = "TEXT",
        conflicts_with = "data_file",
        allow_hyphen_values = true
    )]
    pub data: Option<String>,
    /// The same from a file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub data_file: Option<PathBuf>,
    /// A folder that the guest can mount by 9p: DIR[,tag=NAME][,ro]; tags are share0, share1 …; may be repeated
    #[arg(long, value_name = "DIR")]
    pub share: Vec<ironkit_vm::ShareSpec>,
    /// A folder that the guest can mount by virtiofs: DIR[,tag=NAME]; tags are virtiofs0, virtiofs1 …; may be repeated
    #[arg(long, value_name = "DIR")]
    pub virtiofs: Vec<ironkit_vm::ShareSpec>,
    /// The program virtiofsd, instead of the one that is installed
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub virtiofsd: Option<PathBuf>,
    /// Address of the guest for sockets between it and this machine (vsock), from 3 on
    #[arg(long, value_name = "CID", value_parser = clap::value_parser!(u32).range(3..))]
    pub vsock_cid: Option<u32>,
    /// A Trusted Platform Module 2.0, emulated by swtpm
    #[arg(long)]
    pub tpm: bool,
    /// A USB controller
    #[arg(long)]
    pub usb: bool,
    /// A device in QEMU's spelling: driver[,property=value]; may be repeated
    #[arg(long, value_name = "DEVICE")]
    pub device: Vec<String>,
    /// A screen, in a window
    #[arg(long)]
    pub gui: bool,
    /// QEMU, instead of the one in $PATH
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub qemu: Option<PathBuf>,
    /// Run in the background
    #[arg(long, alias = "detach")]
    pub detached: bool,
    /// Directory for disks, sockets and the console of a detached machine [default: NAME-state]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Write the guest's boot report, one JSON document a line, to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Add this to the kernel's command line
    #[arg(long, value_name = "TEXT", default_value = "", allow_hyphen_values = true)]
    pub append: String,
}
