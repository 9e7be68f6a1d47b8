//! Which type a plain scalar has, by the rules of Go's yaml.v3 (`resolve.go`): YAML 1.2's core schema, and the old
//! octal form with it.

use super::Kind;

/// The type of an unquoted scalar.
pub fn resolve(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Boolean(true),
        "false" | "False" | "FALSE" => return Kind::Boolean(false),
        ".nan" | ".NaN" | ".NAN" => return Kind::Float,
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return Kind::String;
    }
    if matches!(text.trim_start_matches(['+', '-']), ".inf" | ".Inf" | ".INF") {
        return Kind::Float;
    }
    let digits = text.replace('_', "");
    match integer(&digits) {
        Some(value) => Kind::Integer(value),
        None if is_float(&digits) => Kind::Float,
        None => Kind::String,
    }
}

/// A whole number that fits 64 bits, signed or not.
fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return None;
    }
    let value = sign * i128::from_str_radix(digits, radix).ok()?;
    (i128::from(i64::MIN)..=i128::from(u64::MAX))
        .contains(&value)
        .then_some(value)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        ),
        None => (text, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let some_digits = !whole.is_empty() || !fraction.is_empty();
    some_digits
        && all_digits(whole)
        && all_digits(fraction)
        && exponent.is_none_or(|digits| !digits.is_empty() && all_digits(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_yaml_v3() {
        let table = [
            ("", Kind::Null),
            ("~", Kind::Null),
            ("null", Kind::Null),
            ("nULL", Kind::String),
            ("true", Kind::Boolean(true)),
            ("False", Kind::Boolean(false)),
            ("yes", Kind::String),
            ("off", Kind::String),
            ("0", Kind::Integer(0)),
            ("-0", Kind::Integer(0)),
            ("12", Kind::Integer(12)),
            ("+12", Kind::Integer(12)),
            ("-12", Kind::Integer(-12)),
            ("0x1F", Kind::Integer(31)),
            ("0o17", Kind::Integer(15)),
            ("017", Kind::Integer(15)),
            ("0b11", Kind::Integer(3)),
            ("1_000", Kind::Integer(1000)),
            ("18446744073709551615", Kind::Integer(i128::from(u64::MAX))),
            ("18446744073709551616", Kind::Float),
            ("0999", Kind::Float),
            ("1.5", Kind::Float),
            (".5", Kind::Float),
            ("1.", Kind::Float),
            ("1e3", Kind::Float),
            (".inf", Kind::Float),
            ("-.inf", Kind::Float),
            (".nan", Kind::Float),
            (".", Kind::String),
            ("-", Kind::String),
            ("1e", Kind::String),
            ("0x", Kind::String),
            ("0x-1", Kind::String),
            ("--1", Kind::String),
            ("1.2.3", Kind::String),
            ("2001-12-14", Kind::String),
            ("é", Kind::String),
        ];
        for (text, expected) in table {
            assert_eq!(resolve(text), expected, "{text:?}");
        }
    }
}
