//! What inodes refer to by number: contents and fragments of all data pieces, users and groups.

use std::collections::{BTreeMap, HashMap};

use ironkit_tree::{Content, Digest, Path};

use super::format::IDS_MAX;
use super::inode::Extent;
use super::table::{Placed, Table};
use super::unfit;
use crate::FormatError;

/// The contents of all data pieces, and the table of fragments.
pub(super) struct Stock<'a> {
    contents: HashMap<Digest, (u64, u32, &'a Placed)>,
    /// The table of fragments.
    pub fragments: Vec<u8>,
    block: usize,
}

impl<'a> Stock<'a> {
    pub fn new(tables: &[&'a Table], before: u64, block: usize) -> Stock<'a> {
        let mut stock = Stock {
            contents: HashMap::new(),
            fragments: Vec::new(),
            block,
        };
        let (mut base, mut fragments) = (before, 0);
        for table in tables {
            for (digest, placed) in &table.placed {
                stock.contents.entry(*digest).or_insert((base, fragments, placed));
            }
            for fragment in &table.fragments {
                stock.fragments.extend((base + fragment.start).to_le_bytes());
                stock.fragments.extend(fragment.length.to_le_bytes());
                stock.fragments.extend([0; 4]);
                fragments += 1;
            }
            base += table.size;
        }
        stock
    }

    pub fn extent(&self, path: &Path, content: &Content) -> Result<Extent<'a>, FormatError> {
        let size = content.size();
        if size == 0 {
            return Ok(Extent::default());
        }
        let missing = || FormatError::Content {
            path: path.clone(),
            source: "no data piece has it".into(),
        };
        let (base, fragments, placed) = *self.contents.get(&content.digest()).ok_or_else(missing)?;
        let block = self.block as u64;
        let blocks = if placed.tail.is_some() {
            size / block
        } else {
            size.div_ceil(block)
        };
        if placed.blocks.len() as u64 != blocks {
            return Err(missing());
        }
        Ok(Extent {
            start: if placed.blocks.is_empty() {
                0
            } else {
                base + placed.start
            },
            size,
            sparse: placed.sparse,
            tail: placed.tail.map(|(index, offset)| (fragments + index, offset)),
            blocks: &placed.blocks,
        })
    }
}

/// The user and group numbers that occur.
#[derive(Default)]
pub(super) struct Ids {
    known: BTreeMap<u32, u16>,
    /// The table of ids.
    pub list: Vec<u8>,
}

impl Ids {
    pub fn index(&mut self, id: u32) -> Result<u16, FormatError> {
        if let Some(index) = self.known.get(&id) {
            return Ok(*index);
        }
        let index = u16::try_from(self.known.len()).ok();
        let index = index
            .filter(|_| self.known.len() < IDS_MAX)
            .ok_or_else(|| unfit(format!("more than {IDS_MAX} owners and groups")))?;
        self.known.insert(id, index);
        self.list.extend(id.to_le_bytes());
        Ok(index)
    }
}
