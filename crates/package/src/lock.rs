//! `build.lock`: which packages a component was built from, so that it is built from the same ones again.
//!
//! A control file as Debian's own (deb822): one stanza a package, in a fixed order, so that a change reads well in a
//! diff.

use std::fmt;
use std::io;

use ironkit_tree::Digest;

use crate::debian::Record;
use crate::debian::control::Stanzas;

/// Name of the file, beside `build.yml`.
pub const FILE_NAME: &str = "build.lock";

const HEADER: &str = "\
# The packages that this component is built from, written by `ironkit pkg build`.
# Keep it in version control, and remove it to build from the newest packages.
";

/// A locked package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locked {
    /// Name of the release.
    pub suite: String,
    /// Name.
    pub package: String,
    /// `amd64`, …, or `all`.
    pub architecture: String,
    /// Version.
    pub version: String,
    /// Path below the mirror's root.
    pub filename: String,
    /// Length in bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Digest,
}

/// The packages of a component, in the order of their fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// The packages.
    pub packages: Vec<Locked>,
}

/// What became of a locked package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Name.
    pub package: String,
    /// Version before; none when it is new.
    pub old: Option<String>,
    /// Version now; none when it is no longer used.
    pub new: Option<String>,
}

impl Locked {
    /// The locked form of a package of `suite`; `None` when its digest is unknown.
    pub fn of(suite: &str, record: &Record) -> Option<Locked> {
        Some(Locked {
            suite: suite.to_owned(),
            package: record.package.clone(),
            architecture: record.architecture.clone(),
            version: record.version.clone(),
            filename: record.filename.clone(),
            size: record.size,
            sha256: record.sha256?,
        })
    }
}

impl Lock {
    /// Reads a lock file.
    ///
    /// # Errors
    /// `InvalidData` for a missing or wrong field.
    pub fn parse(text: &str) -> io::Result<Lock> {
        let mut stanzas = Stanzas::new(text.as_bytes());
        let mut packages = Vec::new();
        while let Some(stanza) = stanzas.next(&|_| true)? {
            let record = Record::parse(&stanza)?;
            stanza.need("Filename")?;
            stanza.need("Size")?;
            stanza.need("SHA256")?;
            packages.extend(Locked::of(stanza.need("Suite")?, &record));
        }
        Ok(Lock::new(packages))
    }

    /// A lock of these packages.
    pub fn new(mut packages: Vec<Locked>) -> Lock {
        packages.sort();
        packages.dedup();
        Lock { packages }
    }

    /// The packages of `suite` for `architecture`.
    pub fn of<'a>(&'a self, suite: &'a str, architecture: &'a str) -> impl Iterator<Item = &'a Locked> {
        self.packages
            .iter()
            .filter(move |locked| locked.suite == suite && is_for(locked, architecture))
    }

    /// The lock after a build for `architecture` that used `packages`: those of other architectures stay.
    pub fn after(&self, architecture: &str, packages: Vec<Locked>) -> Lock {
        let others = self
            .packages
            .iter()
            .filter(|locked| !is_for(locked, architecture))
            .cloned();
        Lock::new(others.chain(packages).collect())
    }

    /// What is different in `new`, by package.
    pub fn changes(&self, new: &Lock) -> Vec<Change> {
        let name = |locked: &Locked| match locked.architecture.as_str() {
            "all" => locked.package.clone(),
            architecture => format!("{}:{architecture}", locked.package),
        };
        let mut names: Vec<String> = self.packages.iter().chain(&new.packages).map(name).collect();
        names.sort();
        names.dedup();
        let version = |lock: &Lock, package: &str| {
            lock.packages
                .iter()
                .find(|locked| name(locked) == package)
                .map(|locked| locked.version.clone())
        };
        let changes = names.into_iter().map(|package| Change {
            old: version(self, &package),
            new: version(new, &package),
            package,
        });
        changes.filter(|change| change.old != change.new).collect()
    }
}

impl fmt::Display for Lock {
    /// The file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEADER)?;
        for locked in &self.packages {
            write!(
                f,
                "\nPackage: {}\nVersion: {}\nArchitecture: {}\nSuite: {}\nFilename: {}\nSize: {}\nSHA256: {}\n",
                locked.package,
                locked.version,
                locked.architecture,
                locked.suite,
                locked.filename,
                locked.size,
                locked.sha256.hex()
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    /// `nginx: 1.26.3-1 → 1.26.3-2`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "{}: {old} → {new}", self.package),
            (None, Some(new)) => write!(f, "{}: new, {new}", self.package),
            (Some(old), None) => write!(f, "{}: {old}, no longer used", self.package),
            (None, None) => write!(f, "{}", self.package),
        }
    }
}

fn is_for(locked: &Locked, architecture: &str) -> bool {
    locked.architecture == architecture || locked.architecture == "all"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(package: &str, version: &str, architecture: &str) -> Locked {
        Locked {
            suite: "trixie".into(),
            package: package.into(),
            architecture: architecture.into(),
            version: version.into(),
            filename: format!("pool/{package}_{version}.deb"),
            size: 7,
            sha256: Digest::of(version.as_bytes()),
        }
    }

    #[test]
    fn the_text_form_round_trips_in_a_fixed_order() {
        let (a, b) = (locked("a", "1:2-3", "amd64"), locked("b", "1", "all"));
        let lock = Lock::new(vec![b.clone(), a.clone(), b.clone()]);
        assert_eq!(lock, Lock::new(vec![a, b]));
        assert_eq!(Lock::parse(&lock.to_string()).unwrap(), lock);
        assert_eq!(Lock::parse("").unwrap(), Lock::default());
        for field in ["Package", "Version", "Suite", "Filename", "Size", "SHA256"] {
            let cut: String = lock
                .to_string()
                .lines()
                .filter(|line| !line.starts_with(field))
                .map(|line| format!("{line}\n"))
                .collect();
            assert!(Lock::parse(&cut).is_err(), "without {field}");
        }
    }

    #[test]
    fn changes_are_told_and_other_architectures_stay() {
        let old = Lock::new(vec![
            locked("a", "1", "amd64"),
            locked("gone", "1", "all"),
            locked("a", "0", "arm64"),
        ]);
        let new = old.after("amd64", vec![locked("a", "2", "amd64"), locked("b", "1", "all")]);
        let changes: Vec<String> = old.changes(&new).iter().map(Change::to_string).collect();
        assert_eq!(
            changes,
            ["a:amd64: 1 → 2", "b: new, 1", "gone: 1, no longer used"]
        );
        assert_eq!(
            new.of("trixie", "arm64")
                .map(|locked| locked.version.as_str())
                .collect::<Vec<_>>(),
            ["0", "1"]
        );
    }
}
