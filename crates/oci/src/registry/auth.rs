//! Answers to `WWW-Authenticate`: bearer tokens (the distribution specification's token flow, by password or by
//! identity token) and basic.

use super::credentials::Login;
use crate::http::{Client, Method, Response};
use crate::{Error, Result};

/// The largest answer of a token server that is read: 1 MiB.
const MAX_TOKEN: u64 = 1 << 20;

/// What a token has to allow.
pub(super) struct Wanted<'a> {
    /// The repository.
    pub(super) path: &'a str,
    /// `pull`, or `pull,push`.
    pub(super) actions: &'a str,
}

impl Wanted<'_> {
    /// The scope to ask for. A registry may know the repository under another path than we do, but what its challenge asks
    /// for is only what the refused request needed.
    fn scope(&self, challenge: Option<&str>) -> String {
        let path = challenge.and_then(|scope| scope.strip_prefix("repository:")?.rsplit_once(':'));
        let path = path.map_or(self.path, |(path, _)| path);
        format!("repository:{path}:{}", self.actions)
    }
}

/// The `Authorization` header that a challenge asks for; None when nothing can be offered. `base` is the
/// registry's address.
pub(super) fn answer(
    client: &Client,
    challenge: &str,
    base: &str,
    wanted: &Wanted,
    login: Option<&Login>,
) -> Result<Option<String>> {
    let (scheme, rest) = challenge.trim().split_once(' ').unwrap_or((challenge.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Ok(login.and_then(Login::header));
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    if let Some(Login::Bearer(_)) = login {
        return Ok(login.and_then(Login::header));
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
    let mut query = format!("scope={}", escape(&wanted.scope(field("scope"))));
    if let Some(service) = field("service") {
        query.push_str(&format!("&service={}", escape(service)));
    }
    let mut response = match login {
        Some(Login::Identity(token)) => refresh(client, realm, &query, token)?,
        login => {
            let basic = login.and_then(Login::header);
            let headers: Vec<_> = basic
                .as_deref()
                .map(|basic| ("authorization", basic))
                .into_iter()
                .collect();
            let joint = if realm.contains('?') { '&' } else { '?' };
            client.get(&format!("{realm}{joint}{query}"), &headers)?
        }
    };
    if response.status != 200 {
        return Err(response.into_error());
    }
    let bytes = response.bytes(MAX_TOKEN)?;
    let json: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| Error::document(realm, error))?;
    let plain = |token: &&str| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    let token = json["token"].as_str().filter(plain);
    let token = token
        .or(json["access_token"].as_str().filter(plain))
        .ok_or_else(|| Error::document(realm, "there is no token in it"))?;
    Ok(Some(format!("Bearer {token}")))
}

/// Exchanges an identity token for one that allows something (OAuth 2.0, RFC 6749, section 6).
fn refresh(client: &Client, realm: &str, query: &str, token: &str) -> Result<Response> {
    let form = format!(
        "grant_type=refresh_token&client_id=ironkit&{query}&refresh_token={}",
        escape(token)
    );
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let budget = client.options().give_up;
    client.ask(Method::Post(form.as_bytes()), realm, &headers, budget)
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
pub(super) fn escape(text: &str) -> String {
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
    fn scopes_are_what_is_wanted() {
        for (actions, challenge, expect) in [
            ("pull", None, "repository:a/b:pull"),
            ("pull", Some("repository:x/a/b:pull"), "repository:x/a/b:pull"),
            (
                "pull,push",
                Some("repository:a/b:pull"),
                "repository:a/b:pull,push",
            ),
            ("pull", Some("registry:catalog:*"), "repository:a/b:pull"),
        ] {
            let wanted = Wanted { path: "a/b", actions };
            assert_eq!(wanted.scope(challenge), expect, "{challenge:?}");
        }
    }

    #[test]
    fn queries_are_escaped() {
        assert_eq!(escape("repository:a/b:pull"), "repository:a/b:pull");
        assert_eq!(escape("a b&c=d%"), "a%20b%26c%3Dd%25");
    }
}
