//! Rock Ridge: what POSIX knows of an inode, in the system use fields of directory records (SUSP 1.12, RRIP 1.12).

use ironkit_tree::{Kind, Node};

use super::format::{BLOCK, both32, short_time};

/// Bytes of a CE entry.
const CE: usize = 28;
/// Most bytes of one entry.
const ENTRY_MAX: usize = 255;

/// Flags of NM, SL and SL's components: it goes on in the next one.
const CONTINUE: u8 = 1;
/// Flags of SL's components.
const CURRENT: u8 = 2;
const PARENT: u8 = 4;
const ROOT: u8 = 8;

/// What a root directory's own record begins with: SUSP is used, and no bytes are to be skipped.
pub const SP: [u8; 7] = [b'S', b'P', 7, 1, 0xbe, 0xef, 0];

/// Which extension this is (RRIP 1.12, 4.3).
pub fn er() -> Vec<u8> {
    let (identifier, descriptor, source) = (
        "IEEE_P1282",
        "THE IEEE P1282 PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS",
        "PLEASE CONTACT THE IEEE STANDARDS DEPARTMENT, PISCATAWAY, NJ, USA FOR THE P1282 SPECIFICATION",
    );
    let mut body: Vec<u8> = [identifier, descriptor, source]
        .map(|text| text.len().to_le_bytes()[0])
        .into();
    body.push(1);
    for text in [identifier, descriptor, source] {
        body.extend(text.bytes());
    }
    entry(*b"ER", &body)
}

/// An inode as entries tell it.
pub struct Inode<'a> {
    /// The inode.
    pub node: &'a Node,
    /// Its number.
    pub serial: u32,
    /// Number of its names.
    pub links: u32,
}

impl Inode<'_> {
    /// PX, TF and, for devices, PN.
    pub fn entries(&self) -> Vec<Vec<u8>> {
        let node = self.node;
        let numbers = [node.st_mode(), self.links, node.uid, node.gid, self.serial];
        let time = short_time(node.mtime);
        // Modification, access and change of attributes.
        let times = [&[0x0e][..], &time, &time, &time].concat();
        let mut entries = vec![
            entry(*b"PX", &numbers.map(both32).concat()),
            entry(*b"TF", &times),
        ];
        if let Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) = node.kind {
            // Numbers that fit are one number, as most write them and all read them.
            let (high, low) = match (major, minor) {
                (1..=0xfff, 0..=0xff) => (0, major << 8 | minor),
                apart => apart,
            };
            entries.push(entry(*b"PN", &[both32(high), both32(low)].concat()));
        }
        entries
    }
}

/// NM, as many as a name takes.
pub fn name(name: &[u8]) -> Vec<Vec<u8>> {
    let parts: Vec<&[u8]> = name.chunks(ENTRY_MAX - 5).collect();
    let last = parts.len().saturating_sub(1);
    let flags = |index| if index < last { CONTINUE } else { 0 };
    let named = parts.iter().enumerate();
    named
        .map(|(index, part)| entry(*b"NM", &[&[flags(index)], *part].concat()))
        .collect()
}

/// SL, as many as a symbolic link's target takes.
pub fn symlink(target: &[u8]) -> Vec<Vec<u8>> {
    let mut links: Vec<Vec<u8>> = vec![Vec::new()];
    let room = |links: &Vec<Vec<u8>>| ENTRY_MAX - 5 - links.last().map_or(0, Vec::len);
    let mut push = |flags: u8, text: &[u8]| {
        let mut left = text;
        loop {
            // A component that does not fit goes on in the next entry.
            if room(&links) < 2 + left.len().min(1) {
                links.push(Vec::new());
            }
            let room = room(&links) - 2;
            let mut count = left.len().min(room);
            // libarchive forgets the slash between two entries, so that these meet inside of a component.
            if count == left.len() && room - count < 3 && count > 1 {
                count -= 1;
            }
            let (now, rest) = left.split_at(count);
            let flags = flags | if rest.is_empty() { 0 } else { CONTINUE };
            if let Some(link) = links.last_mut() {
                link.extend([flags, now.len().to_le_bytes()[0]]);
                link.extend(now);
            }
            if rest.is_empty() {
                return;
            }
            left = rest;
        }
    };
    let mut rest = target;
    if let Some(below) = target.strip_prefix(b"/") {
        push(ROOT, b"");
        rest = below;
    }
    if !rest.is_empty() {
        for component in rest.split(|&byte| byte == b'/') {
            match component {
                b"." => push(CURRENT, b""),
                b".." => push(PARENT, b""),
                text => push(0, text),
            }
        }
    }
    let last = links.len() - 1;
    let flags = |index| if index < last { CONTINUE } else { 0 };
    let linked = links.iter().enumerate();
    linked
        .map(|(index, body)| entry(*b"SL", &[&[flags(index)], body.as_slice()].concat()))
        .collect()
}

fn entry(signature: [u8; 2], body: &[u8]) -> Vec<u8> {
    let length = (body.len() + 4).to_le_bytes()[0];
    [&signature[..], &[length, 1], body].concat()
}

/// The continuation areas of a directory: what does not fit into its records.
#[derive(Default)]
pub struct Areas {
    /// The bytes so far.
    pub bytes: Vec<u8>,
}

impl Areas {
    /// Entries that fit into `room` bytes, the last one pointing to the others in an area. `block` is where areas begin.
    pub fn split(&mut self, entries: &[Vec<u8>], room: usize, block: u32) -> Vec<u8> {
        let sum = |entries: &[Vec<u8>]| entries.iter().map(Vec::len).sum::<usize>();
        if sum(entries) <= room {
            return entries.concat();
        }
        let mut count = 0;
        while sum(&entries[..=count]) + CE <= room {
            count += 1;
        }
        let (now, rest) = entries.split_at(count);
        // An area is inside of one block: that is all that Linux reads.
        let size = usize::try_from(BLOCK).unwrap_or(0);
        let used = self.bytes.len() % size;
        let mut left = size - used;
        let whole = sum(rest);
        if whole > left && (whole <= size || left < 2 * ENTRY_MAX) {
            self.bytes.resize(self.bytes.len() + left, 0);
            left = size;
        }
        let start = self.bytes.len();
        // The place is taken first, for areas behind this one.
        let length = area_length(rest, left);
        self.bytes.resize(start + length, 0);
        let inside = self.split(rest, length, block);
        self.bytes[start..start + inside.len()].copy_from_slice(&inside);
        let number = |value: usize| both32(u32::try_from(value).unwrap_or(u32::MAX));
        let blocks = u32::try_from(start / size).unwrap_or(0);
        let place = [both32(block + blocks), number(start % size), number(inside.len())].concat();
        let mut field = now.concat();
        field.extend(entry(*b"CE", &place));
        field
    }
}

/// Bytes of an area for these entries in `room` bytes.
fn area_length(entries: &[Vec<u8>], room: usize) -> usize {
    let whole: usize = entries.iter().map(Vec::len).sum();
    whole.min(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_told_by_components() {
        for (target, expect) in [
            (&b"a/b"[..], &[0, 0, 1, b'a', 0, 1, b'b'][..]),
            (b"/", &[0, 8, 0]),
            (b"/x", &[0, 8, 0, 0, 1, b'x']),
            (b"../.", &[0, 4, 0, 2, 0]),
            (b"a/", &[0, 0, 1, b'a', 0, 0]),
        ] {
            let found = symlink(target);
            assert_eq!(found.len(), 1);
            assert_eq!(&found[0][4..], expect);
        }
        let long = symlink(&[b'x'; 4095]);
        assert!(long.iter().all(|entry| entry.len() <= ENTRY_MAX));
        assert_eq!(long[0][4..7], [CONTINUE, CONTINUE, 248]);
        assert_eq!(name(&[b'n'; 255]).len(), 2);
    }

    #[test]
    fn areas_stay_inside_of_blocks() {
        let mut areas = Areas::default();
        for _ in 0..50 {
            let entries = symlink(&[b'x'; 4095]);
            let field = areas.split(&entries, 100, 7);
            assert!(field.len() <= 100);
            let short = areas.split(&name(&[b'n'; 255]), 40, 7);
            assert_eq!(short.len(), CE);
        }
    }
}
