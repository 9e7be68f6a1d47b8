//! Extended attributes as they are found.

use std::collections::BTreeMap;

use super::super::format::{NO_TABLE, NONE, XATTR_ELSEWHERE, XATTR_ID_SIZE, XATTR_PREFIXES, XATTR_VALUE_MAX};
use super::image::{At, Image, at, int, long, short};
use crate::read_at::ReadError;

/// Length of the table's head: where the sets begin, how many there are, and 4 bytes of nothing.
const HEAD_SIZE: usize = 16;
/// Most bytes of names and values that one inode may have.
const SET_MAX: usize = 1 << 20;

/// The attributes of the set with this number, by full name.
pub(super) fn read(image: &Image, number: u32) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, ReadError> {
    let mut xattrs = BTreeMap::new();
    if number == NONE || image.xattr_table == NO_TABLE {
        return Ok(xattrs);
    }
    let head = image.raw(image.xattr_table, HEAD_SIZE)?;
    let (sets, count) = (long(&head, 0), int(&head, 8));
    if number >= count {
        return Err(image.broken(
            image.xattr_table,
            format!("there is no set {number} of attributes"),
        ));
    }
    let list = image.xattr_table.saturating_add(HEAD_SIZE as u64);
    let id: [u8; XATTR_ID_SIZE] = image.entry(list, number)?;
    let mut next = at(sets, long(&id, 0));
    let mut size = 0;
    for _ in 0..int(&id, 8) {
        let mut head = [0; 4];
        image.metadata(&mut next, &mut head)?;
        let (space, length) = (short(&head, 0), short(&head, 2));
        let prefix = XATTR_PREFIXES.get(usize::from(space & !XATTR_ELSEWHERE));
        let prefix =
            prefix.ok_or_else(|| image.broken(next.block, format!("an attribute of type {space}")))?;
        let mut name = prefix.to_vec();
        name.resize(prefix.len() + usize::from(length), 0);
        image.metadata(&mut next, &mut name[prefix.len()..])?;
        let mut value = value(image, &mut next)?;
        if space & XATTR_ELSEWHERE != 0 {
            let reference: [u8; 8] = value
                .try_into()
                .map_err(|_| image.broken(next.block, "an attribute that is elsewhere, but not where"))?;
            value = self::value(image, &mut at(sets, u64::from_le_bytes(reference)))?;
        }
        size += name.len() + value.len();
        if size > SET_MAX {
            return Err(image.broken(next.block, "too many attributes"));
        }
        // Linux has none twice, and an image could make much work of one.
        if xattrs.insert(name, value).is_some() {
            return Err(image.broken(next.block, "an attribute that is there twice"));
        }
    }
    Ok(xattrs)
}

fn value(image: &Image, next: &mut At) -> Result<Vec<u8>, ReadError> {
    let mut length = [0; 4];
    image.metadata(next, &mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > XATTR_VALUE_MAX {
        return Err(image.broken(next.block, format!("an attribute of {length} bytes")));
    }
    let mut value = vec![0; length];
    image.metadata(next, &mut value)?;
    Ok(value)
}
