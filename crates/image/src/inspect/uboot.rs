//! What U-Boot loads.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use ironkit_formats::boot::uimage;
use ironkit_tree::BoxError;

use super::boot::Beginning;
use super::{DEPTH_MAX, Look, Object};
use crate::read::Counted;

/// Kinds of images, and processors, by U-Boot's numbers.
const KINDS: [(u8, &str); 3] = [
    (uimage::KERNEL, "kernel"),
    (uimage::RAMDISK, "initrd"),
    (uimage::SCRIPT, "script"),
];
const ARCHITECTURES: [(u8, &str); 2] = [(uimage::ARM64, "aarch64"), (24, "x86_64")];
/// Longest script that is shown, in bytes, and where its text begins.
const SCRIPT_MAX: u64 = 8192;
const TEXT: usize = 8;
/// How the line of a script begins that sets the kernel's command line.
const CMDLINE: &str = "setenv bootargs ";

impl Look<'_> {
    /// An image for U-Boot that begins so, and what is in it.
    pub(super) fn uimage(
        &self,
        head: &[u8],
        stream: &mut dyn Read,
        size: u64,
        depth: usize,
    ) -> Result<Object, BoxError> {
        if depth > DEPTH_MAX {
            return Err(format!("things are inside each other more than {DEPTH_MAX} deep").into());
        }
        let image = uimage::read(&Beginning { head, size })?;
        let header = &image.header;
        let mut object = Object::new("uImage", size);
        let known = |names: &[(u8, &str)], number: u8| {
            let found = names.iter().find(|(known, _)| *known == number);
            found.map_or_else(|| format!("number {number}"), |(_, name)| (*name).to_owned())
        };
        object.fact("type", known(&KINDS, header.kind));
        object.fact("architecture", known(&ARCHITECTURES, header.architecture));
        if !header.name.is_empty() {
            object.fact("name", String::from_utf8_lossy(&header.name));
        }
        if header.load != 0 {
            object.fact("load", format!("{:#x}", header.load));
        }
        io::copy(&mut (&mut *stream).take(uimage::HEADER as u64), &mut io::sink())?;
        let mut content = stream.take(image.size.into());
        match (header.kind, header.compression) {
            (uimage::KERNEL | uimage::RAMDISK, uimage::NONE) => {
                let inside = self.stream(&mut content, image.size.into(), depth + 1)?;
                object.inside.push(inside.at(uimage::HEADER as u64));
            }
            (uimage::KERNEL, uimage::GZIP) => {
                object.fact("compression", "gzip");
                let mut unpacked = Counted::new(MultiGzDecoder::new(&mut content), &self.limits);
                let inside = self.stream(&mut unpacked, image.size.into(), depth + 1)?;
                object.inside.push(inside.at(uimage::HEADER as u64));
            }
            (uimage::SCRIPT, _) => {
                let mut text = Vec::new();
                (&mut content).take(SCRIPT_MAX).read_to_end(&mut text)?;
                let text = String::from_utf8_lossy(text.get(TEXT..).unwrap_or_default());
                if let Some(word) = text.lines().find_map(|line| line.strip_prefix(CMDLINE)) {
                    object.fact("cmdline", unquoted(word));
                }
            }
            _ => {}
        }
        io::copy(&mut content, &mut io::sink())?;
        Ok(object)
    }
}

/// What U-Boot's shell makes of a word, without variables.
fn unquoted(word: &str) -> String {
    let (mut text, mut quote) = (String::new(), None);
    let mut characters = word.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', None) => text.extend(characters.next()),
            ('\'' | '"', None) => quote = Some(character),
            (end, Some(begin)) if end == begin => quote = None,
            (other, _) => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_shell() {
        for (word, expect) in [
            ("", ""),
            ("plain=1", "plain=1"),
            (r"'a b'", "a b"),
            (r#"'it'\''s a'\\'b " c'"#, r#"it's a\b " c"#),
            ("\"a 'b'\" c", "a 'b' c"),
            ("'open", "open"),
            ("open\\", "open"),
        ] {
            assert_eq!(unquoted(word), expect);
        }
    }
}
