//! What probably led to a syntax error, for the commonest mistakes.

use crate::Span;

/// What probably leads to a syntax error.
pub fn syntax_advice(text: &str, span: Span, info: &str) -> Option<String> {
    let before = &text[..span.start];
    let indentation = before.rsplit('\n').next().unwrap_or_default();
    if indentation.trim_start_matches(' ').starts_with('\t') || text[span.start..].starts_with('\t') {
        return Some("YAML is indented with spaces; replace the tab".to_owned());
    }
    if info.contains("mapping values are not allowed") {
        return Some("put a value that contains `: ` in quotes".to_owned());
    }
    // A block of text ends at the first line that is not indented deeper than the line which opened it.
    let lines: Vec<&str> = before.lines().collect();
    let opens = |line: &&str| {
        let line = line.trim_end_matches(['+', '-', ' ', '\r']);
        line.ends_with(" |") || line.ends_with(" >")
    };
    let opening = lines.iter().rposition(opens)?;
    let depth = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let ends = |line: &&str| !line.trim().is_empty() && depth(line) <= depth(lines[opening]);
    let ending = opening + 1 + lines[opening + 1..].iter().position(ends)?;
    Some(format!(
        "line {} is indented less and ends the text that line {} begins",
        ending + 1,
        opening + 1
    ))
}
