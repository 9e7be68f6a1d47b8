//! The outer container of a Debian package: `ar` archives in the common format (deb(5)).
//!
//! Only finds where members are; long names and symbol tables, which packages do not have, are not read.

use std::io::{self, Read, Seek, SeekFrom};

const MAGIC: &[u8; 8] = b"!<arch>\n";
/// Length of a member's header in bytes.
const HEADER: usize = 60;

/// A member: its name and where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name, without padding.
    pub name: String,
    /// Offset of the first byte, from the start of the archive.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
}

/// Lists the members of an archive.
///
/// # Errors
/// Those of `archive`, and `InvalidData` for what is not an archive or is cut short.
pub fn members(archive: &mut (impl Read + Seek)) -> io::Result<Vec<Member>> {
    let length = archive.seek(SeekFrom::End(0))?;
    archive.seek(SeekFrom::Start(0))?;
    let mut magic = [0; MAGIC.len()];
    archive
        .read_exact(&mut magic)
        .map_err(|_| invalid("too short for an ar archive"))?;
    if magic != *MAGIC {
        return Err(invalid("not an ar archive"));
    }
    let mut members = Vec::new();
    let mut at = MAGIC.len() as u64;
    while at < length {
        archive.seek(SeekFrom::Start(at))?;
        let mut header = [0; HEADER];
        archive
            .read_exact(&mut header)
            .map_err(|_| invalid("cut short in a member's header"))?;
        let member = parse_header(&header, at + HEADER as u64)?;
        let end = member
            .offset
            .checked_add(member.size)
            .filter(|&end| end <= length);
        let end = end.ok_or_else(|| invalid(&format!("cut short in member `{}`", member.name)))?;
        // Members start at even offsets.
        at = end + end % 2;
        members.push(member);
    }
    Ok(members)
}

fn parse_header(header: &[u8; HEADER], offset: u64) -> io::Result<Member> {
    if header[58..] != *b"`\n" {
        return Err(invalid(&format!("no member header before offset {offset}")));
    }
    let text = |range: std::ops::Range<usize>| {
        std::str::from_utf8(&header[range])
            .map(str::trim_end)
            .map_err(|_| invalid("a member header is not text"))
    };
    let name = text(0..16)?;
    let size = text(48..58)?;
    let size = size
        .parse()
        .map_err(|_| invalid(&format!("member `{name}` has the size `{size}`")))?;
    // GNU ar ends names with a slash; dpkg does not.
    Ok(Member {
        name: name.strip_suffix('/').unwrap_or(name).to_owned(),
        offset,
        size,
    })
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Cursor;

    /// An archive of the given members.
    pub(crate) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        for (name, bytes) in members {
            let header = format!(
                "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                0,
                0,
                0,
                "100644",
                bytes.len()
            );
            out.extend_from_slice(header.as_bytes());
            out.extend_from_slice(bytes);
            if out.len() % 2 == 1 {
                out.push(b'\n');
            }
        }
        out
    }

    #[test]
    fn members_are_found_and_anything_else_is_refused() {
        let good = archive(&[
            ("debian-binary", b"2.0\n"),
            ("odd/", b"abc"),
            ("data.tar.xz", b"xyz!"),
        ]);
        let found = members(&mut Cursor::new(&good)).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|m| (m.name.as_str(), m.offset, m.size))
            .collect();
        assert_eq!(
            names,
            [("debian-binary", 68, 4), ("odd", 132, 3), ("data.tar.xz", 196, 4)]
        );

        for (bytes, expect) in [
            (&b""[..], "too short"),
            (b"PK\x03\x04....", "not an ar archive"),
            (&good[..40], "cut short in a member's header"),
            (&good[..good.len() - 2], "cut short in member `data.tar.xz`"),
        ] {
            let error = members(&mut Cursor::new(bytes)).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        }
        let mut huge = good.clone();
        huge[8 + 48..8 + 58].copy_from_slice(b"9999999999");
        assert!(members(&mut Cursor::new(&huge)).is_err());
        huge[8 + 48..8 + 58].copy_from_slice(b"-1        ");
        assert!(members(&mut Cursor::new(&huge)).is_err());
    }
}
