//! What is read from front to back: archives, initrds, kernels, UKIs, what U-Boot loads.

use std::io::{self, Read};

use ironkit_formats::archive::tar;
use ironkit_formats::boot::uimage;
use ironkit_tree::BoxError;

use super::{Looker, Object, boot, uboot};
use crate::read::{self, Ahead};

/// How much is looked at to know what it is: a UKI's table of sections ends long before.
const HEAD: usize = 64 << 10;
/// The file of such a tar.
const DISK: &[u8] = b"disk.raw";

impl Looker<'_> {
    /// What a stream of `size` bytes is.
    pub(super) fn stream(&self, stream: &mut dyn Read, size: u64, depth: usize) -> Result<Object, BoxError> {
        let mut stream = Ahead::new(stream);
        let head = stream.peek(HEAD)?.to_vec();
        if let Some(kernel) = boot::kernel(&head, size) {
            return Ok(kernel);
        }
        if let Some(program) = self.program(&head, &mut stream, size, depth)? {
            return Ok(program);
        }
        if read::is_gzip(&head) && holds_disk(&mut flate2::read::MultiGzDecoder::new(head.as_slice())) {
            let mut object = Object::new("gzip", size);
            let mut unpacked = flate2::read::MultiGzDecoder::new(stream);
            object.inside.push(self.appliance(&mut unpacked, depth + 1)?);
            return Ok(object);
        }
        if uimage::is_image(&head) {
            return self.uimage(&head, &mut stream, size, depth);
        }
        if read::is_tar(&head) && uboot::is_card(&head) {
            return self.card(&mut stream, size, depth);
        }
        let format = if read::is_tar(&head) { "tar" } else { "initrd" };
        let root = read::read(&mut stream, self.keep)?;
        let mut object = Object::new(format, size);
        object.fact("entries", root.len());
        object.root = Some(root);
        Ok(object)
    }

    /// A compressed tar with a disk, as Google takes it.
    fn appliance(&self, stream: &mut dyn Read, depth: usize) -> Result<Object, BoxError> {
        let mut reader = tar::Reader::new(stream);
        let mut object = Object::new("tar", 0);
        while let Some(entry) = reader.next_entry()? {
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            object.size += entry.size;
            let inside = match entry.name == DISK {
                true => {
                    let disk = (self.spool)(&mut reader)?;
                    self.anything(disk.as_ref(), depth + 1)?
                }
                false => Object::new("file", entry.size),
            };
            io::copy(&mut reader, &mut io::sink())?;
            object.inside.push(inside.called(name));
        }
        Ok(object)
    }
}

/// Whether the first entry of a tar is a disk.
fn holds_disk(head: &mut dyn Read) -> bool {
    let first = tar::Reader::new(head).next_entry();
    first.is_ok_and(|entry| entry.is_some_and(|entry| entry.name == DISK))
}
