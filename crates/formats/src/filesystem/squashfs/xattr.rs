//! Extended attributes: each set of them once, and a table of sets.

use std::collections::{BTreeMap, HashMap};

use ironkit_tree::Path;

use super::codec::Compression;
use super::format::{NAME, NO_TABLE, NONE, XATTR_NAME_MAX, XATTR_PREFIXES, XATTR_VALUE_MAX};
use super::metadata::{Metadata, append_table};
use super::unfit;
use crate::FormatError;

/// The sets of attributes so far.
pub(super) struct Xattrs {
    sets: Metadata,
    ids: Vec<u8>,
    known: HashMap<Vec<u8>, u32>,
}

impl Xattrs {
    pub fn new(compression: Compression) -> std::io::Result<Xattrs> {
        Ok(Xattrs {
            sets: Metadata::new(compression)?,
            ids: Vec::new(),
            known: HashMap::new(),
        })
    }

    /// The number of a set; [`NONE`] for the empty one.
    pub fn add(&mut self, path: &Path, xattrs: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<u32, FormatError> {
        if xattrs.is_empty() {
            return Ok(NONE);
        }
        let set = encode(path, xattrs)?;
        if let Some(known) = self.known.get(&set) {
            return Ok(*known);
        }
        let number = u32::try_from(self.known.len()).map_err(|_| unfit("so many attributes"))?;
        // What listxattr(2) gives: names and the zeros behind them.
        let names: usize = xattrs.keys().map(|name| name.len() + 1).sum();
        self.ids.extend(self.sets.place()?.reference().to_le_bytes());
        for count in [xattrs.len(), names] {
            let count = u32::try_from(count).map_err(|_| unfit("so many attributes"))?;
            self.ids.extend(count.to_le_bytes());
        }
        self.sets.write(&set)?;
        self.known.insert(set, number);
        Ok(number)
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Appends the sets and their table to `out`, which has so many bytes before it. Where the table's list begins.
    pub fn append_to(
        self,
        out: &mut Vec<u8>,
        before: u64,
        compression: Compression,
    ) -> Result<u64, FormatError> {
        let count = u32::try_from(self.known.len()).map_err(|_| unfit("so many attributes"))?;
        if count == 0 {
            return Ok(NO_TABLE);
        }
        let mut head = (before + out.len() as u64).to_le_bytes().to_vec();
        head.extend(u64::from(count).to_le_bytes());
        out.extend(self.sets.finish()?.0);
        Ok(append_table(out, before, &self.ids, &head, compression)?)
    }
}

fn encode(path: &Path, xattrs: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Vec<u8>, FormatError> {
    let mut set = Vec::new();
    for (name, value) in xattrs {
        let mut spaces = XATTR_PREFIXES.iter().zip(0_u16..);
        let found = spaces.find_map(|(prefix, space)| Some((space, name.strip_prefix(*prefix)?)));
        let Some((space, rest)) = found.filter(|(_, rest)| !rest.is_empty()) else {
            return Err(FormatError::Unfit {
                path: path.clone(),
                format: NAME,
                what: format!("the attribute `{}`", String::from_utf8_lossy(name)),
            });
        };
        let too_large = |field, length: usize, limit: usize| FormatError::TooLarge {
            path: path.clone(),
            field,
            value: length as u64,
            format: NAME,
            limit: limit as u64,
        };
        if name.len() > XATTR_NAME_MAX {
            return Err(too_large(
                "length of an attribute's name",
                name.len(),
                XATTR_NAME_MAX,
            ));
        }
        if value.len() > XATTR_VALUE_MAX {
            return Err(too_large("length of an attribute", value.len(), XATTR_VALUE_MAX));
        }
        let name_size = u16::try_from(rest.len()).unwrap_or(u16::MAX);
        let value_size = u32::try_from(value.len()).unwrap_or(u32::MAX);
        set.extend(space.to_le_bytes());
        set.extend(name_size.to_le_bytes());
        set.extend(rest);
        set.extend(value_size.to_le_bytes());
        set.extend(value);
    }
    Ok(set)
}
