//! A configuration file of docker or podman: logins, and the helpers that know more.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::{Login, base64, key};
use crate::{Error, Result};

/// What one file says.
#[derive(Debug, Clone, Default)]
pub(super) struct File {
    /// By registry, or a repository's path in it.
    pub(super) logins: BTreeMap<String, Login>,
    /// Helpers by registry.
    pub(super) helpers: BTreeMap<String, String>,
    /// The helper for all registries.
    pub(super) store: Option<String>,
}

/// Reads a file: its `auths`, `credHelpers` and `credsStore`.
pub(super) fn read(path: &Path) -> Result<File> {
    /// More than any person has: 4 MiB.
    const MAX_FILE: u64 = 4 << 20;
    #[derive(Deserialize)]
    struct Json {
        #[serde(default)]
        auths: Option<BTreeMap<String, Entry>>,
        #[serde(default, rename = "credHelpers")]
        helpers: Option<BTreeMap<String, String>>,
        #[serde(default, rename = "credsStore")]
        store: Option<String>,
    }
    let what = path.display().to_string();
    let size = std::fs::metadata(path).map_err(Error::file("read", path))?.len();
    if size > MAX_FILE {
        return Err(Error::TooLarge {
            what,
            size,
            limit: MAX_FILE,
        });
    }
    let bytes = std::fs::read(path).map_err(Error::file("read", path))?;
    let json: Json = serde_json::from_slice(&bytes).map_err(|error| Error::document(&what, error))?;
    let mut file = File {
        store: json.store.filter(|name| !name.is_empty()),
        ..File::default()
    };
    for (registry, helper) in json.helpers.unwrap_or_default() {
        file.helpers.insert(key(&registry), helper);
    }
    for (registry, entry) in json.auths.unwrap_or_default() {
        let login = entry
            .login()
            .map_err(|reason| Error::document(&what, format!("the entry of {registry} {reason}")))?;
        if let Some(login) = login {
            file.logins.insert(key(&registry), login);
        }
    }
    Ok(file)
}

/// An entry of `auths`. Docker leaves an empty one where a helper has the login.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl Entry {
    fn login(self) -> std::result::Result<Option<Login>, &'static str> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        if let Some(token) = given(self.registrytoken) {
            return Ok(Some(Login::Bearer(token)));
        }
        if let Some(token) = given(self.identitytoken) {
            return Ok(Some(Login::Identity(token)));
        }
        if let Some(text) = given(self.auth) {
            let plain = base64::decode(&text).and_then(|bytes| String::from_utf8(bytes).ok());
            let login = plain.as_deref().and_then(|plain| plain.split_once(':'));
            let (user, password) = login.ok_or("is not base64 of user:password")?;
            return Ok(Some(Login::Password {
                user: user.to_owned(),
                password: password.trim_end_matches('\0').to_owned(),
            }));
        }
        Ok(match (given(self.username), given(self.password)) {
            (Some(user), Some(password)) => Some(Login::Password { user, password }),
            _ => None,
        })
    }
}
