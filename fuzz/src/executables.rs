//! Portable executables.

use ironkit_formats::extents::{Data, Extents};
use ironkit_formats::pe::{self, Appended};

/// The sections of an executable. What is appended to one is found in it, at the offset that was told.
pub(crate) fn check(data: &[u8]) {
    let mut file = data.to_vec();
    // Small inputs are headers; sections have something to point to.
    file.resize(file.len().max(8192), 0x5a);
    let Ok(before) = pe::read(&file) else { return };
    let mut content = Extents::new();
    content.bytes(*b"content");
    let section = Appended {
        name: ".fuzz",
        content,
    };
    if let Ok(linked) = pe::append(&file, vec![section]) {
        let mut written = Vec::new();
        linked.image.write_to(&mut written).expect("memory takes all");
        let after = pe::read(&written).expect("what was written is read");
        assert_eq!(after.sections.len(), before.sections.len() + 1);
        let found = after.section(".fuzz").expect("it was appended");
        assert_eq!((found.offset, found.size), (linked.offsets[0], 7));
    }
}
