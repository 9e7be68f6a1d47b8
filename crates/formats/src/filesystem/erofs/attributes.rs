//! Extended attributes: which of them inodes share, and the bytes that follow an inode.

use std::collections::BTreeMap;

use ironkit_tree::{Node, Path};

use super::format::{FORMAT, SHARED_MAX, XATTR_ENTRY, XATTR_HEADER, XATTR_PREFIXES, XATTR_WHOLE};
use crate::FormatError;

/// The attributes that several inodes have, by their bytes, with the offset of each in the area that they share.
#[derive(Default)]
pub(super) struct Shared {
    offsets: BTreeMap<Vec<u8>, u64>,
    /// The area's bytes.
    pub area: Vec<u8>,
}

impl Shared {
    /// Those of `nodes` that take less space when they are shared.
    pub fn of<'n>(nodes: impl Iterator<Item = (&'n Path, &'n Node)>) -> Result<Shared, FormatError> {
        let mut uses: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for (path, node) in nodes {
            for (name, value) in &node.xattrs {
                *uses.entry(entry(path, name, value)?).or_default() += 1;
            }
        }
        let mut shared = Shared::default();
        for (entry, uses) in uses {
            if uses * entry.len() > entry.len() + uses * XATTR_ENTRY {
                let offset = shared.area.len() as u64;
                shared.area.extend(&entry);
                shared.offsets.insert(entry, offset);
            }
        }
        Ok(shared)
    }

    /// What follows the inode of `node`, and nothing if it has no attributes.
    pub fn after_inode(&self, path: &Path, node: &Node) -> Result<Vec<u8>, FormatError> {
        if node.xattrs.is_empty() {
            return Ok(Vec::new());
        }
        let (mut ids, mut own) = (Vec::new(), Vec::new());
        for (name, value) in &node.xattrs {
            let entry = entry(path, name, value)?;
            match self.offsets.get(&entry) {
                Some(offset) if ids.len() < SHARED_MAX => ids.push(number(path, offset / 4)?),
                _ => own.extend(entry),
            }
        }
        let mut bytes = vec![0; XATTR_HEADER];
        // At most SHARED_MAX, which is what the field holds.
        bytes[4] = u8::try_from(ids.len()).unwrap_or(u8::MAX);
        bytes.extend(ids.into_iter().flat_map(u32::to_le_bytes));
        bytes.extend(own);
        count(path, bytes.len())?;
        Ok(bytes)
    }
}

/// `i_xattr_icount` for so many bytes after the inode.
pub(super) fn count(path: &Path, length: usize) -> Result<u16, FormatError> {
    if length == 0 {
        return Ok(0);
    }
    let count = (length - XATTR_HEADER) / 4 + 1;
    u16::try_from(count).map_err(|_| FormatError::TooLarge {
        path: path.clone(),
        field: "i_xattr_icount",
        value: count as u64,
        format: FORMAT,
        limit: u64::from(u16::MAX),
    })
}

fn number(path: &Path, value: u64) -> Result<u32, FormatError> {
    u32::try_from(value).map_err(|_| FormatError::TooLarge {
        path: path.clone(),
        field: "h_shared_xattrs",
        value,
        format: FORMAT,
        limit: u64::from(u32::MAX),
    })
}

/// The bytes of one attribute: lengths, name without its prefix, value, and zeros up to a multiple of 4.
fn entry(path: &Path, name: &[u8], value: &[u8]) -> Result<Vec<u8>, FormatError> {
    let shown = String::from_utf8_lossy(name);
    let unfit = |what: String| FormatError::Unfit {
        path: path.clone(),
        format: FORMAT,
        what,
    };
    let known = XATTR_PREFIXES.iter().find_map(|(prefix, index)| {
        let rest = name.strip_prefix(*prefix)?;
        (rest.is_empty() == XATTR_WHOLE.contains(index)).then_some((rest, *index))
    });
    let Some((rest, index)) = known else {
        return Err(unfit(format!("the extended attribute `{shown}`")));
    };
    let (Ok(name_len), Ok(value_size)) = (u8::try_from(rest.len()), u16::try_from(value.len())) else {
        return Err(unfit(format!(
            "the extended attribute `{shown}` of {} bytes",
            value.len()
        )));
    };
    let mut bytes = vec![name_len, index];
    bytes.extend(value_size.to_le_bytes());
    bytes.extend(rest);
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(XATTR_ENTRY), 0);
    Ok(bytes)
}
