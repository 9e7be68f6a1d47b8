//! The little that redirects and the choice between HTTP and HTTPS need to know of addresses.

use std::net::IpAddr;

/// Where `location`, an answer's header, leads when it came from `base`.
pub(crate) fn join(base: &str, location: &str) -> String {
    let origin = origin(base);
    let scheme = base.split_once("://").map_or("http", |(scheme, _)| scheme);
    let path_end = base.find(['?', '#']).unwrap_or(base.len());
    if location.starts_with("http://") || location.starts_with("https://") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{origin}{location}")
    } else {
        let directory = base[..path_end].rfind('/').filter(|end| *end > origin.len());
        format!("{}/{location}", &base[..directory.unwrap_or(origin.len())])
    }
}

/// The scheme and authority of an address: `https://host:port`.
pub(crate) fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| start + at);
    &url[..end]
}

/// Whether `host`, with or without a port, is this machine or on a private network, so that plain HTTP is the
/// custom: localhost, loopback, `*.local`, RFC 1918.
pub fn is_private(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    match name.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(IpAddr::V6(address)) => address.is_loopback(),
        Err(_) => {
            let name = name.to_ascii_lowercase();
            name == "localhost" || [".local", ".localhost"].iter().any(|end| name.ends_with(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_joined() {
        for (base, location, expect) in [
            ("http://a/b/c?d", "https://e/f", "https://e/f"),
            ("https://a:5/b/c", "//e/f", "https://e/f"),
            ("http://a:5/b/c", "/f?g", "http://a:5/f?g"),
            ("http://a/b/c?x=/y/z", "f", "http://a/b/f"),
            ("http://a", "f", "http://a/f"),
            ("http://a/", "f", "http://a/f"),
        ] {
            assert_eq!(join(base, location), expect, "{base} {location}");
        }
    }

    #[test]
    fn private_hosts() {
        for host in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:80",
            "[::1]:5000",
            "10.1.2.3",
            "192.168.0.1:5",
            "x.local",
        ] {
            assert!(is_private(host), "{host}");
        }
        for host in [
            "docker.io",
            "8.8.8.8",
            "172.32.0.1",
            "local",
            "localhost.example",
            "[2001:db8::1]",
            "",
        ] {
            assert!(!is_private(host), "{host}");
        }
    }
}
