//! Licences as SPDX knows them.

use spdx::{Expression, ParseMode};

/// What a document says where nothing is known.
pub(crate) const NOASSERTION: &str = "NOASSERTION";

/// The longest expression that is looked at, in bytes.
const MAX_EXPRESSION: usize = 2000;

/// How a licence is read: SPDX's own names, old ones as well.
const MODE: ParseMode = ParseMode {
    allow_deprecated: true,
    ..ParseMode::STRICT
};

/// `licenseDeclared` for what a package database says, and `licenseComments` where that is not SPDX's language.
pub(crate) fn declared(text: &str) -> (&str, Option<String>) {
    let text = text.trim();
    // A reference would need the licence's text, which no package database has.
    let plain = text.len() <= MAX_EXPRESSION && !text.contains("Ref-");
    match plain && Expression::parse_mode(text, MODE).is_ok() {
        true => (text, None),
        false if text.is_empty() => (NOASSERTION, None),
        false => (NOASSERTION, Some(format!("the package database says: {text}"))),
    }
}

/// Gives licences in an expression other names, `LicenseRef-a AND MIT`; also documents before a colon.
pub(crate) fn rename(expression: &str, new: &dyn Fn(&str) -> Option<String>) -> String {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let mut renamed = String::with_capacity(expression.len());
    let mut rest = expression;
    while !rest.is_empty() {
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        match new(word) {
            Some(new) => renamed.push_str(&new),
            None => renamed.push_str(word),
        }
        let next = tail.find(part).unwrap_or(tail.len());
        renamed.push_str(&tail[..next]);
        rest = &tail[next..];
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_spdx_expression_becomes_a_comment() {
        for (text, expect) in [
            ("MIT", "MIT"),
            ("GPL-2.0-only AND MIT", "GPL-2.0-only AND MIT"),
            ("GPL-2.0", "GPL-2.0"),
            ("", NOASSERTION),
            ("BSD custom", NOASSERTION),
            ("(MIT", NOASSERTION),
            ("LicenseRef-own", NOASSERTION),
        ] {
            let (found, comment) = declared(text);
            assert_eq!(found, expect, "{text}");
            assert_eq!(
                comment.is_some(),
                expect == NOASSERTION && !text.is_empty(),
                "{text}"
            );
        }
    }

    #[test]
    fn names_in_expressions_change() {
        let new = |word: &str| (word == "LicenseRef-a").then(|| "LicenseRef-b".to_owned());
        for (expression, expect) in [
            ("LicenseRef-a", "LicenseRef-b"),
            (
                "(MIT OR LicenseRef-a) AND LicenseRef-ab",
                "(MIT OR LicenseRef-b) AND LicenseRef-ab",
            ),
            ("DocumentRef-x:LicenseRef-a+", "DocumentRef-x:LicenseRef-b+"),
            ("", ""),
        ] {
            assert_eq!(rename(expression, &new), expect);
        }
    }
}
