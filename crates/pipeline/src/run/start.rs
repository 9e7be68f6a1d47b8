//! What a machine starts from: the file or files that a name means, and what is in them.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};

use ironkit_image::ReadAt;
use ironkit_image::read::medium::{self, Firmwares, Kind, Medium};
use ironkit_vm::{Arch, Boot, Bus, Disk, DiskFormat, Machine};

use super::refused::{build_first, refused};
use super::{Attach, RootFile, RunOptions, State, bus, is_user};
use crate::{Context, Error, Result, Watcher};

/// What follows the base name of files that belong to a kernel.
pub(super) const OF_KERNEL: [&str; 6] = [
    "-kernel",
    "-initrd.img",
    "-root-initrd.img",
    "-cmdline",
    "-squashfs.img",
    "-erofs.img",
];
/// What follows the base name of files that can be run by themselves.
const ALONE: [&str; 15] = [
    ".img",
    "-bios.img",
    "-efi.img",
    ".raw",
    ".qcow2",
    "-efi.qcow2",
    ".vhd",
    "-azure.vhd",
    ".vhdx",
    ".vmdk",
    ".iso",
    "-efi.iso",
    "-efi-initrd.iso",
    "-hybrid.iso",
    ".efi",
];
/// Most of a folder that QEMU shows as a FAT file system, with some space left.
const EFI_FOLDER_MAX: u64 = 500 << 20;

/// What a machine starts from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    Kernel {
        kernel: PathBuf,
        initrd: Option<PathBuf>,
        cmdline: String,
        /// The disk with the root file system.
        root: Option<Root>,
        arch: Option<Arch>,
    },
    Cd(PathBuf, Medium),
    Disk(PathBuf, Option<DiskFormat>, Medium),
    Efi(PathBuf, Option<Arch>),
    Network(PathBuf, Option<Arch>),
}

/// A file with a root file system, for which the kernel is beside it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Root {
    path: PathBuf,
    cd: bool,
}

impl Start {
    /// What `options.name` means.
    pub(super) fn of(context: &Context, options: &RunOptions) -> Result<Start> {
        if options.name.is_empty() {
            return Err(Error::Usage {
                message: "the image's name is empty".to_owned(),
                hint: "give the base name of an image, or one of its files".to_owned(),
            });
        }
        let path = context.working_directory.join(&options.name);
        let by_name = options.root != RootFile::Auto;
        // A kernel is not attached to anything.
        let is_attached = options.attach != Attach::Auto;
        if !by_name && path.is_file() {
            let of_kernel = OF_KERNEL.iter().find_map(|end| options.name.strip_suffix(end));
            // `minimal-kernel` means the same as `minimal`, when that is one.
            return match of_kernel.map(|base| context.working_directory.join(base)) {
                Some(base) if with(&base, "-kernel").is_file() && !is_attached => {
                    Start::of_kernel(options, &base)
                }
                _ => Start::of_file(options, path),
            };
        }
        if with(&path, "-kernel").is_file() && !is_attached {
            return Start::of_kernel(options, &path);
        }
        match std::fs::metadata(&path).map(|found| found.file_type()) {
            Ok(kind) if kind.is_block_device() && !by_name => Start::of_file(options, path),
            Ok(kind) if !kind.is_file() && !by_name => Err(Error::Usage {
                message: match kind.is_dir() {
                    true => format!("`{}` is a directory, and no image has that name", options.name),
                    false => format!("`{}` is neither a file nor a block device", options.name),
                },
                hint: "give the base name of an image, or one of its files".to_owned(),
            }),
            _ => Err(missing(options, &path)),
        }
    }

    /// A kernel, and what has the same base name.
    fn of_kernel(options: &RunOptions, base: &Path) -> Result<Start> {
        let there = |end: &str| Some(with(base, end)).filter(|path| path.is_file());
        let initrd = there("-initrd.img");
        let on_disk = |end: &str, cd| there(end).map(|path| Root { path, cd });
        let root = match options.root {
            RootFile::Initrd => None,
            RootFile::Squashfs => on_disk("-squashfs.img", false),
            RootFile::Erofs => on_disk("-erofs.img", false),
            // In LinuxKit's order. An ISO beside an initrd is something else.
            RootFile::Auto => on_disk("-squashfs.img", false)
                .or_else(|| on_disk("-erofs.img", false))
                .or_else(|| on_disk(".iso", true).filter(|_| initrd.is_none())),
        };
        let wanted = match options.root {
            RootFile::Auto | RootFile::Initrd => None,
            RootFile::Squashfs => Some("-squashfs.img"),
            RootFile::Erofs => Some("-erofs.img"),
        };
        if let Some(end) = wanted.filter(|_| root.is_none()) {
            return Err(Error::Usage {
                message: format!(
                    "there is no root file system: {} does not exist",
                    with(base, end).display()
                ),
                hint: "build it first, in the format kernel+squashfs or kernel+erofs".to_owned(),
            });
        }
        let kernel = with(base, "-kernel");
        let cmdline = with(base, "-cmdline");
        let cmdline = match std::fs::read_to_string(&cmdline) {
            Ok(cmdline) => cmdline,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => {
                return Err(Error::Read {
                    path: cmdline,
                    source,
                });
            }
        };
        Ok(Start::Kernel {
            arch: look(&kernel)?.arch.and_then(of_image),
            initrd: match root {
                Some(_) => there("-root-initrd.img"),
                None => initrd,
            },
            kernel,
            cmdline,
            root,
        })
    }

    /// A file that is there.
    fn of_file(options: &RunOptions, path: PathBuf) -> Result<Start> {
        let medium = look(&path)?;
        if let Some(what) = unattached(medium.kind).filter(|_| options.attach != Attach::Auto) {
            return Err(Error::Usage {
                message: format!("`{}` is {what}, and not attached as a disk or a CD", options.name),
                hint: "leave out --iso and --attach".to_owned(),
            });
        }
        if medium.elsewhere && path.extension().is_some_and(|end| end == "img" || end == "raw") {
            return Err(Error::Usage {
                message: format!("`{}` has the name of a raw disk, and what is on it names other files", options.name),
                hint: "a machine can write that onto its disk, to read these files: call it .qcow2 or .vmdk if you made it".to_owned(),
            });
        }
        let disk = |format| {
            let path = path.clone();
            match options.attach {
                Attach::Cd => Err(Error::Usage {
                    message: format!("`{}` is a disk, not a CD", options.name),
                    hint: "leave out --iso and --attach cd".to_owned(),
                }),
                Attach::Auto | Attach::Disk | Attach::Usb => Ok(Start::Disk(path, format, medium)),
            }
        };
        match (medium.kind, options.attach) {
            (Kind::Iso, Attach::Auto | Attach::Cd) | (Kind::Unknown, Attach::Cd) => {
                Ok(Start::Cd(path, medium))
            }
            (Kind::Iso | Kind::Raw | Kind::Fat, _) => disk(Some(DiskFormat::Raw)),
            (Kind::Ext4, _) if medium.disk.bios => disk(Some(DiskFormat::Raw)),
            (Kind::Unknown, Attach::Auto) => Err(refused(options, medium.kind)),
            // QEMU may know more formats.
            (Kind::Unknown, _) => disk(None),
            (Kind::Qcow2, _) => disk(Some(DiskFormat::Qcow2)),
            (Kind::Vhd, _) => disk(Some(DiskFormat::Vpc)),
            (Kind::Vhdx, _) => disk(Some(DiskFormat::Vhdx)),
            (Kind::Vmdk, _) => disk(Some(DiskFormat::Vmdk)),
            (Kind::Efi, _) => Ok(Start::Efi(path, medium.arch.and_then(of_image))),
            (Kind::Ipxe, _) => {
                // The script itself does not say.
                let kernel = look(&with(&path.with_extension(""), "-kernel"));
                let arch = kernel.ok().and_then(|kernel| kernel.arch).and_then(of_image);
                Ok(Start::Network(path, arch))
            }
            (Kind::Kernel | Kind::Elf, _) => Ok(Start::Kernel {
                kernel: path,
                initrd: None,
                cmdline: String::new(),
                root: None,
                arch: medium.arch.and_then(of_image),
            }),
            (kind, _) => Err(refused(options, kind)),
        }
    }

    /// Which processor it is for, if it says.
    pub(super) fn arch(&self) -> Option<Arch> {
        match self {
            Start::Kernel { arch, .. } | Start::Efi(_, arch) | Start::Network(_, arch) => *arch,
            Start::Cd(_, medium) | Start::Disk(_, _, medium) => medium.arch.and_then(of_image),
        }
    }

    /// How many bytes are missing from its end.
    pub(super) fn missing(&self) -> u64 {
        match self {
            Start::Cd(_, medium) | Start::Disk(_, _, medium) => medium.missing,
            _ => 0,
        }
    }

    /// Whether it is a CD that says who starts from it.
    pub(super) fn is_cd(&self) -> bool {
        matches!(self, Start::Cd(_, medium) if medium.kind == Kind::Iso)
    }

    /// Which firmware starts it; none when it needs none.
    pub(super) fn firmwares(&self) -> Option<Firmwares> {
        match self {
            Start::Kernel { .. } => None,
            Start::Cd(_, medium) => Some(medium.cd),
            Start::Disk(_, _, medium) => Some(medium.disk),
            Start::Efi(..) => Some(Firmwares {
                bios: false,
                uefi: true,
            }),
            Start::Network(..) => Some(Firmwares {
                bios: true,
                uefi: true,
            }),
        }
    }

    /// Makes `machine` start from it.
    pub(super) fn put_into(
        self,
        machine: &mut Machine,
        options: &RunOptions,
        state: &State,
        watcher: &dyn Watcher,
    ) -> Result<()> {
        if !matches!(self, Start::Kernel { .. }) {
            if !options.append.is_empty() {
                return Err(Error::Usage {
                    message: format!("`{}` has the kernel's command line in it", options.name),
                    hint: "--append is for images whose kernel is a file of its own".to_owned(),
                });
            }
            if options.report.is_some() {
                let (report, device) = (ironkit_contract::cmdline::REPORT, machine.arch.report_device());
                watcher.note(&format!(
                    "the boot report comes only if the image's command line has {report}={device}"
                ));
            }
        }
        machine.boot = match self {
            Start::Kernel {
                kernel,
                initrd,
                mut cmdline,
                root,
                ..
            } => {
                if let Some(root) = root {
                    let device = attach_root(machine, root);
                    if !cmdline
                        .split_ascii_whitespace()
                        .any(|word| word.starts_with("root="))
                    {
                        cmdline = format!("{cmdline} root={device}");
                    }
                }
                if options.report.is_some() {
                    let device = machine.arch.report_device();
                    cmdline = format!("{cmdline} {}={device}", ironkit_contract::cmdline::REPORT);
                }
                if !options.append.is_empty() {
                    cmdline = format!("{cmdline} {}", options.append);
                }
                Boot::Kernel {
                    kernel,
                    initrd,
                    cmdline: cmdline.trim().to_owned(),
                }
            }
            Start::Cd(path, _) => {
                machine.cds.insert(0, path);
                Boot::Cd
            }
            Start::Disk(path, format, _) => {
                machine
                    .disks
                    .insert(0, existing(path, format, bus(options.attach)));
                Boot::Disk
            }
            Start::Efi(path, _) => Boot::Efi {
                folder: efi_folder(&path, machine.arch, state)?,
            },
            Start::Network(script, _) => network(machine, &script)?,
        };
        Ok(())
    }
}

/// The first disk, or the first CD; returns what the kernel calls it.
fn attach_root(machine: &mut Machine, root: Root) -> &'static str {
    match (machine.arch, root.cd) {
        (Arch::X86_64, true) => {
            machine.cds.insert(0, root.path);
            "/dev/sr0"
        }
        (arch, _) => {
            // Linux looks at several SATA disks at once, and which becomes `/dev/sda` is chance.
            let (bus, device) = match arch {
                Arch::X86_64 if machine.disks.is_empty() => (Bus::Board, "/dev/sda"),
                Arch::X86_64 => (Bus::Virtio, "/dev/vda"),
                Arch::Aarch64 | Arch::Riscv64 => (Bus::Board, "/dev/vda"),
            };
            let disk = existing(root.path, Some(DiskFormat::Raw), bus);
            machine.disks.insert(0, disk);
            device
        }
    }
}

fn existing(path: PathBuf, format: Option<DiskFormat>, bus: Bus) -> Disk {
    Disk {
        path,
        size_mib: None,
        format,
        bus,
    }
}

/// A folder in which UEFI finds the program at `path`.
fn efi_folder(path: &Path, arch: Arch, state: &State) -> Result<PathBuf> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| Error::Write { path, source }
    };
    let size = std::fs::metadata(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    if size.len() > EFI_FOLDER_MAX {
        return Err(Error::Usage {
            message: format!(
                "{} is larger than the {} MiB that QEMU can show as a file system",
                path.display(),
                EFI_FOLDER_MAX >> 20
            ),
            hint: "build the image in the format raw-efi, and run that".to_owned(),
        });
    }
    let folder = state.folder()?.join("efi");
    let boot = folder.join("EFI/BOOT");
    // What an earlier image left there would be started, too.
    match std::fs::remove_dir_all(&folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(failed(&folder)(source)),
        _ => {}
    }
    std::fs::create_dir_all(&boot).map_err(failed(&boot))?;
    let name = boot.join(match arch {
        Arch::X86_64 => "BOOTX64.EFI",
        Arch::Aarch64 => "BOOTAA64.EFI",
        Arch::Riscv64 => "BOOTRISCV64.EFI",
    });
    let target = path.canonicalize().map_err(failed(path))?;
    std::os::unix::fs::symlink(target, &name).map_err(failed(&name))?;
    Ok(folder)
}

/// The network, with the script and its neighbours on a TFTP server.
fn network(machine: &Machine, script: &Path) -> Result<Boot> {
    if !machine
        .networks
        .first()
        .is_some_and(|network| is_user(&network.mode))
    {
        return Err(Error::Usage {
            message: "a machine that starts from the network needs a private one".to_owned(),
            hint: "use --networking user".to_owned(),
        });
    }
    let name = script.file_name().and_then(|name| name.to_str());
    Ok(Boot::Network {
        folder: script.parent().unwrap_or(Path::new(".")).to_owned(),
        script: name.unwrap_or_default().to_owned(),
    })
}

/// `base` and what follows it.
fn with(base: &Path, end: &str) -> PathBuf {
    let mut path = base.as_os_str().to_owned();
    path.push(end);
    path.into()
}

fn of_image(arch: ironkit_image::Arch) -> Option<Arch> {
    match arch {
        ironkit_image::Arch::Amd64 => Some(Arch::X86_64),
        ironkit_image::Arch::Arm64 => Some(Arch::Aarch64),
        ironkit_image::Arch::Other => Some(Arch::Riscv64),
    }
}

/// A file that can be read anywhere.
struct OnDisk {
    file: File,
    size: u64,
}

impl ReadAt for OnDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

fn look(path: &Path) -> Result<Medium> {
    let open = || {
        let mut file = File::open(path)?;
        // Of a block device, too, whose metadata has none.
        let size = file.seek(SeekFrom::End(0))?;
        Ok(OnDisk { file, size })
    };
    let file = open().map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(medium::look(&file))
}

/// What is started without being attached as a disk or a CD.
fn unattached(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Kernel => Some("a kernel"),
        Kind::Efi => Some("a program for UEFI"),
        Kind::Ipxe => Some("a script for machines that start from the network"),
        _ => None,
    }
}

fn missing(options: &RunOptions, base: &Path) -> Error {
    let name = &options.name;
    let files: Vec<String> = ALONE
        .iter()
        .filter(|end| with(base, end).is_file())
        .map(|end| format!("{name}{end}"))
        .collect();
    if options.attach != Attach::Auto && with(base, "-kernel").is_file() {
        return Error::Usage {
            message: format!(
                "`{name}` is a kernel and what belongs to it, and not attached as a disk or a CD"
            ),
            hint: match files.is_empty() {
                true => "leave out --iso and --attach".to_owned(),
                false => format!("give the disk or CD by its name: {}", files.join(", ")),
            },
        };
    }
    let hint = if !files.is_empty() {
        format!("give one of the files by its name: {}", files.join(", "))
    } else if let Some(hint) = build_first(name) {
        hint
    } else {
        format!("build it first: `ironkit build {name}.yml`, or give the path without `-kernel`")
    };
    Error::Usage {
        message: format!(
            "there is no image `{name}`: neither it nor {} exists",
            with(base, "-kernel").display()
        ),
        hint,
    }
}
