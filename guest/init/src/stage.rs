//! The first stage: from a small initrd to the root file system on a disk, for kernels that have its drivers as modules.
//!
//! `crates/image/src/stage` makes that initrd, with this program as `/init`. What the kernel does by itself where nothing
//! is a module happens here: `root=` and its companions are honoured (Documentation/admin-guide/kernel-parameters.txt). Then
//! the initrd's memory is freed, and the root's own PID 1 takes over.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ironkit_sys::mount::flags::{MOVE, NODEV, NOEXEC, NOSUID, RDONLY};
use ironkit_sys::mount::{is_in_memory, mount};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

use crate::blocks::{self, Device, Wanted};
use crate::error::{Error, Result, Step};
use crate::modules::{self, Modules};
use crate::{cmdline, console, panics};

/// What marks a first stage, and where the root is mounted.
const SYSROOT: &str = "/sysroot";

/// How long a disk may take to appear, unless `rootwait` says otherwise. Emulated and remote ones are slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is mounted meanwhile: file system, place, flags.
const MOUNTS: [(&str, &str, u32); 3] = [
    ("proc", "/proc", NODEV | NOEXEC | NOSUID),
    ("sysfs", "/sys", NODEV | NOEXEC | NOSUID),
    ("devtmpfs", "/dev", NOEXEC | NOSUID),
];

/// PID 1's program in a root file system, the first that is there.
const INITS: [&str; 2] = ["/sbin/init", "/init"];

/// What the command line says of the root file system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Root {
    /// `root=`.
    device: Option<String>,
    /// `rootfstype=`: to be tried in this order.
    kinds: Vec<String>,
    /// `rootflags=`: for the file system.
    flags: String,
    /// `rootdelay=`: seconds before it is looked for.
    delay: u64,
    /// `rootwait`: for ever, or for so many seconds.
    wait: Option<Option<u64>>,
    /// `init=`.
    init: Option<String>,
}

impl Root {
    fn parse(text: &str) -> Root {
        let mut root = Root::default();
        for word in text.split_ascii_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            match key {
                "root" => root.device = Some(value.to_owned()),
                "rootfstype" => root.kinds = value.split(',').map(str::to_owned).collect(),
                "rootflags" => value.clone_into(&mut root.flags),
                "rootdelay" => root.delay = value.parse().unwrap_or(0),
                "rootwait" => root.wait = Some(value.parse().ok()),
                "init" => root.init = Some(value.to_owned()).filter(|path| path.starts_with('/')),
                _ => {}
            }
        }
        root
    }

    fn patience(&self) -> Option<Duration> {
        match self.wait {
            None => Some(PATIENCE),
            Some(seconds) => seconds.map(Duration::from_secs),
        }
    }
}

/// Whether this program runs from a first stage.
pub fn is_first() -> bool {
    Path::new(SYSROOT).is_dir() && is_in_memory(Path::new("/")).unwrap_or(false)
}

/// Mounts the root and becomes its PID 1. Without a root, there is nothing to go on with: the machine ends as `panic=` says.
pub fn run() -> ! {
    let mut problems = Vec::new();
    for (kind, target, flags) in MOUNTS {
        let _ = fs::create_dir(target);
        let mounted = mount(kind, Path::new(target), kind, flags, "");
        problems.extend(mounted.step(|| format!("mount {target}")).err());
    }
    console::adopt();
    let text = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let panic = cmdline::parse(&text).panic;
    panics::take_over(panic);
    for problem in problems {
        console::line(&format!("ironkit: {problem}"));
    }
    let Err(error) = enter(&Root::parse(&text));
    console::line(&format!("ironkit: no root file system: {error}"));
    panics::end(panic)
}

fn enter(root: &Root) -> Result<std::convert::Infallible> {
    let mut modules = Modules::open();
    modules::serve_kernel();
    std::thread::sleep(Duration::from_secs(root.delay));
    let device = find(root, &mut modules)?;
    let kind = attach(&device, root, &mut modules)?;
    let init = init_of(root, Path::new(SYSROOT))?;
    console::line(&format!("ironkit: root: {} ({kind})", device.path().display()));
    leave_initrd()?;
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let error = Command::new(&init).args(arguments).exec();
    Err(error).step(|| format!("run {}", init.display()))
}

fn find(root: &Root, modules: &mut Modules) -> Result<Device> {
    let text = root.device.as_deref().unwrap_or_default();
    if text.is_empty() {
        console::line(&format!("ironkit: {}", blocks::describe()));
        return Err(Error::Invalid("the command line has no root=".to_owned()));
    }
    let wanted = Wanted::parse(text).ok_or_else(|| {
        Error::Invalid(format!(
            "root={text}: it is no device, nor the name or identifier of one"
        ))
    })?;
    blocks::wait(&wanted, modules, root.patience()).ok_or_else(|| {
        let seconds = root.patience().unwrap_or_default().as_secs();
        console::line(&format!("ironkit: {}", blocks::describe()));
        Error::Invalid(format!("root={text} has not appeared within {seconds} s"))
    })
}

/// Mounts the root, read-only, and tells as what.
fn attach(device: &Device, root: &Root, modules: &mut Modules) -> Result<String> {
    let path = device.path();
    let mut kinds = root.kinds.clone();
    if kinds.is_empty() {
        kinds.extend(device.file_system().map(|found| found.kind.to_owned()));
    }
    if kinds.is_empty() {
        let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
        kinds = filesystems
            .lines()
            .filter_map(|line| line.strip_prefix('\t'))
            .map(str::to_owned)
            .collect();
    }
    let mut refused = Vec::new();
    for kind in kinds {
        // One that is no module, or is not there, mount(2) knows.
        for name in [format!("fs-{kind}"), kind.clone()] {
            refused.extend(modules.load(&name).err().map(|error| error.to_string()));
        }
        match mount(
            &path.to_string_lossy(),
            Path::new(SYSROOT),
            &kind,
            RDONLY,
            &root.flags,
        ) {
            Ok(()) => return Ok(kind),
            Err(Errno::NODEV) => refused.push(format!("{kind}: the kernel does not know it")),
            Err(error) => refused.push(format!("{kind}: {}", std::io::Error::from(error))),
        }
    }
    let why = if refused.is_empty() {
        "no file system that is known".to_owned()
    } else {
        refused.join("; ")
    };
    Err(Error::Invalid(format!(
        "{} cannot be mounted: {why}",
        path.display()
    )))
}

/// The program to run, by its path in the root. What a link there leads to cannot be seen from outside.
fn init_of(root: &Root, sysroot: &Path) -> Result<PathBuf> {
    let own = root.init.as_deref();
    let there = |path: &&str| fs::symlink_metadata(sysroot.join(path.trim_start_matches('/'))).is_ok();
    let found = own.into_iter().chain(INITS).find(there).map(PathBuf::from);
    found.ok_or_else(|| Error::Invalid("it has neither /sbin/init nor /init".to_owned()))
}

/// Deletes the initrd's files, so that their memory is free, and makes the root `/`.
fn leave_initrd() -> Result<()> {
    for (_, target, _) in MOUNTS {
        let _ = unmount(target, UnmountFlags::DETACH);
    }
    let step = |what: &'static str| move || format!("root: {what}");
    if let Ok(data) = fs::metadata("/") {
        delete(Path::new("/"), data.dev());
    }
    rustix::process::chdir(SYSROOT).step(step("enter"))?;
    mount(".", Path::new("/"), "", MOVE, "").step(step("move"))?;
    rustix::process::chroot(".").step(step("change to"))?;
    rustix::process::chdir("/").step(step("enter"))
}

/// Deletes what is in a folder, as far as it is on the device.
fn delete(folder: &Path, device: u64) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match fs::symlink_metadata(&path) {
            Ok(data) if data.dev() != device => {}
            Ok(data) if data.is_dir() => {
                delete(&path, device);
                let _ = fs::remove_dir(&path);
            }
            _ => {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_says_where_the_root_is() {
        let own = |text: &str| Some(text.to_owned());
        let base = Root::default();
        for (text, expect) in [
            ("", base.clone()),
            (
                "console=ttyS0 root=/dev/vda ro rootwait",
                Root {
                    device: own("/dev/vda"),
                    wait: Some(None),
                    ..base.clone()
                },
            ),
            (
                "root=PARTUUID=1-2 rootfstype=erofs,squashfs rootwait=7 rootdelay=2 init=/bin/sh",
                Root {
                    device: own("PARTUUID=1-2"),
                    kinds: vec!["erofs".to_owned(), "squashfs".to_owned()],
                    wait: Some(Some(7)),
                    delay: 2,
                    init: own("/bin/sh"),
                    ..base.clone()
                },
            ),
            (
                "rootflags=dax,x=1 init=sh rootdelay=x",
                Root {
                    flags: "dax,x=1".to_owned(),
                    ..base.clone()
                },
            ),
        ] {
            assert_eq!(Root::parse(text), expect, "{text}");
        }
        assert_eq!(Root::parse("rootwait").patience(), None);
        assert_eq!(Root::parse("rootwait=7").patience(), Some(Duration::from_secs(7)));
        assert_eq!(base.patience(), Some(PATIENCE));
    }

    #[test]
    fn the_initrd_is_deleted() {
        let root = std::env::temp_dir().join(format!("ironkit-stage-{}", std::process::id()));
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/c"), "text").unwrap();
        std::os::unix::fs::symlink("/", root.join("a/link")).unwrap();
        delete(&root, fs::metadata(&root).unwrap().dev() + 1);
        assert!(root.join("a/b/c").exists(), "another device's files stay");
        delete(&root, fs::metadata(&root).unwrap().dev());
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
        fs::remove_dir(&root).unwrap();
    }
}
