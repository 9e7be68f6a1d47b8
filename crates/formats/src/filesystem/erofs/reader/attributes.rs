//! Extended attributes of an inode: its own, and those that it shares.

use std::collections::BTreeMap;

use super::super::format::{FORMAT, XATTR_ENTRY, XATTR_HEADER, XATTR_PREFIXES};
use super::inode::Inode;
use super::{Volume, broken, u16_at};
use crate::read_at::{ReadError, bytes};

/// Most bytes of attributes that an inode may have: a few times what Linux lists.
const ATTRIBUTES_MAX: usize = 1 << 20;

/// All of them, by full name.
pub(super) fn of(volume: &Volume, inode: &Inode) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, ReadError> {
    let mut found = BTreeMap::new();
    if inode.attributes == 0 {
        return Ok(found);
    }
    let start = inode.offset + inode.length;
    let length = usize::try_from(inode.attributes).unwrap_or(usize::MAX);
    let own = bytes(volume.image, FORMAT, start, length)?;
    let shared = usize::from(own[4]);
    let Some((ids, mut rest)) = own[XATTR_HEADER..].split_at_checked(shared * 4) else {
        return Err(broken(start, format!("{shared} shared attributes")));
    };
    let mut sum = 0;
    for id in ids.as_chunks::<4>().0 {
        let offset = volume.superblock.xattr_start + u64::from(u32::from_le_bytes(*id)) * 4;
        let entry = bytes(volume.image, FORMAT, offset, XATTR_ENTRY)?;
        let whole = bytes(volume.image, FORMAT, offset, length_of(&entry))?;
        sum += whole.len();
        if sum > ATTRIBUTES_MAX {
            return Err(broken(start, "too many bytes of attributes".to_owned()));
        }
        add(&mut found, &whole, offset)?;
    }
    // Zeros are what fills up the end.
    while rest.len() >= XATTR_ENTRY && rest[..XATTR_ENTRY] != [0; XATTR_ENTRY] {
        let length = length_of(rest);
        let Some(entry) = rest.get(..length) else {
            return Err(broken(start, format!("an attribute of {length} bytes")));
        };
        add(&mut found, entry, start)?;
        rest = rest
            .get(length.next_multiple_of(XATTR_ENTRY)..)
            .unwrap_or_default();
    }
    Ok(found)
}

/// Length of the attribute that begins like that.
fn length_of(entry: &[u8]) -> usize {
    XATTR_ENTRY + usize::from(entry[0]) + usize::from(u16_at(entry, 2))
}

fn add(found: &mut BTreeMap<Vec<u8>, Vec<u8>>, entry: &[u8], offset: u64) -> Result<(), ReadError> {
    let prefix = XATTR_PREFIXES.iter().find(|(_, index)| *index == entry[1]);
    let Some((prefix, _)) = prefix else {
        let what = format!("an attribute's name has the unknown index {}", entry[1]);
        return Err(broken(offset, what));
    };
    let (name, value) = entry[XATTR_ENTRY..].split_at(usize::from(entry[0]));
    // Linux has none twice, and an image could make much work of one.
    match found.insert([*prefix, name].concat(), value.to_vec()) {
        Some(_) => Err(broken(offset, "an attribute is there twice".to_owned())),
        None => Ok(()),
    }
}
