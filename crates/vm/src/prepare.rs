//! What has to be there before a machine starts: its files are looked at, and missing disks are made. What is wrong
//! is said here, in the words of the machine's description, rather than by QEMU in its own.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;

use crate::{Boot, Disk, DiskFormat, Error, Firmware, Machine, Share, arguments, qcow2};

/// Checks the files, makes the disks that are missing, and spells the command.
pub(crate) fn prepare(machine: &Machine, qemu: &Path) -> Result<Command, Error> {
    boot(&machine.boot)?;
    firmware(&machine.firmware)?;
    if let Some(path) = &machine.qmp {
        remove_socket(path)?;
    }
    machine.disks.iter().try_for_each(make_if_missing)?;
    machine.cds.iter().try_for_each(|cd| readable("the CD", cd))?;
    machine.shares.iter().try_for_each(share)?;
    if machine.vsock_cid.is_some() {
        File::options()
            .read(true)
            .write(true)
            .open(VSOCK)
            .map_err(|source| Error::NoVsock { source })?;
    }
    let mut command = Command::new(qemu);
    command.args(arguments(machine));
    Ok(command)
}

/// The kernel's interface to sockets between guests and this computer.
const VSOCK: &str = "/dev/vhost-vsock";

fn boot(boot: &Boot) -> Result<(), Error> {
    match boot {
        Boot::Kernel { kernel, initrd, .. } => {
            readable("the kernel", kernel)?;
            initrd
                .iter()
                .try_for_each(|initrd| readable("the initrd", initrd))
        }
        Boot::Efi { folder } => readable("the folder", folder),
        Boot::Network { folder, script } => readable("the iPXE script", &folder.join(script)),
        Boot::Disk | Boot::Cd => Ok(()),
    }
}

/// Variables that there are not yet are copied.
fn firmware(firmware: &Firmware) -> Result<(), Error> {
    let Firmware::Uefi { code, vars } = firmware else {
        return Ok(());
    };
    readable("the firmware", code)?;
    let Some(vars) = vars.as_ref().filter(|vars| !vars.path.exists()) else {
        return Ok(());
    };
    readable("the firmware's variables", &vars.template)?;
    // Read and written, not copied: the template's mode may be read-only.
    fs::read(&vars.template)
        .and_then(|bytes| fs::write(&vars.path, bytes))
        .map_err(|source| Error::File {
            what: "the firmware's variables",
            path: vars.path.clone(),
            source,
        })
}

fn share(share: &Share) -> Result<(), Error> {
    let (Share::NineP { folder, .. } | Share::Virtiofs { folder, .. }) = share;
    fs::read_dir(folder).map(drop).map_err(|source| Error::File {
        what: "the folder",
        path: folder.clone(),
        source,
    })
}

/// Removes a socket that was left behind, which would be taken for the new one.
pub(crate) fn remove_socket(path: &Path) -> Result<(), Error> {
    let length = path.as_os_str().len();
    if length > SOCKET_PATH_BYTES {
        return Err(Error::SocketPath {
            path: path.to_owned(),
            length,
            limit: SOCKET_PATH_BYTES,
        });
    }
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::File {
            what: "the control socket",
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// `sun_path` of unix(7) without its terminating zero.
const SOCKET_PATH_BYTES: usize = 107;

fn make_if_missing(disk: &Disk) -> Result<(), Error> {
    let error = |source| Error::File {
        what: "the disk",
        path: disk.path.clone(),
        source,
    };
    if disk.path.try_exists().map_err(error)? {
        return Ok(());
    }
    let size = disk.size_mib.ok_or_else(|| Error::DiskWithoutSize {
        path: disk.path.clone(),
    })?;
    match disk.format.unwrap_or(DiskFormat::Raw) {
        DiskFormat::Raw => {
            let bytes = size
                .checked_mul(1 << 20)
                .ok_or_else(|| error(io::ErrorKind::FileTooLarge.into()))?;
            File::create_new(&disk.path)
                .and_then(|file| file.set_len(bytes))
                .map_err(error)
        }
        DiskFormat::Qcow2 => qcow2::create(&disk.path, size).map_err(error),
        format @ (DiskFormat::Vpc | DiskFormat::Vhdx | DiskFormat::Vmdk) => {
            let output = Command::new("qemu-img")
                .args(["create", "-q", "-f", format.name()])
                .arg(&disk.path)
                .arg(format!("{size}M"))
                .output()
                .map_err(|source| Error::NoQemuImg {
                    path: disk.path.clone(),
                    source,
                })?;
            if output.status.success() {
                return Ok(());
            }
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(error(io::Error::other(words)))
        }
    }
}

fn readable(what: &'static str, path: &Path) -> Result<(), Error> {
    File::open(path).map(drop).map_err(|source| Error::File {
        what,
        path: path.to_owned(),
        source,
    })
}
