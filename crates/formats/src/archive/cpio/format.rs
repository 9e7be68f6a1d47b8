//! The header of a `newc` entry.

/// Marks an entry without a checksum.
pub const MAGIC: &str = "070701";
/// Length of the header in bytes.
pub const HEADER_LEN: usize = 110;
/// Header, name and content end at a multiple of this.
pub const ALIGNMENT: usize = 4;
/// Name of the last entry. The kernel forgets inode numbers here, so the next archive may use them again.
pub const TRAILER: &[u8] = b"TRAILER!!!";
/// All numbers are 32 bits wide.
pub const MAX: u64 = u32::MAX as u64;

/// The fields of an entry, in the order of the format.
#[derive(Debug, Clone, Default)]
pub struct Header {
    /// Inode number; equal for hard links.
    pub ino: u32,
    /// `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of names.
    pub nlink: u32,
    /// Modification time in seconds.
    pub mtime: u32,
    /// Length of the content.
    pub filesize: u32,
    /// Major and minor number of a device.
    pub rdev: (u32, u32),
    /// Length of the name with its NUL.
    pub namesize: u32,
}

impl Header {
    /// The header as it is written.
    pub fn encode(&self) -> String {
        let Header {
            ino,
            mode,
            uid,
            gid,
            nlink,
            mtime,
            filesize,
            rdev: (major, minor),
            namesize,
        } = self;
        let fields = [
            *ino, *mode, *uid, *gid, *nlink, *mtime, *filesize, 0, 0, *major, *minor, *namesize, 0,
        ];
        let digits: String = fields.iter().map(|field| format!("{field:08x}")).collect();
        format!("{MAGIC}{digits}")
    }
}
