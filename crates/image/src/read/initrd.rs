//! Archives one after the other, each compressed or not, as the kernel unpacks them; or one tar.

use std::collections::BTreeMap;
use std::io::{self, Read};

use ironkit_formats::archive::cpio::{self, Reader};
use ironkit_tree::Path;

use super::ahead::Ahead;
use super::kind::{CPIO, GZIP, XZ, ZSTD, is_tar};
use super::{Collector, Counted, Entry, EntryKind, ReadError, Result, TARGET_MAX, tar};

/// Largest window of a zstd frame: 32 MiB, which a decoder holds in memory.
const ZSTD_WINDOW_LOG: u32 = 25;
/// Memory of an xz decoder, in KiB.
const XZ_MEMORY: u32 = 64 << 10;

/// Reads all archives of a stream.
pub(crate) fn read<R: Read>(stream: &mut Ahead<R>, collector: &mut Collector) -> Result<()> {
    if is_tar(stream.peek(tar::PROBE)?) {
        return tar::read(stream, collector);
    }
    let mut any = false;
    loop {
        stream.skip_zeros()?;
        let head = stream.peek(XZ.len())?;
        if head.is_empty() && any {
            return Ok(());
        }
        if head.starts_with(GZIP) {
            archives(flate2::bufread::GzDecoder::new(&mut *stream), collector)?;
        } else if head.starts_with(ZSTD) {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&mut *stream)?.single_frame();
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            archives(decoder, collector)?;
        } else if head.starts_with(XZ) {
            let decoder = lzma_rust2::XzReader::new_mem_limit(&mut *stream, false, XZ_MEMORY);
            archives(decoder, collector)?;
        } else if head.starts_with(CPIO) {
            archive(stream, collector)?;
        } else {
            return Err(ReadError::Unknown {
                offset: stream.position,
            });
        }
        any = true;
    }
}

/// What one compressed stream holds: archives, or a tar.
fn archives(stream: impl Read, collector: &mut Collector) -> Result<()> {
    let stream = &mut Ahead::new(Counted::new(stream, collector.limits));
    if is_tar(stream.peek(tar::PROBE)?) {
        tar::read(stream, collector)?;
        io::copy(stream, &mut io::sink())?;
        return Ok(());
    }
    loop {
        stream.skip_zeros()?;
        match stream.peek(CPIO.len())? {
            [] => return Ok(()),
            head if head == CPIO => archive(stream, collector)?,
            _ => {
                return Err(ReadError::Unknown {
                    offset: stream.position,
                });
            }
        }
    }
}

/// One archive. Of a file with several names only one entry has the content, often the last.
fn archive<R: Read>(stream: &mut Ahead<R>, collector: &mut Collector) -> Result<()> {
    let mut reader = Reader::new(stream);
    let mut links: BTreeMap<(u32, (u32, u32)), Vec<Path>> = BTreeMap::new();
    while let Some(header) = reader.next_entry()? {
        let path = Path::parse(&header.name)?;
        let (kind, kept) = kind(&header, &path, &mut reader, collector)?;
        let entry = Entry {
            kind,
            mode: header.mode & 0o7777,
            uid: header.uid.into(),
            gid: header.gid.into(),
            xattrs: BTreeMap::new(),
            source: String::new(),
            location: String::new(),
            again: false,
            kept,
        };
        if header.nlink > 1 && matches!(entry.kind, EntryKind::File { .. }) {
            let names = links.entry((header.ino, header.dev)).or_default();
            if header.size == 0 {
                names.push(path.clone());
            } else {
                for name in names.drain(..) {
                    let again = true;
                    collector.add(
                        name,
                        Entry {
                            again,
                            ..entry.clone()
                        },
                    )?;
                }
            }
        }
        collector.add(path, entry)?;
    }
    Ok(())
}

fn kind<R: Read>(
    header: &cpio::Entry,
    path: &Path,
    reader: &mut Reader<R>,
    collector: &mut Collector,
) -> Result<(EntryKind, Option<Vec<u8>>)> {
    let (major, minor) = (u64::from(header.rdev.0), u64::from(header.rdev.1));
    let kind = match header.mode & 0o170_000 {
        0o040_000 => EntryKind::Directory,
        0o100_000 => return collector.content(path, reader),
        0o120_000 => {
            let mut target = Vec::new();
            if u64::from(header.size) > TARGET_MAX {
                return Err(ReadError::Entry {
                    name: path.to_string(),
                    what: format!(
                        "is a symbolic link of {} bytes, more than {TARGET_MAX}",
                        header.size
                    ),
                });
            }
            reader.read_to_end(&mut target)?;
            EntryKind::Symlink(target)
        }
        0o020_000 => EntryKind::CharDevice(major, minor),
        0o060_000 => EntryKind::BlockDevice(major, minor),
        0o010_000 => EntryKind::Fifo,
        other => {
            return Err(ReadError::Entry {
                name: path.to_string(),
                what: format!("has the type {other:o}, which cannot be in a root file system"),
            });
        }
    };
    Ok((kind, None))
}
