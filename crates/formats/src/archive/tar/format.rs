//! The ustar header block.

/// Everything is a multiple of this.
pub const BLOCK: usize = 512;
/// Largest value of an 11-digit octal field (size, mtime).
pub const MAX_12: u64 = 0o77_777_777_777;
/// Largest value of a 7-digit octal field (mode, uid, gid, device numbers).
pub const MAX_8: u64 = 0o7_777_777;
/// Length of the name and linkname fields.
pub const NAME_LEN: usize = 100;

/// Types of entries.
#[expect(missing_docs, reason = "the names are the specification's")]
pub mod typeflag {
    pub const FILE: u8 = b'0';
    pub const HARD_LINK: u8 = b'1';
    pub const SYMLINK: u8 = b'2';
    pub const CHAR_DEVICE: u8 = b'3';
    pub const BLOCK_DEVICE: u8 = b'4';
    pub const DIRECTORY: u8 = b'5';
    pub const FIFO: u8 = b'6';
    pub const PAX: u8 = b'x';
}

/// The fields of a header that are not the same in every entry. Numbers that do not fit are written as 0: a PAX record
/// says them.
#[derive(Debug, Default)]
pub struct Header<'a> {
    pub name: &'a [u8],
    pub mode: u64,
    pub uid: u64,
    pub gid: u64,
    pub size: u64,
    pub mtime: u64,
    pub typeflag: u8,
    pub linkname: &'a [u8],
    pub dev: (u64, u64),
}

impl Header<'_> {
    /// The block with its checksum.
    pub fn encode(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        put(&mut block[0..100], self.name);
        octal(&mut block[100..108], self.mode);
        octal(&mut block[108..116], self.uid);
        octal(&mut block[116..124], self.gid);
        octal(&mut block[124..136], self.size);
        octal(&mut block[136..148], self.mtime);
        block[156] = self.typeflag;
        put(&mut block[157..257], self.linkname);
        put(&mut block[257..265], b"ustar\x0000");
        octal(&mut block[329..337], self.dev.0);
        octal(&mut block[337..345], self.dev.1);
        put_checksum(&mut block);
        block
    }
}

/// The head of a regular file of root's as GNU's old format has it, whose sizes may be of any length.
pub fn encode_gnu(name: &str, size: u64, mode: u32, mtime: u64) -> [u8; BLOCK] {
    let header = Header {
        name: name.as_bytes(),
        mode: mode.into(),
        size,
        mtime,
        typeflag: typeflag::FILE,
        ..Header::default()
    };
    let mut block = header.encode();
    if size > MAX_12 {
        // A number in base 256, which its first bit says.
        block[124..136].fill(0);
        block[124] = 0x80;
        put(&mut block[128..136], &size.to_be_bytes());
    }
    put(&mut block[257..265], b"ustar  \0");
    put_checksum(&mut block);
    block
}

fn put_checksum(block: &mut [u8; BLOCK]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    put(&mut block[148..156], format!("{sum:06o}\0 ").as_bytes());
}

fn put(field: &mut [u8], bytes: &[u8]) {
    let len = bytes.len().min(field.len());
    field[..len].copy_from_slice(&bytes[..len]);
}

fn octal(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    let limit = 1 << (3 * digits);
    let value = if value < limit { value } else { 0 };
    put(field, format!("{value:0digits$o}").as_bytes());
}
