//! One repository of one registry: where it is, how to get in, its documents.

use std::io;
use std::sync::{OnceLock, PoisonError};
use std::time::Duration;

use super::credentials::Found;
use super::{Fetched, MAX_MANIFEST, Progress, Registry, auth};
use crate::document::{Descriptor, Document, is_document, media};
use crate::http::{Client, Method, Response, Sink, is_private, origin, transfer};
use crate::{Digest, Error, Reference, Result, Store};

/// How often a document that is not what its digest says is asked for.
const TRIES: u32 = 2;

/// What is to be done in a repository, as scopes of tokens name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Pull,
    Push,
}

/// Sends a request with the headers that it gets.
type Send<'a> = dyn FnMut(&[(&str, &str)]) -> Result<Response> + 'a;

/// Requests to one repository.
pub(super) struct Session<'a> {
    registry: &'a Registry,
    progress: &'a dyn Progress,
    purpose: Purpose,
    /// The registry as a person knows it.
    name: String,
    /// The address in front of `/v2/`.
    base: String,
    /// The repository's path there.
    path: String,
    /// The registry as credentials name it.
    account: String,
    /// Asked for when the registry wants to know who we are.
    login: OnceLock<Found>,
}

impl Registry {
    /// Where a reference leads: a mirror, plain HTTP, or HTTPS.
    pub(super) fn session<'a>(
        &'a self,
        reference: &Reference,
        progress: &'a dyn Progress,
    ) -> Result<Session<'a>> {
        let fits = |registry: &str| {
            registry == "*"
                || registry == reference.registry()
                || (is_hub(registry) && is_hub(reference.registry()))
        };
        let mirrors = &self.options.mirrors;
        let mirror = mirrors
            .iter()
            .rev()
            .find(|mirror| mirror.registry.as_deref().is_none_or(fits));
        let Some(mirror) = mirror else {
            return self.origin(reference, Purpose::Pull, progress);
        };
        let (base, path) = mirror_of(&mirror.url, &reference.path())?;
        let host = host_of(&base);
        let account = host.clone();
        Ok(self.at(base, path, account, Purpose::Pull, progress))
    }

    /// The registry that the reference names itself: mirrors are not written to.
    pub(super) fn origin<'a>(
        &'a self,
        reference: &Reference,
        purpose: Purpose,
        progress: &'a dyn Progress,
    ) -> Result<Session<'a>> {
        let base = self.base(reference)?;
        let account = reference.registry().to_owned();
        Ok(self.at(base, reference.path(), account, purpose, progress))
    }

    fn at<'a>(
        &'a self,
        base: String,
        path: String,
        account: String,
        purpose: Purpose,
        progress: &'a dyn Progress,
    ) -> Session<'a> {
        Session {
            registry: self,
            progress,
            purpose,
            name: host_of(&base),
            base,
            path,
            account,
            login: OnceLock::new(),
        }
    }

    fn base(&self, reference: &Reference) -> Result<String> {
        let host = reference.host();
        let plain = self
            .options
            .insecure
            .iter()
            .any(|registry| registry == reference.registry());
        if !plain && !is_private(host) {
            return Ok(format!("https://{host}"));
        }
        let known = || self.bases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(base) = known().get(host) {
            return Ok(base.clone());
        }
        // A server on a private network may still want TLS; it says so in answer to plain HTTP.
        let url = format!("http://{host}/v2/");
        let base = match self.client.get(&url, &[]) {
            Ok(response) if response.status == 400 => format!("https://{host}"),
            Err(Error::Http { again: false, .. }) => format!("https://{host}"),
            Ok(_) => format!("http://{host}"),
            Err(error) => return Err(error),
        };
        known().insert(host.to_owned(), base.clone());
        Ok(base)
    }
}

fn host_of(base: &str) -> String {
    base.split_once("://").map_or(base, |(_, host)| host).to_owned()
}

impl Session<'_> {
    pub(super) fn client(&self) -> &Client {
        &self.registry.client
    }

    /// The address of something in the repository: `blobs/sha256:…`.
    pub(super) fn url(&self, what: &str) -> String {
        format!("{}/v2/{}/{what}", self.base, self.path)
    }

    /// What a reference points to.
    pub(super) fn root(&self, reference: &Reference) -> Result<Fetched> {
        let result = self.document(&target(reference), reference.digest(), None);
        match result {
            Err(Error::Status {
                url,
                status: 404,
                text,
            }) => {
                let text = if text.is_empty() {
                    String::new()
                } else {
                    format!(": {text}")
                };
                Err(Error::NotFound {
                    reference: reference.clone().into(),
                    tried: vec![format!("{url} (404{text})")],
                })
            }
            other => other,
        }
    }

    /// The digest of what a reference points to; None when the registry does not know it.
    pub(super) fn head(&self, reference: &Reference) -> Result<Option<Digest>> {
        let url = self.url(&format!("manifests/{}", target(reference)));
        let response = self.ask(Method::Head, &url, &[("accept", &accepted())])?;
        match response.status {
            200 => {}
            404 => return Ok(None),
            _ => return Err(response.into_error()),
        }
        let announced = response.header("docker-content-digest");
        match announced.and_then(|digest| digest.parse().ok()) {
            Some(digest) => Ok(Some(digest)),
            None => Ok(Some(self.root(reference)?.descriptor.digest)),
        }
    }

    /// A manifest or index that an index lists; from the store when it is there.
    pub(super) fn child(&self, store: &Store, entry: &Descriptor) -> Result<Fetched> {
        let digest = &entry.digest;
        if let Ok(bytes) = store.read_blob(digest) {
            let document = Document::parse(&format!("blob {digest}"), &bytes, Some(&entry.media_type))?;
            return Ok(Fetched {
                descriptor: entry.clone(),
                bytes,
                document,
            });
        }
        let mut fetched = self.document(&digest.to_string(), Some(digest), Some(&entry.media_type))?;
        if fetched.descriptor.size != entry.size {
            let reason = format!("expected {} bytes, found {}", entry.size, fetched.descriptor.size);
            return Err(Error::document(format!("manifest {digest}"), reason));
        }
        fetched.descriptor = entry.clone();
        Ok(fetched)
    }

    fn document(&self, target: &str, expected: Option<&Digest>, media_type: Option<&str>) -> Result<Fetched> {
        let url = self.url(&format!("manifests/{target}"));
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.answer(&url)?;
            let found = Digest::of(&answer.bytes);
            let wanted = expected.or(answer.announced.as_ref());
            let Some(wanted) = wanted.filter(|wanted| **wanted != found) else {
                return answer.parse(&url, found, media_type);
            };
            if tries == TRIES {
                let source = crate::store::damaged(wanted, "this digest".to_owned(), found.to_string());
                let offset = answer.bytes.len() as u64;
                let (what, digest, source) = ("manifest", *wanted, Box::new(source));
                return Err(Error::Transfer {
                    what,
                    digest,
                    offset,
                    attempts: tries,
                    source,
                });
            }
        }
    }

    fn answer(&self, url: &str) -> Result<Answer> {
        let accept = accepted();
        let mut answer = Answer {
            bytes: Vec::new(),
            announced: None,
            media_type: None,
        };
        let mut head = (None, None);
        let mut open = |offset: u64, budget: Duration| {
            let response = self.get(url, Some(&accept), offset, budget)?;
            let announced = response.header("docker-content-digest");
            head.0 = announced.and_then(|digest| digest.parse().ok());
            let media_type = response
                .header("content-type")
                .and_then(|text| text.split(';').next());
            head.1 = media_type.map(|text| text.trim().to_owned());
            Ok(response)
        };
        transfer(self.client().options(), url, MAX_MANIFEST, &mut open, &mut answer)?;
        (answer.announced, answer.media_type) = head;
        Ok(answer)
    }

    /// Gets an address, with what the registry wants to see of us. Refusals are errors.
    pub(super) fn get(
        &self,
        url: &str,
        accept: Option<&str>,
        offset: u64,
        budget: Duration,
    ) -> Result<Response> {
        let range = format!("bytes={offset}-");
        let mut headers = Vec::new();
        headers.extend(accept.map(|accept| ("accept", accept)));
        headers.extend((offset > 0).then_some(("range", range.as_str())));
        self.request(url, &headers, &mut |headers| {
            self.client().get_within(url, headers, budget)
        })
    }

    /// Any other request without a large body.
    pub(super) fn ask(&self, method: Method<'_>, url: &str, headers: &[(&str, &str)]) -> Result<Response> {
        let budget = self.client().options().give_up;
        self.request(url, headers, &mut |headers| {
            self.client().ask(method, url, headers, budget)
        })
    }

    /// Sends a request, if need be twice: the second time with an answer to the registry's challenge.
    pub(super) fn request(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        send: &mut Send<'_>,
    ) -> Result<Response> {
        let key = format!("{:?} {}/{}", self.purpose, self.base, self.path);
        let tokens = || {
            self.registry
                .tokens
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        // What a registry leads to elsewhere must not learn who we are.
        let own = origin(url) == self.base;
        for last in [false, true] {
            let token = tokens().get(&key).filter(|_| own).cloned();
            let mut headers = headers.to_vec();
            headers.extend(token.as_deref().map(|token| ("authorization", token)));
            let response = send(&headers)?;
            let asked = own && origin(&response.url) == self.base;
            if response.status != 401 || last || !asked {
                return self.admit(response);
            }
            let Some(challenge) = response.header("www-authenticate").map(str::to_owned) else {
                return self.admit(response);
            };
            let token = self.respond(&challenge)?;
            let Some(token) = token else {
                return self.admit(response);
            };
            tokens().insert(key.clone(), token);
        }
        Err(self.refused("it keeps asking for credentials"))
    }

    fn respond(&self, challenge: &str) -> Result<Option<String>> {
        let login = self.login.get_or_init(|| {
            let found = self.registry.options.credentials.find(&self.account, &self.path);
            for problem in &found.problems {
                self.progress.note(&format!("{}: {problem}", self.name));
            }
            found
        });
        let actions = match self.purpose {
            Purpose::Pull => "pull",
            Purpose::Push => "pull,push",
        };
        let wanted = auth::Wanted {
            path: &self.path,
            actions,
        };
        auth::answer(
            self.client(),
            challenge,
            &self.base,
            &wanted,
            login.login.as_ref(),
        )
        .map_err(|error| match error {
            Error::Status {
                status: 401 | 403 | 400,
                ..
            } => self.refused(&error.to_string()),
            error => error,
        })
    }

    fn admit(&self, response: Response) -> Result<Response> {
        match response.status {
            401 | 403 => Err(self.refused(&response.into_error().to_string())),
            _ => Ok(response),
        }
    }

    /// The repository's path in the registry.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    fn refused(&self, reason: &str) -> Error {
        Error::Unauthorized {
            registry: self.name.clone(),
            repository: self.path.clone(),
            reason: self
                .login
                .get()
                .map(|found| found.problems.as_slice())
                .unwrap_or_default()
                .iter()
                .fold(reason.to_owned(), |reason, problem| {
                    format!("{reason}; {problem}")
                }),
        }
    }
}

/// What a reference is called in a repository: its digest, or its tag.
fn target(reference: &Reference) -> String {
    match reference.digest() {
        Some(digest) => digest.to_string(),
        None => reference.tag().unwrap_or("latest").to_owned(),
    }
}

/// The media types of documents that we read.
fn accepted() -> String {
    [
        media::INDEX,
        media::MANIFEST,
        media::DOCKER_LIST,
        media::DOCKER_MANIFEST,
    ]
    .join(", ")
}

/// A document as it came.
struct Answer {
    bytes: Vec<u8>,
    announced: Option<Digest>,
    media_type: Option<String>,
}

impl Answer {
    fn parse(self, url: &str, digest: Digest, expected: Option<&str>) -> Result<Fetched> {
        let came_as = self
            .media_type
            .as_deref()
            .filter(|media_type| is_document(media_type));
        let document = Document::parse(url, &self.bytes, expected.or(came_as))?;
        let media_type = came_as.unwrap_or(document.media_type()).to_owned();
        let descriptor = Descriptor::new(&media_type, digest, self.bytes.len() as u64);
        Ok(Fetched {
            descriptor,
            bytes: self.bytes,
            document,
        })
    }
}

impl Sink for Answer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.bytes.clear();
        Ok(())
    }
}

fn is_hub(registry: &str) -> bool {
    matches!(registry, "docker.io" | "index.docker.io" | "registry-1.docker.io")
}

/// The base address and repository path in a mirror.
fn mirror_of(url: &str, path: &str) -> Result<(String, String)> {
    let parts = url
        .split_once("://")
        .filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
    let Some((scheme, rest)) = parts else {
        let reason = "a mirror's address starts with http:// or https://".to_owned();
        return Err(Error::Http {
            url: url.to_owned(),
            reason,
            again: false,
        });
    };
    let rest = rest.trim_end_matches('/');
    let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let path = if prefix.is_empty() {
        path.to_owned()
    } else {
        format!("{prefix}/{path}")
    };
    Ok((format!("{scheme}://{host}"), path))
}
