//! What has to be there before a machine starts: its files are looked at, and missing disks are made. What is wrong
//! is said here, in the words of the machine's description, rather than by QEMU in its own.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::Path;
use std::process::Command;

use crate::{
    Boot, Disk, DiskFormat, Error, Firmware, Machine, Mode, Protocol, Publish, Share, arguments, qcow2,
};

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
    machine
        .networks
        .iter()
        .try_for_each(|network| connection(&network.mode))?;
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
        Boot::Efi { folder } => listable(folder),
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
    listable(folder)
}

fn listable(folder: &Path) -> Result<(), Error> {
    fs::read_dir(folder).map(drop).map_err(|source| Error::File {
        what: "the folder",
        path: folder.to_owned(),
        source,
    })
}

/// What a network card is connected to is there, and free.
fn connection(mode: &Mode) -> Result<(), Error> {
    let (name, make) = match mode {
        Mode::User { publish } => return publish.iter().try_for_each(free),
        Mode::Bridge { name } => (name, format!("ip link add {name} type bridge")),
        // QEMU would make one that nobody has connected to anything, where it is allowed to.
        Mode::Tap { name } => (name, format!("ip tuntap add {name} mode tap")),
    };
    match fs::read_to_string(INTERFACES) {
        Ok(text) if !lists(&text, name) => Err(Error::NoInterface {
            name: name.clone(),
            make: format!("{make}; ip link set {name} up"),
        }),
        // QEMU will see.
        _ => Ok(()),
    }
}

/// The network interfaces of this process's network namespace, which `/sys` may not be of.
const INTERFACES: &str = "/proc/self/net/dev";

fn lists(interfaces: &str, name: &str) -> bool {
    let mut names = interfaces.lines().filter_map(|line| line.split_once(':'));
    names.any(|(found, _)| found.trim() == name)
}

/// Listens for a moment: QEMU names the port in words of its own.
fn free(port: &Publish) -> Result<(), Error> {
    let address = SocketAddrV4::new(port.host_address.unwrap_or(Ipv4Addr::UNSPECIFIED), port.host);
    let bound = match port.protocol {
        Protocol::Tcp => TcpListener::bind(address).map(drop),
        Protocol::Udp => UdpSocket::bind(address).map(drop),
    };
    bound.map_err(|source| Error::Publish { port: *port, source })
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
        let bytes = open(&disk.path, File::options().read(true).write(true)).map_err(error)?;
        return match disk.format {
            Some(DiskFormat::Qcow2) if !is_qcow2(&bytes) => Err(Error::NotQcow2 {
                path: disk.path.clone(),
            }),
            _ => Ok(()),
        };
    }
    let size = disk.size_mib.ok_or_else(|| Error::DiskWithoutSize {
        path: disk.path.clone(),
    })?;
    match disk.format.unwrap_or(DiskFormat::Raw) {
        DiskFormat::Raw => {
            let bytes = size
                .checked_mul(1 << 20)
                .ok_or_else(|| error(io::ErrorKind::FileTooLarge.into()))?;
            let made = File::create_new(&disk.path).map_err(error)?.set_len(bytes);
            made.map_err(|source| {
                // The next attempt would take it for the disk.
                let _ = fs::remove_file(&disk.path);
                error(source)
            })
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
    let opened = open(path, File::options().read(true));
    opened.map(drop).map_err(|source| Error::File {
        what,
        path: path.to_owned(),
        source,
    })
}

/// As it begins. A file that is shorter is none, either.
fn is_qcow2(file: &File) -> bool {
    let mut magic = [0; 4];
    file.read_exact_at(&mut magic, 0).is_ok() && magic == *b"QFI\xfb"
}

/// Opens a file or block device. Opening a FIFO would wait for who writes to it.
fn open(path: &Path, options: &OpenOptions) -> io::Result<File> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() && !kind.is_block_device() {
        return Err(io::Error::other("it is neither a file nor a block device"));
    }
    options.open(path)
}
