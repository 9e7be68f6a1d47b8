//! ext4 volumes: whatever they say, reading ends.
//!
//! A volume is too large to be an input, so inputs are changes of one that is made here: each byte that takes space can be
//! another one.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::OnceLock;

use ironkit_formats::extents::Data;
use ironkit_formats::filesystem::ext4::{Options, Volume, layout};
use ironkit_formats::read_at::ReadAt;
use ironkit_tree::{FileSet, Inline, Kind, Node, Path};

/// Bytes of the volume.
const SIZE: u64 = 8 << 20;
/// Bytes of each content that are read.
const CONTENT: u64 = 10_000;
/// Offset of the byte with the flag for checksums, and the flag: no fuzzer would find the right one.
const CHECKSUMS: (usize, u8) = (1024 + 101, 4);
/// Bytes of an input for each change: which byte, and what it becomes.
const CHANGE: usize = 4;

/// Reads the volume with the changes that `data` says.
pub fn check(data: &[u8]) {
    static BASE: OnceLock<(Vec<u8>, Vec<Range<u64>>)> = OnceLock::new();
    let (base, occupied) = BASE.get_or_init(base);
    let total: u64 = occupied.iter().map(|range| range.end - range.start).sum();
    let place = |number: u64| {
        let mut left = number % total;
        for range in occupied {
            let length = range.end - range.start;
            if left < length {
                return range.start + left;
            }
            left -= length;
        }
        0
    };
    let changes = data.as_chunks::<CHANGE>().0.iter();
    let image = Changed {
        base,
        changes: changes
            .map(|[a, b, c, value]| (place(u64::from(u32::from_le_bytes([*a, *b, *c, 0]))), *value))
            .collect(),
    };
    if let Ok(Some(volume)) = Volume::open(&image) {
        let _ = volume.visit(&mut |_, content| {
            io::copy(&mut content.take(CONTENT), &mut io::sink())?;
            Ok(())
        });
    }
}

/// The volume, and which of its bytes take space.
fn base() -> (Vec<u8>, Vec<Range<u64>>) {
    let path = |name: &str| Path::parse(name).unwrap_or_default();
    let mut files = FileSet::new();
    let mut file = Node::new(Kind::File(vec![7; 5000].into()), 0o644);
    file.xattrs.insert(b"user.inside".to_vec(), b"value".to_vec());
    files.insert(path("a/b"), file.clone());
    file.xattrs.insert(b"user.block".to_vec(), vec![1; 500]);
    files.insert(path("c"), file);
    files.insert(path("d"), Node::new(Kind::Symlink(vec![b'l'; 100]), 0o777));
    files.insert(path("e"), Node::new(Kind::CharDevice(1, 3), 0o600));
    let options = Options {
        size: SIZE,
        ..Options::default()
    };
    let image = layout(&files, &Inline, &options).expect("it has place for so little");
    let mut bytes = Vec::new();
    image.write_to(&mut bytes).expect("everything is in memory");
    bytes[CHECKSUMS.0] &= !CHECKSUMS.1;
    (bytes, image.occupied())
}

/// A volume some of whose bytes are others.
struct Changed<'a> {
    base: &'a Vec<u8>,
    changes: BTreeMap<u64, u8>,
}

impl ReadAt for Changed<'_> {
    fn size(&self) -> u64 {
        ReadAt::size(self.base)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.base.read_exact_at(buffer, offset)?;
        let end = offset + buffer.len() as u64;
        for (at, value) in self.changes.range(offset..end) {
            buffer[usize::try_from(at - offset).unwrap_or(0)] = *value;
        }
        Ok(())
    }
}
