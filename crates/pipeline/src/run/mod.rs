//! `run`: a built image in a virtual machine.

mod devices;
mod refused;
mod start;

use std::cell::OnceCell;
use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ironkit_vm::{
    Accel, Arch, Boot, Bus, Console, DiskSpec, Firmware, Machine, Mode, OnReboot, Publish, ShareSpec,
};

use crate::{Context, Error, Result, Watcher};

use start::Start;

/// How long KVM may take to run its first guest. A working one takes a tenth of that.
const PROBE_LIMIT: Duration = Duration::from_millis(1500);

/// What is run, and in what machine.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Base name of the image's files, as given to `build --name`, or one of them.
    pub name: String,
    /// How the image's file is attached.
    pub attach: Attach,
    /// Which of the files that share a base name is the root file system.
    pub root: RootFile,
    /// Architecture of the machine; that of the image if there is none, or else this computer's.
    pub arch: Option<Arch>,
    /// How the guest is run.
    pub accel: Accel,
    /// Whether it has UEFI, also where a BIOS would do.
    pub uefi: bool,
    /// UEFI's firmware, if not the one that is installed.
    pub firmware: Option<PathBuf>,
    /// Number of processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Disks, made when they are not there.
    pub disks: Vec<DiskSpec>,
    /// Network cards.
    pub networks: Vec<NetworkSpec>,
    /// Ports of this computer that lead into the guest.
    pub publish: Vec<Publish>,
    /// Folders that the guest can mount by 9p.
    pub shares: Vec<ShareSpec>,
    /// Folders that the guest can mount by virtiofs.
    pub virtiofs: Vec<ShareSpec>,
    /// The program virtiofsd, if not the one that is installed.
    pub virtiofsd: Option<PathBuf>,
    /// Text for the guest's `metadata` service, on a CD.
    pub data: Option<Vec<u8>>,
    /// The guest's address for sockets between it and this computer.
    pub vsock_cid: Option<u32>,
    /// Whether it has a TPM.
    pub tpm: bool,
    /// Whether it has a USB controller.
    pub usb: bool,
    /// More devices, in QEMU's spelling.
    pub devices: Vec<String>,
    /// Whether it has a screen, in a window.
    pub screen: bool,
    /// Whether it goes on in the background, its console in the state directory.
    pub detached: bool,
    /// File for the guest's boot report.
    pub report: Option<PathBuf>,
    /// Where disks without a path of their own are, and what else outlives the machine; `NAME-state` if it is not said.
    pub state: Option<PathBuf>,
    /// Text for the end of the kernel's command line.
    pub append: String,
    /// QEMU, if not the one in `path`.
    pub qemu: Option<PathBuf>,
    /// `PATH`, in which QEMU is looked for.
    pub path: OsString,
}

/// How the image's file is attached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Attach {
    /// ISO images as a CD, others as a disk.
    #[default]
    Auto,
    /// As a CD.
    Cd,
    /// As a disk.
    Disk,
    /// As a USB stick.
    Usb,
}

/// Which of the files that share a base name is the root file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RootFile {
    /// The one that is there: `NAME-squashfs.img`, `NAME-erofs.img`, `NAME-initrd.img` or `NAME.iso`.
    #[default]
    Auto,
    /// `NAME-initrd.img`.
    Initrd,
    /// `NAME-squashfs.img`.
    Squashfs,
    /// `NAME-erofs.img`.
    Erofs,
}

/// A network card, in LinuxKit's spelling: `user`, `bridge,NAME`, `tap,NAME`, `none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkSpec {
    /// No card.
    None,
    /// A private network.
    User,
    /// A bridge of this computer.
    Bridge(String),
    /// A TAP device of this computer.
    Tap(String),
}

/// A machine that is ready to be started.
#[derive(Debug)]
pub struct Prepared {
    /// The machine.
    pub machine: Machine,
    /// The program that runs it.
    pub qemu: PathBuf,
    /// The directory of what outlives it, if it needs one.
    pub state: Option<PathBuf>,
    /// Keeps others from using the directory until it is dropped; a machine in the background has it, too.
    pub lock: Option<File>,
}

/// Finds the image's files and QEMU, chooses the accelerator and describes the machine.
///
/// # Errors
/// An image that is not there or cannot be run, a missing or unusable QEMU or firmware, an accelerator that does not work.
pub fn prepare(context: &Context, options: &RunOptions, watcher: &dyn Watcher) -> Result<Prepared> {
    let start = Start::of(context, options)?;
    let arch = arch(options, &start)?;
    let state = State::new(context, options);
    if start.missing() > 0 {
        let (name, missing) = (&options.name, start.missing());
        watcher.note(&format!(
            "`{name}` seems to be cut off: at least {missing} bytes are missing at its end"
        ));
    }
    let uefi = wants_uefi(options, &start, arch)?;
    let qemu = match &options.qemu {
        Some(qemu) => qemu.clone(),
        None => ironkit_vm::find_qemu(arch, OsStr::new(&options.path))?,
    };
    let firmware = match (&options.firmware, uefi) {
        (Some(file), _) => ironkit_vm::firmware_at(file, state.folder()?)?,
        (None, true) => ironkit_vm::find_firmware(arch, Path::new("/"), state.folder()?)?,
        (None, false) => Firmware::Builtin,
    };
    let mut machine = Machine {
        arch,
        // Decided last: it takes a moment.
        accelerator: ironkit_vm::Accelerator::Tcg,
        cpus: options.cpus,
        memory_mib: options.memory_mib,
        firmware,
        boot: Boot::Disk,
        disks: devices::disks(options, &state)?,
        cds: Vec::new(),
        networks: devices::networks(options, &state)?,
        shares: devices::shares(context, options, &state)?,
        vsock_cid: options.vsock_cid,
        tpm: devices::tpm(options, &state)?,
        usb: options.usb,
        devices: options.devices.clone(),
        screen: options.screen,
        console: match options.detached {
            true => Console::File(state.folder()?.join("console")),
            false => Console::Terminal,
        },
        report: options.report.clone(),
        qmp: match options.detached {
            true => Some(state.folder()?.join("qmp")),
            false => None,
        },
        on_reboot: OnReboot::Restart,
    };
    start.put_into(&mut machine, options, &state, watcher)?;
    machine.cds.extend(devices::metadata(context, options, &state)?);
    let chosen = ironkit_vm::choose_accelerator(options.accel, arch, &qemu, PROBE_LIMIT)?;
    if let Some(why) = &chosen.why {
        watcher.note(why);
    }
    machine.accelerator = chosen.accelerator;
    let (state, lock) = state.made();
    Ok(Prepared {
        machine,
        qemu,
        state,
        lock,
    })
}

/// The machine's processor, which must be the image's.
fn arch(options: &RunOptions, start: &Start) -> Result<Arch> {
    let name = &options.name;
    match (options.arch, start.arch()) {
        (Some(asked), Some(found)) if asked != found => Err(Error::Usage {
            message: format!("`{name}` is for {found}, and a machine with {asked} was asked for"),
            hint: format!("run it with --arch {found}, or build it for the other: `ironkit build --arch …`"),
        }),
        (Some(arch), _) | (None, Some(arch)) => Ok(arch),
        (None, None) => match std::env::consts::ARCH.parse::<Arch>() {
            Ok(arch) => Ok(arch),
            Err(error) => Err(Error::Vm(error.into())),
        },
    }
}

/// Whether the machine needs UEFI: when somebody says so, and where nothing else can start the image.
fn wants_uefi(options: &RunOptions, start: &Start, arch: Arch) -> Result<bool> {
    let asked = options.uefi || options.firmware.is_some();
    let name = &options.name;
    let Some(firmwares) = start.firmwares() else {
        return Ok(asked);
    };
    let nothing = !firmwares.bios && !firmwares.uefi;
    if nothing && (options.attach == Attach::Auto || start.is_cd()) {
        return Err(Error::Usage {
            message: format!("nothing on `{name}` starts a machine: it has no boot loader"),
            hint: match start.is_cd() {
                true => "with a root file system of the format kernel+iso, give the base name of it and its kernel"
                    .to_owned(),
                false => "the file may be damaged or cut off; --attach disk starts it all the same".to_owned(),
            },
        });
    }
    let bios_only = firmwares.bios && !firmwares.uefi;
    let uefi_only = firmwares.uefi && !firmwares.bios;
    if bios_only && arch != Arch::X86_64 {
        return Err(Error::Usage {
            message: format!("`{name}` starts from a BIOS, and a machine with {arch} has none"),
            hint: "build an image for UEFI, in the format raw-efi for one".to_owned(),
        });
    }
    if bios_only && asked {
        return Err(Error::Usage {
            message: format!("`{name}` starts from a BIOS, and UEFI was asked for"),
            hint: "leave out --uefi, or build an image for UEFI, in the format raw-efi for one".to_owned(),
        });
    }
    Ok(asked || uefi_only || arch != Arch::X86_64)
}

/// The directory of what outlives the machine, which is made when something needs it.
pub(crate) struct State {
    path: PathBuf,
    /// Whether the machine keeps it when this program ends.
    detached: bool,
    lock: OnceCell<File>,
}

impl State {
    fn new(context: &Context, options: &RunOptions) -> State {
        let name = options.name.strip_suffix(".iso").unwrap_or(&options.name);
        let path = match &options.state {
            Some(path) => path.clone(),
            None => PathBuf::from(format!("{name}-state")),
        };
        State {
            path: context.working_directory.join(path),
            detached: options.detached,
            lock: OnceCell::new(),
        }
    }

    /// Its path. It is there then, and nobody else's.
    pub(crate) fn folder(&self) -> Result<&Path> {
        if self.lock.get().is_none() {
            let lock = self.make()?;
            // Nobody else can have set it.
            let _ = self.lock.set(lock);
        }
        Ok(&self.path)
    }

    fn make(&self) -> Result<File> {
        let failed = |source| Error::Write {
            path: self.path.clone(),
            source,
        };
        std::fs::create_dir_all(&self.path).map_err(failed)?;
        let mut options = File::options();
        let lock = options.write(true).create(true).truncate(false);
        let lock = lock.open(self.path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => Err(Error::StateInUse {
                path: self.path.clone(),
            }),
            // A file system without locks is as good as none.
            Err(TryLockError::Error(_)) | Ok(()) => {
                if self.detached {
                    // The machine inherits it.
                    rustix::io::fcntl_setfd(&lock, rustix::io::FdFlags::empty())
                        .map_err(|error| failed(error.into()))?;
                }
                Ok(lock)
            }
        }
    }

    fn made(self) -> (Option<PathBuf>, Option<File>) {
        let lock = self.lock.into_inner();
        (lock.as_ref().map(|_| self.path), lock)
    }
}

/// Where an image's disk comes in the machine's list, and how.
pub(crate) fn bus(attach: Attach) -> Bus {
    match attach {
        Attach::Usb => Bus::Usb,
        Attach::Auto | Attach::Cd | Attach::Disk => Bus::Board,
    }
}

impl std::str::FromStr for NetworkSpec {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<NetworkSpec, String> {
        match text.split_once(',').unwrap_or((text, "")) {
            ("user" | "default" | "", "") => Ok(NetworkSpec::User),
            ("none", "") => Ok(NetworkSpec::None),
            ("bridge" | "tap", "") => Err(format!("a name is missing: {text},NAME")),
            ("bridge", name) => Ok(NetworkSpec::Bridge(name.to_owned())),
            ("tap", name) => Ok(NetworkSpec::Tap(name.to_owned())),
            _ => Err("it is user, bridge,NAME, tap,NAME or none".to_owned()),
        }
    }
}

impl std::str::FromStr for Attach {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Attach, String> {
        match text {
            "auto" => Ok(Attach::Auto),
            "cd" => Ok(Attach::Cd),
            "disk" => Ok(Attach::Disk),
            "usb" => Ok(Attach::Usb),
            _ => Err("it is auto, cd, disk or usb".to_owned()),
        }
    }
}

/// Whether ports lead anywhere.
pub(crate) fn is_user(mode: &Mode) -> bool {
    matches!(mode, Mode::User { .. })
}
