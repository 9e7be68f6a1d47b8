//! The container's own process: from its first instruction to the program that it becomes.
//!
//! Runs in a copy of PID 1. Nothing here returns to it: the program is executed, or the step that failed is sent to PID 1
//! and the process ends with status 127.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ironkit_contract::oci::{Spec, User};
use ironkit_sys::process::{exit_now, namespaces, unshare_cgroup};
use ironkit_sys::{seccomp, signal};
use rustix::fs::{Access, Gid, Mode, OFlags, Uid, openat};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{chdir, setrlimit, setsid, umask};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::capabilities::{NAMES, Sets};
use super::{Prepared, Stdio, rootfs};
use crate::error::{Error, Result, Step};

/// PID 1 says: the maps of the user namespace are written.
pub const MAPPED: u8 = b'm';
/// PID 1 says: become the program.
pub const START: u8 = b's';
/// The process says: everything is set up.
pub const READY: u8 = b'r';
/// The process says: this failed; the rest of the message is text.
pub const FAILED: u8 = b'e';

/// What a shell returns for a program that can not be run.
const NOT_RUN: i32 = 127;

/// Search path of programs when the environment has none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Becomes the container's program, or ends.
pub fn run(prepared: &Prepared, stdio: &Stdio, sync: &OwnedFd) -> ! {
    let failed = match become_program(prepared, stdio, sync) {
        Ok(never) => match never {},
        Err(failed) => failed,
    };
    let message = [&[FAILED], failed.to_string().as_bytes()].concat();
    let _ = send(sync, &message, SendFlags::NOSIGNAL);
    exit_now(NOT_RUN)
}

fn become_program(prepared: &Prepared, stdio: &Stdio, sync: &OwnedFd) -> Result<std::convert::Infallible> {
    let spec = &prepared.spec;
    if prepared.namespaces.has_new(namespaces::USER) {
        expect(sync, MAPPED)?;
        set_user(&User::default())?;
    }
    if prepared.namespaces.has_new(namespaces::CGROUP) {
        unshare_cgroup().step(|| "make a cgroup namespace".to_owned())?;
    }
    signal::unblock_all().step(|| "unblock signals".to_owned())?;
    setsid().step(|| "setsid".to_owned())?;
    connect(stdio).step(|| "connect the standard streams".to_owned())?;
    // Writing to `/proc/sys` goes by the namespaces of the writer, and the container need not have a `/proc`.
    let kernel = File::open("/proc/sys").step(|| "open /proc/sys".to_owned())?;
    if let Some(badness) = spec.process.oom_score_adj {
        fs::write("/proc/self/oom_score_adj", badness.to_string()).step(|| "oomScoreAdj".to_owned())?;
    }
    rootfs::enter(spec, &prepared.bundle, &prepared.root)?;
    if !spec.hostname.is_empty() {
        // Without a namespace of its own it would be the machine's name.
        if !spec
            .linux
            .namespaces
            .iter()
            .any(|namespace| namespace.kind == "uts")
        {
            return Err(Error::Invalid(
                "a hostname needs a UTS namespace (`uts: new`)".to_owned(),
            ));
        }
        rustix::system::sethostname(spec.hostname.as_bytes()).step(|| "hostname".to_owned())?;
    }
    for (key, value) in &spec.linux.sysctl {
        set_sysctl(&kernel, key, value).step(|| format!("sysctl {key}"))?;
    }
    drop(kernel);
    send(sync, &[READY], SendFlags::NOSIGNAL).step(|| "tell PID 1".to_owned())?;
    expect(sync, START)?;
    restrict(prepared)?;
    execute(spec)
}

/// Waits for a word of PID 1.
fn expect(sync: &OwnedFd, word: u8) -> Result<()> {
    let mut buffer = [0_u8; 1];
    let (length, _) = recv(sync, &mut buffer[..], RecvFlags::empty()).step(|| "wait for PID 1".to_owned())?;
    if length == 1 && buffer[0] == word {
        Ok(())
    } else {
        Err(Error::Invalid("stopped by PID 1".to_owned()))
    }
}

fn connect(stdio: &Stdio) -> std::result::Result<(), Errno> {
    dup2_stdin(&stdio.input)?;
    dup2_stdout(&stdio.output)?;
    dup2_stderr(&stdio.error)
}

fn set_sysctl(kernel: &File, key: &str, value: &str) -> io::Result<()> {
    // Dots separate; where a name has dots of its own, as those of interfaces may, slashes do.
    let path = if key.contains('/') {
        key.to_owned()
    } else {
        key.replace('.', "/")
    };
    if path.split('/').any(|part| part == ".." || part.is_empty()) {
        return Err(Errno::INVAL.into());
    }
    let file = openat(
        kernel,
        path.as_str(),
        OFlags::WRONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    rustix::io::write(file, value.as_bytes())?;
    Ok(())
}

/// Gives up all that the program is not to have, in the order that still allows the next step.
fn restrict(prepared: &Prepared) -> Result<()> {
    let process = &prepared.spec.process;
    for (resource, limit) in &prepared.limits {
        setrlimit(*resource, *limit).step(|| format!("rlimit {resource:?}"))?;
    }
    if process.no_new_privileges {
        set_no_new_privs(true).step(|| "noNewPrivileges".to_owned())?;
    } else {
        // Needs a capability that is about to go.
        filter(prepared)?;
    }
    give_up_capabilities(prepared.capabilities.bounding)?;
    set_keep_capabilities(true).step(|| "keep capabilities".to_owned())?;
    set_user(&process.user)?;
    set_keep_capabilities(false).step(|| "keep capabilities".to_owned())?;
    let cwd = if process.cwd.is_empty() { "/" } else { &process.cwd };
    chdir(cwd).step(|| format!("enter the working directory {cwd}"))?;
    set_sets(prepared.capabilities)?;
    umask(Mode::from_raw_mode(0o022));
    if process.no_new_privileges {
        filter(prepared)?;
    }
    Ok(())
}

fn filter(prepared: &Prepared) -> Result<()> {
    prepared
        .filters
        .iter()
        .try_for_each(|program| seccomp::install(program).step(|| "seccomp".to_owned()))
}

fn give_up_capabilities(bounding: CapabilitySet) -> Result<()> {
    for (number, name) in NAMES.iter().enumerate() {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if bounding.contains(one) {
            continue;
        }
        match remove_capability_from_bounding_set(one) {
            // An older kernel does not know the newest.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(error) => return Err(error).step(|| format!("drop CAP_{name}")),
        }
    }
    Ok(())
}

fn set_sets(sets: Sets) -> Result<()> {
    let Sets {
        effective,
        permitted,
        inheritable,
        ..
    } = sets;
    set_capabilities(
        None,
        CapabilitySets {
            effective,
            permitted,
            inheritable,
        },
    )
    .step(|| "set capabilities".to_owned())?;
    clear_ambient_capability_set().step(|| "clear ambient capabilities".to_owned())?;
    for one in sets.ambient.iter() {
        configure_capability_in_ambient_set(one, true).step(|| format!("ambient {one:?}"))?;
    }
    Ok(())
}

fn set_user(user: &User) -> Result<()> {
    let groups: Vec<Gid> = user
        .additional_gids
        .iter()
        .map(|gid| Gid::from_raw(*gid))
        .collect();
    set_thread_groups(&groups).step(|| "set groups".to_owned())?;
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    set_thread_res_gid(gid, gid, gid).step(|| format!("set group {}", user.gid))?;
    set_thread_res_uid(uid, uid, uid).step(|| format!("set user {}", user.uid))
}

fn execute(spec: &Spec) -> Result<std::convert::Infallible> {
    let process = &spec.process;
    let (name, arguments) = process
        .args
        .split_first()
        .ok_or_else(|| Error::Invalid("process.args is empty".to_owned()))?;
    let search = process
        .env
        .iter()
        .rev()
        .find_map(|entry| entry.strip_prefix("PATH="))
        .unwrap_or(PATH);
    let program = find_program(name, search)?;
    let mut command = Command::new(&program);
    command
        .arg0(OsStr::from_bytes(name.as_bytes()))
        .args(arguments)
        .env_clear();
    for (key, value) in process.env.iter().filter_map(|entry| entry.split_once('=')) {
        command.env(key, value);
    }
    if !process.env.iter().any(|entry| entry.starts_with("HOME=")) {
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        command.env("HOME", home_of(&users, process.user.uid));
    }
    Err(command.exec()).step(|| format!("execute {}", program.display()))
}

/// Finds a program as a shell does.
fn find_program(name: &str, search: &str) -> Result<PathBuf> {
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let candidates = search
        .split(':')
        .map(|folder| Path::new(if folder.is_empty() { "." } else { folder }).join(name));
    let runs = |path: &PathBuf| path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok();
    candidates
        .into_iter()
        .find(runs)
        .ok_or_else(|| Error::Invalid(format!("execute {name}: not found in {search}")))
}

/// Home of a user, by the text of `/etc/passwd`.
fn home_of(users: &str, uid: u32) -> String {
    let uid = uid.to_string();
    let mut entries = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let entry = entries.find(|fields| fields.get(2) == Some(&uid.as_str()));
    let home = entry.and_then(|fields| fields.get(5).map(|home| (*home).to_owned()));
    home.filter(|home| !home.is_empty())
        .unwrap_or_else(|| "/".to_owned())
}

/// Both ends of what PID 1 and the process talk over.
pub fn socket_pair() -> Result<(OwnedFd, OwnedFd)> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .step(|| "make a socket".to_owned())
}

/// Says a word to the process.
pub fn say(sync: &impl AsFd, word: u8) -> Result<()> {
    send(sync, &[word], SendFlags::NOSIGNAL)
        .map(|_| ())
        .step(|| "speak to the container's process".to_owned())
}

#[cfg(test)]
mod tests {
    use super::home_of;

    #[test]
    fn homes_are_found() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nnobody:x:65534:65534::/:\nx:x:7:7:::\n";
        for (uid, expect) in [(0, "/root"), (65534, "/"), (7, "/"), (8, "/")] {
            assert_eq!(home_of(users, uid), expect);
        }
    }
}
