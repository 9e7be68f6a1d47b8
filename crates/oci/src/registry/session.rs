//! One repository of one registry: where it is, how to get in, its documents.

use std::io;
use std::sync::PoisonError;
use std::time::Duration;

use super::credentials::Login;
use super::{Fetched, MAX_MANIFEST, Registry, auth};
use crate::document::{Descriptor, Document, is_document, media};
use crate::http::{Client, Response, Sink, is_private, transfer};
use crate::{Digest, Error, Reference, Result, Store};

/// How often a document that is not what its digest says is asked for.
const TRIES: u32 = 2;

/// Requests to one repository.
pub(super) struct Session<'a> {
    registry: &'a Registry,
    /// The registry as a person knows it.
    name: String,
    /// The address in front of `/v2/`.
    base: String,
    /// The repository's path there.
    path: String,
    login: Option<Login>,
}

impl Registry {
    /// Where a reference leads: a mirror, plain HTTP, or HTTPS.
    pub(super) fn session(&self, reference: &Reference) -> Result<Session<'_>> {
        let fits = |registry: &str| {
            registry == reference.registry() || (is_hub(registry) && is_hub(reference.registry()))
        };
        let mirrors = &self.options.mirrors;
        let mirror = mirrors
            .iter()
            .rev()
            .find(|mirror| mirror.registry.as_deref().is_none_or(fits));
        let (base, path) = match mirror {
            Some(mirror) => mirror_of(&mirror.url, &reference.path())?,
            None => (self.base(reference)?, reference.path()),
        };
        let host = base
            .split_once("://")
            .map_or(base.as_str(), |(_, host)| host)
            .to_owned();
        let login = match mirror {
            Some(_) => self.options.credentials.find(&host, &path),
            None => self.options.credentials.find(reference.registry(), &path),
        };
        Ok(Session {
            registry: self,
            name: host,
            base,
            path,
            login,
        })
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
        // A server on a private network may still want TLS; it says so in answer to plain HTTP.
        let url = format!("http://{host}/v2/");
        match self.client.get(&url, &[]) {
            Ok(response) if response.status == 400 => Ok(format!("https://{host}")),
            Err(Error::Http { again: false, .. }) => Ok(format!("https://{host}")),
            Ok(_) => Ok(format!("http://{host}")),
            Err(error) => Err(error),
        }
    }
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
        let pinned = reference.digest();
        let target = pinned.map(ToString::to_string);
        let target = target.unwrap_or_else(|| reference.tag().unwrap_or("latest").to_owned());
        let result = self.document(&target, pinned, None);
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
        let accept = [
            media::INDEX,
            media::MANIFEST,
            media::DOCKER_LIST,
            media::DOCKER_MANIFEST,
        ]
        .join(", ");
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

    /// One request, with what the registry wants to see of us. Refusals are errors.
    pub(super) fn get(
        &self,
        url: &str,
        accept: Option<&str>,
        offset: u64,
        budget: Duration,
    ) -> Result<Response> {
        let key = format!("{}/{}", self.base, self.path);
        let tokens = &self.registry.tokens;
        let range = format!("bytes={offset}-");
        for last in [false, true] {
            let token = tokens
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&key)
                .cloned();
            let mut headers = Vec::new();
            headers.extend(accept.map(|accept| ("accept", accept)));
            headers.extend(token.as_deref().map(|token| ("authorization", token)));
            headers.extend((offset > 0).then_some(("range", range.as_str())));
            let response = self.client().get_within(url, &headers, budget)?;
            if response.status != 401 || last {
                return self.admit(response);
            }
            let Some(challenge) = response.header("www-authenticate").map(str::to_owned) else {
                return self.admit(response);
            };
            let token = auth::answer(
                self.client(),
                &challenge,
                &self.base,
                &self.path,
                self.login.as_ref(),
            )
            .map_err(|error| self.refused(&error.to_string()))?;
            let Some(token) = token else {
                return self.admit(response);
            };
            tokens
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key.clone(), token);
        }
        Err(self.refused("it keeps asking for credentials"))
    }

    fn admit(&self, response: Response) -> Result<Response> {
        match response.status {
            401 | 403 => Err(self.refused(&response.into_error().to_string())),
            _ => Ok(response),
        }
    }

    fn refused(&self, reason: &str) -> Error {
        Error::Unauthorized {
            registry: self.name.clone(),
            repository: self.path.clone(),
            reason: reason.to_owned(),
        }
    }
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
