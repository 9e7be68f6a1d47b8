//! The disk in a VMDK.

use std::io;

use super::format::{
    AT_END, COMPRESSED, DEFLATE, HEADER, MAGIC, MARKERS, NAME, SECTOR, SIZE_MAX, TABLE_ENTRIES, ZERO_GRAINS,
};
use crate::disk::blocks::{self, Last, Place};
use crate::read_at::{ReadAt, ReadError, Slice, broken, bytes, le16, le32, le64};

/// The disk in an image, which is read when the disk is.
pub struct Vmdk<'a> {
    image: Slice<'a>,
    size: u64,
    grain: u64,
    table_entries: u64,
    /// Offset in bytes.
    directory: u64,
    flags: u32,
    last: Last,
}

/// Sectors of a grain.
const GRAINS: std::ops::RangeInclusive<u64> = 1..=2048;

impl<'a> Vmdk<'a> {
    /// Whether `image` begins as such a file.
    pub fn is(image: &dyn ReadAt) -> bool {
        bytes(image, NAME, 0, MAGIC.len()).is_ok_and(|begins| begins == MAGIC)
    }

    /// Reads header and footer.
    ///
    /// # Errors
    /// [`ReadError`] for what is no such image, or one of a kind that is not read.
    pub fn open(image: Slice<'a>) -> Result<Vmdk<'a>, ReadError> {
        let mut place = 0;
        let mut header = bytes(&image, NAME, place, HEADER)?;
        if header.starts_with(MAGIC) && le64(&header, 56) == AT_END {
            // Before the marker of the end.
            place = image.size().saturating_sub(2 * HEADER as u64);
            header = bytes(&image, NAME, place, HEADER)?;
        }
        let wrong = |what: String| Err(broken(NAME, place, what));
        if !header.starts_with(MAGIC) {
            return wrong("there is no header".to_owned());
        }
        let (version, flags) = (le32(&header, 4), le32(&header, 8));
        if !(1..=3).contains(&version) {
            return wrong(format!("version {version} is not read"));
        }
        let compressed = flags & COMPRESSED != 0;
        if compressed && (flags & MARKERS == 0 || le16(&header, 77) != DEFLATE) {
            return wrong("grains are compressed in a way that is not read".to_owned());
        }
        let (sectors, grain) = (le64(&header, 12), le64(&header, 20));
        let table_entries = u64::from(le32(&header, 44));
        if !GRAINS.contains(&grain) || !grain.is_power_of_two() {
            return wrong(format!("grains have {grain} sectors"));
        }
        if !(1..=TABLE_ENTRIES).contains(&table_entries) || sectors > SIZE_MAX / SECTOR {
            return wrong(format!(
                "the disk has {sectors} sectors in tables of {table_entries} grains"
            ));
        }
        let directory = le64(&header, 56).saturating_mul(SECTOR);
        let tables = sectors.div_ceil(grain * table_entries);
        let end = directory.checked_add(tables * 4);
        if end.is_none_or(|end| end > image.size()) {
            return wrong("the directory of grains is not there".to_owned());
        }
        Ok(Vmdk {
            image,
            size: sectors * SECTOR,
            grain: grain * SECTOR,
            table_entries,
            directory,
            flags,
            last: Last::default(),
        })
    }

    /// The text that describes the disk.
    ///
    /// # Errors
    /// [`ReadError`] for one that is not there.
    pub fn descriptor(&self) -> Result<String, ReadError> {
        const MAX: u64 = 1 << 20;
        let header = bytes(&self.image, NAME, 0, HEADER)?;
        let (place, size) = (le64(&header, 28), le64(&header, 36));
        let size = size.saturating_mul(SECTOR).min(MAX);
        let size = usize::try_from(size).unwrap_or(0);
        let text = bytes(&self.image, NAME, place.saturating_mul(SECTOR), size)?;
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        Ok(String::from_utf8_lossy(&text[..end]).into_owned())
    }

    /// A sector that a table says, as an offset.
    fn entry(&self, offset: u64) -> io::Result<u64> {
        let mut entry = [0; 4];
        self.image.read_exact_at(&mut entry, offset)?;
        Ok(u64::from(u32::from_le_bytes(entry)) * SECTOR)
    }

    fn find(&self, grain: u64) -> io::Result<Place> {
        let table = self.entry(self.directory + grain / self.table_entries * 4)?;
        if table == 0 {
            return Ok(Place::Zeros);
        }
        match self.entry(table + grain % self.table_entries * 4)? {
            0 => Ok(Place::Zeros),
            SECTOR if self.flags & ZERO_GRAINS != 0 => Ok(Place::Zeros),
            place if self.flags & COMPRESSED == 0 => Ok(Place::At(place)),
            place => self.last.or_unpack(place, || self.unpack(place)),
        }
    }

    fn unpack(&self, place: u64) -> Result<Vec<u8>, ReadError> {
        const HEAD: usize = 12;
        let head = bytes(&self.image, NAME, place, HEAD)?;
        let length = usize::try_from(le32(&head, 8)).unwrap_or(usize::MAX);
        let mut grain = vec![0; usize::try_from(self.grain).unwrap_or(0)];
        // Nobody writes grains that got much larger.
        if length > 2 * grain.len() + 512 {
            return Err(broken(NAME, place, format!("a grain takes {length} bytes")));
        }
        let packed = bytes(&self.image, NAME, place + HEAD as u64, length)?;
        let mut inflate = flate2::Decompress::new(true);
        let done = inflate.decompress(&packed, &mut grain, flate2::FlushDecompress::Finish);
        // The last grain of a disk may end with it.
        match done {
            Ok(_) if inflate.total_out() > 0 => Ok(grain),
            _ => Err(broken(NAME, place, "a grain is damaged")),
        }
    }
}

impl ReadAt for Vmdk<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        blocks::read(&self.image, (self.size, self.grain), buffer, offset, |grain| {
            self.find(grain)
        })
    }
}
