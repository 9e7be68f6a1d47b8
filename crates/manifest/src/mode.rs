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

/// Decodes a quoted mode: `"0644"`, `"644"` or `"0o644"`. Without quotes YAML makes a number of it whose meaning depends
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
            parse(node, &scalar.text, out)
        }
        _ => quoted(node, out),
    }
}

fn parse(node: &Node, text: &str, out: &mut Diagnostics) -> Option<Mode> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let only_octal = !digits.is_empty() && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let bits = only_octal
        .then(|| u32::from_str_radix(digits, 8).ok())
        .flatten()
        .filter(|bits| *bits <= 0o7777);
    if bits.is_none() {
        let message = format!("`{text}` is not a mode: expected octal digits, at most `7777`");
        out.push(Diagnostic::error(node.span, message));
    }
    Some(Mode {
        bits: bits?,
        text: text.to_owned(),
    })
}
