//! Identifiers of directory records: what readers see who know neither Rock Ridge nor Joliet, and what Joliet shows.

use std::collections::{HashMap, HashSet};

/// Characters of an identifier, without dot and version.
const PRIMARY_MAX: usize = 30;
/// Characters of its extension.
const EXTENSION_MAX: usize = 8;
/// UTF-16 units of a Joliet name.
const JOLIET_MAX: usize = 64;

/// An identifier in parts: records are sorted by name, then by extension (ECMA-119, 9.3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    name: Vec<u16>,
    extension: Vec<u16>,
}

impl Identifier {
    /// As it is in a record.
    pub fn encode(&self, directory: bool, joliet: bool) -> Vec<u8> {
        let (dot, version) = (u16::from(b'.'), [u16::from(b';'), u16::from(b'1')]);
        let mut units = self.name.clone();
        if !(directory || joliet && self.extension.is_empty()) {
            units.push(dot);
            units.extend(&self.extension);
        }
        if !directory {
            units.extend(version);
        }
        match joliet {
            true => units.into_iter().flat_map(u16::to_be_bytes).collect(),
            false => units
                .into_iter()
                .map(|unit| u8::try_from(unit).unwrap_or(b'_'))
                .collect(),
        }
    }
}

/// An identifier for each of a directory's names (and whether it is a directory), all different.
pub fn assign(names: &[(&[u8], bool)], joliet: bool) -> Vec<Identifier> {
    let mut taken = HashSet::new();
    let mut numbers: HashMap<Identifier, u32> = HashMap::new();
    let assigned = names.iter().map(|(name, directory)| {
        let plain = if joliet {
            unicode(name)
        } else {
            reduced(name, *directory)
        };
        let mut identifier = plain.clone();
        while !taken.insert(identifier.clone()) {
            let number = numbers.entry(plain.clone()).or_insert(0);
            *number += 1;
            let digits: Vec<u16> = number.to_string().encode_utf16().collect();
            let most = if joliet { JOLIET_MAX } else { PRIMARY_MAX };
            let room = most.saturating_sub(plain.extension.len() + 1 + digits.len());
            let kept = plain.name.len().min(room);
            identifier.name = [&plain.name[..kept], &digits].concat();
        }
        identifier
    });
    assigned.collect()
}

/// Upper-case letters, digits and `_`; a file's extension is kept apart.
fn reduced(name: &[u8], directory: bool) -> Identifier {
    let dot = name
        .iter()
        .rposition(|&byte| byte == b'.')
        .filter(|&dot| dot > 0 && !directory);
    let (name, extension) = dot.map_or((name, &[][..]), |dot| (&name[..dot], &name[dot + 1..]));
    let reduce = |part: &[u8], most: usize| -> Vec<u16> {
        let byte = |byte: &u8| match byte.to_ascii_uppercase() {
            byte if byte.is_ascii_alphanumeric() => u16::from(byte),
            _ => u16::from(b'_'),
        };
        part.iter().map(byte).take(most).collect()
    };
    let extension = reduce(extension, EXTENSION_MAX);
    Identifier {
        name: reduce(name, PRIMARY_MAX - 1 - extension.len()),
        extension,
    }
}

/// The name in UCS-2, without characters that Joliet excludes.
fn unicode(name: &[u8]) -> Identifier {
    let text = String::from_utf8_lossy(name);
    let units = text.encode_utf16().map(|unit| match u8::try_from(unit) {
        Ok(byte) if byte < b' ' || b"*/:;?\\".contains(&byte) => u16::from(b'_'),
        _ => unit,
    });
    Identifier {
        name: units.take(JOLIET_MAX).collect(),
        extension: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_valid_and_unique() {
        let long = [b'x'; 255];
        let names: [(&[u8], bool); 9] = [
            (b"vmlinuz-6.1.0", false),
            (b"VMLINUZ-6_1.0", false),
            (b"lib", true),
            (b"lib.d", true),
            (b".profile", false),
            (b"\xff\xfe", false),
            (&long, false),
            (&long[..254], false),
            (b"a.tar.gz", false),
        ];
        let shown = |joliet: bool| -> Vec<String> {
            let identifiers = assign(&names, joliet);
            let zipped = identifiers.iter().zip(names);
            let bytes = zipped.map(|(identifier, (_, directory))| identifier.encode(directory, joliet));
            bytes
                .map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', ""))
                .collect()
        };
        assert_eq!(
            shown(false),
            [
                "VMLINUZ_6_1.0;1",
                "VMLINUZ_6_11.0;1",
                "LIB",
                "LIB_D",
                "_PROFILE.;1",
                "__.;1",
                &format!("{}.;1", "X".repeat(29)),
                &format!("{}1.;1", "X".repeat(28)),
                "A_TAR.GZ;1",
            ]
        );
        let joliet = shown(true);
        assert_eq!(joliet[0], "vmlinuz-6.1.0;1");
        assert_eq!(joliet[3], "lib.d");
        assert_eq!(joliet[7], format!("{}1;1", "x".repeat(62)));
    }
}
