//! What a container sees: its root, mounts and device nodes. Runs in the container's process, in its new mount namespace.

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ironkit_contract::oci::{Device, Mount, Spec};
use ironkit_sys::mount::flags::{BIND, NODEV, NOEXEC, NOSUID, PRIVATE, RDONLY, REC, REMOUNT, SLAVE};
use ironkit_sys::mount::mount;
use rustix::fs::{AtFlags, StatVfsMountFlags, symlinkat};
use rustix::fs::{FileType, Gid, Mode, Uid, chownat, makedev, mknodat, statvfs, unlinkat};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{chdir, fchdir, pivot_root};

use super::devices;
use super::inside::{Inside, Kind, path_of};
use super::options::{self, Options};
use crate::error::{Error, Result, Step};

/// Links in `/dev` of every container.
const LINKS: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

/// Builds all of it below `root`, from `bundle`, and makes it `/`. Afterwards nothing else is reachable.
pub fn enter(spec: &Spec, bundle: &Path, root: &Path) -> Result<()> {
    let inside = prepare(spec, root)?;
    for entry in &spec.mounts {
        place(entry, &inside, bundle).map_err(|error| named(&entry.destination, &error))?;
    }
    if !spec
        .mounts
        .iter()
        .any(|entry| entry.destination == "/dev" && is_bind(entry))
    {
        make_devices(&inside, &spec.linux.devices)?;
    }
    make_folder_of_cwd(&inside, &spec.process.cwd);
    pivot(&inside)?;
    protect(spec)
}

fn named(place: &str, error: &Error) -> Error {
    Error::Invalid(format!("mount {place}: {error}"))
}

/// Cuts the propagation of mounts as configured and makes the root a mount of its own.
fn prepare(spec: &Spec, root: &Path) -> Result<Inside> {
    let wanted = spec.linux.rootfs_propagation.as_str();
    let flags = match wanted {
        "" => SLAVE | REC,
        word => options::propagation(word)
            .ok_or_else(|| Error::Invalid(format!("rootfsPropagation: unknown word {word}")))?,
    };
    let here = Path::new("/");
    mount("", here, "", flags, "").step(|| "propagation of /".to_owned())?;
    let step = || format!("bind {}", root.display());
    let bind = || mount(&root.to_string_lossy(), root, "", BIND | REC, "");
    let cut = || mount("", root, "", PRIVATE, "");
    // pivot_root(2) wants a root that is a mount, on a mount that is not shared; and the machine is not to see it.
    match cut() {
        Err(Errno::INVAL) => bind().and_then(|()| cut()).step(step)?,
        other => other.step(step)?,
    }
    bind().step(step)?;
    Inside::open(root).step(|| format!("open {}", root.display()))
}

/// Makes one mount.
fn place(entry: &Mount, inside: &Inside, bundle: &Path) -> Result<()> {
    if !entry.uid_mappings.is_empty() || !entry.gid_mappings.is_empty() {
        return Err(Error::NotSupported("mapping the ids of a mount".to_owned()));
    }
    let options = options::parse(&entry.options)?;
    if options.is_bind() {
        return bind(entry, &options, inside, bundle);
    }
    let destination = Path::new(&entry.destination);
    let target = inside
        .find_or_make(destination, Kind::Folder)
        .step(|| "make the mount point".to_owned())?;
    let (kind, data) = match entry.kind.as_str() {
        // The specification's `cgroup` is version 2's on a machine with that; its options are version 1's.
        "cgroup" => ("cgroup2", ""),
        kind => (kind, options.data.as_str()),
    };
    // `/dev` is made read-only after its nodes were made.
    let later = if entry.destination == "/dev" { RDONLY } else { 0 };
    if options.copy_up {
        return Err(Error::NotSupported("the mount option tmpcopyup".to_owned()));
    }
    let flags = options.flags & !later;
    match mount(&entry.source, &path_of(&target), kind, flags, data) {
        Err(Errno::PERM) => show_machines(kind, flags, destination, inside)?,
        // A recursive bind of the machine's /sys brought it along already.
        Err(Errno::BUSY) if kind == "cgroup2" => {
            change(&path_of(&target), flags | BIND | REMOUNT).step(|| "cgroup2 (as bound)".to_owned())?;
        }
        other => other.step(|| kind.to_owned())?,
    }
    propagate(&options, destination, inside)
}

/// A user namespace may not mount what shows the machine's devices or control groups anew; the machine's mount of it can be
/// bound then, with the flags that were asked for.
fn show_machines(kind: &str, flags: u32, destination: &Path, inside: &Inside) -> Result<()> {
    let step = || format!("{kind} (and bind the machine's)");
    let source = match kind {
        "sysfs" => "/sys",
        "cgroup2" => "/sys/fs/cgroup",
        _ => return Err(Errno::PERM).step(|| kind.to_owned()),
    };
    let target = inside.find(destination).step(step)?;
    mount(source, &path_of(&target), "", BIND | REC, "").step(step)?;
    let mounted = inside.find(destination).step(step)?;
    change(&path_of(&mounted), flags | BIND | REMOUNT).step(step)
}

fn bind(entry: &Mount, options: &Options, inside: &Inside, bundle: &Path) -> Result<()> {
    let source = bundle.join(&entry.source);
    let data = fs::metadata(&source).step(|| format!("look at {}", source.display()))?;
    let kind = if data.is_dir() { Kind::Folder } else { Kind::File };
    let destination = Path::new(&entry.destination);
    let target = inside
        .find_or_make(destination, kind)
        .step(|| "make the mount point".to_owned())?;
    let step = || format!("bind {}", source.display());
    mount(
        &source.to_string_lossy(),
        &path_of(&target),
        "",
        options.flags & (BIND | REC),
        "",
    )
    .step(step)?;
    if options.flags & !(BIND | REC) != 0 {
        // The name is good for as long as the file is open.
        let mounted = inside.find(destination).step(step)?;
        let flags = options.flags & !REC | BIND | REMOUNT;
        change(&path_of(&mounted), flags).step(|| "change the flags".to_owned())?;
    }
    propagate(options, destination, inside)
}

/// Changes the flags of a mount. Where some that it has are locked, since it comes from another user namespace, those stay.
fn change(target: &Path, flags: u32) -> std::result::Result<(), Errno> {
    match mount("", target, "", flags, "") {
        Err(Errno::PERM) => {
            let has = statvfs(target)?.f_flag;
            let kept = [
                (StatVfsMountFlags::RDONLY, RDONLY),
                (StatVfsMountFlags::NOSUID, NOSUID),
                (StatVfsMountFlags::NODEV, NODEV),
                (StatVfsMountFlags::NOEXEC, NOEXEC),
            ];
            let kept = kept
                .iter()
                .filter(|(flag, _)| has.contains(*flag))
                .fold(0, |all, (_, flag)| all | flag);
            mount("", target, "", flags | kept, "")
        }
        other => other,
    }
}

fn propagate(options: &Options, destination: &Path, inside: &Inside) -> Result<()> {
    for flags in &options.propagation {
        let step = || "propagation".to_owned();
        let mounted = inside.find(destination).step(step)?;
        mount("", &path_of(&mounted), "", *flags, "").step(step)?;
    }
    Ok(())
}

fn is_bind(entry: &Mount) -> bool {
    entry.options.iter().any(|word| word == "bind" || word == "rbind")
}

fn make_devices(inside: &Inside, own: &[Device]) -> Result<()> {
    for device in devices::nodes(own) {
        make_device(inside, &device).step(|| format!("make {}", device.path))?;
    }
    for (path, target) in LINKS {
        let (folder, name) = inside
            .parent_of(Path::new(path))
            .step(|| format!("make {path}"))?;
        match symlinkat(target, &folder, &name) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error).step(|| format!("make {path}")),
        }
    }
    let (folder, name) = inside
        .parent_of(Path::new("/dev/ptmx"))
        .step(|| "make /dev/ptmx".to_owned())?;
    let _ = unlinkat(&folder, &name, AtFlags::empty());
    symlinkat("pts/ptmx", &folder, &name).step(|| "make /dev/ptmx".to_owned())
}

fn make_device(inside: &Inside, device: &Device) -> std::result::Result<(), Errno> {
    let kind = match device.kind.as_str() {
        "b" => FileType::BlockDevice,
        "p" => FileType::Fifo,
        _ => FileType::CharacterDevice,
    };
    let number = |value: i64| u32::try_from(value).map_err(|_| Errno::INVAL);
    let numbers = makedev(number(device.major)?, number(device.minor)?);
    let (folder, name) = inside.parent_of(Path::new(&device.path))?;
    let mode = Mode::from_raw_mode(device.file_mode.unwrap_or(0o666) & 0o7777);
    match mknodat(&folder, &name, kind, mode, numbers) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(()),
        // In a user namespace nodes can not be made, but the machine's can be shown.
        Err(Errno::PERM) => {
            let target = inside.find_or_make(Path::new(&device.path), Kind::File)?;
            return mount(&device.path, &path_of(&target), "", BIND, "");
        }
        Err(error) => return Err(error),
    }
    rustix::fs::chmodat(&folder, &name, mode, AtFlags::empty())?;
    let (user, group) = (
        Uid::from_raw(device.uid.unwrap_or(0)),
        Gid::from_raw(device.gid.unwrap_or(0)),
    );
    chownat(&folder, &name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)
}

/// A working directory that is missing is made; on a read-only root that fails, and entering it then says so.
fn make_folder_of_cwd(inside: &Inside, cwd: &str) {
    let _ = inside.find_or_make(Path::new(cwd), Kind::Folder);
}

/// Makes the container's root `/` and drops the machine's.
fn pivot(inside: &Inside) -> Result<()> {
    let machine = File::open("/").step(|| "open /".to_owned())?;
    let step = || "pivot_root".to_owned();
    fchdir(inside.root()).step(step)?;
    pivot_root(".", ".").step(step)?;
    let step = || "leave the machine's root".to_owned();
    fchdir(&machine).step(step)?;
    mount("", Path::new("."), "", SLAVE | REC, "").step(step)?;
    unmount(".", UnmountFlags::DETACH).step(step)?;
    chdir("/").step(step)
}

/// Takes away what the container must not see or change.
fn protect(spec: &Spec) -> Result<()> {
    for entry in spec
        .mounts
        .iter()
        .filter(|entry| entry.destination == "/dev" && !is_bind(entry))
    {
        let flags = options::parse(&entry.options)?.flags;
        if flags & RDONLY != 0 {
            change(Path::new("/dev"), flags | BIND | REMOUNT).step(|| "make /dev read-only".to_owned())?;
        }
    }
    for path in &spec.linux.readonly_paths {
        let path = Path::new(path);
        let step = || format!("make {} read-only", path.display());
        match mount(&path.to_string_lossy(), path, "", BIND | REC, "") {
            Ok(()) => change(path, BIND | REMOUNT | RDONLY).step(step)?,
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error).step(step),
        }
    }
    for path in &spec.linux.masked_paths {
        mask(Path::new(path)).step(|| format!("mask {path}"))?;
    }
    if spec.root.readonly {
        let flags = BIND | REMOUNT | RDONLY;
        change(Path::new("/"), flags).step(|| "make / read-only".to_owned())?;
    }
    Ok(())
}

fn mask(path: &Path) -> std::result::Result<(), Errno> {
    match mount("/dev/null", path, "", BIND, "") {
        Err(Errno::NOTDIR) => mount("tmpfs", path, "tmpfs", RDONLY, ""),
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// Makes a directory and those above it, 0755, where missing.
pub fn make_folders(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .step(|| format!("make {}", path.display()))
}

/// The root of a container's configuration: below its bundle when relative.
pub fn root_of(spec: &Spec, bundle: &Path) -> PathBuf {
    bundle.join(if spec.root.path.is_empty() {
        "rootfs"
    } else {
        &spec.root.path
    })
}
