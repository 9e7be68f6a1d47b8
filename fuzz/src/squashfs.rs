//! squashfs images: whatever they say, reading ends.

use std::io::Read;

use ironkit_formats::filesystem::squashfs::{self, Table};

/// Bytes of each content that are read.
const CONTENT: u64 = 10_000;
/// Entries that are looked at.
const ENTRIES: usize = 1000;

/// An image; and the table of a data piece, which is written as it was read.
pub fn check(data: &[u8]) {
    if let Some(table) = Table::parse(data) {
        assert_eq!(Table::parse(&table.to_bytes()), Some(table));
    }
    let image = data.to_vec();
    let mut entries = 0;
    let _ = squashfs::read(&image, &mut |_, content| {
        std::io::copy(&mut content.take(CONTENT), &mut std::io::sink())?;
        entries += 1;
        match entries < ENTRIES {
            true => Ok(()),
            false => Err("that is enough".into()),
        }
    });
}
