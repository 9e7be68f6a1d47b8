//! Writes an image.

use std::io::{self, Write};

use flate2::Crc;
use ironkit_tree::BoxError;

use super::format::{
    ARCHITECTURE, CHECKSUM, COMPRESSION, ENTRY, HEADER, HEADER_CHECKSUM, KIND, LOAD, MAGIC, NAME, OS, SIZE,
    TIME,
};
use super::{Header, Image};
use crate::FormatError;
use crate::extents::{Data, Extents, Sink};

const FORMAT: &str = "a uImage";

impl Image {
    /// The header in front of the data.
    ///
    /// # Errors
    /// [`FormatError::Image`] for a name that is too long or has a zero in it.
    pub fn bytes(&self) -> Result<[u8; HEADER], FormatError> {
        let header = &self.header;
        if header.name.len() > HEADER - NAME || header.name.contains(&0) {
            return Err(FormatError::Image {
                format: FORMAT,
                what: format!("the name `{}`", String::from_utf8_lossy(&header.name)),
            });
        }
        let mut bytes = [0; HEADER];
        let mut put = |at: usize, number: u32| bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
        put(0, MAGIC);
        put(TIME, header.time);
        put(SIZE, self.size);
        put(LOAD, header.load);
        put(ENTRY, header.entry);
        put(CHECKSUM, self.checksum);
        bytes[OS] = header.os;
        bytes[ARCHITECTURE] = header.architecture;
        bytes[KIND] = header.kind;
        bytes[COMPRESSION] = header.compression;
        bytes[NAME..][..header.name.len()].copy_from_slice(&header.name);
        let checksum = sum(&bytes);
        bytes[HEADER_CHECKSUM..][..4].copy_from_slice(&checksum.to_be_bytes());
        Ok(bytes)
    }
}

/// CRC-32, as in gzip.
pub(super) fn sum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The checksum of `data`, all of which is read: the header, with it, comes before the data.
///
/// # Errors
/// Those of `data`.
pub fn checksum(data: &dyn Data) -> Result<u32, BoxError> {
    let mut sink = Summed(Crc::new());
    data.write_to(&mut sink)?;
    Ok(sink.0.sum())
}

/// Forgets everything but the checksum.
struct Summed(Crc);

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Summed {}

/// An image of `content`, whose [`checksum`] is known.
///
/// # Errors
/// Content of 4 GiB or more, and those of [`Image::bytes`].
pub fn layout<'a>(header: Header, checksum: u32, content: Extents<'a>) -> Result<Extents<'a>, FormatError> {
    let size = u32::try_from(content.size()).map_err(|_| FormatError::Image {
        format: FORMAT,
        what: format!("{} bytes", content.size()),
    })?;
    let image = Image {
        header,
        size,
        checksum,
    };
    let mut extents = Extents::new();
    extents.bytes(image.bytes()?);
    extents.append(content);
    Ok(extents)
}

/// The content of an image that is a script: U-Boot's commands, a line each.
///
/// # Errors
/// Commands of 4 GiB or more.
pub fn script(commands: &[u8]) -> Result<Extents<'static>, FormatError> {
    let size = u32::try_from(commands.len()).map_err(|_| FormatError::Image {
        format: FORMAT,
        what: format!("a script of {} bytes", commands.len()),
    })?;
    let mut extents = Extents::new();
    extents.bytes(size.to_be_bytes());
    extents.zeros(4);
    extents.bytes(commands);
    Ok(extents)
}
