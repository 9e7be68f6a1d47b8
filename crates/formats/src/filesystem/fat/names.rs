//! Short and long names of a directory's entries.

use std::collections::{HashMap, HashSet};

use ironkit_tree::Path;

use super::format::{FORMAT, LONG_MAX, LONG_PART};
use crate::FormatError;

/// What a name is on the medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Eight bytes of the name, three of its extension, padded with spaces.
    pub short: [u8; 11],
    /// The name as it is, unless the short one says it all.
    pub long: Option<Vec<u16>>,
}

impl Name {
    /// How many directory entries it takes.
    pub fn entries(&self) -> usize {
        1 + self
            .long
            .as_ref()
            .map_or(0, |long| long.len().div_ceil(LONG_PART))
    }
}

/// Names for these entries of one directory, in their order.
///
/// # Errors
/// A name that is not UTF-8, too long, has a character that FAT has no place for, or differs from another one only by case.
pub fn assign(paths: &[Path]) -> Result<Vec<Name>, FormatError> {
    let mut seen = HashMap::new();
    let mut shorts = HashSet::new();
    let mut texts = Vec::with_capacity(paths.len());
    for path in paths {
        let text = text(path)?;
        if let Some(other) = seen.insert(text.to_uppercase(), path) {
            return Err(unfit(
                path,
                format!("it beside `{other}`: names that differ only by case are the same"),
            ));
        }
        texts.push(text);
    }
    // Names that are short ones anyway come first, so that no made-up name takes theirs.
    let plain: Vec<Option<[u8; 11]>> = texts.iter().map(|text| plain(text)).collect();
    shorts.extend(plain.iter().flatten().copied());
    let mut numbers = HashMap::new();
    let named = texts.iter().zip(plain).zip(paths);
    let named = named.map(|((text, plain), path)| {
        let short = match plain {
            Some(short) => short,
            None => numbered(text, &mut shorts, &mut numbers)
                .ok_or_else(|| unfit(path, "so many names that begin alike".to_owned()))?,
        };
        let same = plain.is_some() && !text.bytes().any(|byte| byte.is_ascii_lowercase());
        Ok(Name {
            short,
            long: (!same).then(|| text.encode_utf16().collect()),
        })
    });
    named.collect()
}

/// The last component of a path as text that can be a long name.
fn text(path: &Path) -> Result<&str, FormatError> {
    let Ok(text) = std::str::from_utf8(path.file_name()) else {
        return Err(unfit(path, "a name that is not UTF-8".to_owned()));
    };
    let units = text.encode_utf16().count();
    if units > LONG_MAX {
        return Err(FormatError::TooLarge {
            path: path.clone(),
            field: "the name's length",
            value: units as u64,
            format: FORMAT,
            limit: LONG_MAX as u64,
        });
    }
    let bad = |character: &char| *character < ' ' || "\"*/:<>?\\|".contains(*character);
    if let Some(character) = text.chars().find(bad) {
        return Err(unfit(path, format!("the character {character:?} in a name")));
    }
    if text.ends_with(['.', ' ']) {
        return Err(unfit(path, "a name that ends with a dot or a space".to_owned()));
    }
    Ok(text)
}

/// The short name that is the name itself, in upper case.
fn plain(text: &str) -> Option<[u8; 11]> {
    let (base, extension) = text.rsplit_once('.').unwrap_or((text, ""));
    let fits = (1..=8).contains(&base.len()) && extension.len() <= 3 && !text.ends_with('.');
    let valid = base.bytes().chain(extension.bytes()).all(is_short);
    (fits && valid).then(|| padded(base.as_bytes(), extension.as_bytes()))
}

/// A short name with a number: the beginning of the name, `~1` and so on, and the extension.
fn numbered(
    text: &str,
    taken: &mut HashSet<[u8; 11]>,
    numbers: &mut HashMap<[u8; 11], u32>,
) -> Option<[u8; 11]> {
    let text = text.trim_start_matches(['.', ' ']);
    let (base, extension) = text.rsplit_once('.').unwrap_or((text, ""));
    let reduce = |part: &str, most: usize| -> Vec<u8> {
        let kept = part.chars().filter(|character| !matches!(character, ' ' | '.'));
        let byte = |character: char| u8::try_from(character).ok().filter(|&byte| is_short(byte));
        kept.map(|character| byte(character).unwrap_or(b'_'))
            .take(most)
            .collect()
    };
    let (base, extension) = (reduce(base, 6), reduce(extension, 3));
    let next = numbers.entry(padded(&base, &extension)).or_insert(0);
    while *next < 999_999 {
        *next += 1;
        let tail = format!("~{next}");
        let kept = base.len().min(8 - tail.len());
        let short = padded(&[&base[..kept], tail.as_bytes()].concat(), &extension);
        if taken.insert(short) {
            return Some(short);
        }
    }
    None
}

fn padded(base: &[u8], extension: &[u8]) -> [u8; 11] {
    let mut short = [b' '; 11];
    short[..base.len()].copy_from_slice(base);
    short[8..8 + extension.len()].copy_from_slice(extension);
    short.make_ascii_uppercase();
    short
}

/// Characters of short names; those beyond ASCII depend on a code page that nobody knows.
fn is_short(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"$%'-_@~`!(){}^#&".contains(&byte)
}

fn unfit(path: &Path, what: String) -> FormatError {
    FormatError::Unfit {
        path: path.clone(),
        format: FORMAT,
        what,
    }
}

/// A volume's label, padded with spaces.
///
/// # Errors
/// More than 11 characters, or others than a short name has.
pub fn label(label: &str) -> Result<[u8; 11], FormatError> {
    let valid = |byte| (is_short(byte) || byte == b' ') && !byte.is_ascii_lowercase();
    if label.len() > 11 || label.starts_with(' ') || !label.bytes().all(valid) {
        let what = format!("the label `{label}`: it has up to 11 upper-case letters, digits and `_`");
        return Err(FormatError::Image { format: FORMAT, what });
    }
    let text = if label.is_empty() { "NO NAME" } else { label };
    let mut padded = [b' '; 11];
    padded[..text.len()].copy_from_slice(text.as_bytes());
    Ok(padded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<Path> {
        names.iter().map(|name| Path::parse(name).unwrap()).collect()
    }

    #[test]
    fn short_names_are_valid_and_unique() {
        for (name, short, long) in [
            ("BOOTX64.EFI", "BOOTX64 EFI", false),
            ("grub.cfg", "GRUB    CFG", true),
            ("EFI", "EFI        ", false),
            ("initrd.image", "INITRD~1IMA", true),
            (".config", "CONFIG~1   ", true),
            ("a b.tar.gz", "ABTAR~1 GZ ", true),
            ("ümlaut", "_MLAUT~1   ", true),
            ("a+b", "A_B~1      ", true),
        ] {
            let found = &assign(&paths(&[name])).unwrap()[0];
            assert_eq!(found.short, *short.as_bytes(), "{name}");
            assert_eq!(found.long.is_some(), long, "{name}");
        }
        let many: Vec<String> = (0..20_000)
            .map(|number| format!("a long name {number}"))
            .collect();
        let many: Vec<&str> = many
            .iter()
            .map(String::as_str)
            .chain(["ALONGN~3", "along~12"])
            .collect();
        let found = assign(&paths(&many)).unwrap();
        let distinct: HashSet<_> = found.iter().map(|name| name.short).collect();
        assert_eq!(distinct.len(), many.len());
        assert_eq!(found[0].short, *b"ALONGN~1   ");
        assert_eq!(found[2].short, *b"ALONGN~4   ");
        assert_eq!(found[19_000].entries(), 3);
    }

    #[test]
    fn what_has_no_place_is_refused() {
        for (names, expect) in [
            (
                &["a:b"][..],
                "`a:b`: a FAT file system cannot hold the character ':' in a name",
            ),
            (&["a\u{1}"], "character '\\u{1}'"),
            (&["a."], "ends with a dot"),
            (&["a "], "ends with a dot or a space"),
            (
                &["ab", "AB"],
                "`AB`: a FAT file system cannot hold it beside `ab`",
            ),
            (&["ä", "Ä"], "differ only by case"),
        ] {
            let found = assign(&paths(names)).unwrap_err().to_string();
            assert!(found.contains(expect), "{found}");
        }
        let found = assign(&[Path::parse(b"a\xff").unwrap()]).unwrap_err();
        assert!(found.to_string().contains("not UTF-8"), "{found}");
        let long = "é".repeat(255);
        assert!(assign(&paths(&[&long])).is_ok());
        let found = assign(&paths(&[&format!("{long}x")])).unwrap_err();
        assert!(found.to_string().contains("length 256"), "{found}");
        for bad in ["lower", "TWELVE CHARS", "A.B", " A"] {
            assert!(label(bad).is_err(), "{bad}");
        }
        assert_eq!(label("").unwrap(), *b"NO NAME    ");
    }
}
