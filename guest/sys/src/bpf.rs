//! eBPF programs that decide which devices a control group may use: bpf(2).

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::{Errno, Result, last_errno};

/// One instruction: `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u8,
    /// Destination in the low half, source register in the high half.
    pub registers: u8,
    /// Offset of a jump or an access.
    pub offset: i16,
    /// Constant.
    pub constant: i32,
}

const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_PROG_ATTACH: libc::c_int = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;

/// The beginning of `union bpf_attr` for loading.
#[repr(C)]
#[derive(Default)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

/// The beginning of `union bpf_attr` for attaching.
#[repr(C)]
#[derive(Default)]
struct Attach {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
}

/// Loads a device program and attaches it to the control group, where it stays as long as that exists.
///
/// # Errors
/// What bpf(2) says; `EINVAL` for a program that the kernel refuses.
pub fn attach_device_program(cgroup: BorrowedFd<'_>, program: &[Instruction]) -> Result<()> {
    let load = Load {
        prog_type: BPF_PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(program.len()).map_err(|_| Errno::TOOBIG)?,
        insns: address(program.as_ptr()),
        license: address(c"Apache".as_ptr()),
        ..Load::default()
    };
    // SAFETY: `load` is as long as said, zero where unused, and points to a program of `insn_cnt` instructions and a
    // text that ends in zero, both alive during the call.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const load, size_of::<Load>()) };
    let fd = i32::try_from(fd)
        .ok()
        .filter(|fd| *fd >= 0)
        .ok_or_else(last_errno)?;
    // SAFETY: the kernel just made this descriptor for us alone.
    let loaded = unsafe { OwnedFd::from_raw_fd(fd) };
    let attach = Attach {
        target_fd: cgroup.as_raw_fd().unsigned_abs(),
        attach_bpf_fd: loaded.as_raw_fd().unsigned_abs(),
        attach_type: BPF_CGROUP_DEVICE,
        attach_flags: 0,
    };
    // SAFETY: `attach` is as long as said and holds two descriptors that are open.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_ATTACH,
            &raw const attach,
            size_of::<Attach>(),
        )
    };
    if answer == 0 { Ok(()) } else { Err(last_errno()) }
}

/// A pointer as the kernel's 64-bit fields want it.
fn address<T>(pointer: *const T) -> u64 {
    pointer.addr() as u64
}
