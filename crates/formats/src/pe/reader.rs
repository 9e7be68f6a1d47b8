//! Reads the headers: which sections there are.

use super::format::{
    COFF, DOS_HEADER, DOS_MAGIC, HEADERS_MAX, MACHINE, NAME, OPTIONAL, OPTIONAL_SIZE, PE_MAGIC, PE_POINTER,
    PE32_PLUS, RAW_OFFSET, RAW_SIZE, SECTION, SECTIONS, SECTIONS_MAX, VIRTUAL_SIZE,
};
use crate::read_at::{ReadAt, ReadError, bytes};

const FORMAT: &str = "portable executable";

/// An executable, by its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What it runs on: [`AMD64`](super::AMD64) and so on.
    pub machine: u16,
    /// Its sections in their order.
    pub sections: Vec<Section>,
}

/// A section of an executable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Where its bytes are in the file.
    pub offset: u64,
    /// How many of them there are, without padding.
    pub size: u64,
}

impl Image {
    /// The first section of that name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }
}

/// The sections of a file, all of which are inside it. Only executables of 64 bits are read.
///
/// # Errors
/// [`ReadError`], when it is none.
pub fn read(file: &dyn ReadAt) -> Result<Image, ReadError> {
    let broken = |offset: u64, what: &str| ReadError::Broken {
        format: FORMAT,
        offset,
        what: what.to_owned(),
    };
    let dos = bytes(file, FORMAT, 0, DOS_HEADER)?;
    if dos[..2] != DOS_MAGIC {
        return Err(broken(0, "no mark `MZ`"));
    }
    let start = u64::from(long(&dos, PE_POINTER));
    if start > HEADERS_MAX {
        return Err(broken(PE_POINTER as u64, "a header far away"));
    }
    let coff = bytes(file, FORMAT, start, COFF)?;
    if coff[..4] != PE_MAGIC {
        return Err(broken(start, "no mark `PE`"));
    }
    let count = short(&coff, SECTIONS);
    let optional = usize::from(short(&coff, OPTIONAL_SIZE));
    if count > SECTIONS_MAX || optional < OPTIONAL {
        return Err(broken(start, "headers of a size that none has"));
    }
    let optional_at = start + COFF as u64;
    if short(&bytes(file, FORMAT, optional_at, 2)?, 0) != PE32_PLUS {
        return Err(broken(optional_at, "no executable of 64 bits"));
    }
    let table_at = optional_at + optional as u64;
    let table = bytes(file, FORMAT, table_at, usize::from(count) * SECTION)?;
    let mut sections = Vec::new();
    for (index, header) in table.chunks_exact(SECTION).enumerate() {
        let section = section(header);
        let end = section.offset.checked_add(section.size);
        if end.is_none_or(|end| end > file.size()) {
            let at = table_at + (index * SECTION) as u64;
            return Err(broken(at, &format!("section `{}` beyond the end", section.name)));
        }
        sections.push(section);
    }
    Ok(Image {
        machine: short(&coff, MACHINE),
        sections,
    })
}

fn section(header: &[u8]) -> Section {
    let name = header[..NAME].split(|&byte| byte == 0).next();
    let size = long(header, VIRTUAL_SIZE).min(long(header, RAW_SIZE));
    Section {
        name: String::from_utf8_lossy(name.unwrap_or_default()).into_owned(),
        offset: u64::from(long(header, RAW_OFFSET)),
        size: u64::from(size),
    }
}

pub(super) fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

pub(super) fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}
