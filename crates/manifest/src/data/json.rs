//! JSON texts.

use std::fmt::Write as _;

use super::Data;

/// On several lines, indented by four spaces, with a line feed at the end.
pub fn pretty(data: &Data) -> String {
    let mut out = String::new();
    write(data, Some(0), &mut out);
    out.push('\n');
    out
}

/// On one line, without a line feed.
pub fn compact(data: &Data) -> String {
    let mut out = String::new();
    write(data, None, &mut out);
    out
}

/// `depth` is that of the value, where lines are broken.
fn write(data: &Data, depth: Option<usize>, out: &mut String) {
    match data {
        Data::Boolean(value) => {
            let _ = write!(out, "{value}");
        }
        Data::Integer(value) => {
            let _ = write!(out, "{value}");
        }
        Data::Text(text) => quote(text, out),
        Data::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                separate(at, depth, out);
                write(item, depth.map(|depth| depth + 1), out);
            }
            close(items.is_empty(), depth, ']', out);
        }
        Data::Map(entries) => {
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                separate(at, depth, out);
                quote(key, out);
                out.push_str(if depth.is_some() { ": " } else { ":" });
                write(value, depth.map(|depth| depth + 1), out);
            }
            close(entries.is_empty(), depth, '}', out);
        }
    }
}

fn separate(at: usize, depth: Option<usize>, out: &mut String) {
    if at > 0 {
        out.push(',');
    }
    if let Some(depth) = depth {
        line(depth + 1, out);
    }
}

fn close(empty: bool, depth: Option<usize>, bracket: char, out: &mut String) {
    if let Some(depth) = depth.filter(|_| !empty) {
        line(depth, out);
    }
    out.push(bracket);
}

fn line(depth: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n("    ", depth));
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
            c if c < ' ' || c == '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let data = Data::map([
            (
                "a",
                Data::List(vec![
                    Data::Integer(-1),
                    Data::Boolean(true),
                    Data::Map(Vec::new()),
                ]),
            ),
            ("b", Data::List(Vec::new())),
            ("c", Data::text("\"\\\n\t\r\u{1}é😀<")),
        ]);
        assert_eq!(
            compact(&data),
            r#"{"a":[-1,true,{}],"b":[],"c":"\"\\\n\t\r\u0001é😀<"}"#
        );
        assert_eq!(
            pretty(&data),
            "{\n    \"a\": [\n        -1,\n        true,\n        {}\n    ],\n    \"b\": [],\n    \"c\": \"\\\"\\\\\\n\\t\\r\\u0001é😀<\"\n}\n"
        );
    }
}
