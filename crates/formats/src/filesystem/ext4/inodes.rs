//! The inodes of a volume: what each says, and its bytes.

use ironkit_tree::{Kind, Node};

use super::attributes::Attributes;
use super::format::{BLOCK, FLAG_EXTENTS, Fields, I_BLOCK, I_BLOCK_OFFSET, INODE, INODE_BASE, INODE_EXTRA};
use crate::crc32c;

/// Times that fit into 34 bits, of which the lower 32 are signed.
const TIME_MIN: i64 = i32::MIN as i64;
const TIME_MAX: i64 = TIME_MIN + (1 << 34) - 1;

/// An inode that has everything.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: i64,
    pub links: u16,
    pub size: u64,
    /// Blocks that belong to it, of any kind.
    pub blocks: u64,
    pub flags: u32,
    /// Where its content is, or the content itself, or a device's number.
    pub i_block: [u8; I_BLOCK],
    /// The block of its attributes.
    pub file_acl: u64,
    /// Attributes in the inode.
    pub attributes: Vec<u8>,
}

impl Inode {
    /// What a node says; without content.
    pub fn of(node: &Node, links: u16, attributes: &Attributes) -> Inode {
        Inode {
            mode: node.st_mode(),
            uid: node.uid,
            gid: node.gid,
            mtime: node.mtime,
            links,
            size: 0,
            blocks: 0,
            flags: 0,
            i_block: device(&node.kind),
            file_acl: 0,
            attributes: match attributes {
                Attributes::Inside(bytes) => bytes.clone(),
                _ => Vec::new(),
            },
        }
    }

    /// The same with a content that is found by extents.
    pub fn extents(self, i_block: [u8; I_BLOCK], size: u64, blocks: u64) -> Inode {
        Inode {
            i_block,
            size,
            blocks: self.blocks + blocks,
            flags: self.flags | FLAG_EXTENTS,
            ..self
        }
    }

    /// Its bytes. `seed` begins its checksum.
    pub fn encode(&self, seed: u32) -> [u8; INODE] {
        let mut bytes = [0; INODE];
        let mut fields = Fields(&mut bytes);
        // The type and permissions have 16 bits by their definition.
        fields.u16(0, u16::try_from(self.mode).unwrap_or_default());
        fields.quarters(2, 120, self.uid);
        fields.quarters(24, 122, self.gid);
        fields.halves(4, 108, self.size);
        fields.u16(26, self.links);
        // In units of 512 bytes, of which 48 bits are kept: more than the largest volume has.
        let sectors = self.blocks * (BLOCK / 512);
        fields.put(28, &sectors.to_le_bytes()[..4]);
        fields.put(116, &sectors.to_le_bytes()[4..6]);
        fields.u32(32, self.flags);
        fields.put(I_BLOCK_OFFSET, &self.i_block);
        fields.put(104, &self.file_acl.to_le_bytes()[..4]);
        fields.put(118, &self.file_acl.to_le_bytes()[4..6]);
        fields.u16(128, INODE_EXTRA);
        let (time, extra) = time(self.mtime);
        // Access, change, modification, creation.
        for (offset, extra_offset) in [(8, 140), (12, 132), (16, 136), (144, 148)] {
            fields.put(offset, &time);
            fields.u32(extra_offset, extra);
        }
        fields.put(INODE_BASE + usize::from(INODE_EXTRA), &self.attributes);
        let checksum = crc32c::update(seed, fields.0);
        fields.quarters(124, 130, checksum);
        bytes
    }
}

/// Seconds in 32 bits, and what is above them.
fn time(mtime: i64) -> ([u8; 4], u32) {
    let time = mtime.clamp(TIME_MIN, TIME_MAX);
    let bytes = time.to_le_bytes();
    let low = [bytes[0], bytes[1], bytes[2], bytes[3]];
    let above = (time - i64::from(i32::from_le_bytes(low))) >> 32;
    (low, u32::try_from(above).unwrap_or_default() & 3)
}

/// The number of a device: 8 bits for each part where that is enough, else as `new_encode_dev` has it.
fn device(kind: &Kind) -> [u8; I_BLOCK] {
    let mut i_block = [0; I_BLOCK];
    if let Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) = kind {
        let mut fields = Fields(&mut i_block);
        match *major < 256 && *minor < 256 {
            true => fields.u32(0, major << 8 | minor),
            false => fields.u32(4, minor & 0xff | major << 8 | (minor & !0xff) << 12),
        }
    }
    i_block
}

/// What checksums of an inode begin with.
pub(super) fn seed(volume: u32, number: u32) -> u32 {
    let generation = 0_u32;
    let seed = crc32c::update(volume, &number.to_le_bytes());
    crc32c::update(seed, &generation.to_le_bytes())
}
