//! A container's directory, and what `runtime.json` there wants done around the container.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use ironkit_contract::oci::Mount;
use ironkit_contract::runtime::Interface;
use ironkit_contract::{Runtime, paths};
use ironkit_sys::mount::flags::BIND;
use ironkit_sys::mount::mount;
use ironkit_sys::namespace;
use ironkit_sys::netlink::Netlink;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::Pid;

use crate::container::options;
use crate::container::rootfs::make_folders;
use crate::error::{Error, Result, Step};
use crate::modules::Modules;

/// A container as it lies in the root file system.
#[derive(Debug)]
pub struct Bundle {
    /// Its directory.
    pub folder: PathBuf,
    /// What is done around it.
    pub runtime: Runtime,
    /// Mounts below the directory, in order: they go when the container has ended.
    mounted: Vec<PathBuf>,
}

impl Bundle {
    /// Reads `runtime.json`; without one nothing is done.
    pub fn read(folder: &Path) -> Result<Bundle> {
        let path = folder.join(paths::RUNTIME);
        let runtime = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).step(|| format!("read {}", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Runtime::default(),
            Err(error) => return Err(error).step(|| format!("read {}", path.display())),
        };
        Ok(Bundle {
            folder: folder.to_owned(),
            runtime,
            mounted: Vec::new(),
        })
    }

    /// Before the container is created: mounts, directories, control groups.
    pub fn mount(&mut self, modules: &mut Modules) -> Result<()> {
        for entry in self.runtime.mounts.clone() {
            self.mount_one(&entry, modules)?;
        }
        for folder in &self.runtime.mkdir {
            make_folders(Path::new(folder))?;
        }
        for group in &self.runtime.cgroups {
            crate::container::make_cgroup(group)?;
        }
        Ok(())
    }

    fn mount_one(&mut self, entry: &Mount, modules: &mut Modules) -> Result<()> {
        let target = self.folder.join(paths::ROOTFS).join(&entry.destination);
        make_folders(&target)?;
        for word in &entry.options {
            if let Some(folder) = word
                .strip_prefix("upperdir=")
                .or_else(|| word.strip_prefix("workdir="))
            {
                make_folders(Path::new(folder))?;
            }
        }
        let options = options::parse(&entry.options)?;
        if !options.is_bind() && !entry.kind.is_empty() {
            // Where there is no such module the kernel may still know the file system.
            modules.load(&format!("fs-{}", entry.kind))?;
        }
        let step = || format!("mount {}", target.display());
        mount(&entry.source, &target, &entry.kind, options.flags, &options.data).step(step)?;
        let known = self.mounted.contains(&target) && options.flags & ironkit_sys::mount::flags::REMOUNT != 0;
        if target.starts_with(&self.folder) && !known {
            self.mounted.push(target.clone());
        }
        for flags in options.propagation {
            mount("", &target, "", flags, "").step(step)?;
        }
        Ok(())
    }

    /// After the container has ended: takes away what was mounted in its directory, and so frees the memory that its own
    /// layer took. Other mounts were made for others and stay.
    pub fn unmount(&mut self) {
        while let Some(target) = self.mounted.pop() {
            let _ = unmount(&target, UnmountFlags::DETACH);
        }
    }

    /// Between creation and start: network interfaces, and files on which namespaces are bound.
    pub fn attach(&self, pid: Pid) -> Result<()> {
        for interface in &self.runtime.interfaces {
            attach_interface(interface, pid).step(|| format!("interface {}", interface.name))?;
        }
        let bind = &self.runtime.bind_ns;
        for (kind, path) in [
            ("cgroup", &bind.cgroup),
            ("ipc", &bind.ipc),
            ("mnt", &bind.mnt),
            ("net", &bind.net),
            ("pid", &bind.pid),
            ("user", &bind.user),
            ("uts", &bind.uts),
        ] {
            if !path.is_empty() {
                bind_namespace(kind, Path::new(path), pid)?;
            }
        }
        Ok(())
    }
}

/// Moves an existing link into the container, or makes one: in the machine's network when the other end or the encrypted
/// side is to stay there, else in the container's.
fn attach_interface(interface: &Interface, pid: Pid) -> std::io::Result<()> {
    let Interface {
        name,
        add,
        peer,
        create_in_root,
    } = interface;
    let kind = if add.is_empty() && !peer.is_empty() {
        "veth"
    } else {
        add.as_str()
    };
    let peer = Some(peer.as_str()).filter(|peer| !peer.is_empty());
    if name.is_empty() || (kind == "veth" && peer.is_none()) {
        let message = "a name is needed, and a peer for a veth";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, message));
    }
    let number = pid.as_raw_nonzero().get();
    if !kind.is_empty() && kind != "veth" && !create_in_root {
        let _there = namespace::enter("net", Path::new(&format!("/proc/{number}/ns/net")))?;
        return Ok(Netlink::open()?.create_link(name, kind, None)?);
    }
    let netlink = Netlink::open()?;
    if !kind.is_empty() {
        netlink.create_link(name, kind, peer.filter(|_| kind == "veth"))?;
    }
    Ok(netlink.move_link(name, number)?)
}

fn bind_namespace(kind: &str, path: &Path, pid: Pid) -> Result<()> {
    let folder = path
        .parent()
        .ok_or_else(|| Error::Invalid(format!("bindNS: {kind} has no path")))?;
    make_folders(folder)?;
    File::create(path).step(|| format!("make {}", path.display()))?;
    let source = format!("/proc/{}/ns/{kind}", pid.as_raw_nonzero());
    mount(&source, path, "", BIND, "").step(|| format!("bind {source} on {}", path.display()))
}
