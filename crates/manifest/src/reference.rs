//! Whether an image reference is well formed: `[host[:port]/]repository[:tag][@digest]`.
//!
//! The grammar is that of the OCI distribution specification. Expansion (`docker.io/library/…`) and meaning are the
//! image store's business.

use crate::decode::string;
use crate::yaml::Node;
use crate::{Diagnostic, Diagnostics, Spanned};

/// Decodes a string that must be an image reference.
pub fn image(node: &Node, out: &mut Diagnostics) -> Option<Spanned<String>> {
    let reference = string(node, out)?;
    if let Err(reason) = check(&reference) {
        let message = match reference.as_str() {
            "" => "the image reference is empty".to_owned(),
            written => format!("`{written}` is not an image reference: {reason}"),
        };
        let mistake = Diagnostic::error(reference.span, message);
        out.push(match advice(&reference) {
            Some(hint) => mistake.hint(hint),
            None => mistake,
        });
    }
    Some(reference)
}

/// As [`image`]; an empty string counts as absent, as in LinuxKit.
pub fn optional_image(node: &Node, out: &mut Diagnostics) -> Option<Spanned<String>> {
    if node.text() == Some("") {
        return string(node, out).and(None);
    }
    image(node, out)
}

/// Checks a reference; the reason when it is malformed.
pub fn check(reference: &str) -> Result<(), String> {
    if reference.contains("://") {
        return Err("it has a scheme".to_owned());
    }
    let (rest, digest) = match reference.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (reference, None),
    };
    // A colon before the last slash belongs to the host's port.
    let (name, tag) = match rest.rfind(':') {
        Some(colon) if !rest[colon..].contains('/') => (&rest[..colon], Some(&rest[colon + 1..])),
        _ => (rest, None),
    };
    check_name(name)?;
    tag.map_or(Ok(()), check_tag)?;
    digest.map_or(Ok(()), check_digest)
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("it has no name".to_owned());
    }
    let mut components: Vec<&str> = name.split('/').collect();
    let first = components[0];
    // What LinuxKit takes for a host: the first of three components, or of two when it looks like one.
    if components.len() > 1 && (components.len() > 2 || first.contains(['.', ':']) || first == "localhost") {
        check_host(first)?;
        components.remove(0);
    }
    let edge = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    for component in components {
        if component.is_empty() {
            return Err("a part between slashes is empty".to_owned());
        }
        if let Some(wrong) = component
            .chars()
            .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-'))
        {
            return Err(format!("{} is not allowed in a repository", shown(wrong)));
        }
        let bytes = component.as_bytes();
        if !bytes.first().is_some_and(edge) || !bytes.last().is_some_and(edge) {
            return Err(format!("`{component}` must begin and end with a letter or digit"));
        }
    }
    Ok(())
}

fn check_host(host: &str) -> Result<(), String> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let name = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .map_or(name, |_| "ipv6");
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || !name.chars().all(fits) {
        return Err(format!("`{host}` is not a host"));
    }
    match port.map(str::parse::<u16>) {
        Some(Err(_)) => Err(format!("the port of `{host}` is not a number from 0 to 65535")),
        _ => Ok(()),
    }
}

fn check_tag(tag: &str) -> Result<(), String> {
    /// From the distribution specification.
    const LONGEST: usize = 128;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(wrong) = tag.chars().find(|&c| !word(c) && !matches!(c, '.' | '-')) {
        return Err(format!("{} is not allowed in a tag", shown(wrong)));
    }
    match tag.chars().next() {
        None => Err("the tag is empty".to_owned()),
        Some(first) if !word(first) => Err("a tag begins with a letter, a digit or `_`".to_owned()),
        _ if tag.len() > LONGEST => Err(format!("the tag is longer than {LONGEST} characters")),
        _ => Ok(()),
    }
}

fn check_digest(digest: &str) -> Result<(), String> {
    let Some((algorithm, hex)) = digest.split_once(':') else {
        return Err("the digest has no algorithm, as `sha256:…`".to_owned());
    };
    let digits = match algorithm {
        "sha256" => 64,
        "sha512" => 128,
        _ => {
            return Err(format!(
                "`{algorithm}` is not a digest algorithm; expected `sha256` or `sha512`"
            ));
        }
    };
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if hex.len() != digits || !hex.bytes().all(is_hex) {
        return Err(format!(
            "a {algorithm} digest has {digits} digits from 0-9 and a-f, this one has {}",
            hex.len()
        ));
    }
    Ok(())
}

fn shown(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        _ => format!("{c:?}").replace('\'', "`"),
    }
}

fn advice(reference: &str) -> Option<String> {
    if reference.starts_with("@pkg:") {
        return Some("`@pkg:` works in manifests that are local files".to_owned());
    }
    if let Some(rest) = reference
        .strip_prefix("https://")
        .or(reference.strip_prefix("http://"))
    {
        return Some(format!("leave out the scheme: `{rest}`"));
    }
    let lower = reference.trim().to_lowercase();
    (lower != reference && check(&lower).is_ok()).then(|| format!("write `{lower}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let digest = "a".repeat(64);
        let long_tag = "t".repeat(129);
        let table = [
            ("alpine", ""),
            ("alpine:3.21", ""),
            ("linuxkit/init:b5506cc74a6812dc40982cacfd2f4328f8a4b12a", ""),
            ("localhost:5000/a/b:v1", ""),
            ("localhost/a", ""),
            ("[::1]:5000/a", ""),
            ("ghcr.io/a/b__c/d-e", ""),
            (&format!("a@sha256:{digest}"), ""),
            (&format!("h.io/a:v1@sha256:{digest}"), ""),
            ("", "it has no name"),
            ("https://a/b", "it has a scheme"),
            (":v1", "it has no name"),
            ("golden/bad image:v1", "a space is not allowed in a repository"),
            ("golden/image:v1 ", "a space is not allowed in a tag"),
            ("Alpine", "`A` is not allowed in a repository"),
            ("a//b", "a part between slashes is empty"),
            ("h.io/a/", "a part between slashes is empty"),
            ("-a", "`-a` must begin and end with a letter or digit"),
            ("a:", "the tag is empty"),
            ("a:.b", "a tag begins with a letter, a digit or `_`"),
            (&format!("a:{long_tag}"), "the tag is longer than 128 characters"),
            (
                "h:99999/a/b",
                "the port of `h:99999` is not a number from 0 to 65535",
            ),
            ("ex!.org/a/b", "`ex!.org` is not a host"),
            ("a@abc", "the digest has no algorithm, as `sha256:…`"),
            (
                "a@md5:00",
                "`md5` is not a digest algorithm; expected `sha256` or `sha512`",
            ),
            (
                "a@sha256:00",
                "a sha256 digest has 64 digits from 0-9 and a-f, this one has 2",
            ),
        ];
        for (reference, expected) in table {
            assert_eq!(
                check(reference).err().unwrap_or_default(),
                expected,
                "{reference}"
            );
        }
    }
}
