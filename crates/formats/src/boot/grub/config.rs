//! The embedded configuration: what GRUB does when it has started.

use std::ops::Range;

use crate::FormatError;

/// A configuration that starts the kernel at these bytes of the device that GRUB came from, with this initrd and command line.
/// Places are rounded to sectors of 512 bytes: what follows them up to there is zeros.
///
/// # Errors
/// [`FormatError::Image`] for a place that is no multiple of 512, and a command line that GRUB cannot pass on.
pub fn config(kernel: Range<u64>, initrd: Range<u64>, cmdline: &[u8]) -> Result<Vec<u8>, FormatError> {
    let mut text = b"linux ".to_vec();
    text.extend(blocks(&kernel)?.as_bytes());
    for word in words(cmdline)? {
        text.push(b' ');
        text.extend(word);
    }
    if !initrd.is_empty() {
        text.extend(b"\ninitrd ");
        text.extend(blocks(&initrd)?.as_bytes());
    }
    text.extend(b"\nboot\n");
    Ok(text)
}

/// A file by its sectors.
fn blocks(range: &Range<u64>) -> Result<String, FormatError> {
    match range.start % 512 {
        0 => Ok(format!(
            "{}+{}",
            range.start / 512,
            (range.end - range.start).div_ceil(512)
        )),
        _ => Err(refused(format!("a file at byte {}", range.start))),
    }
}

/// The words of a kernel's command line, as lib/cmdline.c of the kernel divides it, each quoted for GRUB. GRUB gives the kernel
/// words in quotes again when there is a space in them, and cannot give it quotes or backslashes otherwise.
fn words(cmdline: &[u8]) -> Result<Vec<Vec<u8>>, FormatError> {
    let mut words = Vec::new();
    let mut quoted = false;
    let ends = |byte: &u8| {
        quoted ^= *byte == b'"';
        !quoted && (byte.is_ascii_whitespace() || *byte == 0)
    };
    for word in cmdline.split(ends) {
        let bare = unquoted(word).unwrap_or_else(|| word.to_vec());
        if bare.is_empty() {
            continue;
        }
        let odd = |byte: &u8| matches!(byte, b'"' | b'\'' | b'\\') || byte.is_ascii_control();
        if bare.iter().any(odd) {
            let word = String::from_utf8_lossy(word);
            return Err(refused(format!("the command line's `{}`", word.escape_debug())));
        }
        words.push([b"'", bare.as_slice(), b"'"].concat());
    }
    Ok(words)
}

/// A word without the quotes that the kernel removes: around all of it, or around a value.
fn unquoted(word: &[u8]) -> Option<Vec<u8>> {
    let within = |text: &[u8]| Some(text.strip_prefix(b"\"")?.strip_suffix(b"\"")?.to_vec());
    if let Some(all) = within(word) {
        return Some(all);
    }
    let (name, value) = word.split_at(word.iter().position(|&byte| byte == b'=')? + 1);
    Some([name, &within(value)?].concat())
}

fn refused(what: String) -> FormatError {
    FormatError::Image {
        format: "GRUB's configuration",
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_and_initrds_are_runs_of_sectors() {
        let config = config(512..1024, 2048..2049, b"console=ttyS0 quiet\n").unwrap();
        let expect = "linux 1+1 'console=ttyS0' 'quiet'\ninitrd 4+1\nboot\n";
        assert_eq!(String::from_utf8(config).unwrap(), expect);
        assert!(super::config(513..1024, 0..0, b"").is_err());
        assert_eq!(super::config(512..1024, 0..0, b"").unwrap(), b"linux 1+1\nboot\n");
    }

    #[test]
    fn command_lines_are_quoted() {
        for (cmdline, expect) in [
            ("", Some("")),
            ("a  b\tc", Some("'a'|'b'|'c'")),
            ("a=$x;{}()#", Some("'a=$x;{}()#'")),
            ("dyndbg=\"file x +p\" q", Some("'dyndbg=file x +p'|'q'")),
            ("\"a=b c\"", Some("'a=b c'")),
            ("a=\"\" \"\"", Some("'a='")),
            ("-- init's", None),
            ("a\\b", None),
            ("a=b\"c d\"", None),
            ("a=\"open", None),
            ("a=\"b\tc\"", None),
            ("a=\u{fc}", Some("'a=\u{fc}'")),
        ] {
            let found = words(cmdline.as_bytes()).ok();
            let found = found.map(|words| String::from_utf8(words.join(&b'|')).unwrap());
            assert_eq!(found.as_deref(), expect, "{cmdline}");
        }
    }
}
