//! The file systems of the machine, as a table, and the root as a mount that containers can leave.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::Path;

use ironkit_sys::mount::flags::{BIND, MOVE, NODEV, NOEXEC, NOSUID, RDONLY, REC, RELATIME, REMOUNT, SHARED};
use ironkit_sys::mount::{is_in_memory, mount};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

use crate::error::{Result, Step};

/// One mount.
struct Mount {
    kind: &'static str,
    target: &'static str,
    flags: u32,
    data: &'static str,
    failure: Failure,
}

/// What follows when a mount fails.
#[derive(PartialEq)]
enum Failure {
    /// It is said, and counts as a problem of the boot.
    Report,
    /// Nothing: not every kernel has it.
    Ignore,
}

const NONE: u32 = NOEXEC | NOSUID | NODEV;
const ALWAYS: &[Mount] = &[
    row("proc", "/proc", NONE | RELATIME, ""),
    row(
        "devtmpfs",
        "/dev",
        NOSUID | NOEXEC | RELATIME,
        "size=10m,nr_inodes=248418,mode=755",
    ),
    row("sysfs", "/sys", NONE, ""),
    row("tmpfs", "/run", NONE | RELATIME, "size=10%,mode=755"),
    row("tmpfs", "/tmp", NONE | RELATIME, "size=10%,mode=1777"),
    row("tmpfs", "/var", NONE | RELATIME, "size=50%,mode=755"),
    maybe("mqueue", "/dev/mqueue", NONE),
    row("tmpfs", "/dev/shm", NONE, "mode=1777"),
    row("devpts", "/dev/pts", NOEXEC | NOSUID, "gid=5,mode=0620"),
    maybe("securityfs", "/sys/kernel/security", NONE),
    maybe("debugfs", "/sys/kernel/debug", NONE),
    maybe("configfs", "/sys/kernel/config", NONE),
    maybe("fusectl", "/sys/fs/fuse/connections", NONE),
    maybe("selinuxfs", "/sys/fs/selinux", NOEXEC | NOSUID),
    maybe("pstore", "/sys/fs/pstore", NONE),
    maybe("bpf", "/sys/fs/bpf", NODEV),
    maybe("efivarfs", "/sys/firmware/efi/efivars", NONE),
    maybe("binfmt_misc", "/proc/sys/fs/binfmt_misc", NONE),
    row("cgroup2", CGROUP, NONE, ""),
];

/// Folders that are made where missing, with their permissions, once what is above them is mounted.
const FOLDERS: &[(&str, u32)] = &[
    ("/dev/mqueue", 0o755),
    ("/dev/shm", 0o1777),
    ("/dev/pts", 0o755),
    ("/var/cache", 0o755),
    ("/var/lib", 0o755),
    ("/var/local", 0o755),
    ("/var/lock", 0o755),
    ("/var/log", 0o755),
    ("/var/opt", 0o755),
    ("/var/spool", 0o755),
    ("/var/empty", 0o555),
    ("/var/tmp", 0o1777),
];

/// Links that are made where missing.
const LINKS: &[(&str, &str)] = &[
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/core", "/proc/kcore"),
    ("/var/run", "/run"),
];

/// Mount points that an initramfs need not have.
const TOP: [&str; 6] = ["/proc", "/dev", "/sys", "/run", "/tmp", "/var"];

/// Where control groups are.
pub const CGROUP: &str = "/sys/fs/cgroup";

const fn row(kind: &'static str, target: &'static str, flags: u32, data: &'static str) -> Mount {
    Mount {
        kind,
        target,
        flags,
        data,
        failure: Failure::Report,
    }
}

const fn maybe(kind: &'static str, target: &'static str, flags: u32) -> Mount {
    Mount {
        kind,
        target,
        flags,
        data: "",
        failure: Failure::Ignore,
    }
}

/// Makes the root ready and mounts everything. What failed is returned; nothing is fatal.
pub fn mount_all() -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(root().err());
    for entry in ALWAYS {
        // The kernel may have mounted it already: devtmpfs, when it mounted a root of its own.
        let mounted = match mount(
            entry.kind,
            Path::new(entry.target),
            entry.kind,
            entry.flags,
            entry.data,
        ) {
            Err(Errno::BUSY) => Ok(()),
            other => other,
        };
        let mounted = mounted.step(|| format!("mount {}", entry.target));
        problems.extend(mounted.err().filter(|_| entry.failure == Failure::Report));
        if entry.target == "/var" || entry.target == "/dev" {
            furnish(entry.target);
        }
    }
    problems.extend(enable_controllers(Path::new(CGROUP)).err());
    problems.extend(
        mount("", Path::new("/"), "", REC | SHARED, "")
            .step(|| "share /".to_owned())
            .err(),
    );
    problems.iter().map(ToString::to_string).collect()
}

/// Mounts a file system of a device on `/var`, instead of the one in memory, which comes back if that fails. It may hold
/// programs: container managers keep their images there.
pub fn replace_var(device: &Path, kind: &str) -> Result<()> {
    let var = Path::new("/var");
    unmount(var, UnmountFlags::empty()).step(|| "unmount /var".to_owned())?;
    let source = device.to_string_lossy();
    let mounted = mount(&source, var, kind, NODEV | RELATIME, "");
    if mounted.is_err()
        && let Some(entry) = ALWAYS.iter().find(|entry| entry.target == "/var")
    {
        let _ = mount(entry.kind, var, entry.kind, entry.flags, entry.data);
    }
    furnish("/var");
    mounted.step(|| format!("mount {source}"))
}

/// Lets the children of a control group have limits of every kind that the group itself can have.
pub fn enable_controllers(group: &Path) -> Result<()> {
    let step = || format!("controllers of {}", group.display());
    let all = fs::read_to_string(group.join("cgroup.controllers")).step(step)?;
    let enabled = fs::read_to_string(group.join("cgroup.subtree_control")).unwrap_or_default();
    let missing = |name: &&str| !enabled.split_ascii_whitespace().any(|other| other == *name);
    for name in all.split_ascii_whitespace().filter(missing) {
        fs::write(group.join("cgroup.subtree_control"), format!("+{name}")).step(step)?;
    }
    Ok(())
}

/// Makes the root read-only. The root of an initramfs first becomes a mount on itself: the kernel's own first mount can not be
/// left with pivot_root(2), which every container does. Nothing is copied for that.
fn root() -> Result<()> {
    let here = Path::new("/");
    let step = |what: &'static str| move || format!("root: {what}");
    if !is_in_memory(here).step(step("look"))? {
        return mount("", here, "", REMOUNT | RDONLY, "")
            .or_else(already_so)
            .step(step("make read-only"));
    }
    for folder in TOP {
        let _ = fs::create_dir(folder);
    }
    let place = Path::new("/.root");
    fs::create_dir_all(place).step(step("make a place"))?;
    mount("/", place, "", BIND, "").step(step("bind"))?;
    rustix::process::chdir(place).step(step("enter"))?;
    mount(".", here, "", MOVE, "").step(step("move"))?;
    rustix::process::chroot(".").step(step("change to"))?;
    let _ = fs::remove_dir(place);
    mount("", here, "", REMOUNT | BIND | RDONLY, "").step(step("make read-only"))
}

/// Some file systems know no other way than read-only, and say so in one way or another.
fn already_so(error: Errno) -> std::result::Result<(), Errno> {
    if matches!(error, Errno::INVAL | Errno::ROFS | Errno::ACCESS) {
        Ok(())
    } else {
        Err(error)
    }
}

/// Makes the folders and links below a mount.
fn furnish(above: &str) {
    let below = |path: &str| path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'));
    for (path, mode) in FOLDERS.iter().filter(|(path, _)| below(path)) {
        if fs::DirBuilder::new().mode(*mode).create(path).is_ok() {
            // mkdir(2) applies the mask and drops the sticky bit on some file systems.
            let _ = fs::set_permissions(path, fs::Permissions::from_mode(*mode));
        }
    }
    for (path, target) in LINKS.iter().filter(|(path, _)| below(path)) {
        let _ = symlink(target, path);
    }
}
