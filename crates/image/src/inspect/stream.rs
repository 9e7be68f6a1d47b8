//! What is read from front to back: archives, initrds, kernels, UKIs, what U-Boot loads.

use std::io::{self, Read};

use ironkit_formats::archive::tar;
use ironkit_tree::BoxError;

use super::{Look, Object, Unknown, boot};
use crate::read::kind::{HEAD, Kind};
use crate::read::{self, Ahead, Collector, Counted, ReadError};

/// The file of such a tar.
const DISK: &[u8] = b"disk.raw";

impl Look<'_> {
    /// What a stream of `size` bytes is.
    pub(super) fn stream(&self, stream: &mut dyn Read, size: u64, depth: usize) -> Result<Object, BoxError> {
        let mut stream = Ahead::new(Counted::new(stream, &self.limits));
        let head = stream.peek(HEAD)?.to_vec();
        let format = match Kind::of_head(&head) {
            Kind::Kernel => return Ok(boot::kernel(&head, size)),
            Kind::Efi => return self.program(&head, &mut stream, size, depth),
            Kind::Elf => return Ok(Object::new("ELF program", size)),
            Kind::Ipxe => return Ok(Object::new("iPXE script", size)),
            Kind::Gzip if holds_disk(&mut flate2::read::MultiGzDecoder::new(head.as_slice())) => {
                let mut object = Object::new("gzip", size);
                let unpacked = flate2::read::MultiGzDecoder::new(stream);
                let mut unpacked = Counted::new(unpacked, &self.limits);
                object.inside.push(self.appliance(&mut unpacked, depth + 1)?);
                return Ok(object);
            }
            Kind::Uimage => return self.uimage(&head, &mut stream, size, depth),
            Kind::Card => return self.card(&mut stream, size, depth),
            Kind::Tar | Kind::Ova => "tar",
            Kind::Initrd | Kind::Gzip => "initrd",
            // Archives may begin with zeros, but an empty disk is none.
            Kind::Unknown if head.starts_with(&[0]) && head.iter().any(|&byte| byte != 0) => "initrd",
            _ => return Err(Unknown.into()),
        };
        let mut collector = Collector::new(self.keep, &self.limits);
        match read::read(&mut stream, &mut collector) {
            Err(ReadError::Unknown { .. }) if head.starts_with(&[0]) => return Err(Unknown.into()),
            read => read?,
        }
        let root = collector.listing;
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
