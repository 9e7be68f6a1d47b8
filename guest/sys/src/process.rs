//! clone3(2), and the few other calls that make or steer processes.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::process::Pid;

use crate::{Errno, Result, last_errno};

/// Namespaces that [`clone`] makes anew, from `linux/sched.h`.
pub mod namespaces {
    /// Mounts.
    pub const MOUNT: u64 = 0x0002_0000;
    /// Control groups.
    pub const CGROUP: u64 = 0x0200_0000;
    /// Host name.
    pub const UTS: u64 = 0x0400_0000;
    /// System V IPC and POSIX message queues.
    pub const IPC: u64 = 0x0800_0000;
    /// Users and groups.
    pub const USER: u64 = 0x1000_0000;
    /// Processes.
    pub const PID: u64 = 0x2000_0000;
    /// Network.
    pub const NET: u64 = 0x4000_0000;
}

/// `CLONE_INTO_CGROUP`.
const INTO_CGROUP: u64 = 0x2_0000_0000;

/// `struct clone_args`, version 2 (Linux 5.7): as far as `cgroup`.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Which of the two this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clone {
    /// The caller, with the new process.
    Parent(Pid),
    /// The new process.
    Child,
}

/// Makes a process in new `namespaces` and in the control group `cgroup`; it goes on with a copy of the caller's memory, as
/// after fork(2).
///
/// # Errors
/// What clone3(2) says, and `EBUSY` when the caller has more than one thread: the child would have a copy of
/// memory in which other threads hold locks for ever.
pub fn clone(namespaces: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Clone> {
    if threads() != Some(1) {
        return Err(Errno::BUSY);
    }
    let mut args = CloneArgs {
        flags: namespaces,
        exit_signal: u64::from(libc::SIGCHLD.unsigned_abs()),
        ..CloneArgs::default()
    };
    if let Some(group) = cgroup {
        args.flags |= INTO_CGROUP;
        args.cgroup = u64::from(group.as_raw_fd().unsigned_abs());
    }
    // SAFETY: `args` is valid for its size. Without CLONE_VM the child has its own copy of the memory, and with a
    // null stack it stays on its copy of this one. There is one thread, so no lock is held by one that is gone, and
    // the child may do whatever the parent may.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    match i32::try_from(pid) {
        Ok(0) => Ok(Clone::Child),
        Ok(pid) if pid > 0 => Pid::from_raw(pid).map(Clone::Parent).ok_or(Errno::INVAL),
        _ => Err(last_errno()),
    }
}

/// Makes a control group namespace whose root is the group that the caller is in.
///
/// # Errors
/// What unshare(2) says.
pub fn unshare_cgroup() -> Result<()> {
    // SAFETY: a new control group namespace changes what paths of groups look like, and nothing that Rust relies on.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWCGROUP) }
}

/// Ends the process at once, without running destructors or flushing: for a child that could not become its program.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(status) }
}

/// Sends `signal` to every process but this one and the kernel's.
///
/// # Errors
/// `ESRCH` when there is none.
pub fn kill_all(signal: i32) -> Result<()> {
    // SAFETY: kill has no preconditions.
    if unsafe { libc::kill(-1, signal) } == 0 {
        Ok(())
    } else {
        Err(last_errno())
    }
}

/// Sends `signal` to a process.
///
/// # Errors
/// What kill(2) says.
pub fn kill(pid: Pid, signal: i32) -> Result<()> {
    // SAFETY: kill has no preconditions.
    if unsafe { libc::kill(pid.as_raw_nonzero().get(), signal) } == 0 {
        Ok(())
    } else {
        Err(last_errno())
    }
}

/// Number of threads of this process, from procfs; 1 where that is not mounted yet, since PID 1 starts with one.
fn threads() -> Option<usize> {
    match std::fs::read_dir("/proc/self/task") {
        Ok(tasks) => Some(tasks.count()),
        Err(_) => (rustix::process::getpid() == Pid::INIT).then_some(1),
    }
}

/// Number of the signal `name`, with or without `SIG`, or as a number.
pub fn signal_number(name: &str) -> Option<i32> {
    if let Ok(number) = name.parse() {
        return (1..=64).contains(&number).then_some(number);
    }
    let short = name.strip_prefix("SIG").unwrap_or(name);
    SIGNALS
        .iter()
        .find(|(known, _)| *known == short)
        .map(|(_, number)| *number)
}

const SIGNALS: &[(&str, i32)] = &[
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ILL", libc::SIGILL),
    ("TRAP", libc::SIGTRAP),
    ("ABRT", libc::SIGABRT),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("SEGV", libc::SIGSEGV),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("CHLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("PWR", libc::SIGPWR),
    ("SYS", libc::SIGSYS),
];

#[cfg(test)]
mod tests {
    use super::signal_number;

    #[test]
    fn signals_have_names_and_numbers() {
        for (name, expect) in [
            ("SIGTERM", Some(15)),
            ("TERM", Some(15)),
            ("SIGQUIT", Some(3)),
            ("9", Some(9)),
            ("34", Some(34)),
            ("0", None),
            ("65", None),
            ("SIGNOTHING", None),
            ("", None),
        ] {
            assert_eq!(signal_number(name), expect, "{name}");
        }
    }
}
