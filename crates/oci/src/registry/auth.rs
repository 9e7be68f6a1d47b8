//! Answers to `WWW-Authenticate`: bearer tokens (the distribution specification's token flow) and basic.

use super::credentials::Login;
use crate::http::Client;
use crate::{Error, Result};

/// The largest answer of a token server that is read: 1 MiB.
const MAX_TOKEN: u64 = 1 << 20;

/// The `Authorization` header that a challenge asks for; None when nothing can be offered. `base` is the
/// registry's address and `path` the repository, for which reading is asked.
pub(super) fn answer(
    client: &Client,
    challenge: &str,
    base: &str,
    path: &str,
    login: Option<&Login>,
) -> Result<Option<String>> {
    let (scheme, rest) = challenge.trim().split_once(' ').unwrap_or((challenge.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Ok(login.map(Login::basic));
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let fields = fields(rest);
    let field = |name: &str| {
        fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let Some(realm) = field("realm") else {
        return Ok(None);
    };
    if base.starts_with("https:") && !realm.starts_with("https:") {
        let reason = "the registry names an insecure token server".to_owned();
        return Err(Error::Http {
            url: realm.to_owned(),
            reason,
            again: false,
        });
    }
    let scope = field("scope").map_or_else(|| format!("repository:{path}:pull"), str::to_owned);
    let mut url = format!(
        "{realm}{}scope={}",
        if realm.contains('?') { '&' } else { '?' },
        escape(&scope)
    );
    if let Some(service) = field("service") {
        url.push_str(&format!("&service={}", escape(service)));
    }
    let basic = login.map(Login::basic);
    let headers: Vec<_> = basic
        .as_deref()
        .map(|basic| ("authorization", basic))
        .into_iter()
        .collect();
    let mut response = client.get(&url, &headers)?;
    if response.status != 200 {
        return Err(response.into_error());
    }
    let bytes = response.bytes(MAX_TOKEN)?;
    let json: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| Error::document(&url, error))?;
    let token = json["token"].as_str().or(json["access_token"].as_str());
    let plain = |token: &&str| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    let token = token
        .filter(plain)
        .ok_or_else(|| Error::document(&url, "there is no token in it"))?;
    Ok(Some(format!("Bearer {token}")))
}

/// `key="value",key=value` with quoted commas.
fn fields(text: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches([' ', ',']).to_ascii_lowercase();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        fields.push((key, value.trim().to_owned()));
        rest = after;
    }
    fields
}

/// Percent-encodes what a query's value cannot hold.
fn escape(text: &str) -> String {
    let keep =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b',');
    text.bytes()
        .map(|b| {
            if keep(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_split() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        for (text, expect) in [
            ("", vec![]),
            (
                "realm=\"https://a/b?c=d\",service=x",
                vec![pair("realm", "https://a/b?c=d"), pair("service", "x")],
            ),
            (
                "Scope=\"a:b:pull,push\", realm=\"r\"",
                vec![pair("scope", "a:b:pull,push"), pair("realm", "r")],
            ),
            ("realm=\"open", vec![pair("realm", "open")]),
        ] {
            assert_eq!(fields(text), expect, "{text}");
        }
    }

    #[test]
    fn queries_are_escaped() {
        assert_eq!(escape("repository:a/b:pull"), "repository:a/b:pull");
        assert_eq!(escape("a b&c=d%"), "a%20b%26c%3Dd%25");
    }
}
