//! JSON as Go writes it, so that documents equal LinuxKit's byte for byte: indented by four spaces, with `<`, `>`, `&` and
//! the two line separators escaped, no newline at the end.

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

/// Encodes a value whose maps have string keys.
pub(crate) fn encode(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    value
        .serialize(&mut Serializer::with_formatter(&mut bytes, formatter))
        .expect("plain data with string keys encodes");
    let text = String::from_utf8(bytes).expect("JSON is UTF-8");
    // These characters can stand only inside strings.
    let escapes = [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ];
    escapes
        .iter()
        .fold(text, |text, (from, to)| text.replace(*from, to))
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn as_go_writes_it() {
        let value = serde_json::json!({"a": ["<x> & y"], "b": [], "c": {}});
        let expect = "{\n    \"a\": [\n        \"\\u003cx\\u003e \\u0026 y\"\n    ],\n    \"b\": [],\n    \"c\": {}\n}";
        assert_eq!(String::from_utf8(encode(&value)).unwrap(), expect);
    }
}
