//! Extended attributes: in what is left of the inode, or else in a block.
//!
//! ```text
//! ┌───────┬────────────┬────────────┬───────┬───┬───────┬───────┐
//! │ magic │ entry name │ entry name │ zeros │ … │ value │ value │
//! └───────┴────────────┴────────────┴───────┴───┴───────┴───────┘
//!   4 bytes, or 32 in a block        entries end    values from the end
//! ```

use ironkit_tree::{Node, Path};

use super::acl;
use super::format::{BLOCK_SIZE, FORMAT, Fields, INODE, INODE_BASE, INODE_EXTRA, XATTR_MAGIC};
use crate::FormatError;
use crate::crc32c;

/// `e_name_index` of beginnings of names, the longer ones first.
pub(super) const PREFIXES: [(&[u8], u8); 5] = [
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"user.", 1),
    (b"trusted.", 4),
    (b"security.", 6),
];
/// Which of these are whole names, of access control lists.
pub(super) const LISTS: [u8; 2] = [2, 3];
/// Length of an entry without its name.
pub(super) const ENTRY: usize = 16;
/// Length of the header in a block.
pub(super) const HEADER: usize = 32;
/// Space in an inode, with the magic number.
const IN_INODE: usize = INODE - INODE_BASE - INODE_EXTRA as usize;

/// The attributes of an inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attributes {
    None,
    /// What follows the inode's numbers.
    Inside(Vec<u8>),
    /// A block, without its checksum, which needs its place.
    Block(Vec<u8>),
}

struct Attribute<'a> {
    index: u8,
    name: &'a [u8],
    value: Vec<u8>,
}

impl Attributes {
    /// Those of `node`.
    pub fn of(path: &Path, node: &Node) -> Result<Attributes, FormatError> {
        let mut all = Vec::new();
        for (name, value) in &node.xattrs {
            all.push(attribute(name, value).ok_or_else(|| {
                let name = String::from_utf8_lossy(name);
                unfit(
                    path,
                    format!("the extended attribute `{name}` of {} bytes", value.len()),
                )
            })?);
        }
        if all.is_empty() {
            return Ok(Attributes::None);
        }
        all.sort_by_key(|attribute| (attribute.index, attribute.name.len(), attribute.name));
        let size: usize = all.iter().map(Attribute::size).sum();
        if size + 8 <= IN_INODE {
            let mut bytes = vec![0; IN_INODE];
            Fields(&mut bytes).u32(0, XATTR_MAGIC);
            put(&all, &mut bytes[4..], 0, false);
            return Ok(Attributes::Inside(bytes));
        }
        if size + HEADER + 4 > BLOCK_SIZE {
            return Err(unfit(path, format!("extended attributes of {size} bytes")));
        }
        let mut block = vec![0; BLOCK_SIZE];
        let hash = put(&all, &mut block, HEADER, true);
        let mut fields = Fields(&mut block);
        fields.u32(0, XATTR_MAGIC);
        // One inode has it, and it is one block.
        fields.u32(4, 1);
        fields.u32(8, 1);
        fields.u32(12, hash);
        Ok(Attributes::Block(block))
    }
}

/// Puts its checksum into a block of attributes.
pub(super) fn seal(block: &mut [u8], place: u64, seed: u32) {
    let seed = crc32c::update(seed, &place.to_le_bytes());
    let checksum = crc32c::update(seed, block);
    Fields(block).u32(16, checksum);
}

impl Attribute<'_> {
    fn size(&self) -> usize {
        ENTRY + self.name.len().next_multiple_of(4) + self.value.len().next_multiple_of(4)
    }

    /// `ext4_xattr_hash_entry`.
    fn hash(&self) -> u32 {
        let name = self
            .name
            .iter()
            .fold(0_u32, |hash, byte| hash.rotate_left(5) ^ u32::from(*byte));
        let padded = [self.value.as_slice(), &[0; 3]].concat();
        let words = padded.as_chunks::<4>().0.iter();
        words.fold(name, |hash, word| {
            hash.rotate_left(16) ^ u32::from_le_bytes(*word)
        })
    }
}

/// Writes entries from `start` on and values from the end; and the hash of all, if they have one.
fn put(all: &[Attribute], out: &mut [u8], start: usize, hashed: bool) -> u32 {
    let number = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
    let (mut at, mut end, mut hash) = (start, out.len(), 0_u32);
    let mut fields = Fields(out);
    for attribute in all {
        end -= attribute.value.len().next_multiple_of(4);
        // Lengths are inside of a block.
        fields.put(
            at,
            &[
                u8::try_from(attribute.name.len()).unwrap_or(u8::MAX),
                attribute.index,
            ],
        );
        fields.u16(
            at + 2,
            if attribute.value.is_empty() {
                0
            } else {
                number(end)
            },
        );
        fields.u32(at + 8, u32::from(number(attribute.value.len())));
        if hashed {
            let own = attribute.hash();
            fields.u32(at + 12, own);
            hash = hash.rotate_left(16) ^ own;
        }
        fields.put(at + ENTRY, attribute.name);
        fields.put(end, &attribute.value);
        at += ENTRY + attribute.name.len().next_multiple_of(4);
    }
    hash
}

/// An attribute as it is kept. `None` if its name or value has no place.
fn attribute<'a>(name: &'a [u8], value: &[u8]) -> Option<Attribute<'a>> {
    let (rest, index) = PREFIXES.iter().find_map(|(prefix, index)| {
        let rest = name.strip_prefix(*prefix)?;
        (rest.is_empty() == LISTS.contains(index)).then_some((rest, *index))
    })?;
    let value = match LISTS.contains(&index) {
        true => acl::encode(value)?,
        false => value.to_vec(),
    };
    let fits = rest.len() <= usize::from(u8::MAX) && value.len() < BLOCK_SIZE;
    fits.then_some(Attribute {
        index,
        name: rest,
        value,
    })
}

fn unfit(path: &Path, what: String) -> FormatError {
    FormatError::Unfit {
        path: path.clone(),
        format: FORMAT,
        what,
    }
}
