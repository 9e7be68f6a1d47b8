//! The text form of a [`FileSet`]: one line an entry, for caches, dumps and snapshots.
//!
//! ```text
//! d 0755 0:0 1492533000 etc
//! f 0644 0:0 1492533000 etc/hosts =127.0.0.1\x20localhost\x0a
//! f 0755 0:0 0 bin/sh @sha256:<layer>+512+1024 sha256:<content>
//! h bin/ash bin/sh
//! l 0777 0:0 0 lib usr/lib
//! c 0600 0:0 0 dev/console 5:1
//! x etc/hosts user.note=00ff
//! ```
//!
//! `D` is an implied directory, `b` a block device, `p` a named pipe. In names and inline contents, spaces,
//! backslashes and everything that is not printable ASCII are written `\xNN`, as is `=` in names of attributes. A `h` line follows the line of the
//! file that it links to; an `x` line follows the line of its file.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use crate::{Content, FileSet, Kind, Node, Path};

/// A line that is not in the text form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not a tree entry: {text}")]
pub struct TextError {
    /// Counted from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

impl fmt::Display for FileSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.first_names();
        for (path, id, node) in self.iter() {
            let name = escape(path.as_bytes());
            if first[&id] != path {
                writeln!(f, "h {} {}", name, escape(first[&id].as_bytes()))?;
                continue;
            }
            let letter = match &node.kind {
                Kind::Directory if node.implied => 'D',
                Kind::Directory => 'd',
                Kind::File(_) => 'f',
                Kind::Symlink(_) => 'l',
                Kind::CharDevice(..) => 'c',
                Kind::BlockDevice(..) => 'b',
                Kind::Fifo => 'p',
            };
            write!(
                f,
                "{letter} {:04o} {}:{} {} {name}",
                node.mode, node.uid, node.gid, node.mtime
            )?;
            match &node.kind {
                Kind::File(Content::Inline(bytes)) => writeln!(f, " ={}", escape(bytes))?,
                Kind::File(Content::Blob {
                    layer,
                    offset,
                    size,
                    digest,
                }) => {
                    writeln!(f, " @{layer}+{offset}+{size} {digest}")?;
                }
                Kind::Symlink(target) => writeln!(f, " {}", escape(target))?,
                Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
                    writeln!(f, " {major}:{minor}")?;
                }
                Kind::Directory | Kind::Fifo => writeln!(f)?,
            }
            for (key, value) in &node.xattrs {
                let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
                writeln!(f, "x {name} {}={hex}", escape(key).replace('=', "\\x3d"))?;
            }
        }
        Ok(())
    }
}

impl FromStr for FileSet {
    type Err = TextError;

    fn from_str(text: &str) -> Result<FileSet, TextError> {
        let mut set = FileSet::new();
        for (index, line) in text.lines().enumerate() {
            let error = || TextError {
                line: index + 1,
                text: line.chars().take(120).collect(),
            };
            entry(line, &mut set).ok_or_else(error)?;
        }
        Ok(set)
    }
}

fn entry(line: &str, set: &mut FileSet) -> Option<()> {
    let (letter, rest) = line.split_once(' ')?;
    let mut words = rest.split(' ');
    let mut word = || words.next();
    match letter {
        "h" => {
            let (path, target) = (name(word()?)?, name(word()?)?);
            set.link(path, &target).then_some(())
        }
        "x" => {
            let path = name(word()?)?;
            let (key, value) = word()?.split_once('=')?;
            set.get_mut(&path)?.xattrs.insert(unescape(key)?, unhex(value)?);
            Some(())
        }
        _ => {
            let mode = u32::from_str_radix(word()?, 8).ok()?;
            let (uid, gid) = word()?.split_once(':')?;
            let mtime = word()?.parse().ok()?;
            let path = name(word()?)?;
            let kind = match letter {
                "d" | "D" => Kind::Directory,
                "p" => Kind::Fifo,
                "l" => Kind::Symlink(unescape(word()?)?),
                "f" => Kind::File(content(word()?, word())?),
                "c" | "b" => {
                    let (major, minor) = word()?.split_once(':')?;
                    let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
                    if letter == "c" {
                        Kind::CharDevice(major, minor)
                    } else {
                        Kind::BlockDevice(major, minor)
                    }
                }
                _ => return None,
            };
            let node = Node {
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
                mtime,
                ..Node::new(kind, mode)
            };
            set.insert(
                path,
                Node {
                    implied: letter == "D",
                    ..node
                },
            );
            Some(())
        }
    }
}

fn content(place: &str, digest: Option<&str>) -> Option<Content> {
    if let Some(bytes) = place.strip_prefix('=') {
        return Some(unescape(bytes)?.into());
    }
    let mut fields = place.strip_prefix('@')?.split('+');
    Some(Content::Blob {
        layer: fields.next()?.parse().ok()?,
        offset: fields.next()?.parse().ok()?,
        size: fields.next()?.parse().ok()?,
        digest: digest?.parse().ok()?,
    })
}

fn name(word: &str) -> Option<Path> {
    Path::parse(unescape(word)?).ok()
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'!'..=b'~' if byte != b'\\' => text.push(char::from(byte)),
            _ => write!(text, "\\x{byte:02x}").expect("writing to a string"),
        }
    }
    text
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'\\' {
            let hex = std::str::from_utf8(rest.strip_prefix(b"x")?.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &rest[3..];
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    #[test]
    fn every_kind_round_trips() {
        let mut set = FileSet::new();
        let mut add = |name: &[u8], node| set.insert(Path::parse(name).unwrap(), node);
        add(
            b"etc",
            Node {
                uid: 3,
                ..Node::new(Kind::Directory, 0o1777)
            },
        );
        let mut file = Node::new(Kind::File(b"a b\\\n".to_vec().into()), 0o4644).at(-5);
        file.xattrs.insert(b"security.capability".to_vec(), vec![0, 255]);
        file.xattrs.insert(b"user.a=b".to_vec(), vec![]);
        add(b"etc/sp ace/\xff", file);
        let blob = Content::Blob {
            layer: Digest::of(b"l"),
            offset: 512,
            size: 9,
            digest: Digest::of(b"c"),
        };
        add(b"bin/sh", Node::new(Kind::File(blob), 0o755));
        add(b"lib", Node::new(Kind::Symlink(b"usr/lib 64".to_vec()), 0o777));
        add(b"dev/console", Node::new(Kind::CharDevice(5, 1), 0o600));
        add(b"dev/sda", Node::new(Kind::BlockDevice(8, 0), 0o660));
        add(b"pipe", Node::new(Kind::Fifo, 0o600));
        set.link(Path::parse("bin/zsh").unwrap(), &Path::parse("bin/sh").unwrap());
        let text = set.to_string();
        let back: FileSet = text.parse().unwrap();
        assert_eq!(back.to_string(), text);
        assert_eq!(back.key(), set.key());
        assert!(text.contains("h bin/zsh bin/sh\n"), "{text}");
    }

    #[test]
    fn a_broken_line_is_named() {
        let error = "d 0755 0:0 0 a\nf 0644 0:0 0 b\n".parse::<FileSet>().unwrap_err();
        assert_eq!(error.line, 2);
    }
}
