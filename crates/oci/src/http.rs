//! HTTP over TCP and TLS: time limits, retries with back-off, redirects, resumed transfers, uploads.
//!
//! A server that stalls, drips or breaks off is given up after [`Options::give_up`] without progress. What is
//! fetched is not judged here: callers know digests and sizes. Nothing here knows of registries.

mod date;
mod proxy;
mod response;
mod tls;
mod transfer;
mod url;

use std::io::Read;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ureq::http::{Method as Verb, Request};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, AsSendBody, SendBody};

use crate::{Error, Result};

pub use proxy::Proxies;
use response::Body;
pub use response::Response;
pub use transfer::{Sink, transfer};
pub use url::is_private;
pub(crate) use url::{join, origin};

/// How requests are made.
#[derive(Debug, Clone)]
pub struct Options {
    /// The `User-Agent` header.
    pub user_agent: String,
    /// PEM files with certificate authorities that are trusted beside the system's.
    pub extra_roots: Vec<PathBuf>,
    /// Who is asked through a proxy.
    pub proxies: Proxies,
    /// How long one read or write may wait.
    pub stall: Duration,
    /// How long a connection, its TLS handshake included, may take.
    pub connect: Duration,
    /// How long a request may go on without progress, all its retries included.
    pub give_up: Duration,
    /// How often a request is made before its failure counts.
    pub attempts: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            user_agent: concat!("ironkit/", env!("CARGO_PKG_VERSION")).to_owned(),
            extra_roots: Vec::new(),
            proxies: Proxies::default(),
            stall: Duration::from_secs(12),
            connect: Duration::from_secs(10),
            give_up: Duration::from_secs(28),
            attempts: 4,
        }
    }
}

/// What is asked, with the body that goes with it.
#[derive(Debug, Clone, Copy)]
pub enum Method<'a> {
    /// For the body of the answer.
    Get,
    /// For its headers.
    Head,
    /// To begin something.
    Post(&'a [u8]),
    /// To put something in its place.
    Put(&'a [u8]),
}

/// Makes requests. Connections are kept and shared between threads.
#[derive(Debug)]
pub struct Client {
    options: Options,
    plain: Agent,
    /// Made when first needed, since loading the system's certificates takes a while.
    secure: OnceLock<Agent>,
}

impl Client {
    /// A client with `options`.
    pub fn new(options: Options) -> Result<Client> {
        let plain = agent(&options, None)?;
        Ok(Client {
            options,
            plain,
            secure: OnceLock::new(),
        })
    }

    /// The options that it was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Gets `url`. Failed connections, and the answers 408, 429 and 5xx, are retried; the last answer is
    /// returned whatever its status.
    pub fn get(&self, url: &str, headers: &[(&str, &str)]) -> Result<Response> {
        self.get_within(url, headers, self.options.give_up)
    }

    /// The same, to be done within `budget` up to the first byte of the body.
    pub fn get_within(&self, url: &str, headers: &[(&str, &str)], budget: Duration) -> Result<Response> {
        self.ask(Method::Get, url, headers, budget)
    }

    /// Any request whose body is in memory, retried like [`Client::get`].
    pub fn ask(
        &self,
        method: Method<'_>,
        url: &str,
        headers: &[(&str, &str)],
        budget: Duration,
    ) -> Result<Response> {
        let start = Instant::now();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let left = budget.saturating_sub(start.elapsed());
            let outcome = self.follow(method, url, headers, left);
            let pause = match &outcome {
                Ok(response) if !is_transient(response.status) => return outcome,
                Ok(response) => response.retry_after(),
                Err(error) if !error.may_pass() => return outcome,
                Err(_) => None,
            };
            let pause = pause.unwrap_or(back_off(attempt));
            let left = budget.saturating_sub(start.elapsed());
            if attempt >= self.options.attempts || pause + Duration::from_millis(200) > left {
                return outcome;
            }
            sleep(pause);
        }
    }

    /// Sends `size` bytes of `body` with `PATCH`: once, since the body cannot be had again. Redirects are not followed.
    pub fn stream(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: &mut dyn Read,
        size: u64,
    ) -> Result<Response> {
        let length = size.to_string();
        let headers = [headers, &[("content-length", &length)]].concat();
        let budget = self.options.give_up;
        self.once(Verb::PATCH, url, &headers, SendBody::from_reader(body), budget)
    }

    /// Gets `url` whole into `sink`, resuming where a body was cut; returns the number of bytes. More than
    /// `limit` bytes are an error, and so is any status but 200.
    pub fn download(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        limit: u64,
        sink: &mut dyn Sink,
    ) -> Result<u64> {
        let mut open = |offset: u64, budget: Duration| {
            let range = format!("bytes={offset}-");
            let mut headers = headers.to_vec();
            if offset > 0 {
                headers.push(("range", &range));
            }
            self.get_within(url, &headers, budget)
        };
        transfer(&self.options, url, limit, &mut open, sink)
    }

    /// One request and its redirects. What changes something on the server is only sent on to another address where
    /// the answer says that the method stays (307, 308).
    fn follow(
        &self,
        method: Method<'_>,
        url: &str,
        headers: &[(&str, &str)],
        budget: Duration,
    ) -> Result<Response> {
        const MAX_REDIRECTS: usize = 8;
        let start = Instant::now();
        let mut target = url.to_owned();
        let mut headers = headers.to_vec();
        for _ in 0..=MAX_REDIRECTS {
            let left = budget.saturating_sub(start.elapsed());
            let response = match method {
                Method::Get => self.once(Verb::GET, &target, &headers, SendBody::none(), left)?,
                Method::Head => self.once(Verb::HEAD, &target, &headers, SendBody::none(), left)?,
                Method::Post(body) => self.once(Verb::POST, &target, &headers, body, left)?,
                Method::Put(body) => self.once(Verb::PUT, &target, &headers, body, left)?,
            };
            let asks = matches!(method, Method::Get | Method::Head);
            let redirect = match response.status {
                301..=303 => asks,
                307 | 308 => true,
                _ => false,
            };
            let Some(location) = response.header("location").filter(|_| redirect) else {
                return Ok(response);
            };
            let next = url::join(&target, location);
            if target.starts_with("https:") && !next.starts_with("https:") {
                return Err(broken(
                    &target,
                    format!("redirects to the insecure {next}"),
                    false,
                ));
            }
            if url::origin(&next) != url::origin(&target) {
                headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
            }
            target = next;
        }
        Err(broken(url, format!("more than {MAX_REDIRECTS} redirects"), false))
    }

    /// One request and its answer.
    fn once(
        &self,
        method: Verb,
        url: &str,
        headers: &[(&str, &str)],
        body: impl AsSendBody,
        budget: Duration,
    ) -> Result<Response> {
        // A timer of zero would never fire.
        let within = |limit: Duration| Some(limit.min(budget).max(Duration::from_millis(100)));
        // A registry may have to look at all that it was sent before it answers.
        let think = match method {
            Verb::PUT | Verb::PATCH => self.options.give_up,
            _ => self.options.stall,
        };
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(body)
            .map_err(|error| broken(url, error.to_string(), false))?;
        let agent = self.agent(url)?;
        let proxy = self
            .options
            .proxies
            .for_url(url)
            .map(proxy::connect_through)
            .transpose()?;
        let request = agent
            .configure_request(request)
            .proxy(proxy)
            .timeout_resolve(within(self.options.connect))
            .timeout_connect(within(self.options.connect))
            .timeout_send_request(within(self.options.stall))
            .timeout_recv_response(within(think))
            .timeout_per_read(within(think))
            .timeout_per_write(within(self.options.stall))
            .build();
        let (parts, body) = agent
            .run(request)
            .map_err(|error| failed(url, &error))?
            .into_parts();
        let reader = body.into_with_config().limit(u64::MAX).reader();
        let body = Body::new(Box::new(reader), self.options.stall.min(budget));
        Ok(Response {
            status: parts.status.as_u16(),
            url: url.to_owned(),
            headers: parts.headers,
            body,
        })
    }

    fn agent(&self, url: &str) -> Result<&Agent> {
        if !url.starts_with("https:") {
            return Ok(&self.plain);
        }
        if let Some(agent) = self.secure.get() {
            return Ok(agent);
        }
        let agent = agent(&self.options, Some(tls::config(&self.options.extra_roots)?))?;
        Ok(self.secure.get_or_init(|| agent))
    }
}

/// Whether a status means that the same request may succeed later.
pub fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504 | 522)
}

fn agent(options: &Options, tls: Option<ureq::tls::TlsConfig>) -> Result<Agent> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(options.user_agent.as_str())
        .accept_encoding("identity")
        .proxy(None);
    if let Some(tls) = tls {
        config = config.tls_config(tls);
    }
    let resolver = ureq::unversioned::resolver::DefaultResolver::default();
    Ok(Agent::with_parts(
        config.build(),
        DefaultConnector::default(),
        resolver,
    ))
}

/// Half a second, one, two, four.
fn back_off(attempt: u32) -> Duration {
    Duration::from_millis(250) * 2u32.pow(attempt.min(4))
}

fn broken(url: &str, reason: String, again: bool) -> Error {
    Error::Http {
        url: url.to_owned(),
        reason,
        again,
    }
}

fn failed(url: &str, error: &ureq::Error) -> Error {
    let again = match error {
        ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => true,
        // A name server that cannot be reached looks the same as a name that is not there.
        ureq::Error::HostNotFound => true,
        _ => false,
    };
    let reason = match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(phase) => format!("no answer in time ({phase})"),
        other => other.to_string(),
    };
    broken(url, reason, again)
}
