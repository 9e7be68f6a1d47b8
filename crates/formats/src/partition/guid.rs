//! Globally unique identifiers as disks have them.

use std::fmt;

use ironkit_tree::{Digest, Hasher};

/// A GUID in the order of its bytes on a disk: the first three fields little-endian, as the UEFI specification has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Guid([u8; 16]);

impl Guid {
    /// The one that is written `AAAAAAAA-BBBB-CCCC-DDDD-DDDDDDDDDDDD`.
    pub const fn new(a: u32, b: u16, c: u16, d: [u8; 8]) -> Guid {
        let (a, b, c) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
        Guid([
            a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7],
        ])
    }

    /// The one that belongs to what has this digest and name: version 8 of RFC 9562.
    pub fn derived(digest: &Digest, name: &str) -> Guid {
        let mut hasher = Hasher::new();
        hasher.field(digest.bytes());
        hasher.field(name.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finish().bytes()[..16]);
        bytes[7] = bytes[7] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Guid(bytes)
    }

    /// As on a disk.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for Guid {
    fn from(bytes: [u8; 16]) -> Guid {
        Guid(bytes)
    }
}

impl fmt::Display for Guid {
    /// In lower case, as Linux has it in `root=PARTUUID=`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
        for (position, index) in ORDER.into_iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{:02x}", self.0[index])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form() {
        let guid = Guid::new(
            0xc12a7328,
            0xf81f,
            0x11d2,
            [0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b],
        );
        assert_eq!(guid.to_string(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        let derived = Guid::derived(&Digest::of(b""), "disk");
        assert_eq!(
            derived.to_string(),
            Guid::derived(&Digest::of(b""), "disk").to_string()
        );
        assert_ne!(derived, Guid::derived(&Digest::of(b""), "esp"));
        let text = derived.to_string();
        assert_eq!(&text[14..15], "8", "{text}");
        assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"), "{text}");
    }
}
