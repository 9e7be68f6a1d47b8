//! Lists of extended attributes, for an initrd, whose archives have no place for them.
//!
//! ```text
//! usr/bin/ping security.capability=0100000200200000000000000000000000000000
//! srv/sp\x20ace user.note=
//! ```
//!
//! One attribute a line: path relative to the root, a space, name, `=`, value in hexadecimal digits. In paths and names,
//! everything but printable ASCII is written `\xNN`, and so are spaces, backslashes and `=`. PID 1 applies every list
//! that it finds in [`DIRECTORY`] before anything else happens, and removes them.

use std::fmt::Write;

/// Where the lists are in the root file system, relative to it. Their names do not matter.
pub const DIRECTORY: &str = ".ironkit/xattrs";

/// Longest list that is read, in bytes.
pub const LIST_MAX: u64 = 64 << 20;

/// Limits of the kernel, in bytes (linux/limits.h): XATTR_NAME_MAX, XATTR_SIZE_MAX, PATH_MAX.
const NAME_MAX: usize = 255;
const VALUE_MAX: usize = 65_536;
const PATH_MAX: usize = 4096;

/// One attribute of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The file, relative to the root.
    pub path: Vec<u8>,
    /// Its full name: `security.capability`.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// Adds a line to a list.
pub fn write(list: &mut String, path: &[u8], name: &[u8], value: &[u8]) {
    escape(list, path);
    list.push(' ');
    escape(list, name);
    list.push('=');
    for byte in value {
        hex(list, *byte);
    }
    list.push('\n');
}

/// Whether the kernel could take such an attribute at all.
pub fn fits(path: &[u8], name: &[u8], value: &[u8]) -> bool {
    (1..=NAME_MAX).contains(&name.len())
        && value.len() <= VALUE_MAX
        && path.len() < PATH_MAX
        && ![path, name].iter().any(|text| text.contains(&0))
}

/// Reads one line, without its end. `None` when it is none, or says what cannot be.
pub fn parse(line: &[u8]) -> Option<Attribute> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let (path, rest) = (&line[..space], &line[space + 1..]);
    let equals = rest.iter().position(|byte| *byte == b'=')?;
    let value = &rest[equals + 1..];
    if value.len() % 2 != 0 || value.len() > 2 * VALUE_MAX {
        return None;
    }
    let attribute = Attribute {
        path: unescape(path)?,
        name: unescape(&rest[..equals])?,
        value: value.chunks(2).map(byte).collect::<Option<_>>()?,
    };
    let leaves = attribute
        .path
        .split(|byte| *byte == b'/')
        .any(|part| part == b"..");
    let fits = fits(&attribute.path, &attribute.name, &attribute.value);
    (fits && !leaves && !attribute.path.starts_with(b"/")).then_some(attribute)
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'!'..=b'~' if !matches!(byte, b'\\' | b'=') => text.push(char::from(*byte)),
            _ => {
                text.push_str("\\x");
                hex(text, *byte);
            }
        }
    }
}

fn hex(text: &mut String, byte: u8) {
    // A string can always be written to.
    let _ = write!(text, "{byte:02x}");
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'\\' {
            bytes.push(byte(tail.strip_prefix(b"x")?.get(..2)?)?);
            rest = &tail[3..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    Some(bytes)
}

fn byte(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else {
        return None;
    };
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back() {
        let all: Vec<u8> = (1..=255).collect();
        for (path, name, value) in [
            (
                b"usr/bin/ping".as_slice(),
                b"security.capability".as_slice(),
                [1, 0, 0, 2].as_slice(),
            ),
            (b"", b"user.of the root", b""),
            (&all[..46], &all[46..], &all),
            (b"a = b\\x20\n/c", b"user.a=b c\\", b"\0\n="),
        ] {
            let mut list = String::new();
            write(&mut list, path, name, value);
            assert_eq!(list.matches('\n').count(), 1, "{list}");
            let expect = Attribute {
                path: path.into(),
                name: name.into(),
                value: value.into(),
            };
            assert_eq!(
                parse(list.trim_end_matches('\n').as_bytes()),
                Some(expect),
                "{list}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let long = format!("a {}=", "n".repeat(256));
        let large = format!("a n={}", "00".repeat(65_537));
        for line in [
            "",
            "a",
            "a b",
            "a =00",
            "a n=0",
            "a n=0g",
            "a\\x n=",
            "a\\y00 n=",
            "a\\x00 n=",
            "/a n=",
            "a/../b n=",
            "a\\x2f.. n=",
            &long,
            &large,
        ] {
            assert_eq!(parse(line.as_bytes()), None, "{line:.40}");
        }
    }
}
