//! YAML texts that every reader takes for the same: quotes wherever YAML 1.1 or 1.2 might see something else than a
//! string, blocks for texts of several lines.

use std::fmt::Write as _;

use super::Data;

/// The text of a document, with a line feed at the end.
pub fn yaml(data: &Data) -> String {
    let mut out = String::new();
    match data {
        Data::List(items) if !items.is_empty() => list(items, 0, &mut out),
        Data::Map(entries) if !entries.is_empty() => map(entries, 0, &mut out),
        _ => {
            scalar(data, 0, &mut out);
            out.push('\n');
        }
    }
    out
}

/// Writes what stands behind `key:` or `-`, up to the end of the line; the key or dash is in column `indent`.
fn value(data: &Data, indent: usize, in_list: bool, out: &mut String) {
    match data {
        Data::List(items) if !items.is_empty() => {
            out.push('\n');
            list(items, indent + 2, out);
        }
        Data::Map(entries) if !entries.is_empty() && in_list => {
            // The first key stands beside the dash.
            let mut text = String::new();
            map(entries, indent + 2, &mut text);
            let _ = write!(out, " {}", text.trim_start());
        }
        Data::Map(entries) if !entries.is_empty() => {
            out.push('\n');
            map(entries, indent + 2, out);
        }
        _ => {
            out.push(' ');
            scalar(data, indent, out);
            out.push('\n');
        }
    }
}

fn list(items: &[Data], indent: usize, out: &mut String) {
    for item in items {
        let _ = write!(out, "{:indent$}-", "");
        value(item, indent, true, out);
    }
}

fn map(entries: &[(String, Data)], indent: usize, out: &mut String) {
    for (key, item) in entries {
        let _ = write!(out, "{:indent$}", "");
        if is_plain(key) {
            out.push_str(key);
        } else {
            quote(key, out);
        }
        out.push(':');
        value(item, indent, false, out);
    }
}

/// Writes what needs no nesting; a block of text lies two columns right of `indent`, and has no final line feed.
fn scalar(data: &Data, indent: usize, out: &mut String) {
    match data {
        Data::Boolean(value) => {
            let _ = write!(out, "{value}");
        }
        Data::Integer(value) => {
            let _ = write!(out, "{value}");
        }
        Data::Text(text) if is_plain(text) => out.push_str(text),
        Data::Text(text) if is_block(text) => block(text, indent + 2, out),
        Data::Text(text) => quote(text, out),
        Data::List(_) => out.push_str("[]"),
        Data::Map(_) => out.push_str("{}"),
    }
}

/// Whether a text needs no quotes: it begins like a name or a path and holds nothing that YAML gives a meaning to.
fn is_plain(text: &str) -> bool {
    // What YAML 1.1 takes for booleans and null, in any case.
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let first = |c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '_');
    let other = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.' | '-' | '+' | '=' | ',' | '@' | ':' | ' ')
    };
    text.starts_with(first)
        && text.chars().all(other)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a text can stand as a block: several lines without anything at their edges that readers disagree about.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && text.starts_with(|c: char| !c.is_whitespace())
        && text.chars().all(|c| c == '\n' || c == '\t' || is_printable(c))
        && text
            .split('\n')
            .all(|line| line.is_empty() || !line.trim().is_empty())
}

fn block(text: &str, indent: usize, out: &mut String) {
    let body = text.trim_end_matches('\n');
    let kept = text.len() - body.len();
    out.push_str(match kept {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            let _ = write!(out, "{:indent$}{line}", "");
        }
    }
    out.extend(std::iter::repeat_n('\n', kept.saturating_sub(1)));
}

/// What may stand in a text without an escape: no control characters, no line ends of YAML 1.1, no byte order mark.
fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) < 0x100 => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Diagnostics;
    use crate::yaml::{Node, Value, parse};

    #[test]
    fn texts() {
        let table = [
            ("nginx:alpine", "nginx:alpine"),
            ("/bin/sh", "/bin/sh"),
            ("console=ttyS0 quiet", "console=ttyS0 quiet"),
            ("", "\"\""),
            ("0644", "\"0644\""),
            ("yes", "\"yes\""),
            ("Null", "\"Null\""),
            ("a: b", "\"a: b\""),
            ("a:", "\"a:\""),
            ("a #b", "\"a #b\""),
            ("~/x", "\"~/x\""),
            ("- a", "\"- a\""),
            ("1:30", "\"1:30\""),
            ("é\u{85}\u{feff}", "\"é\\x85\\ufeff\""),
            ("a\nb", "|-\n  a\n  b"),
            ("a\n\n b\n", "|\n  a\n\n   b"),
            ("a\n\n\n", "|+\n  a\n\n"),
            (" a\nb", "\" a\\nb\""),
            ("a\n \nb", "\"a\\n \\nb\""),
            ("a\r\nb", "\"a\\r\\nb\""),
        ];
        for (text, expected) in table {
            let written = yaml(&Data::text(text));
            assert_eq!(written, format!("{expected}\n"), "{text:?}");
            assert_eq!(
                read(&yaml(&Data::map([("k", Data::text(text))]))).as_deref(),
                Some(text)
            );
        }
    }

    /// The value of the only key.
    fn read(text: &str) -> Option<String> {
        let node = parse(0, text, &mut Diagnostics::default())?;
        let Value::Mapping(entries) = &node.value else {
            return None;
        };
        entries.first()?.1.text().map(str::to_owned)
    }

    #[test]
    fn nested() {
        let inner = Data::map([
            ("a", Data::Integer(1)),
            ("b", Data::List(vec![Data::text("x\ny\n")])),
        ]);
        let lists = Data::List(vec![Data::List(vec![Data::text("z")]), Data::List(Vec::new())]);
        let data = Data::map([("k", Data::List(vec![inner.clone()])), ("m", inner), ("l", lists)]);
        let text = yaml(&data);
        assert_eq!(
            text,
            "k:\n  - a: 1\n    b:\n      - |\n        x\n        y\nm:\n  a: 1\n  b:\n    - |\n      x\n      y\nl:\n  -\n    - z\n  - []\n"
        );
        assert!(parse(0, &text, &mut Diagnostics::default()).is_some_and(|node: Node| node.text().is_none()));
    }
}
