//! Image references as LinuxKit reads them: short names are completed, a missing tag stays missing.
//!
//! `nginx` is `docker.io/library/nginx`, `org/name` is `docker.io/org/name`; with three components the first is
//! the registry. After the name comes a tag, a digest, or a tag and a digest.

use std::fmt;
use std::str::FromStr;

use crate::{Digest, Error};

/// The name of an image. Displays in the canonical form that names it in a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The registry as the reference names it: `docker.io`, `localhost:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path after the registry: `library/nginx`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, when there is one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest that it is pinned to, when it is.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The host, with its port, that serves the registry.
    pub fn host(&self) -> &str {
        match self.registry.as_str() {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            other => other,
        }
    }

    /// The same image with a tag, when it has neither tag nor digest: what `cache pull` records.
    pub fn or_latest(&self) -> Reference {
        let tag = match (&self.tag, &self.digest) {
            (None, None) => Some("latest".to_owned()),
            (tag, _) => tag.clone(),
        };
        Reference { tag, ..self.clone() }
    }

    /// The same repository with `tag` and no digest.
    ///
    /// # Errors
    /// A text that is no tag.
    pub fn with_tag(&self, tag: &str) -> Result<Reference, Error> {
        check_tag(tag).map_err(|reason| Error::Reference {
            text: format!("{}/{}:{tag}", self.registry, self.repository),
            reason,
        })?;
        Ok(Reference {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        })
    }

    /// The same repository, pinned to `digest` and nothing else.
    pub fn with_digest(&self, digest: Digest) -> Reference {
        Reference {
            tag: None,
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// Whether both name the same repository.
    pub fn same_repository(&self, other: &Reference) -> bool {
        self.host() == other.host() && self.path() == other.path()
    }

    /// The path of the repository in the registry's interface, where Docker Hub's own images have a prefix that
    /// may be left out of a name.
    pub(crate) fn path(&self) -> String {
        match self.registry.as_str() {
            "docker.io" | "index.docker.io" if !self.repository.contains('/') => {
                format!("library/{}", self.repository)
            }
            _ => self.repository.clone(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Reference, Error> {
        parse(text).map_err(|reason| Error::Reference {
            text: text.chars().take(300).collect(),
            reason: reason.to_string(),
        })
    }
}

fn parse(text: &str) -> Result<Reference, String> {
    /// Names longer than this are refused by registries (distribution specification).
    const MAX_NAME: usize = 255;
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if text.contains("://") {
        return Err("it has a scheme: expected a name without `https://` or the like".into());
    }
    if let Some(bad) = text
        .chars()
        .find(|c| c.is_whitespace() || c.is_control() || !c.is_ascii())
    {
        return Err(format!("it has the character {bad:?}"));
    }
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (
            name,
            Some(digest.parse::<Digest>().map_err(|error| error.to_string())?),
        ),
        None => (text, None),
    };
    let last = name.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match name[last..].find(':') {
        Some(colon) => (&name[..last + colon], Some(&name[last + colon + 1..])),
        None => (name, None),
    };
    let (registry, repository) = complete(name);
    check_registry(&registry)?;
    check_repository(&repository)?;
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    if registry.len() + repository.len() >= MAX_NAME {
        return Err(format!("its name is longer than {MAX_NAME} characters"));
    }
    Ok(Reference {
        registry,
        repository,
        tag: tag.map(str::to_owned),
        digest,
    })
}

/// Adds what a short name leaves out.
fn complete(name: &str) -> (String, String) {
    let owned = |registry: &str, repository: &str| (registry.to_owned(), repository.to_owned());
    match name.split_once('/') {
        None => owned("docker.io", &format!("library/{name}")),
        Some((first, rest)) => {
            let short = !rest.contains('/') && !first.contains(['.', ':']) && first != "localhost";
            if short {
                owned("docker.io", name)
            } else {
                owned(first, rest)
            }
        }
    }
}

fn check_registry(registry: &str) -> Result<(), String> {
    let (host, port) = match (registry.starts_with('['), registry.rsplit_once(':')) {
        (true, Some((host, port))) if host.ends_with(']') => (host, Some(port)),
        (true, _) | (false, None) => (registry, None),
        (false, Some((host, port))) => (host, Some(port)),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numbers = |host: &str| host.parse::<std::net::Ipv6Addr>().is_ok();
    let valid = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => numbers(address),
        None => host.split('.').all(label),
    };
    if !valid {
        return Err(format!("`{registry}` is not a registry's host"));
    }
    match port {
        Some(port) if port.starts_with('+') || port.parse::<u16>().is_err() => {
            Err(format!("`{port}` is not a port"))
        }
        _ => Ok(()),
    }
}

/// Components of lower-case letters and digits, parted inside by one `.`, one or two `_`, or any number of `-`.
fn check_repository(repository: &str) -> Result<(), String> {
    for component in repository.split('/') {
        if component.is_empty() {
            return Err("a component of its path is empty".into());
        }
        if component.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(format!(
                "`{component}` has capital letters: a repository is in lower case"
            ));
        }
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let allowed = component
            .bytes()
            .all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'));
        let separators = component.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        let parted = separators
            .filter(|s| !s.is_empty())
            .all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'));
        let ends = |b: Option<&u8>| b.is_some_and(|b| plain(*b));
        let bytes = component.as_bytes();
        if !allowed || !parted || !ends(bytes.first()) || !ends(bytes.last()) {
            return Err(format!("`{component}` is not a component of a repository's path"));
        }
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), String> {
    const MAX_TAG: usize = 128;
    if tag.is_empty() {
        return Err("its tag is empty".into());
    }
    if tag.len() > MAX_TAG {
        return Err(format!("its tag is longer than {MAX_TAG} characters"));
    }
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let allowed = tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'));
    if !allowed || !tag.as_bytes().first().is_some_and(|b| word(*b)) {
        return Err(format!("`{tag}` is not a tag"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn short_names_are_completed() {
        for (text, expect) in [
            ("nginx", "docker.io/library/nginx"),
            ("nginx:1.2", "docker.io/library/nginx:1.2"),
            ("linuxkit/init:abc", "docker.io/linuxkit/init:abc"),
            ("localhost/x", "localhost/x"),
            ("localhost:5000/x:y", "localhost:5000/x:y"),
            ("quay.io/x", "quay.io/x"),
            ("a/b/c", "a/b/c"),
            ("docker.io/alpine", "docker.io/alpine"),
            ("[::1]:5000/a/b:c", "[::1]:5000/a/b:c"),
            ("x__y/a-b.c--d:_t.a-g", "docker.io/x__y/a-b.c--d:_t.a-g"),
        ] {
            check(text, expect);
            check(&format!("{text}@sha256:{HEX}"), &format!("{expect}@sha256:{HEX}"));
        }
    }

    fn check(text: &str, expect: &str) {
        let reference: Reference = text.parse().expect(text);
        assert_eq!(reference.to_string(), expect);
        assert_eq!(
            expect.parse::<Reference>().expect(expect),
            reference,
            "canonical form of {text}"
        );
    }

    #[test]
    fn the_rest_is_refused_with_a_reason() {
        let long = format!("a/{}", "b".repeat(300));
        let tag = format!("a:{}", "b".repeat(129));
        for (text, reason) in [
            ("", "empty"),
            ("https://x/y", "scheme"),
            ("a b", "' '"),
            ("é", "'é'"),
            ("Nginx", "capital"),
            ("a//b", "empty"),
            ("/a", "empty"),
            ("a/b/", "empty"),
            ("a:", "tag is empty"),
            ("a:b:c", "not a tag"),
            ("a:-b", "not a tag"),
            ("a@sha256:12", "digest"),
            ("a@md5:12", "digest"),
            ("a@", "digest"),
            ("-a.b/c", "host"),
            ("a.b:port/c", "port"),
            ("a.b:99999/c", "port"),
            ("[::1/a/b", "host"),
            ("a..b", "component"),
            ("a___b", "component"),
            ("a.", "component"),
            ("a/../b", "component"),
            ("a/b*c", "component"),
            (long.as_str(), "longer"),
            (tag.as_str(), "longer"),
        ] {
            match text.parse::<Reference>() {
                Err(Error::Reference { reason: found, .. }) => {
                    assert!(found.contains(reason), "{text}: {found}")
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn docker_hub_has_its_own_host_and_prefix() {
        let hub: Reference = "docker.io/alpine".parse().expect("a reference");
        assert_eq!(
            (hub.host(), hub.path().as_str()),
            ("registry-1.docker.io", "library/alpine")
        );
        let other: Reference = "localhost:5000/alpine".parse().expect("a reference");
        assert_eq!(
            (other.host(), other.path().as_str()),
            ("localhost:5000", "alpine")
        );
        assert_eq!(hub.or_latest().to_string(), "docker.io/alpine:latest");
    }
}
