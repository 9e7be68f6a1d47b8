//! The built-in OCI runtime: a container's `config.json` to a running process.
//!
//! PID 1 prepares everything that can be said wrong (`create`), the process sets itself up (`process`, `rootfs`) and
//! waits, PID 1 does what belongs between creation and start, and says `start`.

mod capabilities;
mod cgroup;
mod devices;
mod filter;
mod inside;
mod limits;
mod namespaces;
pub mod options;
mod process;
pub mod rootfs;

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use ironkit_contract::{Spec, paths};
use ironkit_sys::process::{Clone, clone, namespaces as new};
use ironkit_sys::seccomp::Program;
use ironkit_sys::{Errno, namespace};
use rustix::net::{RecvFlags, recv};
use rustix::process::{Pid, Resource, Rlimit};

use crate::error::{Result, Step};
use capabilities::Sets;
pub use cgroup::{Cgroup, make as make_cgroup};
use namespaces::Namespaces;

/// The standard streams of a container.
#[derive(Debug)]
pub struct Stdio {
    pub input: OwnedFd,
    pub output: OwnedFd,
    pub error: OwnedFd,
}

/// A configuration that was read, checked and translated.
#[derive(Debug)]
pub struct Prepared {
    spec: Spec,
    bundle: PathBuf,
    root: PathBuf,
    namespaces: Namespaces,
    capabilities: Sets,
    filters: Vec<Program>,
    limits: Vec<(Resource, Rlimit)>,
}

/// A container's first process and what PID 1 holds of it.
#[derive(Debug)]
pub struct Child {
    /// The process.
    pub pid: Pid,
    /// Its control group.
    pub cgroup: Cgroup,
    sync: OwnedFd,
}

/// What the process says of its own setting up.
#[derive(Debug, PartialEq, Eq)]
pub enum Word {
    /// It waits to be started.
    Ready,
    /// This failed.
    Failed(String),
    /// It became the program, or is gone.
    Done,
    /// Nothing yet.
    Nothing,
}

impl Prepared {
    /// Reads a bundle's configuration.
    ///
    /// # Errors
    /// What is missing, malformed, unknown or not supported yet in it.
    pub fn read(bundle: &Path) -> Result<Prepared> {
        let path = bundle.join(paths::CONFIG);
        let text = fs::read(&path).step(|| format!("read {}", path.display()))?;
        let spec: Spec = serde_json::from_slice(&text).step(|| format!("read {}", path.display()))?;
        Ok(Prepared {
            bundle: bundle.to_owned(),
            root: rootfs::root_of(&spec, bundle),
            namespaces: namespaces::read(&spec.linux)?,
            capabilities: capabilities::sets(spec.process.capabilities.as_ref())?,
            filters: spec
                .linux
                .seccomp
                .as_ref()
                .map(filter::compile)
                .transpose()?
                .unwrap_or_default(),
            limits: limits::read(&spec.process.rlimits)?,
            spec,
        })
    }

    /// User and group that the standard streams belong to, so that the program may open them again.
    pub fn owner(&self) -> (u32, u32) {
        let (user, linux) = (&self.spec.process.user, &self.spec.linux);
        if self.namespaces.has_new(new::USER) {
            let host = |id, mappings| namespaces::host_id(id, mappings).unwrap_or(0);
            return (
                host(user.uid, &linux.uid_mappings),
                host(user.gid, &linux.gid_mappings),
            );
        }
        (user.uid, user.gid)
    }

    /// Makes the control group and the process, which begins to set itself up.
    pub fn create(&self, name: &str, stdio: &Stdio) -> Result<Child> {
        let linux = &self.spec.linux;
        let cgroup = Cgroup::create(&linux.cgroups_path, name, &linux.resources)?;
        let (ours, theirs) = process::socket_pair()?;
        // The process inherits what PID 1 has entered at this moment; PID 1 leaves again at the end of the function.
        let mut entered = Vec::new();
        for (kind, path) in &self.namespaces.joined {
            entered.push(namespace::enter(kind, path).step(|| format!("join {}", path.display()))?);
        }
        // A control group namespace begins where its maker is, so the process makes that one itself.
        let made = clone(self.namespaces.new & !new::CGROUP, Some(cgroup.folder().as_fd()));
        let pid = match made.step(|| "make a process".to_owned())? {
            Clone::Child => {
                crate::panics::not_init();
                drop(ours);
                process::run(self, stdio, &theirs)
            }
            Clone::Parent(pid) => pid,
        };
        drop(entered);
        let child = Child {
            pid,
            cgroup,
            sync: ours,
        };
        if self.namespaces.has_new(new::USER) {
            child.map_ids(&linux.uid_mappings, &linux.gid_mappings)?;
        }
        Ok(child)
    }
}

impl Child {
    /// Lets the process become its program.
    pub fn start(&self) -> Result<()> {
        process::say(&self.sync, process::START)
    }

    /// What the process has said, without waiting.
    pub fn word(&self) -> Word {
        let mut buffer = [0_u8; 4096];
        let (length, _) = match recv(&self.sync, &mut buffer[..], RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::INTR) => return Word::Nothing,
            Err(_) => return Word::Done,
            Ok(received) => received,
        };
        match buffer[..length].split_first() {
            None => Word::Done,
            Some((&process::READY, _)) => Word::Ready,
            Some((_, text)) => Word::Failed(String::from_utf8_lossy(text).into_owned()),
        }
    }

    fn map_ids(
        &self,
        users: &[ironkit_contract::oci::IdMapping],
        groups: &[ironkit_contract::oci::IdMapping],
    ) -> Result<()> {
        for (file, mappings) in [("uid_map", users), ("gid_map", groups)] {
            let path = format!("/proc/{}/{file}", self.pid.as_raw_nonzero());
            fs::write(&path, namespaces::id_map(mappings)).step(|| format!("write {path}"))?;
        }
        process::say(&self.sync, process::MAPPED)
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.sync.as_fd()
    }
}

/// `/dev/null` to read from.
pub fn no_input() -> Result<OwnedFd> {
    File::open("/dev/null")
        .map(OwnedFd::from)
        .step(|| "open /dev/null".to_owned())
}
