//! `sysctl`: writes the settings of the files of a folder, in name order, to `/proc/sys`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::say;

/// Runs the applet. A setting that fails is said, and the next one is made.
pub fn run(arguments: &[String]) -> Result<()> {
    let mut config = PathBuf::from("/etc/sysctl.d");
    let mut target = PathBuf::from("/proc/sys");
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let folder = match name.trim_start_matches('-') {
            "configDir" => &mut config,
            "sysctlDir" => &mut target,
            _ => return Err(Error::NotSupported(format!("sysctl: the argument {argument}"))),
        };
        let value = value.or_else(|| arguments.next().cloned());
        *folder = value
            .ok_or_else(|| Error::Usage(format!("sysctl: {argument} needs a value")))?
            .into();
    }
    for file in files(&config)? {
        match fs::read_to_string(&file) {
            Ok(text) => apply(&text, &file, &target),
            Err(cause) => say(&format!("sysctl: {}: {cause}", file.display())),
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|cause| Error::io(&folder.to_string_lossy(), cause))?;
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    Ok(files)
}

fn apply(text: &str, file: &Path, target: &Path) {
    for (number, line) in text.lines().enumerate() {
        let outcome = match setting(line) {
            Ok(None) => continue,
            Ok(Some((key, value))) => {
                fs::write(target.join(&key), value).map_err(|cause| format!("{key}: {cause}"))
            }
            Err(why) => Err(why),
        };
        if let Err(why) = outcome {
            say(&format!("sysctl: {}:{}: {why}", file.display(), number + 1));
        }
    }
}

/// The file below `/proc/sys` and the value that a line sets.
fn setting(line: &str) -> std::result::Result<Option<(PathBufText, String)>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with(['#', ';']) {
        return Ok(None);
    }
    let mut parts = line.split('=');
    let (Some(key), Some(value), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(format!("expected key=value, found {line:?}"));
    };
    let key = key.trim();
    // Whichever of the two comes first separates; the other is part of names then.
    let path = match key.find(['.', '/']) {
        Some(at) if key[at..].starts_with('/') => key.to_owned(),
        _ => key
            .chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect(),
    };
    if path.is_empty() || path.split('/').any(|part| part.is_empty() || part == "..") {
        return Err(format!("{key:?} is no setting"));
    }
    Ok(Some((path, value.trim().to_owned())))
}

/// A path below the folder of settings, as text.
type PathBufText = String;

#[cfg(test)]
mod tests {
    use super::setting;

    #[test]
    fn lines_are_read() {
        let some = |key: &str, value: &str| Ok(Some((key.to_owned(), value.to_owned())));
        for (line, expect) in [
            ("", Ok(None)),
            ("# a = b", Ok(None)),
            ("; a = b", Ok(None)),
            ("net.ipv4.ip_forward = 1", some("net/ipv4/ip_forward", "1")),
            (
                "net/ipv4/conf/eth0.1/rp_filter=0",
                some("net/ipv4/conf/eth0.1/rp_filter", "0"),
            ),
            (
                "net.ipv4.conf.eth0/1.rp_filter=0",
                some("net/ipv4/conf/eth0.1/rp_filter", "0"),
            ),
            (
                "net.ipv4.ping_group_range=999 59999",
                some("net/ipv4/ping_group_range", "999 59999"),
            ),
        ] {
            assert_eq!(setting(line), expect, "{line}");
        }
        for line in ["novalue", "a=b=c", "=1", "../../etc/passwd=x", "a..b=1"] {
            assert!(setting(line).is_err(), "{line}");
        }
    }
}
