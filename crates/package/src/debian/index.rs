//! Which packages there are: those of a suite, or those of a lock file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};

use lzma_rust2::XzReader;

use super::control::{Record, Stanzas};
use super::fetch::Downloads;
use super::release::{self, Release, Verifier};
use super::version;
use crate::Error;
use crate::error::io_at;

/// Largest `InRelease` that is read; Debian's have 140 KB.
const MAX_RELEASE: u64 = 8 << 20;

/// Packages by name, and who provides virtual ones.
#[derive(Debug, Default)]
pub struct Index {
    packages: BTreeMap<String, Record>,
    providers: BTreeMap<String, Vec<String>>,
}

impl Index {
    /// The newest version of each package in `records`.
    pub fn new(records: impl IntoIterator<Item = Record>) -> Index {
        let mut index = Index::default();
        records.into_iter().for_each(|record| index.add(record));
        index.finish()
    }

    /// The `areas` of `suite` for `architecture`, from the mirror. The release's signature is verified and everything else
    /// follows from it.
    ///
    /// # Errors
    /// No verifier or keys, no signature, an area that there is not, and those of downloads.
    pub fn of_suite(
        downloads: &Downloads,
        suite: &str,
        areas: &[String],
        architecture: &str,
    ) -> Result<Index, Error> {
        let verifier = Verifier::find()?;
        let keyrings = release::keyrings(&downloads.machine().keyrings)?;
        let path = format!("dists/{suite}/InRelease");
        let url = downloads.url(&path)?;
        let damaged = |source| Error::Damaged {
            what: url.clone(),
            source,
        };
        let message = String::from_utf8(downloads.document(&path, MAX_RELEASE)?)
            .map_err(|error| damaged(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        let text = release::verify(&message, &url, verifier, &keyrings, downloads.directory())?;
        let release = release::parse(&text).map_err(damaged)?;
        if suite != release.codename && suite != release.suite {
            let found = format!("it is the release of {} ({})", release.codename, release.suite);
            return Err(damaged(io::Error::new(io::ErrorKind::InvalidData, found)));
        }
        let mut index = Index::default();
        for area in areas {
            let name = format!("{area}/binary-{architecture}/Packages.xz");
            let Some((digest, size)) = release.indices.get(&name) else {
                return Err(Error::NoArea {
                    area: area.clone(),
                    architecture: architecture.to_owned(),
                    suite: suite.to_owned(),
                    known: known_areas(&release, architecture).join(", "),
                });
            };
            // By its digest, so that a mirror that is just being updated cannot give another one.
            let path = format!(
                "dists/{suite}/{area}/binary-{architecture}/by-hash/SHA256/{}",
                digest.hex()
            );
            let file = downloads.file(&path, digest, *size)?;
            let packages = File::open(&file).map_err(io_at("read", &file))?;
            let packages = XzReader::new(BufReader::new(packages), true);
            index.add_all(packages).map_err(|source| Error::Damaged {
                what: format!("{name} of {suite}"),
                source,
            })?;
        }
        Ok(index.finish())
    }

    /// Reads a `Packages` file.
    ///
    /// # Errors
    /// Those of `packages`, and `InvalidData` for what is no package.
    pub fn read(packages: impl Read) -> io::Result<Index> {
        let mut index = Index::default();
        index.add_all(packages)?;
        Ok(index.finish())
    }

    /// The package of this name.
    pub fn get(&self, name: &str) -> Option<&Record> {
        self.packages.get(name)
    }

    /// The packages that satisfy a dependency on `name`: the one of this name, else those that provide it.
    pub fn satisfying<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Record> {
        let real = self.packages.get(name);
        let providers = self.providers.get(name).filter(|_| real.is_none());
        real.into_iter().chain(
            providers
                .into_iter()
                .flatten()
                .filter_map(|name| self.packages.get(name)),
        )
    }

    /// Adds what a `Packages` file has.
    fn add_all(&mut self, packages: impl Read) -> io::Result<()> {
        let mut stanzas = Stanzas::new(BufReader::with_capacity(1 << 16, packages));
        while let Some(stanza) = stanzas.next(&|name| Record::FIELDS.contains(&name))? {
            self.add(Record::parse(&stanza)?);
        }
        Ok(())
    }

    fn add(&mut self, record: Record) {
        let known = self.packages.get(&record.package);
        if known.is_none_or(|known| version::compare(&known.version, &record.version).is_lt()) {
            self.packages.insert(record.package.clone(), record);
        }
    }

    fn finish(mut self) -> Index {
        for record in self.packages.values() {
            for name in &record.provides {
                self.providers
                    .entry(name.clone())
                    .or_default()
                    .push(record.package.clone());
            }
        }
        self
    }
}

/// The areas that a release has for an architecture.
fn known_areas(release: &Release, architecture: &str) -> Vec<String> {
    let end = format!("/binary-{architecture}/Packages.xz");
    let paths = release.indices.keys();
    let areas = paths.filter_map(|path| path.strip_suffix(&end));
    // What is deeper is the installer's.
    areas
        .filter(|area| !area.contains('/'))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use ironkit_tree::Digest;

    use super::*;

    #[test]
    fn areas_of_a_release_are_told() {
        let line = |path: &str| format!(" {} 7 {path}\n", Digest::of(b"").hex());
        let paths = [
            "main/binary-arm64/Packages.xz",
            "main/binary-arm64/Packages.gz",
            "main/debian-installer/binary-arm64/Packages.xz",
            "non-free/binary-arm64/Packages.xz",
            "contrib/binary-amd64/Packages.xz",
        ];
        let text = format!(
            "Suite: stable\nCodename: trixie\nSHA256:\n{}",
            paths.map(line).concat()
        );
        let release = release::parse(&text).unwrap();
        assert_eq!(known_areas(&release, "arm64"), ["main", "non-free"]);
    }

    #[test]
    fn the_newest_version_counts_and_providers_are_known() {
        let text = "Package: a\nVersion: 1.10\nArchitecture: amd64\nProvides: v\n\n\
            Package: a\nVersion: 1.9\nArchitecture: amd64\n\n\
            Package: b\nVersion: 1\nArchitecture: all\nProvides: v, a\n";
        let index = Index::read(text.as_bytes()).unwrap();
        let names = |name| {
            index
                .satisfying(name)
                .map(|record| record.package.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(index.get("a").unwrap().version, "1.10");
        assert_eq!(names("v"), ["a", "b"]);
        assert_eq!(names("a"), ["a"]);
        assert_eq!(names("c"), [""; 0]);
    }
}
