//! What firmware and boot loaders load: kernels, and UKIs that hold one.

use std::io::{self, Read};

use ironkit_formats::pe;
use ironkit_formats::read_at::ReadAt;
use ironkit_tree::BoxError;

use super::{Looker, Object};

/// Sections of a UKI whose text is a fact (systemd's UAPI.5 "Unified Kernel Image").
const TEXTS: [(&str, &str); 3] = [
    (".cmdline", "cmdline"),
    (".uname", "uname"),
    (".osrel", "os-release"),
];
/// Longest text that is shown, in bytes.
const TEXT_MAX: u64 = 4096;
/// Offsets in a bzImage: the magic `HdrS`, and where the version's text is (Documentation/arch/x86/boot.rst).
const HDRS: std::ops::Range<usize> = 0x202..0x206;
const VERSION: usize = 0x20e;
/// Offsets of the number of setup sectors, and of what follows these, in units of 16 bytes.
const SETUP_SECTORS: usize = 0x1f1;
const SIZE: usize = 0x1f4;
/// Offset and value of an arm64 Image's magic (Documentation/arch/arm64/booting.rst).
const ARM64: std::ops::Range<usize> = 0x38..0x3c;
/// Machines of PE files.
const MACHINES: [(u16, &str); 2] = [(pe::AMD64, "x86_64"), (pe::ARM64, "aarch64")];

/// The kernel that begins so, if it does.
pub(super) fn kernel(head: &[u8], size: u64) -> Option<Object> {
    if head.get(HDRS) == Some(b"HdrS") {
        let mut object = Object::new("kernel", size);
        object.fact("architecture", "x86_64");
        let at = head.get(VERSION..VERSION + 2)?;
        let at = 0x200 + usize::from(u16::from_le_bytes([at[0], at[1]]));
        let text = head.get(at..).unwrap_or_default();
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        if let Some(version) = String::from_utf8_lossy(text).split(' ').next() {
            object.fact("version", version);
        }
        return Some(object);
    }
    if head.get(ARM64) == Some(b"ARM\x64") {
        let mut object = Object::new("kernel", size);
        object.fact("architecture", "aarch64");
        return Some(object);
    }
    None
}

/// How long the x86 kernel is that begins so, as its header has it: the sectors of its setup, and the rest in units of 16.
pub(super) fn kernel_size(head: &[u8]) -> Option<u64> {
    if head.get(HDRS) != Some(b"HdrS") {
        return None;
    }
    let setup = u64::from(*head.get(SETUP_SECTORS)?);
    let rest: [u8; 4] = head.get(SIZE..SIZE + 4)?.try_into().ok()?;
    Some((setup + 1) * 512 + u64::from(u32::from_le_bytes(rest)) * 16)
}

/// The beginning of something, which knows how long all of it is.
pub(super) struct Beginning<'h> {
    pub head: &'h [u8],
    pub size: u64,
}

impl ReadAt for Beginning<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.head.read_exact_at(buffer, offset)
    }
}

impl Looker<'_> {
    /// The PE file that begins so, if it does: a UKI or another program.
    pub(super) fn program(
        &self,
        head: &[u8],
        stream: &mut dyn Read,
        size: u64,
        depth: usize,
    ) -> Result<Option<Object>, BoxError> {
        if !head.starts_with(b"MZ") {
            return Ok(None);
        }
        let Ok(pe::Image {
            machine,
            mut sections,
        }) = pe::read(&Beginning { head, size })
        else {
            return Ok(None);
        };
        sections.sort_by_key(|section| section.offset);
        let is_uki = sections.iter().any(|section| section.name == ".linux");
        let mut object = Object::new(if is_uki { "UKI" } else { "EFI program" }, size);
        let machine = MACHINES.iter().find(|(number, _)| *number == machine);
        object.fact("architecture", machine.map_or("unknown", |(_, name)| name));
        if !is_uki {
            return Ok(Some(object));
        }
        let mut position = 0;
        for section in &sections {
            let gap = section
                .offset
                .checked_sub(position)
                .ok_or("sections of the UKI overlap")?;
            io::copy(&mut (&mut *stream).take(gap), &mut io::sink())?;
            let mut content = (&mut *stream).take(section.size);
            let text = TEXTS.iter().find(|(name, _)| *name == section.name);
            if let Some((_, name)) = text {
                let mut bytes = Vec::new();
                (&mut content).take(TEXT_MAX).read_to_end(&mut bytes)?;
                object.fact(
                    name,
                    String::from_utf8_lossy(&bytes).trim_end_matches(['\0', '\n']),
                );
            } else if matches!(section.name.as_str(), ".linux" | ".initrd") {
                let inside = self.stream(&mut content, section.size, depth + 1)?;
                object
                    .inside
                    .push(inside.called(&section.name).at(section.offset));
            }
            io::copy(&mut content, &mut io::sink())?;
            position = section.offset + section.size;
        }
        Ok(Some(object))
    }
}
