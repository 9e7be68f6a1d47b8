//! mount(2) with all its flags, and file systems by their statfs(2) numbers.

use std::ffi::CString;
use std::path::Path;

use rustix::mount::MountFlags;

use crate::{Errno, Result};

/// Flags of mount(2), as in `linux/mount.h`.
pub mod flags {
    /// Read-only.
    pub const RDONLY: u32 = 1;
    /// Ignore set-user-id bits.
    pub const NOSUID: u32 = 2;
    /// No device nodes.
    pub const NODEV: u32 = 4;
    /// No programs.
    pub const NOEXEC: u32 = 8;
    /// Write at once.
    pub const SYNCHRONOUS: u32 = 16;
    /// Change an existing mount.
    pub const REMOUNT: u32 = 32;
    /// Mandatory locks.
    pub const MANDLOCK: u32 = 64;
    /// Write directory changes at once.
    pub const DIRSYNC: u32 = 128;
    /// Do not follow symbolic links.
    pub const NOSYMFOLLOW: u32 = 256;
    /// No access times.
    pub const NOATIME: u32 = 1024;
    /// No access times of directories.
    pub const NODIRATIME: u32 = 2048;
    /// Mount an existing directory or file a second time.
    pub const BIND: u32 = 4096;
    /// Move a mount.
    pub const MOVE: u32 = 8192;
    /// With everything mounted below.
    pub const REC: u32 = 16384;
    /// No messages.
    pub const SILENT: u32 = 32768;
    /// Can not be bound, and mounts do not propagate.
    pub const UNBINDABLE: u32 = 1 << 17;
    /// Mounts do not propagate.
    pub const PRIVATE: u32 = 1 << 18;
    /// Mounts propagate to here alone.
    pub const SLAVE: u32 = 1 << 19;
    /// Mounts propagate both ways.
    pub const SHARED: u32 = 1 << 20;
    /// Access times relative to changes.
    pub const RELATIME: u32 = 1 << 21;
    /// Keep a version of each inode.
    pub const I_VERSION: u32 = 1 << 23;
    /// All access times.
    pub const STRICTATIME: u32 = 1 << 24;
    /// Access times in memory first.
    pub const LAZYTIME: u32 = 1 << 25;
}

/// statfs(2) numbers of the file systems that the kernel unpacks an initramfs into.
const RAMFS_MAGIC: i64 = 0x8584_58f6;
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// mount(2).
pub fn mount(source: &str, target: &Path, kind: &str, flags: u32, data: &str) -> Result<()> {
    let data = CString::new(data).map_err(|_| Errno::INVAL)?;
    let data = (!data.is_empty()).then_some(data);
    rustix::mount::mount(
        source,
        target,
        kind,
        MountFlags::from_bits_retain(flags),
        data.as_deref(),
    )
}

/// Whether `path` is on a file system in memory, as the root of an initramfs is.
pub fn is_in_memory(path: &Path) -> Result<bool> {
    let kind = rustix::fs::statfs(path)?.f_type;
    Ok(kind == RAMFS_MAGIC || kind == TMPFS_MAGIC)
}
