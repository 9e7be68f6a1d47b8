//! Writes a disk in one pass.

use std::io::{self, Write};
use std::num::NonZeroUsize;

use flate2::{Compress, FlushCompress, Status};
use ironkit_tree::BoxError;

use super::format::{
    AT_END, DESCRIPTOR, GRAIN, Marker, NAME, OVERHEAD, SECTOR, SIZE_MAX, TABLE_ENTRIES, descriptor, header,
};
use crate::FormatError;
use crate::disk::blocks::{check_size, count, cut, is_zero, present};
use crate::extents::Data;
use crate::parallel;

/// Search effort.
const LEVEL: u32 = 6;
/// The most that a grain takes, in bytes: what does not get smaller gets larger by a few bytes, and there is a head, and
/// its part of a table.
const GRAIN_MAX: u64 = GRAIN + 1024;

/// Refuses a disk that does not fit.
///
/// # Errors
/// [`FormatError::Image`].
pub fn check(disk: &dyn Data) -> Result<(), FormatError> {
    check_size(disk.size(), SIZE_MAX - 1, NAME)?;
    let grains = count(&present(disk, GRAIN));
    let tables = disk.size().div_ceil(GRAIN * TABLE_ENTRIES);
    let most = (OVERHEAD + 8) * SECTOR + grains * GRAIN_MAX + tables * (TABLE_ENTRIES * 4 + SECTOR);
    match most < SIZE_MAX {
        true => Ok(()),
        false => Err(FormatError::Image {
            format: NAME,
            what: format!("{} bytes that are in use", grains * GRAIN),
        }),
    }
}

/// Writes the file for `disk`, with `threads` threads that compress.
///
/// # Errors
/// Those of the disk and the output, and of [`check`].
pub fn compress(
    disk: &dyn Data,
    threads: NonZeroUsize,
    out: &mut (dyn Write + Send),
) -> Result<(), BoxError> {
    check(disk)?;
    let size = disk.size();
    let [a, b, c, d, ..] = *disk.key().bytes();
    let grain = usize::try_from(GRAIN)?;
    let mut writer = Writer {
        out,
        at: 0,
        table: Vec::new(),
        number: 0,
        directory: vec![0; usize::try_from(size.div_ceil(GRAIN * TABLE_ENTRIES))?],
    };
    writer.write(&header(size, AT_END))?;
    writer.write(descriptor(size, u32::from_be_bytes([a, b, c, d])).as_bytes())?;
    debug_assert!(writer.at > DESCRIPTOR);
    writer.pad_to(OVERHEAD * SECTOR)?;
    parallel::ordered(
        threads,
        |next| {
            cut(disk, grain, &mut |number, bytes| {
                next((number, bytes)).map_err(io::Error::other)
            })
        },
        || Compress::new(flate2::Compression::new(LEVEL), true),
        |deflate, (number, mut bytes): (u64, Vec<u8>)| {
            bytes.resize(grain, 0);
            let packed = match is_zero(&bytes) {
                true => None,
                false => Some(pack(deflate, number, &bytes)),
            };
            (number, packed)
        },
        |(number, packed)| match packed {
            Some(packed) => Ok::<_, BoxError>(writer.grain(number, &packed?)?),
            None => Ok(()),
        },
    )?;
    Ok(writer.finish(size)?)
}

/// A grain with its head: the sector on the disk, and how many bytes follow.
fn pack(deflate: &mut Compress, number: u64, bytes: &[u8]) -> io::Result<Vec<u8>> {
    const HEAD: usize = 12;
    let mut packed = Vec::with_capacity(bytes.len() + 512);
    packed.extend((number * (GRAIN / SECTOR)).to_le_bytes());
    packed.extend([0; 4]);
    deflate.reset();
    let status = deflate.compress_vec(bytes, &mut packed, FlushCompress::Finish)?;
    if status != Status::StreamEnd {
        return Err(io::Error::other("a grain does not fit"));
    }
    let length = u32::try_from(packed.len() - HEAD).map_err(io::Error::other)?;
    packed[8..HEAD].copy_from_slice(&length.to_le_bytes());
    Ok(packed)
}

struct Writer<'w> {
    out: &'w mut (dyn Write + Send),
    at: u64,
    /// The table that is being filled, if there is one, and its number.
    table: Vec<u32>,
    number: usize,
    directory: Vec<u32>,
}

impl Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn pad_to(&mut self, offset: u64) -> io::Result<()> {
        let count = offset.saturating_sub(self.at);
        let zeros = vec![0; usize::try_from(count).map_err(io::Error::other)?];
        self.write(&zeros)
    }

    fn sector(&self) -> io::Result<u32> {
        u32::try_from(self.at / SECTOR).map_err(io::Error::other)
    }

    fn grain(&mut self, number: u64, packed: &[u8]) -> io::Result<()> {
        let table = usize::try_from(number / TABLE_ENTRIES).map_err(io::Error::other)?;
        if table != self.number {
            self.end_table()?;
            self.number = table;
        }
        let entries = usize::try_from(TABLE_ENTRIES).map_err(io::Error::other)?;
        self.table.resize(entries, 0);
        let index = usize::try_from(number % TABLE_ENTRIES).map_err(io::Error::other)?;
        self.table[index] = self.sector()?;
        self.write(packed)?;
        self.pad_to(self.at.next_multiple_of(SECTOR))
    }

    fn end_table(&mut self) -> io::Result<()> {
        let table = std::mem::take(&mut self.table);
        if table.is_empty() {
            return Ok(());
        }
        self.directory[self.number] = self.numbers(Marker::Table, &table)?;
        Ok(())
    }

    /// A table behind its marker. Tells the sector that it begins at.
    fn numbers(&mut self, marker: Marker, numbers: &[u32]) -> io::Result<u32> {
        let bytes: Vec<u8> = numbers.iter().copied().flat_map(u32::to_le_bytes).collect();
        self.write(&marker.encode((bytes.len() as u64).div_ceil(SECTOR)))?;
        let sector = self.sector()?;
        self.write(&bytes)?;
        self.pad_to(self.at.next_multiple_of(SECTOR))?;
        Ok(sector)
    }

    fn finish(mut self, size: u64) -> io::Result<()> {
        self.end_table()?;
        let directory = std::mem::take(&mut self.directory);
        let directory = self.numbers(Marker::Directory, &directory)?;
        self.write(&Marker::Footer.encode(1))?;
        self.write(&header(size, directory.into()))?;
        self.write(&Marker::End.encode(0))
    }
}
