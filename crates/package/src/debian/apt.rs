//! Which mirror the machine uses, from apt's own configuration (sources.list(5)), in both of its styles.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::control::Stanzas;

/// The URL of the first Debian archive that apt is configured with below `configuration` (`/etc/apt`), without a
/// trailing slash; `None` when there is none. The security archive and other vendors' are passed over.
///
/// # Errors
/// Those of reading the files; a missing file or directory is no error.
pub fn mirror(configuration: &Path) -> io::Result<Option<String>> {
    for path in source_files(configuration)? {
        let text = fs::read_to_string(&path)?;
        let deb822 = path.extension().is_some_and(|extension| extension == "sources");
        let found = if deb822 {
            mirror_of_sources(&text)
        } else {
            mirror_of_list(&text)
        };
        match found.as_deref().map(|found| found.strip_prefix(LISTED)) {
            None => {}
            Some(None) => return Ok(found),
            Some(Some(list)) => match first_of_list(&fs::read_to_string(list)?) {
                None => {}
                mirror => return Ok(mirror),
            },
        }
    }
    Ok(None)
}

/// What stands before the path of a file with mirrors: as in Debian's own images for clouds (apt-transport-mirror(1)).
const LISTED: &str = "mirror+file:";

/// The first mirror of such a file: an address a line, with attributes behind it.
fn first_of_list(text: &str) -> Option<String> {
    let mut words = text.lines().filter_map(|line| line.split_whitespace().next());
    words
        .find(|word| is_http(word))
        .map(|address| address.trim_end_matches('/').to_owned())
}

fn is_http(uri: &str) -> bool {
    uri.starts_with("http://") || uri.starts_with("https://")
}

fn source_files(configuration: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let main = configuration.join("sources.list");
    if main.exists() {
        files.push(main);
    }
    match fs::read_dir(configuration.join("sources.list.d")) {
        Ok(entries) => {
            let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
            let known = |path: &PathBuf| {
                path.extension()
                    .is_some_and(|end| end == "list" || end == "sources")
            };
            let mut paths: Vec<PathBuf> = paths?.into_iter().filter(known).collect();
            paths.sort();
            files.extend(paths);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(files)
}

/// One-line style: `deb [options] URI suite component…`.
fn mirror_of_list(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let line = line.split('#').next()?.trim();
        let rest = line.strip_prefix("deb ")?.trim_start();
        let rest = if rest.starts_with('[') {
            rest.split_once(']')?.1
        } else {
            rest
        };
        let mut words = rest.split_whitespace();
        let (uri, suite) = (words.next()?, words.next()?);
        debian_archive(uri, suite, words.any(|component| component == "main"))
    })
}

/// deb822 style: stanzas of `Types`, `URIs`, `Suites`, `Components`.
fn mirror_of_sources(text: &str) -> Option<String> {
    let mut stanzas = Stanzas::new(text.as_bytes());
    while let Ok(Some(stanza)) = stanzas.next(&|_| true) {
        let words = |field: &str| stanza.get(field).unwrap_or_default().split_whitespace();
        if stanza
            .get("Enabled")
            .is_some_and(|value| matches!(value, "no" | "false" | "0" | "off"))
            || !words("Types").any(|kind| kind == "deb")
        {
            continue;
        }
        let main = words("Components").any(|component| component == "main");
        let suite = words("Suites").next().unwrap_or_default();
        if let Some(mirror) = words("URIs").find_map(|uri| debian_archive(uri, suite, main)) {
            return Some(mirror);
        }
    }
    None
}

/// Debian's own archive is served below a directory `debian` on every mirror, its security archive below
/// `debian-security` or `security`; other vendors choose other names.
fn debian_archive(uri: &str, suite: &str, main: bool) -> Option<String> {
    let uri = uri.trim_end_matches('/');
    let debian = uri.rsplit('/').next() == Some("debian") || uri.contains("/archive/debian/");
    let listed = uri.starts_with(LISTED) && uri.ends_with("/debian.list");
    ((is_http(uri) && debian || listed) && main && !suite.contains("security")).then(|| uri.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_debian_archive_counts() {
        for (list, expect) in [
            (
                "deb http://m.test/debian bookworm main",
                Some("http://m.test/debian"),
            ),
            (
                "# deb http://a.test/debian x main\ndeb [arch=amd64 signed-by=/k] https://b.test/debian/ x contrib main # c",
                Some("https://b.test/debian"),
            ),
            ("deb-src http://m.test/debian bookworm main", None),
            ("deb http://m.test/debian-security bookworm-security main", None),
            ("deb http://m.test/debian/ bookworm-security main", None),
            (
                "deb https://vendor.test/apt stable main\ndeb http://c.test/x/debian y main",
                Some("http://c.test/x/debian"),
            ),
            ("deb file:/srv/debian bookworm main", None),
            ("", None),
        ] {
            assert_eq!(mirror_of_list(list).as_deref(), expect, "{list}");
        }
        for (sources, expect) in [
            (
                "Types: deb deb-src\n# comment\nURIs: http://m.test/debian\nSuites: trixie trixie-updates\nComponents: main",
                Some("http://m.test/debian"),
            ),
            (
                "Types: deb\nURIs: http://s.test/debian-security\nSuites: trixie-security\nComponents: main\n\nTypes: deb\nURIs: http://m.test/debian/\nSuites: trixie\nComponents:\n main\n contrib\n",
                Some("http://m.test/debian"),
            ),
            (
                "Types: deb\nEnabled: no\nURIs: http://m.test/debian\nSuites: trixie\nComponents: main",
                None,
            ),
            (
                "Types: deb-src\nURIs: http://m.test/debian\nSuites: trixie\nComponents: main",
                None,
            ),
            ("garbage", None),
        ] {
            assert_eq!(mirror_of_sources(sources).as_deref(), expect, "{sources}");
        }
    }

    #[test]
    fn a_list_of_mirrors_gives_its_first() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sources.list.d")).unwrap();
        let list = dir.path().join("debian.list");
        fs::write(&list, "# mirrors\nhttp://listed.test/debian/\tpriority:1\n").unwrap();
        let source = format!(
            "Types: deb\nURIs: mirror+file:{}\nSuites: x\nComponents: main\n",
            list.display()
        );
        fs::write(dir.path().join("sources.list.d/debian.sources"), source).unwrap();
        assert_eq!(
            mirror(dir.path()).unwrap().as_deref(),
            Some("http://listed.test/debian")
        );
    }

    #[test]
    fn files_are_read_in_apts_order() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(mirror(dir.path()).unwrap(), None);
        let parts = dir.path().join("sources.list.d");
        fs::create_dir(&parts).unwrap();
        fs::write(parts.join("b.list"), "deb http://b.test/debian x main\n").unwrap();
        fs::write(
            parts.join("a.sources"),
            "Types: deb\nURIs: http://a.test/debian\nSuites: x\nComponents: main\n",
        )
        .unwrap();
        fs::write(parts.join("0.list.save"), "deb http://old.test/debian x main\n").unwrap();
        assert_eq!(
            mirror(dir.path()).unwrap().as_deref(),
            Some("http://a.test/debian")
        );
        fs::write(
            dir.path().join("sources.list"),
            "deb http://main.test/debian x main\n",
        )
        .unwrap();
        assert_eq!(
            mirror(dir.path()).unwrap().as_deref(),
            Some("http://main.test/debian")
        );
    }
}
