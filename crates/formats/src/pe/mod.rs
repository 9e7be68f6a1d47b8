//! Portable executables as UEFI starts them (Microsoft's PE format specification, of 2024; UEFI specification 2.10, section 2.1.1),
//! and unified kernel images: systemd's stub with kernel, initrd and command line as further sections.
//!
//! ```text
//! ┌──────────────┬──────┬──────┬─────────┬────────┬──────────┬────────┬─────────┐
//! │ DOS, PE      │ .text│ …    │ section │ .osrel │ .cmdline │ .linux │ .initrd │
//! │ headers      │      │      │ headers │        │          │        │         │
//! └──────────────┴──────┴──────┴─────────┴────────┴──────────┴────────┴─────────┘
//!   the stub's, changed          ▲ appended in the gap behind the stub's own, each
//!   where they count sections    section at a multiple of 512 bytes of the file
//! ```
//!
//! Only sections are appended; nothing is signed. `objdump -h`, `sbsign` and `ukify inspect` judge it.

mod format;
mod reader;
mod writer;

pub use format::{AMD64, ARM64};
pub use reader::{Image, Section, read};
pub use writer::{Appended, Linked, append};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extents::{Data, Extents};
    use crate::read_at::Slice;
    use ironkit_tree::Digest;

    /// The smallest executable that has what the writer looks at: one section, and room for `room` headers more.
    pub(super) fn stub(room: usize) -> Vec<u8> {
        let mut bytes = vec![0; 0x40];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3c] = 0x40;
        bytes.extend(b"PE\0\0");
        bytes.extend(AMD64.to_le_bytes());
        bytes.extend(1u16.to_le_bytes());
        bytes.extend([0; 12]);
        bytes.extend(240u16.to_le_bytes());
        bytes.extend(0x22eu16.to_le_bytes());
        let optional = bytes.len();
        bytes.resize(optional + 240, 0);
        let headers = optional + 240 + 40 + room * 40;
        let mut set = |at: usize, value: u32| {
            bytes[optional + at..][..4].copy_from_slice(&value.to_le_bytes());
        };
        set(0, 0x20b);
        set(32, 4096);
        set(36, 512);
        set(56, 0x2000);
        set(60, u32::try_from(headers).unwrap());
        set(108, 16);
        bytes.extend(b".text\0\0\0");
        for value in [5u32, 0x1000, 512, 1024, 0, 0, 0, 0x6000_0020] {
            bytes.extend(value.to_le_bytes());
        }
        bytes.resize(1024, 0);
        bytes.extend(b"code\xc3");
        bytes.resize(1536, 0);
        bytes
    }

    fn section(name: &'static str, count: usize) -> Appended<'static> {
        let mut content = Extents::new();
        content.bytes(vec![b'x'; count]);
        Appended { name, content }
    }

    #[test]
    fn what_is_appended_is_read() {
        let sections = vec![
            section(".cmdline", 3),
            section(".linux", 5000),
            section(".initrd", 512),
        ];
        let linked = append(&stub(3), sections).unwrap();
        let mut written = Vec::new();
        linked.image.write_to(&mut written).unwrap();
        assert_eq!(linked.offsets, [1536, 2048, 2048 + 5120]);
        assert_eq!(written.len(), 2048 + 5120 + 512);
        let image = read(&written).unwrap();
        assert_eq!(image.machine, AMD64);
        let found: Vec<_> = image
            .sections
            .iter()
            .map(|it| (it.name.as_str(), it.offset, it.size))
            .collect();
        assert_eq!(
            found,
            [
                (".text", 1024, 5),
                (".cmdline", 1536, 3),
                (".linux", 2048, 5000),
                (".initrd", 7168, 512)
            ]
        );
        let cmdline = image.section(".cmdline").unwrap();
        assert!(Slice::new(&written, cmdline.offset, cmdline.size).is_some());
        assert_eq!(
            Digest::of(&written).to_string(),
            "sha256:cdbbfa07c6f1ccba6721d822916e4a0e9c933c5af51c9d7d95b140fd354ea39a"
        );
    }

    #[test]
    fn what_has_no_place_is_refused() {
        let mut large = Extents::new();
        large.zeros(u64::from(u32::MAX));
        let large = Appended {
            name: ".initrd",
            content: large,
        };
        for (what, stub, sections) in [
            ("headers", stub(1), vec![section(".a", 1), section(".b", 1)]),
            ("a long name", stub(1), vec![section(".ninechar", 1)]),
            ("a name that is there", stub(1), vec![section(".text", 1)]),
            ("4 GiB", stub(1), vec![large]),
            ("no executable", vec![0; 4096], vec![]),
            ("half a header", stub(1)[..200].to_vec(), vec![]),
        ] {
            assert!(append(&stub, sections).is_err(), "{what}");
        }
    }

    #[test]
    fn damage_never_panics() {
        let linked = append(&stub(2), vec![section(".cmdline", 3)]).unwrap();
        let mut written = Vec::new();
        linked.image.write_to(&mut written).unwrap();
        for at in 0..1024 {
            for value in [0, 0x7f, 0xff] {
                let mut damaged = written.clone();
                damaged[at] = value;
                let _ = read(&damaged);
                let _ = append(&damaged, vec![section(".x", 3)]);
            }
            let _ = read(&written[..at].to_vec());
        }
    }
}
