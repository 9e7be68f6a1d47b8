//! The client's command line and configuration file.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};

/// Seconds until `-1` gives up: as dhcpcd's.
const TIMEOUT: u64 = 30;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// End with the first lease.
    pub once: bool,
    /// After which `once` fails.
    pub timeout: Duration,
    /// Interfaces by name; any that match the patterns when empty.
    named: Vec<String>,
    /// Patterns of names that are used.
    allow: Vec<String>,
    /// Patterns of names that are not.
    deny: Vec<String>,
}

/// Reads the arguments, and the file that `-f` names.
///
/// # Errors
/// An option that is unknown or not supported, and a file that can not be read.
pub fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options {
        once: false,
        timeout: Duration::from_secs(TIMEOUT),
        named: Vec::new(),
        allow: vec!["eth*".to_owned(), "en*".to_owned()],
        deny: Vec::new(),
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or_else(|| Error::Usage(format!("{argument} needs a value")))
        };
        match argument.as_str() {
            "-1" | "--oneshot" => options.once = true,
            // It always stays in the foreground, speaks IPv4 alone and says little.
            "-B" | "--nobackground" | "-4" | "--ipv4only" | "-q" | "--quiet" | "-d" | "--debug" | "-L"
            | "--noipv4ll" | "-A" | "--noarp" => {}
            "-f" | "--config" => {
                let path = value()?;
                let text = fs::read_to_string(path).map_err(|cause| Error::io(path, cause))?;
                configure(&mut options, &text);
            }
            "-t" | "--timeout" => {
                let text = value()?;
                let seconds = text
                    .parse()
                    .map_err(|_| Error::Usage(format!("{argument}: {text} is no number")))?;
                options.timeout = Duration::from_secs(seconds);
            }
            name if !name.starts_with('-') => options.named.push(name.to_owned()),
            other => return Err(Error::NotSupported(format!("dhcpcd: the option {other}"))),
        }
    }
    Ok(options)
}

/// Takes over the two settings of dhcpcd.conf that are honoured; the others are what this client does anyway.
fn configure(options: &mut Options, text: &str) {
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let list = match words.next() {
            Some("allowinterfaces") => &mut options.allow,
            Some("denyinterfaces") => &mut options.deny,
            _ => continue,
        };
        *list = words
            .flat_map(|word| word.split(','))
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
    }
}

impl Options {
    /// The Ethernet interfaces that there are and that are wanted, by name.
    pub fn interfaces(&self) -> Vec<String> {
        let entries = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names
            .filter(|name| self.wants(name) && is_ethernet(name))
            .collect();
        names.sort();
        names
    }

    fn wants(&self, name: &str) -> bool {
        if !self.named.is_empty() {
            return self.named.iter().any(|named| named == name);
        }
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
        any(&self.allow) && !any(&self.deny)
    }
}

fn is_ethernet(name: &str) -> bool {
    fs::read_to_string(Path::new("/sys/class/net").join(name).join("type"))
        .is_ok_and(|kind| kind.trim() == "1")
}

/// A name, or the beginning of one and `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Option<Options> {
        let arguments: Vec<_> = words.split_ascii_whitespace().map(str::to_owned).collect();
        parse(&arguments).ok()
    }

    #[test]
    fn arguments_are_read() {
        for (words, once, seconds) in [
            ("--nobackground -1", true, 30),
            ("", false, 30),
            ("-t 5 -1", true, 5),
            ("-B -q eth1", false, 30),
        ] {
            let options = parsed(words).unwrap();
            assert_eq!(
                (options.once, options.timeout.as_secs()),
                (once, seconds),
                "{words}"
            );
        }
        for words in ["--hook x", "-t", "-t soon", "-f /no/such/file"] {
            assert_eq!(parsed(words), None, "{words}");
        }
    }

    #[test]
    fn interfaces_are_chosen() {
        let mut configured = parsed("").unwrap();
        configure(
            &mut configured,
            "# x\nallowinterfaces eth* wl*,en0\ndenyinterfaces eth9\nnoarp\n",
        );
        for (options, name, expect) in [
            (parsed("").unwrap(), "eth0", true),
            (parsed("").unwrap(), "ens3", true),
            (parsed("").unwrap(), "lo", false),
            (parsed("").unwrap(), "veth0", false),
            (parsed("br0").unwrap(), "br0", true),
            (parsed("br0").unwrap(), "eth0", false),
            (configured.clone(), "eth0", true),
            (configured.clone(), "eth9", false),
            (configured.clone(), "wlan0", true),
            (configured, "en1", false),
        ] {
            assert_eq!(options.wants(name), expect, "{name}");
        }
    }
}
