//! What firmware and boot loaders load: kernels, and UKIs that hold one.

use std::io::{self, Read};

use ironkit_formats::pe;
use ironkit_formats::read_at::ReadAt;
use ironkit_tree::BoxError;

use super::{Look, Object};
use crate::Arch;
use crate::read::kind;

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

/// The kernel that begins so.
pub(super) fn kernel(head: &[u8], size: u64) -> Object {
    let mut object = Object::new("kernel", size);
    object.fact("architecture", architecture(head));
    if let (Some(b"HdrS"), Some(at)) = (head.get(HDRS), head.get(VERSION..VERSION + 2)) {
        let at = 0x200 + usize::from(u16::from_le_bytes([at[0], at[1]]));
        let text = head.get(at..).unwrap_or_default();
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        if let Some(version) = String::from_utf8_lossy(text).split(' ').next() {
            object.fact("version", version);
        }
    }
    object
}

/// What the processor is called that a kernel or a program is for.
fn architecture(head: &[u8]) -> &'static str {
    match kind::arch(head) {
        Some(Arch::Amd64) => "x86_64",
        Some(Arch::Arm64) => "aarch64",
        Some(Arch::Other) | None => "unknown",
    }
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

impl Look<'_> {
    /// The PE file that begins so: a UKI or another program.
    pub(super) fn program(
        &self,
        head: &[u8],
        stream: &mut dyn Read,
        size: u64,
        depth: usize,
    ) -> Result<Object, BoxError> {
        let mut sections = pe::read(&Beginning { head, size })?.sections;
        sections.sort_by_key(|section| section.offset);
        let is_uki = sections.iter().any(|section| section.name == ".linux");
        let mut object = Object::new(if is_uki { "UKI" } else { "EFI program" }, size);
        object.fact("architecture", architecture(head));
        if !is_uki {
            return Ok(object);
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
        Ok(object)
    }
}
