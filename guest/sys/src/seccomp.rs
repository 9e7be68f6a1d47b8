//! Installs a compiled system call filter: seccomp(2).

use crate::{Errno, Result, last_errno};

/// A filter, as seccompiler compiles it.
pub type Program = seccompiler::BpfProgram;

/// Adds a filter to this thread. It may only be loosened by no one.
///
/// Unlike seccompiler's own way it leaves `no_new_privs` alone: without it, `CAP_SYS_ADMIN` is needed.
///
/// # Errors
/// What seccomp(2) says.
pub fn install(program: &Program) -> Result<()> {
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::INVAL)?,
        filter: program.as_ptr().cast_mut().cast::<libc::sock_filter>(),
    };
    // SAFETY: seccompiler's instruction has the layout of the kernel's `struct sock_filter`, as libc's has; the
    // kernel reads `len` of them, and the program outlives the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0_u32,
            &raw const filter,
        )
    };
    if answer == 0 { Ok(()) } else { Err(last_errno()) }
}
