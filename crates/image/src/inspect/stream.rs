//! What is read from front to back: archives, initrds, kernels, UKIs, what U-Boot loads.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use ironkit_tree::BoxError;

use super::{Look, Object, Unknown, boot};
use crate::read::kind::{HEAD, Kind};
use crate::read::{self, Ahead, Collector, Counted, ReadError};

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
            Kind::Gzip if holds_bundle(&head) => {
                let mut object = Object::new("gzip", size);
                let mut unpacked = Counted::new(MultiGzDecoder::new(stream), &self.limits);
                object.inside.push(self.bundle(&mut unpacked, depth + 1)?);
                return Ok(object);
            }
            Kind::Uimage => return self.uimage(&head, &mut stream, size, depth),
            Kind::Card | Kind::Bundle => {
                let bundle = self.bundle(&mut stream, depth)?;
                return Ok(Object { size, ..bundle });
            }
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
}

/// Whether what is compressed is a tar whose files are to be looked at.
fn holds_bundle(compressed: &[u8]) -> bool {
    let mut head = Vec::new();
    // The end is missing, which is as it should be.
    let _ = MultiGzDecoder::new(compressed)
        .take(HEAD as u64)
        .read_to_end(&mut head);
    Kind::of_head(&head) == Kind::Bundle
}
