//! What is written is read again, and what is damaged is refused.

use ironkit_tree::Digest;

use super::*;
use crate::extents::{Data, Extents};

fn header() -> Header {
    Header {
        time: 1_700_000_000,
        load: 0x8_0000,
        entry: 0x8_0000,
        os: LINUX,
        architecture: ARM64,
        kind: KERNEL,
        compression: GZIP,
        name: b"kernel".to_vec(),
    }
}

fn written(header: Header, content: Extents) -> Vec<u8> {
    let checksum = checksum(&content).unwrap();
    let mut bytes = Vec::new();
    layout(header, checksum, content)
        .unwrap()
        .write_to(&mut bytes)
        .unwrap();
    bytes
}

fn text(bytes: &[u8]) -> Extents<'static> {
    let mut extents = Extents::new();
    extents.bytes(bytes);
    extents
}

#[test]
fn what_is_written_is_read() {
    let bytes = written(header(), text(b"content"));
    let image = read(&bytes).unwrap();
    assert_eq!(image.header, header());
    assert_eq!((image.size, &bytes[HEADER..]), (7, &b"content"[..]));
    // What zlib's `crc32` gives for these bytes.
    assert_eq!(image.checksum, 0xfec5_30a9);
    assert_eq!(image.bytes().unwrap(), bytes[..HEADER]);
    let longest = Header {
        name: vec![b'n'; 32],
        ..header()
    };
    assert_eq!(
        read(&written(longest.clone(), Extents::new())).unwrap().header,
        longest
    );
}

#[test]
fn bytes_are_what_they_were() {
    let script = Header {
        kind: SCRIPT,
        ..header()
    };
    let bytes = written(script, super::script(b"echo\n").unwrap());
    assert_eq!(bytes[HEADER..], *b"\0\0\0\x05\0\0\0\0echo\n");
    assert_eq!(
        Digest::of(&bytes).to_string(),
        "sha256:d7030c3d9cd5650acfb7fc745d5415c83f390bb0df4f3f54e57c66efe9713868"
    );
}

#[test]
fn what_is_damaged_is_refused() {
    let good = written(header(), text(b"content"));
    for (at, expect) in [
        (0, "no magic number at offset 0"),
        (9, "instead of"),
        (5, "at offset 4"),
        (40, "at offset 4"),
    ] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let error = read(&bad).unwrap_err().to_string();
        assert!(error.contains(expect), "{at}: {error}");
    }
    for (size, expect) in [
        (0, "cannot read 64 bytes at offset 0"),
        (63, "cannot read 64 bytes at offset 0"),
        (70, "6 bytes of data instead of 7 at offset 64"),
    ] {
        let error = read(&good[..size].to_vec()).unwrap_err().to_string();
        assert!(error.contains(expect), "{size}: {error}");
    }
    // What follows the data is somebody else's.
    assert!(read(&[good, vec![0; 3]].concat()).is_ok());
}

#[test]
fn what_does_not_fit_is_refused() {
    for name in [&[b'n'; 33][..], b"a\0b"] {
        let name = name.to_vec();
        let image = Image {
            header: Header { name, ..header() },
            ..Image::default()
        };
        let error = image.bytes().unwrap_err().to_string();
        assert!(error.starts_with("a uImage cannot hold the name `"), "{error}");
    }
    let mut large = Extents::new();
    large.zeros(1 << 32);
    let error = layout(header(), 0, large).unwrap_err().to_string();
    assert_eq!(error, "a uImage cannot hold 4294967296 bytes");
}
