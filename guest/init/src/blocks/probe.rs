//! Which file system is on a device, and what it calls itself: by its superblock. Pure.

use super::ReadAt;

/// What a superblock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// The kernel's name of its type.
    pub kind: &'static str,
    /// Its name; empty for none.
    pub label: String,
    /// Its identifier as blkid(8) writes it; empty for none.
    pub uuid: String,
}

/// Where ext2, 3, 4 and EROFS have their superblock.
const SUPERBLOCK: u64 = 1024;
/// Where a CD has its primary volume descriptor (ECMA-119, 8.4).
const DESCRIPTOR: u64 = 16 * 2048;

/// Looks for a file system that a root or a data partition can be.
pub fn probe(read: ReadAt<'_>) -> Option<FileSystem> {
    let bytes = |offset, length| {
        let mut buffer = vec![0; length];
        read(offset, &mut buffer).is_ok().then_some(buffer)
    };
    if bytes(0, 4)? == *b"hsqs" {
        return Some(FileSystem {
            kind: "squashfs",
            label: String::new(),
            uuid: String::new(),
        });
    }
    let block = bytes(SUPERBLOCK, 256)?;
    if block[..4] == 0xE0F5_E1E2_u32.to_le_bytes() {
        return Some(FileSystem {
            kind: "erofs",
            label: text(&block[64..80]),
            uuid: uuid(&block[48..64]),
        });
    }
    if block[56..58] == 0xEF53_u16.to_le_bytes() {
        return Some(FileSystem {
            kind: "ext4",
            label: text(&block[120..136]),
            uuid: uuid(&block[104..120]),
        });
    }
    let volume = bytes(DESCRIPTOR, 2048)?;
    (volume[..6] == *b"\x01CD001").then(|| FileSystem {
        kind: "iso9660",
        label: text(&volume[40..72]).trim_end().to_owned(),
        uuid: date(&volume[813..829]),
    })
}

/// Up to the first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Digits in their groups; nothing for zeros.
fn uuid(bytes: &[u8]) -> String {
    if bytes.iter().all(|byte| *byte == 0) {
        return String::new();
    }
    let mut text = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// The digits of a CD's date of creation: `2026-11-21-12-00-00-00`.
fn date(digits: &[u8]) -> String {
    if !digits.iter().all(u8::is_ascii_digit) || digits.iter().all(|digit| *digit == b'0') {
        return String::new();
    }
    let digits = String::from_utf8_lossy(digits);
    let mut parts = vec![&digits[..4]];
    parts.extend((4..16).step_by(2).map(|at| &digits[at..at + 2]));
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(parts: &[(usize, &[u8])]) -> Option<(&'static str, String, String)> {
        let mut image = vec![0; 64 * 1024];
        for (at, bytes) in parts {
            image[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        let read = |offset: u64, buffer: &mut [u8]| {
            let start = usize::try_from(offset).unwrap();
            buffer.copy_from_slice(&image[start..start + buffer.len()]);
            Ok(())
        };
        probe(&read).map(|found| (found.kind, found.label, found.uuid))
    }

    #[test]
    fn superblocks_are_known() {
        let id = *b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10";
        let shown = "01020304-0506-0708-090a-0b0c0d0e0f10".to_owned();
        let none = String::new;
        assert_eq!(check(&[]), None);
        assert_eq!(check(&[(0, b"hsqs")]), Some(("squashfs", none(), none())));
        let erofs = [
            (1024, &b"\xe2\xe1\xf5\xe0"[..]),
            (1024 + 48, &id),
            (1024 + 64, b"root"),
        ];
        assert_eq!(check(&erofs), Some(("erofs", "root".to_owned(), shown.clone())));
        let ext4 = [
            (1080, &b"\x53\xef"[..]),
            (1024 + 104, &id),
            (1024 + 120, b"0123456789abcdefg"),
        ];
        assert_eq!(check(&ext4[..2]), Some(("ext4", none(), shown.clone())));
        assert_eq!(check(&ext4), Some(("ext4", "0123456789abcdef".to_owned(), shown)));
        let iso = [
            (32768, &b"\x01CD001\x01"[..]),
            (32768 + 40, b"LinuxKit                        "),
            (32768 + 813, b"2026112112003000\0"),
        ];
        let when = "2026-11-21-12-00-30-00".to_owned();
        assert_eq!(check(&iso), Some(("iso9660", "LinuxKit".to_owned(), when)));
        assert_eq!(check(&iso[..2]), Some(("iso9660", "LinuxKit".to_owned(), none())));
    }

    #[test]
    fn a_short_device_has_none() {
        assert_eq!(probe(&|_, _| Err(std::io::ErrorKind::UnexpectedEof.into())), None);
    }
}
