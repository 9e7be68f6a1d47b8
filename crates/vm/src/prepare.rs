//! What has to be there before a machine starts: its files are looked at, and missing disks are made. What is wrong
//! is said here, in the words of the machine's description, rather than by QEMU in its own.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;

use crate::{Boot, Disk, DiskFormat, Error, Machine, arguments, qcow2};

/// Checks the files, makes the disks that are missing, and spells the command.
pub(crate) fn prepare(machine: &Machine, qemu: &Path) -> Result<Command, Error> {
    match &machine.boot {
        Boot::Kernel { kernel, initrd, .. } => {
            readable("the kernel", kernel)?;
            if let Some(initrd) = initrd {
                readable("the initrd", initrd)?;
            }
        }
    }
    if let Some(path) = &machine.qmp {
        let length = path.as_os_str().len();
        if length > SOCKET_PATH_BYTES {
            return Err(Error::SocketPath {
                path: path.clone(),
                length,
                limit: SOCKET_PATH_BYTES,
            });
        }
        // One that was left behind would be taken for the new machine's.
        match fs::remove_file(path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(Error::File {
                    what: "the control socket",
                    path: path.clone(),
                    source,
                });
            }
            _ => {}
        }
    }
    machine.disks.iter().try_for_each(make_if_missing)?;
    let mut command = Command::new(qemu);
    command.args(arguments(machine));
    Ok(command)
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
