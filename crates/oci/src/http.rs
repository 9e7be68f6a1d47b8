//! Plain HTTP GET over TCP and TLS: time limits, retries with back-off, redirects, resumed transfers.
//!
//! A server that stalls, drips or breaks off is given up after [`Options::give_up`] without progress. What is
//! fetched is not judged here: callers know digests and sizes. Nothing here knows of registries.

mod response;
mod tls;
mod transfer;
mod url;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::unversioned::transport::DefaultConnector;

use crate::{Error, Result};

use response::Body;
pub use response::Response;
pub use transfer::{Sink, transfer};
pub use url::is_private;

/// How requests are made.
#[derive(Debug, Clone)]
pub struct Options {
    /// The `User-Agent` header.
    pub user_agent: String,
    /// PEM files with certificate authorities that are trusted beside the system's.
    pub extra_roots: Vec<PathBuf>,
    /// `http://host:port` of a proxy. None: ask directly.
    pub proxy: Option<String>,
    /// Host names, as in `no_proxy`, that are asked directly in spite of a proxy.
    pub no_proxy: Vec<String>,
    /// How long one read may wait.
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
            proxy: None,
            no_proxy: Vec::new(),
            stall: Duration::from_secs(12),
            connect: Duration::from_secs(10),
            give_up: Duration::from_secs(28),
            attempts: 4,
        }
    }
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
        let start = Instant::now();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let left = budget.saturating_sub(start.elapsed());
            let outcome = self.follow(url, headers, left);
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

    /// One request and its redirects.
    fn follow(&self, url: &str, headers: &[(&str, &str)], budget: Duration) -> Result<Response> {
        const MAX_REDIRECTS: usize = 8;
        let start = Instant::now();
        let mut target = url.to_owned();
        let mut headers = headers.to_vec();
        for _ in 0..=MAX_REDIRECTS {
            let left = budget.saturating_sub(start.elapsed());
            let response = self.once(&target, &headers, left)?;
            let redirect = matches!(response.status, 301 | 302 | 303 | 307 | 308);
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
    fn once(&self, url: &str, headers: &[(&str, &str)], budget: Duration) -> Result<Response> {
        // A timer of zero would never fire.
        let within = |limit: Duration| Some(limit.min(budget).max(Duration::from_millis(100)));
        let mut request = self.agent(url)?.get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .config()
            .timeout_resolve(within(self.options.connect))
            .timeout_connect(within(self.options.connect))
            .timeout_send_request(within(self.options.stall))
            .timeout_recv_response(within(self.options.stall))
            .timeout_per_read(within(self.options.stall))
            .build();
        let (parts, body) = request.call().map_err(|error| failed(url, &error))?.into_parts();
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
        .proxy(proxy(options)?);
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

fn proxy(options: &Options) -> Result<Option<ureq::Proxy>> {
    let Some(address) = &options.proxy else {
        return Ok(None);
    };
    let error =
        |reason: &dyn ToString| broken(address, format!("not a proxy: {}", reason.to_string()), false);
    let given = ureq::Proxy::new(address).map_err(|reason| error(&reason))?;
    let mut builder = ureq::Proxy::builder(given.protocol())
        .host(given.host())
        .port(given.port());
    if let Some(user) = given.username() {
        builder = builder.username(user);
    }
    if let Some(password) = given.password() {
        builder = builder.password(password);
    }
    for host in ["localhost", "127.0.0.1", "::1"]
        .into_iter()
        .chain(options.no_proxy.iter().map(String::as_str))
    {
        builder = builder.no_proxy(host);
    }
    builder.build().map(Some).map_err(|reason| error(&reason))
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
