//! Patterns for paths: `*` and `?` within a component, `**` for any number of components.

use ironkit_tree::Path;

/// Whether a text has to be matched, not compared.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether `path` matches `pattern`. A leading slash of the pattern does not matter.
pub fn matches(pattern: &str, path: &Path) -> bool {
    let pattern: Vec<&[u8]> = pattern
        .as_bytes()
        .split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty())
        .collect();
    let path: Vec<&[u8]> = path.as_bytes().split(|&byte| byte == b'/').collect();
    components(&pattern, &path)
}

fn components(pattern: &[&[u8]], path: &[&[u8]]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&b"**", rest)), _) => (0..=path.len()).any(|skip| components(rest, &path[skip..])),
        (Some((first, rest)), Some((name, below))) => component(first, name) && components(rest, below),
        _ => false,
    }
}

/// Greedy with one point to come back to, so the time is at most the product of the lengths.
fn component(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path, expect) in [
            ("/usr/bin/nginx", "usr/bin/nginx", true),
            ("/usr/bin/*", "usr/bin/nginx", true),
            ("/usr/bin/*", "usr/bin/a/b", false),
            ("/usr/bin", "usr/bin/a", false),
            ("/boot/vmlinuz-*-cloud-*", "boot/vmlinuz-6.12-cloud-amd64", true),
            ("/usr/**/x", "usr/x", true),
            ("/usr/**/x", "usr/a/b/x", true),
            ("/usr/**/x", "usr/a/b/y", false),
            ("lib?.so", "libz.so", true),
            ("lib?.so", "lib.so", false),
            ("a*b*c", "axbxbyc", true),
            ("a*b*c", "axbxby", false),
        ] {
            assert_eq!(
                matches(pattern, &Path::parse(path).unwrap()),
                expect,
                "{pattern} {path}"
            );
        }
    }
}
