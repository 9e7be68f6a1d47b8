//! Shell patterns as modules.alias has them: `*`, `?` and `[…]`.

/// Whether `pattern` matches all of `text`.
///
/// `-` and `_` are not told apart: the kernel's names of modules use either.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut done) = (0, 0);
    // Where to go on when a guess at the length of the last `*` was wrong.
    let mut retry: Option<(usize, usize)> = None;
    while done < text.len() {
        match step(&pattern[at..], text[done]) {
            Step::Star => {
                at += 1;
                retry = Some((at, done));
                continue;
            }
            Step::One(length) => {
                at += length;
                done += 1;
                continue;
            }
            Step::No => {}
        }
        let Some((after_star, from)) = retry else {
            return false;
        };
        at = after_star;
        done = from + 1;
        retry = Some((after_star, done));
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

enum Step {
    /// The pattern goes on with `*`.
    Star,
    /// So many bytes of the pattern match one of the text.
    One(usize),
    No,
}

fn step(pattern: &[u8], byte: u8) -> Step {
    match pattern.first() {
        None => Step::No,
        Some(b'*') => Step::Star,
        Some(b'?') => Step::One(1),
        Some(b'[') => match class(&pattern[1..], byte) {
            Some((true, length)) => Step::One(length + 1),
            Some((false, _)) => Step::No,
            // A bracket that is never closed stands for itself.
            None if byte == b'[' => Step::One(1),
            None => Step::No,
        },
        Some(literal) if same(*literal, byte) => Step::One(1),
        Some(_) => Step::No,
    }
}

/// Whether the class that `pattern` begins with, after its `[`, holds `byte`, and its length with the `]`.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let first = usize::from(negated);
    let mut at = first;
    let mut found = false;
    while *pattern.get(at)? != b']' || at == first {
        let low = pattern[at];
        let range = pattern.get(at + 1) == Some(&b'-') && pattern.get(at + 2).is_some_and(|end| *end != b']');
        let high = if range { pattern[at + 2] } else { low };
        found |= (low..=high).contains(&byte);
        at += if range { 3 } else { 1 };
    }
    Some((found != negated, at + 1))
}

fn same(left: u8, right: u8) -> bool {
    left == right || (matches!(left, b'-' | b'_') && matches!(right, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_a_shell() {
        let cases: &[(&str, &str, bool)] = &[
            ("", "", true),
            ("", "a", false),
            ("a", "", false),
            ("*", "", true),
            ("*", "anything", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbd", false),
            ("a**c", "ac", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("*a*b*c*", "xxaxxcxxbxx", false),
            ("virtio:d00000001v*", "virtio:d00000001v00001AF4", true),
            ("virtio:d00000001v*", "virtio:d00000002v00001AF4", false),
            (
                "pci:v00001AF4d*sv*sd*bc*sc*i*",
                "pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00",
                true,
            ),
            ("usb:v0547d21[3-5]1d*", "usb:v0547d2141d0", true),
            ("usb:v0547d21[3-5]1d*", "usb:v0547d2161d0", false),
            ("x[!a-c]y", "xdy", true),
            ("x[!a-c]y", "xby", false),
            ("x[]]y", "x]y", true),
            ("x[ab", "x[ab", true),
            ("x[ab", "xa", false),
            ("net-pf-17", "net_pf_17", true),
            ("acpi*:PNP0501:*", "acpi:PNP0501:", true),
            (
                "input:b*v*p*e*-e*1,*2,*k*2*r*",
                "input:b0019v0000p0001e0000-e0,1,kramlsfw",
                false,
            ),
        ];
        for (pattern, text, expect) in cases {
            assert_eq!(matches(pattern, text), *expect, "{pattern} {text}");
        }
    }
}
