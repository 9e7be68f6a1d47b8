//! The text of a lock file: one image a line, in alphabetical order, so that a change reads well in a diff.
//!
//! ```text
//! # comment
//! ironkit-lock 1
//! docker.io/library/alpine:3.20 sha256:<index or manifest>
//! docker.io/ironkit/nginx:<hash> linux/amd64 sha256:<manifest>
//! ```
//!
//! An image from a registry is pinned to what its name points to there, for all platforms at once. A component that is
//! made here is pinned for each platform, since it is made for one at a time.

use std::collections::BTreeMap;
use std::fmt;

use ironkit_manifest::{Diagnostic, Diagnostics, Span};
use ironkit_oci::{Digest, Platform, Reference};

/// First word of the first line.
const MAGIC: &str = "ironkit-lock";
/// The version of the format that is written, and the only one that is read.
const VERSION: &str = "1";

const HEADER: &str = "\
# The images of manifests, each pinned to a digest, written by `ironkit lock`.
# Keep it in version control; `ironkit build --locked` uses these images and no others.
";

/// What an image is pinned to, by its name and, for components, platform.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockFile {
    pins: BTreeMap<(String, Option<Platform>), Digest>,
}

impl LockFile {
    /// Reads the text of the file that is shown as `name`.
    ///
    /// # Errors
    /// Everything that is wrong, with its place.
    pub fn parse(name: &str, text: &str) -> Result<LockFile, Vec<Diagnostic>> {
        let mut out = Diagnostics::new([name.to_owned()]);
        let mut lock = LockFile::default();
        let mut is_headed = false;
        let mut start = 0;
        for (number, line) in text.split('\n').enumerate() {
            let words = words(line, number + 1, start);
            start += line.len() + 1;
            match words.as_slice() {
                [] => {}
                [(comment, _), ..] if comment.starts_with('#') => {}
                words if !is_headed => {
                    is_headed = true;
                    // The rest of another version would only be more mistakes.
                    if let Err(mistake) = header(words) {
                        out.push(mistake);
                        break;
                    }
                }
                words => match pin(words) {
                    Ok((key, digest)) => {
                        if lock.pins.insert(key, digest).is_some() {
                            out.push(Diagnostic::error(words[0].1, "it is pinned twice"));
                        }
                    }
                    Err(mistake) => out.push(mistake),
                },
            }
        }
        if !is_headed {
            let end = Span {
                line: 1,
                column: 1,
                ..Span::default()
            };
            out.push(Diagnostic::error(end, format!("`{MAGIC} {VERSION}` is missing")).hint(REMAKE));
        }
        out.finish().map(|_| lock)
    }

    /// What an image is pinned to for a platform.
    pub fn digest(&self, reference: &Reference, platform: &Platform) -> Option<Digest> {
        let name = reference.to_string();
        let any = self.pins.get(&(name.clone(), None));
        any.or_else(|| self.pins.get(&(name, Some(platform.clone()))))
            .copied()
    }

    /// Pins an image: for all platforms when none is given. What was said of it in the other way goes.
    pub(super) fn pin(&mut self, reference: &Reference, platform: Option<Platform>, digest: Digest) {
        let name = reference.to_string();
        match platform {
            None => self.pins.retain(|(other, _), _| *other != name),
            Some(_) => drop(self.pins.remove(&(name.clone(), None))),
        }
        self.pins.insert((name, platform), digest);
    }

    /// Takes over what another lock file says of an image, for all platforms.
    pub(super) fn keep(&mut self, old: &LockFile, reference: &Reference) {
        let name = reference.to_string();
        let kept = old.pins.iter().filter(|((other, _), _)| *other == name);
        self.pins.extend(kept.map(|(key, digest)| (key.clone(), *digest)));
    }

    /// How many pins there are.
    pub fn len(&self) -> usize {
        self.pins.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pins.is_empty()
    }

    /// What is different in `new`, a line each: `+ NAME DIGEST`, `- NAME DIGEST`, `~ NAME DIGEST → DIGEST`.
    pub fn changes(&self, new: &LockFile) -> Vec<String> {
        let keys: std::collections::BTreeSet<_> = self.pins.keys().chain(new.pins.keys()).collect();
        let change = |key: &(String, Option<Platform>)| {
            let name = shown(key);
            match (self.pins.get(key), new.pins.get(key)) {
                (Some(old), Some(new)) if old != new => Some(format!("~ {name} {old} → {new}")),
                (Some(old), None) => Some(format!("- {name} {old}")),
                (None, Some(new)) => Some(format!("+ {name} {new}")),
                _ => None,
            }
        };
        keys.into_iter().filter_map(change).collect()
    }
}

impl fmt::Display for LockFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}{MAGIC} {VERSION}")?;
        for (key, digest) in &self.pins {
            writeln!(f, "{} {digest}", shown(key))?;
        }
        Ok(())
    }
}

const REMAKE: &str = "remove the file, and make it anew with `ironkit lock`";

fn shown((name, platform): &(String, Option<Platform>)) -> String {
    match platform {
        Some(platform) => format!("{name} {platform}"),
        None => name.clone(),
    }
}

type Word<'t> = (&'t str, Span);

/// The words of a line, with their places.
fn words(line: &str, number: usize, start: usize) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut at = 0;
    for word in line.split([' ', '\t', '\r']) {
        if !word.is_empty() {
            let span = Span {
                file: 0,
                start: start + at,
                end: start + at + word.len(),
                line: number,
                column: line[..at].chars().count() + 1,
            };
            words.push((word, span));
        }
        at += word.len() + 1;
    }
    words
}

fn header(words: &[Word]) -> Result<(), Diagnostic> {
    match words {
        [(MAGIC, _), (VERSION, _)] => Ok(()),
        [(MAGIC, _), (version, span), ..] => {
            let message =
                format!("the lock file is of version {version}; this ironkit reads version {VERSION}");
            Err(Diagnostic::error(*span, message).hint(REMAKE))
        }
        other => {
            let span = other.first().map(|(_, span)| *span).unwrap_or_default();
            let message = format!("expected `{MAGIC} {VERSION}`: this is no lock file of manifests");
            Err(Diagnostic::error(span, message).hint(REMAKE))
        }
    }
}

type Key = (String, Option<Platform>);

fn pin(words: &[Word]) -> Result<(Key, Digest), Diagnostic> {
    let at = |(_, span): Word, message: String| Diagnostic::error(span, message);
    let (name, platform, digest) = match *words {
        [name, digest] => (name, None, digest),
        [name, platform, digest] => (name, Some(platform), digest),
        [.., last] => return Err(at(last, "expected `NAME [PLATFORM] DIGEST`".to_owned())),
        [] => return Err(Diagnostic::error(Span::default(), "the line is empty")),
    };
    let reference = name.0.parse::<Reference>();
    let reference = reference.map_err(|error| at(name, error.to_string()))?;
    if reference.to_string() != name.0 {
        return Err(at(name, format!("expected the full name, `{reference}`")));
    }
    let platform = platform.map(|word| {
        let platform = word.0.parse::<Platform>();
        platform.map_err(|error| at(word, error.to_string()))
    });
    let wrong = |error: ironkit_tree::DigestError| at(digest, error.to_string());
    let digest = digest.0.parse::<Digest>().map_err(wrong)?;
    Ok(((reference.to_string(), platform.transpose()?), digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(of: &str) -> Digest {
        Digest::of(of.as_bytes())
    }

    #[test]
    fn the_text_form_round_trips_in_a_fixed_order() {
        let (a, b): (Reference, Reference) = ("a:1".parse().unwrap(), "org/b".parse().unwrap());
        let mut lock = LockFile::default();
        lock.pin(&b, Some(Platform::linux("arm64")), digest("3"));
        lock.pin(&b, Some(Platform::linux("amd64")), digest("2"));
        lock.pin(&a, None, digest("1"));
        let text = lock.to_string();
        let names: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' ').map(|(name, _)| name))
            .collect();
        assert_eq!(
            names,
            [
                "ironkit-lock",
                "docker.io/library/a:1",
                "docker.io/org/b linux/amd64",
                "docker.io/org/b linux/arm64"
            ]
        );
        assert_eq!(LockFile::parse("x.lock", &text), Ok(lock.clone()));
        assert_eq!(
            LockFile::parse("x.lock", &text.replace('\n', "\r\n")),
            Ok(lock.clone())
        );
        let (amd64, riscv64) = (Platform::linux("amd64"), Platform::linux("riscv64"));
        assert_eq!(lock.digest(&a, &riscv64), Some(digest("1")));
        assert_eq!(lock.digest(&b, &amd64), Some(digest("2")));
        assert_eq!(lock.digest(&b, &riscv64), None);
        lock.pin(&b, None, digest("4"));
        assert_eq!((lock.len(), lock.digest(&b, &riscv64)), (2, Some(digest("4"))));
    }

    #[test]
    fn mistakes_name_their_place() {
        let hex = digest("1");
        for (text, expect) in [
            (String::new(), "x.lock:1:1: error: `ironkit-lock 1` is missing"),
            (
                "Package: x\n".into(),
                "x.lock:1:1: error: expected `ironkit-lock 1`",
            ),
            (
                "# c\n\nironkit-lock 2\nrubbish".into(),
                "x.lock:3:14: error: the lock file is of version 2",
            ),
            (
                "ironkit-lock 1\na b c d\n".into(),
                "x.lock:2:7: error: expected `NAME [PLATFORM] DIGEST`",
            ),
            (
                format!("ironkit-lock 1\nalpine {hex}"),
                "x.lock:2:1: error: expected the full name, `docker.io/library/alpine`",
            ),
            (format!("ironkit-lock 1\n  A {hex}"), "x.lock:2:3: error:"),
            (
                format!("ironkit-lock 1\nq.io/a linux {hex}"),
                "x.lock:2:8: error:",
            ),
            ("ironkit-lock 1\nq.io/a sha256:12".into(), "x.lock:2:8: error:"),
            (
                format!("ironkit-lock 1\nq.io/a {hex}\nq.io/a {hex}"),
                "x.lock:3:1: error: it is pinned twice",
            ),
        ] {
            let found = LockFile::parse("x.lock", &text).expect_err(expect);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].to_string().starts_with(expect), "{expect}\n{}", found[0]);
        }
    }

    #[test]
    fn changes_are_told() {
        let lock = |pins: &[(&str, &str)]| {
            let mut lock = LockFile::default();
            for (name, content) in pins {
                lock.pin(&name.parse().unwrap(), None, digest(content));
            }
            lock
        };
        let changes =
            lock(&[("a", "1"), ("b", "1"), ("c", "1")]).changes(&lock(&[("b", "2"), ("c", "1"), ("d", "1")]));
        let (one, two) = (digest("1"), digest("2"));
        let expect = [
            format!("- docker.io/library/a {one}"),
            format!("~ docker.io/library/b {one} → {two}"),
            format!("+ docker.io/library/d {one}"),
        ];
        assert_eq!(changes, expect);
    }
}
