//! A request as bytes → what is asked for (RFC 9110, RFC 9112). Input is hostile.

/// Longest request without its body, in bytes.
pub(super) const HEADER_MAX: usize = 16 * 1024;

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Below the directory, without a `/` in front and without `.` and `..`; empty for the directory itself.
    pub path: String,
    /// Whether the file is wanted, or only what can be said of it.
    pub with_body: bool,
    /// Which part of it.
    pub range: Option<Range>,
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    /// From the first byte on, to the second and with it.
    From(u64, Option<u64>),
    /// That many at the end.
    Last(u64),
}

/// Why nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Bad,
    NotFound,
    Method,
    TooLarge,
    Version,
}

impl Refusal {
    pub fn status(self) -> u16 {
        match self {
            Refusal::Bad => 400,
            Refusal::NotFound => 404,
            Refusal::Method => 405,
            Refusal::TooLarge => 431,
            Refusal::Version => 505,
        }
    }

    pub fn reason(self) -> &'static str {
        match self {
            Refusal::Bad => "Bad Request",
            Refusal::NotFound => "Not Found",
            Refusal::Method => "Method Not Allowed",
            Refusal::TooLarge => "Request Header Fields Too Large",
            Refusal::Version => "HTTP Version Not Supported",
        }
    }
}

impl Request {
    /// Reads a request without its empty line.
    pub fn parse(head: &[u8]) -> Result<Request, Refusal> {
        let head = std::str::from_utf8(head).map_err(|_| Refusal::Bad)?;
        let mut lines = head.split("\r\n");
        let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let [method, target, version] = words[..] else {
            return Err(Refusal::Bad);
        };
        match version {
            "HTTP/1.0" | "HTTP/1.1" => {}
            other if other.starts_with("HTTP/") => return Err(Refusal::Version),
            _ => return Err(Refusal::Bad),
        }
        let with_body = match method {
            "GET" => true,
            "HEAD" => false,
            _ => return Err(Refusal::Method),
        };
        let mut range = None;
        let mut conditional = false;
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(Refusal::Bad)?;
            if name.eq_ignore_ascii_case("range") {
                range = Range::parse(value.trim());
            } else if name.eq_ignore_ascii_case("if-range") {
                conditional = true;
            }
        }
        Ok(Request {
            path: path(target).ok_or(Refusal::Bad)?,
            with_body,
            // Files have no validators here that a condition could name, so it does not hold. Ranges are for GET only.
            range: range.filter(|_| with_body && !conditional),
        })
    }

    /// The path for a person's eyes.
    pub fn shown(&self) -> String {
        const LONGEST: usize = 200;
        let path: String = self.path.chars().take(LONGEST).collect();
        format!("/{}", path.escape_debug())
    }
}

/// The path of a target, as it is or in a whole address.
fn path(target: &str) -> Option<String> {
    let target = match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => target,
    };
    let target = target.split(['?', '#']).next()?;
    let target = decoded(target.strip_prefix('/')?)?;
    let mut parts = Vec::new();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            part if part.contains('\0') => return None,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// `%2F` and the like as what they stand for.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut left = text.bytes();
    while let Some(byte) = left.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(left.next()?)?, digit(left.next()?)?);
                u8::try_from(high << 4 | low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

impl Range {
    /// A single range of bytes. Others are as if they were not there, which is allowed.
    fn parse(value: &str) -> Option<Range> {
        let (start, end) = value.strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
        };
        match (start, end) {
            ("", end) => Some(Range::Last(number(end)?)),
            (start, "") => Some(Range::From(number(start)?, None)),
            (start, end) => {
                let (start, end) = (number(start)?, number(end)?);
                (start <= end).then_some(Range::From(start, Some(end)))
            }
        }
    }

    /// Where it begins and how many bytes it has, in a file of `size` bytes; `None` when none of them is in it.
    pub fn within(self, size: u64) -> Option<(u64, u64)> {
        let (start, end) = match self {
            Range::From(start, last) => {
                let end = last.map_or(size, |last| last.saturating_add(1).min(size));
                (start, end)
            }
            Range::Last(count) => (size.saturating_sub(count), size),
        };
        (start < end).then(|| (start, end - start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let ask = |path: &str, with_body, range| {
            Ok(Request {
                path: path.to_owned(),
                with_body,
                range,
            })
        };
        for (head, expect) in [
            ("GET / HTTP/1.1", ask("", true, None)),
            ("HEAD /a HTTP/1.0\r\nHost: x", ask("a", false, None)),
            ("GET //a/./b%20c?x=/..#y HTTP/1.1", ask("a/b c", true, None)),
            ("GET http://host:80/a HTTP/1.1", ask("a", true, None)),
            ("GET http://host HTTP/1.1", ask("", true, None)),
            (
                "GET /a HTTP/1.1\r\nRANGE: bytes=1-2",
                ask("a", true, Some(Range::From(1, Some(2)))),
            ),
            (
                "GET /a HTTP/1.1\r\nRange: bytes=1-2\r\nIf-Range: \"x\"",
                ask("a", true, None),
            ),
            ("HEAD /a HTTP/1.1\r\nRange: bytes=1-2", ask("a", false, None)),
            ("GET /a HTTP/1.1\r\nRange: bytes=1-2,4-5", ask("a", true, None)),
            ("GET /../a HTTP/1.1", Err(Refusal::Bad)),
            ("GET /%2e%2E/a HTTP/1.1", Err(Refusal::Bad)),
            ("GET /x%2f..%2fa HTTP/1.1", Err(Refusal::Bad)),
            ("GET /a%00 HTTP/1.1", Err(Refusal::Bad)),
            ("GET /a%ff HTTP/1.1", Err(Refusal::Bad)),
            ("GET /a%2 HTTP/1.1", Err(Refusal::Bad)),
            ("GET a HTTP/1.1", Err(Refusal::Bad)),
            ("GET /a", Err(Refusal::Bad)),
            ("GET  /a HTTP/1.1", Err(Refusal::Bad)),
            ("GET /a HTTP/1.1\r\nnonsense", Err(Refusal::Bad)),
            ("", Err(Refusal::Bad)),
            ("GET /a HTTP/2", Err(Refusal::Version)),
            ("POST /a HTTP/1.1", Err(Refusal::Method)),
        ] {
            assert_eq!(Request::parse(head.as_bytes()), expect, "{head}");
        }
        assert_eq!(Request::parse(b"GET /\xff HTTP/1.1"), Err(Refusal::Bad));
    }

    #[test]
    fn ranges() {
        for (text, size, expect) in [
            ("bytes=0-0", 10, Some((0, 1))),
            ("bytes=5-", 10, Some((5, 5))),
            ("bytes=5-100", 10, Some((5, 5))),
            ("bytes=-3", 10, Some((7, 3))),
            ("bytes=-30", 10, Some((0, 10))),
            ("bytes=0-18446744073709551615", 10, Some((0, 10))),
            ("bytes=0-99999999999999999999999", 10, Some((0, 10))),
            ("bytes=10-", 10, None),
            ("bytes=-0", 10, None),
            ("bytes=0-", 0, None),
        ] {
            let range = Range::parse(text).unwrap();
            assert_eq!(range.within(size), expect, "{text}");
        }
        for text in [
            "bytes=2-1",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=+1-2",
            "lines=1-2",
            "1-2",
        ] {
            assert_eq!(Range::parse(text), None, "{text}");
        }
    }
}
