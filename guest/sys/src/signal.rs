//! Signals as a file descriptor: signalfd(2).

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::{Result, last_errno};

/// Signals that are blocked and read here instead.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// Blocks `signals` in this thread and makes the descriptor they are read from. It does not wait when read.
    ///
    /// # Errors
    /// What signalfd(2) says.
    pub fn new(signals: &[i32]) -> Result<Self> {
        // SAFETY: `set` is a plain value that sigemptyset initialises; both calls only write to it.
        let set = unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in signals {
                libc::sigaddset(&raw mut set, *signal);
            }
            set
        };
        // SAFETY: `set` is initialised and outlives the calls; a null pointer asks for no old mask.
        unsafe {
            if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) != 0 {
                return Err(last_errno());
            }
            let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            if fd < 0 {
                return Err(last_errno());
            }
            Ok(SignalFd(OwnedFd::from_raw_fd(fd)))
        }
    }

    /// The next signal that is waiting.
    pub fn next(&self) -> Option<i32> {
        let mut info = [0_u8; size_of::<libc::signalfd_siginfo>()];
        match rustix::io::read(&self.0, &mut info) {
            Ok(length) if length == info.len() => {
                // The number is the first field: `ssi_signo`, 32 bits in the machine's order.
                let number = u32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
                i32::try_from(number).ok()
            }
            _ => None,
        }
    }
}

/// Unblocks all signals: programs expect that, and a blocked one stays so over execve(2).
///
/// # Errors
/// What sigprocmask(2) says.
pub fn unblock_all() -> Result<()> {
    // SAFETY: `set` is a plain value that sigemptyset initialises; a null pointer asks for no old mask.
    let answer = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())
    };
    if answer == 0 { Ok(()) } else { Err(last_errno()) }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
