//! What the guest asks of the kernel beyond the standard library and rustix: the only `unsafe` of IronKit.
//!
//! Thin and safe: a function is one system call or one request, named after it, and decides nothing. Calls that
//! rustix wraps safely are used from there directly.
#![expect(unsafe_code, reason = "system calls that neither std nor rustix wraps")]

pub mod block;
pub mod bpf;
pub mod mount;
pub mod namespace;
pub mod netlink;
pub mod packet;
pub mod process;
pub mod seccomp;
pub mod signal;
pub mod syscalls;

pub use rustix::io::Errno;

/// The kernel's answer.
pub type Result<T> = std::result::Result<T, Errno>;

/// The error of the last libc call.
fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
