//! Appends sections to an executable.

use std::sync::Arc;

use super::format::{
    ALIGNMENT, CHECKSUM, COFF, DATA, DIRECTORIES, DIRECTORY, FILE_ALIGNMENT, HEADERS_SIZE, IMAGE_SIZE,
    INITIALIZED_DATA, NAME, OPTIONAL, OPTIONAL_SIZE, PE_POINTER, RAW_OFFSET, RAW_SIZE, SECTION,
    SECTION_ALIGNMENT, SECTIONS, SECTIONS_MAX, SECURITY, VIRTUAL_ADDRESS, VIRTUAL_SIZE,
};
use super::reader::{long, read, short};
use crate::FormatError;
use crate::extents::{Data, Extents};

const FORMAT: &str = "a unified kernel image";

/// A section to append.
pub struct Appended<'a> {
    /// At most 8 bytes.
    pub name: &'static str,
    /// Its bytes.
    pub content: Extents<'a>,
}

/// An executable with more sections.
pub struct Linked<'a> {
    /// Its bytes.
    pub image: Extents<'a>,
    /// Where the contents of the appended sections are in it: multiples of 512.
    pub offsets: Vec<u64>,
}

/// `stub` with further sections, from which a program finds them by their names.
///
/// # Errors
/// [`FormatError::Image`], when `stub` is no executable of 64 bits, is signed, or has no place for so much.
pub fn append<'a>(stub: &[u8], sections: Vec<Appended<'a>>) -> Result<Linked<'a>, FormatError> {
    let refuse = |what: String| FormatError::Image { format: FORMAT, what };
    let read = read(&stub.to_vec()).map_err(|error| refuse(format!("this stub: {error}")))?;
    let headers = Headers::of(stub).ok_or_else(|| refuse("a stub without whole headers".to_owned()))?;
    let mut bytes = stub.to_vec();
    // Whatever it was signed as, it is not that any more.
    if headers.is_signed(stub) {
        return Err(refuse("a stub that is signed".to_owned()));
    }
    let count = read.sections.len() + sections.len();
    let end = headers.table + count * SECTION;
    let first = headers.first_content(stub).min(headers.size);
    if count > usize::from(SECTIONS_MAX) || end > first || end > bytes.len() {
        return Err(refuse(format!(
            "{count} sections: its headers end at byte {first}"
        )));
    }
    let mut at = headers.table + read.sections.len() * SECTION;
    let mut address = u64::from(long(stub, headers.optional + IMAGE_SIZE));
    let mut offset = (bytes.len() as u64).next_multiple_of(ALIGNMENT.max(headers.file_alignment));
    let mut data = u64::from(long(stub, headers.optional + INITIALIZED_DATA));
    let mut offsets = Vec::with_capacity(sections.len());
    for section in &sections {
        let (name, size) = (section.name.as_bytes(), section.content.size());
        if name.len() > NAME || read.section(section.name).is_some() {
            return Err(refuse(format!("the section `{}`", section.name)));
        }
        address = address.next_multiple_of(headers.section_alignment);
        let raw = size.next_multiple_of(ALIGNMENT.max(headers.file_alignment));
        let fields = [
            (VIRTUAL_SIZE, size),
            (VIRTUAL_ADDRESS, address),
            (RAW_SIZE, raw),
            (RAW_OFFSET, offset),
        ];
        // Something may have been behind the last header.
        bytes[at..at + SECTION].fill(0);
        bytes[at..at + name.len()].copy_from_slice(name);
        for (field, value) in fields {
            let value = u32::try_from(value);
            let value =
                value.map_err(|_| refuse(format!("{size} bytes in the section `{}`", section.name)))?;
            set(&mut bytes, at + field, value);
        }
        set(&mut bytes, at + SECTION - 4, DATA);
        offsets.push(offset);
        at += SECTION;
        address += size;
        offset += raw;
        data += raw;
    }
    let address = address.next_multiple_of(headers.section_alignment);
    let address = u32::try_from(address).map_err(|_| refuse("4 GiB and more".to_owned()))?;
    set(&mut bytes, headers.optional + IMAGE_SIZE, address);
    set(
        &mut bytes,
        headers.optional + INITIALIZED_DATA,
        u32::try_from(data).unwrap_or(u32::MAX),
    );
    set(&mut bytes, headers.optional + CHECKSUM, 0);
    let count = u16::try_from(count).unwrap_or(SECTIONS_MAX);
    bytes[headers.coff + SECTIONS..][..2].copy_from_slice(&count.to_le_bytes());

    let mut image = Extents::new();
    image.bytes(bytes);
    for (section, offset) in sections.into_iter().zip(&offsets) {
        image.zeros_to(*offset);
        image.data(Arc::new(section.content));
    }
    image.align(ALIGNMENT.max(headers.file_alignment));
    Ok(Linked { image, offsets })
}

/// Where things are in an executable's headers.
struct Headers {
    coff: usize,
    optional: usize,
    /// The section headers.
    table: usize,
    /// Bytes of all headers.
    size: usize,
    section_alignment: u64,
    file_alignment: u64,
}

impl Headers {
    /// Those of `stub`, which was read already. `None` when they are not all there or mean nothing.
    fn of(stub: &[u8]) -> Option<Headers> {
        let coff = usize::try_from(long(stub, PE_POINTER)).ok()?;
        let optional = coff + COFF;
        let header = stub.get(optional..)?.get(..OPTIONAL)?;
        let alignment = |at| Some(u64::from(long(header, at))).filter(|size| size.is_power_of_two());
        Some(Headers {
            coff,
            optional,
            table: optional + usize::from(short(stub, coff + OPTIONAL_SIZE)),
            size: usize::try_from(long(header, HEADERS_SIZE)).ok()?,
            section_alignment: alignment(SECTION_ALIGNMENT)?,
            file_alignment: alignment(FILE_ALIGNMENT)?,
        })
    }

    fn is_signed(&self, stub: &[u8]) -> bool {
        let directories = usize::try_from(long(stub, self.optional + DIRECTORIES)).unwrap_or(0);
        let at = self.optional + OPTIONAL + SECURITY * DIRECTORY;
        directories > SECURITY && at + DIRECTORY <= self.table && stub[at..][..DIRECTORY] != [0; DIRECTORY]
    }

    /// Where the first section's bytes are, which no header may reach.
    fn first_content(&self, stub: &[u8]) -> usize {
        let headers = stub[self.table..].chunks_exact(SECTION);
        let count = usize::from(short(stub, self.coff + SECTIONS));
        let used = headers.take(count).filter(|header| long(header, RAW_SIZE) > 0);
        let offsets = used.map(|header| usize::try_from(long(header, RAW_OFFSET)).unwrap_or(usize::MAX));
        offsets.min().unwrap_or(stub.len())
    }
}

fn set(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..][..4].copy_from_slice(&value.to_le_bytes());
}
