//! Who we are to which registry, as docker's and podman's configuration files and credential helpers say it.

mod base64;
mod file;
mod helper;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::Result;

/// How long a credential helper may take: it may have to ask a server, but nobody waits for it for ever.
const PATIENCE: Duration = Duration::from_secs(15);

/// Logins by registry.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Those that the caller gave; they come first.
    given: file::File,
    /// Configuration files, the first that has a login counts.
    files: Vec<file::File>,
    /// How long a credential helper may take.
    patience: Duration,
}

impl Default for Credentials {
    fn default() -> Credentials {
        Credentials {
            given: file::File::default(),
            files: Vec::new(),
            patience: PATIENCE,
        }
    }
}

/// What is shown to a registry or its token server.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    /// A user name and a password.
    Password { user: String, password: String },
    /// A refresh token (OAuth 2.0), to be exchanged at the token server.
    Identity(String),
    /// A token for the registry itself.
    Bearer(String),
}

/// What was found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    /// The login; None to go on without one.
    pub(super) login: Option<Login>,
    /// Helpers that could not be asked.
    pub(super) problems: Vec<String>,
}

impl Credentials {
    /// Adds a login for a registry, or for a repository path in it.
    pub fn add(&mut self, registry: &str, user: &str, password: &str) {
        let login = Login::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        };
        self.given.logins.insert(key(registry), login);
    }

    /// Adds what a configuration file says: `auths`, `credHelpers`, `credsStore`. Files that were added before count
    /// more.
    ///
    /// # Errors
    /// A file that cannot be read or is not a configuration file.
    pub fn read(&mut self, path: &Path) -> Result<()> {
        self.files.push(file::read(path)?);
        Ok(())
    }

    /// How long a credential helper may take; 15 s when it is not said.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The login for a repository. In each file the longest path that was named counts, a helper named for it before a
    /// password; then the helper for all registries. A helper that fails is passed over.
    pub(super) fn find(&self, registry: &str, repository: &str) -> Found {
        let mut found = Found::default();
        for file in std::iter::once(&self.given).chain(&self.files) {
            let mut name = format!("{}/{repository}", key(registry));
            loop {
                if let Some(helper) = file.helpers.get(&name)
                    && self.ask(helper, registry, &mut found)
                {
                    return found;
                }
                if let Some(login) = file.logins.get(&name) {
                    found.login = Some(login.clone());
                    return found;
                }
                match name.rfind('/') {
                    Some(end) => name.truncate(end),
                    None => break,
                }
            }
            if let Some(helper) = &file.store
                && self.ask(helper, registry, &mut found)
            {
                return found;
            }
        }
        found
    }

    /// Whether the helper knows a login.
    fn ask(&self, name: &str, registry: &str, found: &mut Found) -> bool {
        let server = match key(registry).as_str() {
            "docker.io" => "https://index.docker.io/v1/".to_owned(),
            other => other.to_owned(),
        };
        match helper::ask(name, &server, self.patience) {
            Ok(helper::Answer::Login(login)) => {
                found.login = Some(login);
                true
            }
            Ok(helper::Answer::Unknown) => false,
            Err(problem) => {
                found.problems.push(problem);
                false
            }
        }
    }
}

impl Login {
    /// As the value of an `Authorization` header for the registry itself.
    pub(super) fn header(&self) -> Option<String> {
        match self {
            Login::Password { user, password } => {
                let plain = format!("{user}:{password}");
                Some(format!("Basic {}", base64::encode(plain.as_bytes())))
            }
            Login::Bearer(token) => Some(format!("Bearer {token}")),
            Login::Identity(_) => None,
        }
    }
}

/// Passwords stay out of logs.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Login::Password { user, .. } => write!(f, "{user}:…"),
            Login::Identity(_) => write!(f, "an identity token"),
            Login::Bearer(_) => write!(f, "a registry token"),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_path_counts() {
        let mut credentials = Credentials::default();
        credentials.add("https://index.docker.io/v1/", "hub", "x");
        credentials.add("localhost:5000", "local", "x");
        credentials.add("localhost:5000/team", "team", "x");
        for (registry, repository, expect) in [
            ("docker.io", "library/nginx", Some("hub")),
            ("index.docker.io", "library/nginx", Some("hub")),
            ("localhost:5000", "a/b", Some("local")),
            ("localhost:5000", "team/b", Some("team")),
            ("localhost:5000", "teams/b", Some("local")),
            ("localhost", "a", None),
        ] {
            let found = credentials.find(registry, repository).login;
            let user = found.map(|login| format!("{login:?}"));
            let expect = expect.map(|user| format!("{user}:…"));
            assert_eq!(user, expect, "{registry}/{repository}");
        }
    }

    #[test]
    fn files_say_who_we_are() {
        // user:pass, user:pa:ss, not base64, no colon
        for (json, expect) in [
            (
                r#"{"auths":{"r.example":{"auth":"dXNlcjpwYXNz"}}}"#,
                Ok(Some("user:…")),
            ),
            (
                r#"{"auths":{"https://r.example/v2/":{"auth":"dXNlcjpwYTpzcw=="}}}"#,
                Ok(Some("user:…")),
            ),
            (
                r#"{"auths":{"r.example":{"username":"u","password":"p"}}}"#,
                Ok(Some("u:…")),
            ),
            (
                r#"{"auths":{"r.example":{"auth":"MDA6","identitytoken":"t"}}}"#,
                Ok(Some("an identity token")),
            ),
            (
                r#"{"auths":{"r.example":{"registrytoken":"t"}}}"#,
                Ok(Some("a registry token")),
            ),
            (r#"{"auths":{"r.example":{}}}"#, Ok(None)),
            (r#"{"auths":null,"HttpHeaders":{}}"#, Ok(None)),
            (r#"{"credHelpers":null,"credsStore":""}"#, Ok(None)),
            (
                r#"{"auths":{"r.example":{"auth":"%%%"}}}"#,
                Err("r.example is not base64"),
            ),
            (
                r#"{"auths":{"r.example":{"auth":"dXNlcg=="}}}"#,
                Err("r.example is not base64"),
            ),
            (r#"{"auths":["#, Err("config.json")),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("config.json");
            std::fs::write(&path, json).expect("a file");
            let mut credentials = Credentials::default();
            let read = credentials.read(&path);
            let found = credentials.find("r.example", "a/b").login;
            let found = found.map(|login| format!("{login:?}"));
            match (read, expect) {
                (Ok(()), Ok(expect)) => assert_eq!(found.as_deref(), expect, "{json}"),
                (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{json}: {error}"),
                (read, _) => panic!("{json}: {read:?}"),
            }
        }
    }
}
