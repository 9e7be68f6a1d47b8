//! Who we are to which registry, as docker's and podman's configuration files say it. Credential helpers are
//! not called.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;

use crate::{Error, Result};

/// User names and passwords by registry.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// By the key in the configuration file, without scheme and trailing path of version 1.
    logins: BTreeMap<String, Login>,
}

/// A user name and a password.
#[derive(Clone)]
pub(super) struct Login {
    user: String,
    password: String,
}

impl Credentials {
    /// Adds a login for a registry, or for a repository path in it.
    pub fn add(&mut self, registry: &str, user: &str, password: &str) {
        let login = Login {
            user: user.to_owned(),
            password: password.to_owned(),
        };
        self.logins.insert(key(registry), login);
    }

    /// Adds those of a configuration file: its `auths`.
    pub(super) fn read(&mut self, path: &Path) -> Result<()> {
        #[derive(Deserialize)]
        struct File {
            #[serde(default)]
            auths: BTreeMap<String, Entry>,
        }
        #[derive(Deserialize)]
        struct Entry {
            #[serde(default)]
            auth: Option<String>,
            #[serde(default)]
            username: Option<String>,
            #[serde(default)]
            password: Option<String>,
        }
        let bytes = std::fs::read(path).map_err(Error::file("read", path))?;
        let what = path.display().to_string();
        let file: File = serde_json::from_slice(&bytes).map_err(|error| Error::document(&what, error))?;
        for (registry, entry) in file.auths {
            if let Some(text) = entry.auth.filter(|text| !text.is_empty()) {
                let plain = decode(&text).and_then(|bytes| String::from_utf8(bytes).ok());
                let login = plain.as_deref().and_then(|plain| plain.split_once(':'));
                let (user, password) = login.ok_or_else(|| {
                    Error::document(
                        &what,
                        format!("the entry of {registry} is not base64 of user:password"),
                    )
                })?;
                self.add(&registry, user, password.trim_end_matches('\0'));
            } else if let (Some(user), Some(password)) = (entry.username, entry.password) {
                self.add(&registry, &user, &password);
            }
        }
        Ok(())
    }

    /// The login for a repository: the longest path that was named counts.
    pub(super) fn find(&self, registry: &str, repository: &str) -> Option<Login> {
        let mut name = format!("{}/{repository}", key(registry));
        loop {
            if let Some(login) = self.logins.get(&name) {
                return Some(login.clone());
            }
            name.truncate(name.rfind('/')?);
        }
    }
}

impl Login {
    /// As the value of an `Authorization` header.
    pub(super) fn basic(&self) -> String {
        format!(
            "Basic {}",
            encode(format!("{}:{}", self.user, self.password).as_bytes())
        )
    }
}

/// Passwords stay out of logs.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:…", self.user)
    }
}

/// `https://index.docker.io/v1/` and its like are the registry that references call `docker.io`.
fn key(registry: &str) -> String {
    let name = registry
        .trim_start_matches("https://")
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let name = name.trim_end_matches("/v1").trim_end_matches("/v2");
    match name.split_once('/').unwrap_or((name, "")) {
        ("index.docker.io" | "registry-1.docker.io", "") => "docker.io".to_owned(),
        ("index.docker.io" | "registry-1.docker.io", path) => format!("docker.io/{path}"),
        _ => name.to_owned(),
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 (RFC 4648, section 4).
fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = word >> (18 - 6 * place) & 63;
            let known = place <= chunk.len();
            text.push(if known {
                char::from(ALPHABET[digit as usize])
            } else {
                '='
            });
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut word, mut bits) = (0u32, 0);
    for byte in text.trim().trim_end_matches('=').bytes() {
        let digit = ALPHABET.iter().position(|known| *known == byte)?;
        word = word << 6 | u32::try_from(digit).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(word >> bits & 255).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_round_trips() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("user:päß?", "dXNlcjpww6TDnz8="),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decode("a*b"), None);
    }

    #[test]
    fn the_longest_path_counts() {
        let mut credentials = Credentials::default();
        credentials.add("https://index.docker.io/v1/", "hub", "x");
        credentials.add("localhost:5000", "local", "x");
        credentials.add("localhost:5000/team", "team", "x");
        for (registry, repository, expect) in [
            ("docker.io", "library/nginx", Some("hub")),
            ("localhost:5000", "a/b", Some("local")),
            ("localhost:5000", "team/b", Some("team")),
            ("localhost:5000", "teams/b", Some("local")),
            ("localhost", "a", None),
        ] {
            let found = credentials.find(registry, repository).map(|login| login.user);
            assert_eq!(found.as_deref(), expect, "{registry}/{repository}");
        }
    }
}
