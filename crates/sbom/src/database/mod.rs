//! The package databases that images carry: dpkg's and apk's. rpm's is told but not read.

mod apk;
mod dpkg;
mod release;

use std::collections::BTreeMap;

use crate::{Container, Error, Package, Result};

/// The longest database that is read, in bytes. That of a desktop system has some 5 MB.
pub const MAX_DATABASE: u64 = 32 << 20;
/// The most packages of one image.
const MAX_PACKAGES: usize = 100_000;

/// What a path of an image is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `var/lib/dpkg/status`, or a file of `var/lib/dpkg/status.d` in images without dpkg.
    Dpkg,
    /// `lib/apk/db/installed`.
    Apk,
    /// `etc/os-release`.
    Release,
    /// rpm's database, in one of its formats.
    Rpm,
}

/// Folders whose files are databases.
pub const FOLDERS: [&str; 1] = ["var/lib/dpkg/status.d"];
/// Files that are databases, or say which distribution it is.
pub const FILES: [&str; 10] = [
    "var/lib/dpkg/status",
    "lib/apk/db/installed",
    "usr/lib/apk/db/installed",
    "etc/os-release",
    "usr/lib/os-release",
    "var/lib/rpm/Packages",
    "var/lib/rpm/Packages.db",
    "var/lib/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/Packages.db",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
];

/// What the file `path`, relative to the image's root, is.
pub fn kind(path: &str) -> Option<Kind> {
    let (folder, name) = path.rsplit_once('/')?;
    Some(match (folder, name) {
        ("var/lib/dpkg", "status") => Kind::Dpkg,
        ("var/lib/dpkg/status.d", name) if !name.ends_with(".md5sums") => Kind::Dpkg,
        ("lib/apk/db" | "usr/lib/apk/db", "installed") => Kind::Apk,
        ("etc" | "usr/lib", "os-release") => Kind::Release,
        ("var/lib/rpm" | "usr/lib/sysimage/rpm", "Packages" | "Packages.db" | "rpmdb.sqlite") => Kind::Rpm,
        _ => return None,
    })
}

/// Reads the databases of an image, by path, into `container` and the list of its packages. A database that is found
/// by two ways counts once.
///
/// # Errors
/// [`Error::TooMuch`]. Texts that are no stanzas are passed over, as the package managers do.
pub fn read(files: &BTreeMap<String, Vec<u8>>, container: &mut Container) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for (path, bytes) in files {
        let text = String::from_utf8_lossy(bytes);
        match kind(path) {
            Some(Kind::Dpkg) => packages.extend(dpkg::packages(&text)),
            Some(Kind::Apk) => packages.extend(apk::packages(&text)),
            Some(Kind::Release) if container.distribution.is_empty() => {
                (container.distribution, container.release) = release::read(&text);
            }
            Some(Kind::Rpm) => RPM.clone_into(&mut container.comment),
            Some(Kind::Release) | None => {}
        }
        if packages.len() > MAX_PACKAGES {
            let what = format!("packages in `{path}`");
            return Err(Error::TooMuch {
                what,
                limit: MAX_PACKAGES,
            });
        }
    }
    Ok(packages)
}

/// Said of an image with a database that is not read.
const RPM: &str = "its packages are in an rpm database, which is not read: they are not listed";

/// `KEY<separator>VALUE` lines of one stanza.
type Stanza<'a> = BTreeMap<&'a str, &'a str>;

/// The stanzas of a text: lines up to an empty one. Lines that begin with white space, or have no separator, do not
/// count; of a key that is there twice, the first does.
fn stanzas(text: &str, separator: char) -> impl Iterator<Item = Stanza<'_>> {
    let mut lines = text.lines();
    let mut ended = false;
    std::iter::from_fn(move || {
        let mut stanza = Stanza::new();
        while !ended {
            let Some(line) = lines.next() else {
                ended = true;
                break;
            };
            if line.trim().is_empty() {
                if stanza.is_empty() {
                    continue;
                }
                return Some(stanza);
            }
            if let Some((key, value)) = line
                .split_once(separator)
                .filter(|_| !line.starts_with([' ', '\t']))
            {
                stanza.entry(key).or_insert(value.trim());
            }
        }
        (!stanza.is_empty()).then_some(stanza)
    })
}

fn text(stanza: &Stanza, key: &str) -> String {
    stanza.get(key).copied().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, expect) in [
            ("var/lib/dpkg/status", Some(Kind::Dpkg)),
            ("var/lib/dpkg/status.d/base", Some(Kind::Dpkg)),
            ("var/lib/dpkg/status.d/base.md5sums", None),
            ("var/lib/dpkg/status-old", None),
            ("lib/apk/db/installed", Some(Kind::Apk)),
            ("usr/lib/apk/db/installed", Some(Kind::Apk)),
            ("etc/os-release", Some(Kind::Release)),
            ("var/lib/rpm/rpmdb.sqlite", Some(Kind::Rpm)),
            ("status", None),
        ] {
            assert_eq!(kind(path), expect, "{path}");
        }
        for path in FILES {
            assert!(kind(path).is_some(), "{path}");
        }
    }

    /// What is found in files, as `registry name version`, with distribution and comment at the end.
    fn check(files: &[(&str, &str)], expect: &[&str]) {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
            .collect();
        let mut container = Container::default();
        let packages = read(&files, &mut container).unwrap();
        let mut found: Vec<String> = packages
            .iter()
            .map(|p| {
                format!("{:?} {} {} {}", p.registry, p.name, p.version, p.source)
                    .trim()
                    .to_owned()
            })
            .collect();
        found.push(format!("{}-{}", container.distribution, container.release));
        found.extend((!container.comment.is_empty()).then(|| "a comment".to_owned()));
        assert_eq!(found, expect);
    }

    #[test]
    fn dpkg() {
        let status = "Package: libc6\nStatus: install ok installed\nSource: glibc (2.41-12)\nVersion: 2.41-12+b1\n\
            Description: library\n Package: not this\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\n\
            Package: half\nStatus: install ok half-installed\nVersion: 1\n\nnonsense\n\nPackage: noversion\n\n\
            Package: bash\nStatus: install ok installed\nVersion: 5.2";
        let expect = ["Deb libc6 2.41-12+b1 glibc 2.41-12", "Deb bash 5.2", "-"];
        check(&[("var/lib/dpkg/status", status)], &expect);
        let distroless = "Package: base-files\nVersion: 12.4\nArchitecture: amd64\n";
        check(
            &[
                ("var/lib/dpkg/status.d/base-files", distroless),
                ("var/lib/dpkg/status.d/base-files.md5sums", "0 etc/x"),
                (
                    "etc/os-release",
                    "NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n",
                ),
            ],
            &["Deb base-files 12.4", "debian-12"],
        );
    }

    #[test]
    fn apk() {
        let installed = "C:Q1abc\nP:musl\nV:1.2.5-r0\nA:x86_64\no:musl\nF:lib\nR:ld-musl.so\n\nP:libcrypto3\nV:3.3-r1\no:openssl\n\n\n";
        check(
            &[
                ("lib/apk/db/installed", installed),
                ("etc/os-release", "ID='alpine'\n"),
            ],
            &[
                "Apk musl 1.2.5-r0",
                "Apk libcrypto3 3.3-r1 openssl 3.3-r1",
                "alpine-",
            ],
        );
        check(&[("lib/apk/db/installed", "")], &["-"]);
    }

    #[test]
    fn rpm_is_told() {
        check(&[("var/lib/rpm/rpmdb.sqlite", "SQLite")], &["-", "a comment"]);
    }
}
