//! A tar whose files are what a machine starts from: kernel and initrd, a disk for Google, an OCI image layout, the files of a
//! Raspberry Pi's card.

use std::io::{self, Read};

use ironkit_formats::archive::tar;
use ironkit_tree::BoxError;

use super::{Look, Object};
use crate::read::kind::undotted;

/// A disk, which has to be read anywhere.
const DISK: &[u8] = b"disk.raw";
/// The command line of a kernel beside it, and its longest in bytes.
const CMDLINE: &[u8] = b"cmdline";
const CMDLINE_MAX: u64 = 64 * 1024;
/// What the firmware of a Raspberry Pi starts with.
const FIRMWARE: &[u8] = b"bootcode.bin";
/// Names and ends of names that are worth a look, and the beginning of names of anything at all.
const BOOTABLE: [&[u8]; 4] = [b"kernel", b"initrd.img", b".uimg", b".scr"];
const BLOBS: &[u8] = b"blobs/";

impl Look<'_> {
    /// Looks at each of its files.
    pub(super) fn bundle(&self, stream: &mut dyn Read, depth: usize) -> Result<Object, BoxError> {
        let mut reader = tar::Reader::new(stream);
        let mut object = Object::new("tar", 0);
        while let Some(entry) = reader.next_entry()? {
            let (path, size) = (undotted(&entry.name), entry.size);
            if entry.typeflag == tar::typeflag::DIRECTORY || path.is_empty() {
                continue;
            }
            self.limits.objects.take(1)?;
            object.size += size;
            let mut file = Object::new("file", size);
            if path == DISK {
                file = self.anything((self.spool)(&mut reader)?.as_ref(), depth + 1)?;
            } else if path == CMDLINE {
                let mut text = String::new();
                (&mut reader).take(CMDLINE_MAX).read_to_string(&mut text)?;
                file.fact("cmdline", text.trim_end());
            } else if path.starts_with(BLOBS) {
                // Documents, and whatever else an image is made of.
                file = self.stream(&mut reader, size, depth + 1).unwrap_or(file);
            } else if BOOTABLE.iter().any(|end| path.ends_with(end)) {
                file = self.stream(&mut reader, size, depth + 1)?;
            } else if path == FIRMWARE {
                object.fact("machine", "Raspberry Pi 3");
            }
            io::copy(&mut reader, &mut io::sink())?;
            object.inside.push(file.called(String::from_utf8_lossy(path)));
        }
        Ok(object)
    }
}
