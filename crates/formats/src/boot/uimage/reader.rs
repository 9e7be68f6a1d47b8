//! Reads an image's header.

use super::format::{
    ARCHITECTURE, CHECKSUM, COMPRESSION, ENTRY, HEADER, HEADER_CHECKSUM, KIND, LOAD, MAGIC, NAME, OS, SIZE,
    TIME,
};
use super::writer::sum;
use super::{Header, Image};
use crate::read_at::{ReadAt, ReadError, bytes};

const FORMAT: &str = "uImage";

/// Whether something that begins so is such an image, or wants to be one.
pub fn is_image(head: &[u8]) -> bool {
    head.starts_with(&MAGIC.to_be_bytes())
}

/// The header of an image. The data behind it are all there, and not looked at.
///
/// # Errors
/// [`ReadError`], when there is none, or a damaged one.
pub fn read(image: &dyn ReadAt) -> Result<Image, ReadError> {
    let mut head = bytes(image, FORMAT, 0, HEADER)?;
    let broken = |offset: usize, what: String| ReadError::Broken {
        format: FORMAT,
        offset: offset as u64,
        what,
    };
    if !is_image(&head) {
        return Err(broken(0, "no magic number".to_owned()));
    }
    let number = |at: usize| u32::from_be_bytes(std::array::from_fn(|index| head[at + index]));
    let (promised, size, checksum) = (number(HEADER_CHECKSUM), number(SIZE), number(CHECKSUM));
    let (time, load, entry) = (number(TIME), number(LOAD), number(ENTRY));
    head[HEADER_CHECKSUM..][..4].fill(0);
    let found = sum(&head);
    if found != promised {
        let what = format!("a header with the checksum {found:08x} instead of {promised:08x}");
        return Err(broken(HEADER_CHECKSUM, what));
    }
    let there = image.size() - HEADER as u64;
    if there < u64::from(size) {
        return Err(broken(HEADER, format!("{there} bytes of data instead of {size}")));
    }
    let name = head[NAME..].split(|&byte| byte == 0).next();
    Ok(Image {
        header: Header {
            time,
            load,
            entry,
            os: head[OS],
            architecture: head[ARCHITECTURE],
            kind: head[KIND],
            compression: head[COMPRESSION],
            name: name.unwrap_or_default().to_vec(),
        },
        size,
        checksum,
    })
}
