//! Extended attributes of an inode: beside it, and in a block.

use std::collections::BTreeMap;

use super::super::acl;
use super::super::attributes::{ENTRY, HEADER, LISTS, PREFIXES};
use super::super::format::{FORMAT, XATTR_MAGIC};
use super::inode::Inode;
use super::{Volume, broken, u16_at, u32_at};
use crate::read_at::{ReadError, bytes};

type Attributes = BTreeMap<Vec<u8>, Vec<u8>>;

/// All of them, by full name.
pub(super) fn of(volume: &Volume, inode: &Inode) -> Result<Attributes, ReadError> {
    let mut found = Attributes::new();
    let wrong = || broken(inode.offset, "the inode's attributes are broken".to_owned());
    if inode.rest.len() > 4 && u32_at(&inode.rest, 0) == XATTR_MAGIC {
        parse(&inode.rest[4..], 0, &mut found).ok_or_else(wrong)?;
    }
    if inode.file_acl != 0 {
        let size = volume.superblock.block_size;
        let offset = inode.file_acl.checked_mul(size).ok_or_else(wrong)?;
        let block = bytes(
            volume.image,
            FORMAT,
            offset,
            usize::try_from(size).unwrap_or(usize::MAX),
        )?;
        if u32_at(&block, 0) != XATTR_MAGIC {
            return Err(wrong());
        }
        parse(&block, HEADER, &mut found).ok_or_else(wrong)?;
    }
    Ok(found)
}

/// The attributes whose entries begin at `start`. Offsets of values are those in `bytes`.
fn parse(bytes: &[u8], start: usize, found: &mut Attributes) -> Option<()> {
    let mut rest = bytes.get(start..)?;
    // Four zeros end the entries.
    while rest.len() >= 4 && rest[..4] != [0; 4] {
        let name_len = usize::from(rest[0]);
        let name = rest.get(ENTRY..ENTRY + name_len)?;
        let (offset, length) = (
            usize::from(u16_at(rest, 2)),
            usize::try_from(u32_at(rest, 8)).ok()?,
        );
        // A value in an inode of its own is not read.
        if u32_at(rest, 4) != 0 {
            return None;
        }
        let value = match length {
            0 => &[][..],
            _ => bytes.get(offset..offset.checked_add(length)?)?,
        };
        // Names that no program sees are left out: encryption's, for one.
        if let Some((prefix, index)) = PREFIXES.iter().find(|(_, index)| *index == rest[1]) {
            let value = match LISTS.contains(index) {
                true => acl::decode(value)?,
                false => value.to_vec(),
            };
            found.insert([*prefix, name].concat(), value);
        }
        rest = rest.get((ENTRY + name_len).next_multiple_of(4)..)?;
    }
    Some(())
}
