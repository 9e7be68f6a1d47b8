//! Which proxy an address is asked through, by the rules that curl and Go have made customary.

use std::net::IpAddr;

use super::{broken, url};
use crate::Result;

/// Proxies by scheme, and who is asked without one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// `http://[user:password@]host:port` for addresses with `http:`.
    pub http: Option<String>,
    /// The same for addresses with `https:`.
    pub https: Option<String>,
    /// As in `NO_PROXY`: `*`, hosts (`example.com` means its subdomains too, `.example.com` only them), addresses, networks
    /// (`10.0.0.0/8`); each with a port or without. This machine itself is never asked through a proxy.
    pub except: Vec<String>,
}

impl Proxies {
    /// The proxy for an address; None to ask directly.
    pub(super) fn for_url(&self, url: &str) -> Option<&str> {
        let proxy = if url.starts_with("https:") {
            &self.https
        } else {
            &self.http
        };
        let proxy = proxy.as_deref()?;
        let origin = url::origin(url);
        let authority = origin
            .split_once("://")
            .map_or(origin, |(_, authority)| authority);
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = split(authority);
        let port = port.unwrap_or(if url.starts_with("https:") { "443" } else { "80" });
        let direct = is_loopback(host) || self.except.iter().any(|rule| fits(rule, host, port));
        (!direct).then_some(proxy)
    }
}

/// The proxy as the HTTP library wants it.
pub(super) fn connect_through(address: &str) -> Result<ureq::Proxy> {
    // The address may carry a password, so only its host is shown.
    let shown = address.rsplit_once('@').map_or(address, |(_, host)| host);
    ureq::Proxy::new(address).map_err(|error| broken(shown, format!("not a proxy: {error}"), false))
}

/// Host and port; an IPv6 address without its brackets.
fn split(authority: &str) -> (&str, Option<&str>) {
    if let Some((address, rest)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':'));
    }
    match authority.split_once(':') {
        // More than one colon: an IPv6 address without brackets.
        Some((_, port)) if port.contains(':') => (authority, None),
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn fits(rule: &str, host: &str, port: &str) -> bool {
    let (name, network) = match rule.rsplit_once('/') {
        Some((name, bits)) => (name, bits.parse::<u32>().ok()),
        None => (rule, None),
    };
    let (name, wanted) = split(name);
    if wanted.is_some_and(|wanted| wanted != port) {
        return false;
    }
    let address = host.parse::<IpAddr>();
    if let (Ok(address), Ok(rule), Some(bits)) = (&address, name.parse::<IpAddr>(), network) {
        return in_network(*address, rule, bits);
    }
    if let (Ok(address), Ok(rule)) = (&address, name.parse::<IpAddr>()) {
        return *address == rule;
    }
    let (host, name) = (host.to_ascii_lowercase(), name.to_ascii_lowercase());
    let name = name
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(&name);
    match name {
        "" => false,
        "*" => true,
        name if name.starts_with('.') => host.ends_with(name),
        name => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    }
}

fn in_network(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let wide = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((address, width), (network, other)) = (wide(address), wide(network));
    let mask = u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0);
    width == other && bits <= width && address & mask == network & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_asked_through_which_proxy() {
        let proxies = |except: &str| Proxies {
            http: Some("plain".into()),
            https: Some("secure".into()),
            except: except.split(',').map(str::to_owned).collect(),
        };
        for (except, url, expect) in [
            ("", "http://a.example/x", Some("plain")),
            ("", "https://a.example/x", Some("secure")),
            ("", "http://localhost:5000/", None),
            ("", "http://127.9.0.1/", None),
            ("", "https://[::1]:5000/", None),
            ("", "http://10.0.0.1/", Some("plain")),
            ("example", "https://a.example/x", None),
            ("a.example", "https://a.example:5000/x", None),
            ("a.example", "https://b.a.EXAMPLE/x", None),
            ("a.example", "https://ba.example/x", Some("secure")),
            (".a.example", "https://a.example/x", Some("secure")),
            (".a.example", "https://b.a.example/x", None),
            ("*.a.example", "https://b.a.example/x", None),
            ("a.example:5000", "https://a.example/x", Some("secure")),
            ("a.example:443", "https://a.example/x", None),
            ("b,*", "https://a.example/x", None),
            ("10.0.0.0/8", "http://10.200.0.1/", None),
            ("10.0.0.0/8", "http://11.0.0.1/", Some("plain")),
            ("10.0.0.1", "http://10.0.0.1:80/", None),
            ("2001:db8::/32", "http://[2001:db8::5]/", None),
            ("2001:db8::/32", "http://[2001:db9::5]/", Some("plain")),
            ("0.0.0.0/0", "http://8.8.8.8/", None),
            ("10.0.0.0/99", "http://10.0.0.1/", Some("plain")),
        ] {
            assert_eq!(proxies(except).for_url(url), expect, "{except} {url}");
        }
        assert_eq!(Proxies::default().for_url("http://a.example"), None);
    }
}
