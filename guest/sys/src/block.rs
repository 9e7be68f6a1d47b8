//! Requests of block devices, and of the file systems on them.

use std::os::fd::{AsRawFd, BorrowedFd};

use crate::{Result, last_errno};

/// `BLKPG` (linux/blkpg.h): change the kernel's idea of a partition.
const BLKPG: libc::c_ulong = 0x1269;
/// `BLKPG_RESIZE_PARTITION`.
const RESIZE_PARTITION: libc::c_int = 3;
/// `EXT4_IOC_RESIZE_FS` (fs/ext4/ext4.h): the file system grows to so many blocks while it is mounted.
const EXT4_RESIZE: libc::c_ulong = 0x4008_6610;

/// `struct blkpg_ioctl_arg`.
#[repr(C)]
struct Request {
    op: libc::c_int,
    flags: libc::c_int,
    length: libc::c_int,
    data: *mut Partition,
}

/// `struct blkpg_partition`.
#[repr(C)]
struct Partition {
    start: i64,
    length: i64,
    number: libc::c_int,
    names: [u8; 128],
}

/// Tells the kernel that partition `number` of `disk`, which begins at byte `start`, has `length` bytes now. It may be in use.
///
/// # Errors
/// What `BLKPG_RESIZE_PARTITION` says.
pub fn resize_partition(disk: BorrowedFd<'_>, number: u32, start: u64, length: u64) -> Result<()> {
    let number_of = |value: u64| i64::try_from(value).map_err(|_| rustix::io::Errno::OVERFLOW);
    let mut partition = Partition {
        start: number_of(start)?,
        length: number_of(length)?,
        number: libc::c_int::try_from(number).map_err(|_| rustix::io::Errno::OVERFLOW)?,
        names: [0; 128],
    };
    let request = Request {
        op: RESIZE_PARTITION,
        flags: 0,
        length: libc::c_int::try_from(size_of::<Partition>()).map_err(|_| rustix::io::Errno::OVERFLOW)?,
        data: &raw mut partition,
    };
    // SAFETY: both structures are the kernel's, and outlive the call.
    let done = unsafe { libc::ioctl(disk.as_raw_fd(), BLKPG as _, &raw const request) };
    if done == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Grows the ext4 file system that `inside` is on to `blocks` blocks of its own size.
///
/// # Errors
/// What `EXT4_IOC_RESIZE_FS` says.
pub fn resize_ext4(inside: BorrowedFd<'_>, blocks: u64) -> Result<()> {
    // SAFETY: the kernel reads one number of 64 bits.
    let done = unsafe { libc::ioctl(inside.as_raw_fd(), EXT4_RESIZE as _, &raw const blocks) };
    if done == 0 { Ok(()) } else { Err(last_errno()) }
}
