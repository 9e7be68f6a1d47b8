//! Order of package versions (deb-version(7)).

use std::cmp::Ordering;

/// Compares two versions: `[epoch:]upstream[-revision]`.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (split(a), split(b));
    a.0.cmp(&b.0)
        .then_with(|| compare_part(a.1, b.1))
        .then_with(|| compare_part(a.2, b.2))
}

fn split(version: &str) -> (u64, &str, &str) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// Alternates between runs of non-digits, where `~` sorts before the end and letters before the rest, and numbers.
fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let text = |part: &[u8]| part.iter().position(u8::is_ascii_digit).unwrap_or(part.len());
        let (text_a, rest_a) = a.split_at(text(a));
        let (text_b, rest_b) = b.split_at(text(b));
        let weights = |text: &[u8]| {
            text.iter()
                .map(|&byte| weight(byte))
                .chain([0])
                .collect::<Vec<_>>()
        };
        let order = weights(text_a).cmp(&weights(text_b));
        let number = |part: &[u8]| {
            part.iter()
                .position(|byte| !byte.is_ascii_digit())
                .unwrap_or(part.len())
        };
        let (number_a, rest_a) = rest_a.split_at(number(rest_a));
        let (number_b, rest_b) = rest_b.split_at(number(rest_b));
        let order = order.then_with(|| compare_numbers(number_a, number_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

fn weight(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        byte if byte.is_ascii_alphabetic() => i32::from(byte),
        byte => i32::from(byte) + 256,
    }
}

fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let trim = |digits: &[u8]| {
        digits
            .iter()
            .position(|&digit| digit != b'0')
            .unwrap_or(digits.len())
    };
    let (a, b) = (&a[trim(a)..], &b[trim(b)..]);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_dpkgs() {
        for pair in [
            "1.0 < 1.1",
            "1.9 < 1.10",
            "1.0~rc1 < 1.0",
            "1.0~~ < 1.0~",
            "1.0 < 1.0+b1",
            "1.0 < 1.0a",
            "1.0a < 1.0+",
            "9 < 1:0",
            "1.0-1 < 1.0-1+deb13u1",
            "1.0-1~bpo12+1 < 1.0-1",
            "6.12.94-1 < 6.12.107-1",
            "1.0 < 1.0-1",
            "1.2-3-4 < 1.2-3-5",
        ] {
            let (a, b) = pair.split_once(" < ").unwrap();
            assert_eq!(compare(a, b), Ordering::Less, "{pair}");
            assert_eq!(compare(b, a), Ordering::Greater, "{pair}");
        }
        for (a, b) in [("1.0", "0:1.0"), ("1.007", "1.7"), ("1", "1")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }
}
