//! Debian's control files: stanzas of fields (deb822(5)), and the relations in them (deb-control(5)).

use std::io::{self, BufRead};

use ironkit_tree::Digest;

/// Reads stanzas one by one, so that an index of 60 MB never has to be in memory.
pub struct Stanzas<R> {
    input: R,
    line: Vec<u8>,
}

/// One stanza: fields in order, with their continuation lines joined by newlines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stanza {
    fields: Vec<(String, String)>,
}

/// What is known of a package before it is downloaded. The same fields stand in `Packages`, in a package's own
/// control file (without the last three) and in a lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Name.
    pub package: String,
    /// Version.
    pub version: String,
    /// `amd64`, …, or `all`.
    pub architecture: String,
    /// `libs`, `kernel`, ….
    pub section: String,
    /// `Pre-Depends` and `Depends`: each is a list of alternatives, without versions.
    pub depends: Vec<Vec<String>>,
    /// Virtual packages.
    pub provides: Vec<String>,
    /// Path below the mirror's root; empty in a control file.
    pub filename: String,
    /// Length of the package in bytes.
    pub size: u64,
    /// Digest of the package; none in a control file.
    pub sha256: Option<Digest>,
}

impl<R: BufRead> Stanzas<R> {
    /// Reads from `input`.
    pub fn new(input: R) -> Stanzas<R> {
        Stanzas {
            input,
            line: Vec::new(),
        }
    }

    /// The next stanza with those of its fields that `wanted` accepts; `None` at the end.
    ///
    /// # Errors
    /// Those of the input, and `InvalidData` for a line that is no field.
    pub fn next(&mut self, wanted: &dyn Fn(&str) -> bool) -> io::Result<Option<Stanza>> {
        let mut stanza = Stanza::default();
        let (mut seen, mut keep) = (false, false);
        loop {
            self.line.clear();
            if self.input.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(seen.then_some(stanza));
            }
            let line = self.line.trim_ascii_end();
            match line.first() {
                None if seen => return Ok(Some(stanza)),
                None | Some(b'#') => {}
                Some(b' ' | b'\t') => {
                    if let (true, Some((_, value))) = (keep, stanza.fields.last_mut()) {
                        value.push('\n');
                        value.push_str(text(line.trim_ascii())?);
                    }
                }
                Some(_) => {
                    seen = true;
                    let colon = line.iter().position(|&byte| byte == b':');
                    let colon = colon.ok_or_else(|| invalid("expected a field, found", line))?;
                    let name = text(&line[..colon])?;
                    keep = wanted(name);
                    if keep {
                        let value = text(line[colon + 1..].trim_ascii())?;
                        stanza.fields.push((name.to_owned(), value.to_owned()));
                    }
                }
            }
        }
    }
}

impl Stanza {
    /// The value of a field; names are compared without regard to case.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self
            .fields
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The value of a field, or an error that names it.
    ///
    /// # Errors
    /// `InvalidData` when it is missing.
    pub fn need(&self, name: &str) -> io::Result<&str> {
        self.get(name).ok_or_else(|| invalid("no field", name.as_bytes()))
    }
}

impl Record {
    /// The fields that [`Record::parse`] looks at.
    pub const FIELDS: [&str; 10] = [
        "Package",
        "Version",
        "Architecture",
        "Section",
        "Pre-Depends",
        "Depends",
        "Provides",
        "Filename",
        "Size",
        "SHA256",
    ];

    /// The package that a stanza describes.
    ///
    /// # Errors
    /// `InvalidData` when the name, version or architecture is missing, or a size or digest is none.
    pub fn parse(stanza: &Stanza) -> io::Result<Record> {
        let package = stanza.need("Package")?.to_owned();
        let bad = |field: &str| invalid("no valid", format!("{field} of package {package}").as_bytes());
        let sha256 = stanza
            .get("SHA256")
            .map(|hex| format!("sha256:{hex}").parse())
            .transpose();
        let depends = ["Pre-Depends", "Depends"]
            .iter()
            .filter_map(|field| stanza.get(field));
        Ok(Record {
            version: stanza.need("Version")?.to_owned(),
            architecture: stanza.need("Architecture")?.to_owned(),
            section: stanza.get("Section").unwrap_or_default().to_owned(),
            depends: depends.flat_map(relations).collect(),
            provides: stanza.get("Provides").map(relations).unwrap_or_default().concat(),
            filename: stanza.get("Filename").unwrap_or_default().to_owned(),
            size: stanza
                .get("Size")
                .map_or(Ok(0), str::parse)
                .map_err(|_| bad("Size"))?,
            sha256: sha256.map_err(|_| bad("SHA256"))?,
            package,
        })
    }
}

/// The names in a relation field: `a (>= 1), b | c:any [amd64]` gives `[[a], [b, c]]`.
pub fn relations(field: &str) -> Vec<Vec<String>> {
    let name = |alternative: &str| {
        let end = alternative
            .find(|c: char| c.is_whitespace() || "(:[<".contains(c))
            .unwrap_or(alternative.len());
        alternative[..end].to_owned()
    };
    let groups = field.split(',').map(|group| {
        group
            .split('|')
            .map(|alternative| name(alternative.trim()))
            .filter(|name| !name.is_empty())
            .collect()
    });
    groups.filter(|group: &Vec<String>| !group.is_empty()).collect()
}

fn text(bytes: &[u8]) -> io::Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| invalid("expected text, found", bytes))
}

fn invalid(problem: &str, found: &[u8]) -> io::Error {
    let found: String = String::from_utf8_lossy(found).chars().take(80).collect();
    io::Error::new(io::ErrorKind::InvalidData, format!("{problem} `{found}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGES: &str = "\
Package: nginx
Version: 1.26-3
Architecture: amd64
Depends: libc6 (>= 2.34), libssl3t64 | libssl3:any, iproute2
Tag: a,
 b
Provides: httpd, nginx-abi (= 1)
Size: 12
Filename: pool/n.deb
SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855

# between

Package: b
Version: 1
Architecture: all
";

    #[test]
    fn stanzas_become_records() {
        let mut stanzas = Stanzas::new(PACKAGES.as_bytes());
        let first = stanzas.next(&|_| true).unwrap().unwrap();
        assert_eq!(first.get("tag"), Some("a,\nb"));
        let record = Record::parse(&first).unwrap();
        assert_eq!(
            record.depends,
            [vec!["libc6"], vec!["libssl3t64", "libssl3"], vec!["iproute2"]]
        );
        assert_eq!(record.provides, ["httpd", "nginx-abi"]);
        assert_eq!((record.size, record.filename.as_str()), (12, "pool/n.deb"));
        let second = stanzas.next(&|name| name == "Package").unwrap().unwrap();
        assert_eq!(second.fields.len(), 1);
        assert_eq!(stanzas.next(&|_| true).unwrap(), None);
    }

    #[test]
    fn what_is_no_stanza_is_an_error() {
        for (text, expect) in [
            ("no colon here\n", "expected a field, found `no colon here`"),
            ("Package: a\n", "no field `Version`"),
            (
                "Package: a\nVersion: 1\nArchitecture: all\nSize: x\n",
                "no valid `Size of package a`",
            ),
            (
                "Package: a\nVersion: 1\nArchitecture: all\nSHA256: 12\n",
                "no valid `SHA256 of package a`",
            ),
        ] {
            let parse = || Record::parse(&Stanzas::new(text.as_bytes()).next(&|_| true)?.unwrap_or_default());
            assert_eq!(parse().unwrap_err().to_string(), expect);
        }
    }
}
