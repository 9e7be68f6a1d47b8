//! Permission bits, written as a string of octal digits.

use crate::decode::wrong_type;
use crate::yaml::{Kind, Node, Value};
use crate::{Diagnostic, Diagnostics};

/// Permission bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    /// The bits, at most `0o7777`.
    pub bits: u32,
    /// As written.
    pub text: String,
}

/// Decodes a quoted mode: `"0644"` or `"644"`. Without quotes YAML makes a number of it whose meaning depends
/// on the reader, so LinuxKit refuses that, and so do we.
pub fn quoted(node: &Node, out: &mut Diagnostics) -> Option<Mode> {
    match &node.value {
        Value::Scalar(scalar) if scalar.kind == Kind::String => parse(node, &scalar.text, out),
        _ => {
            wrong_type(node, "a string", out);
            None
        }
    }
}

/// Decodes a mode with or without quotes, as build.yml files have it.
pub fn bare(node: &Node, out: &mut Diagnostics) -> Option<Mode> {
    match &node.value {
        Value::Scalar(scalar) if matches!(scalar.kind, Kind::String | Kind::Integer(_)) => {
            // YAML 1.2's own form of octal numbers.
            let unquoted = scalar.plain.then(|| scalar.text.strip_prefix("0o")).flatten();
            parse(node, unquoted.unwrap_or(&scalar.text), out)
        }
        _ => quoted(node, out),
    }
}

fn parse(node: &Node, text: &str, out: &mut Diagnostics) -> Option<Mode> {
    let bits = octal(text);
    if bits.is_none() {
        let message = format!("`{text}` is not a mode: expected octal digits, at most `7777`");
        let mistake = Diagnostic::error(node.span, message);
        let meant = text.strip_prefix("0o").filter(|digits| octal(digits).is_some());
        out.push(match meant {
            Some(digits) => mistake.hint(format!("write `\"0{digits}\"`")),
            None => mistake.hint("as in `\"0644\"` for a file or `\"0755\"` for a directory"),
        });
    }
    Some(Mode {
        bits: bits?,
        text: text.to_owned(),
    })
}

fn octal(digits: &str) -> Option<u32> {
    let only_octal = !digits.is_empty() && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let bits = only_octal.then(|| u32::from_str_radix(digits, 8).ok()).flatten();
    bits.filter(|bits| *bits <= 0o7777)
}
