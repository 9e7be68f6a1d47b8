//! What U-Boot loads.

use ironkit_formats::boot::uimage::{self, HEADER};
use ironkit_formats::extents::Extents;

/// A header as it is, and with the right checksum, which no fuzzer finds. One that was read is written, and read again as the same.
pub(crate) fn check(data: &[u8]) {
    again(data);
    let mut right = data.to_vec();
    if right.len() < HEADER {
        return;
    }
    right[..4].copy_from_slice(&[0x27, 0x05, 0x19, 0x56]);
    right[4..8].fill(0);
    let mut head = Extents::new();
    head.bytes(&right[..HEADER]);
    let checksum = uimage::checksum(&head).expect("memory can be read");
    right[4..8].copy_from_slice(&checksum.to_be_bytes());
    again(&right);
}

fn again(data: &[u8]) {
    let Ok(image) = uimage::read(&data.to_vec()) else {
        return;
    };
    assert!(uimage::is_image(data));
    assert!(HEADER + usize::try_from(image.size).expect("it is all there") <= data.len());
    let mut written = image.bytes().expect("what was read can be written").to_vec();
    written.extend_from_slice(&data[HEADER..]);
    assert_eq!(uimage::read(&written).ok(), Some(image));
}
