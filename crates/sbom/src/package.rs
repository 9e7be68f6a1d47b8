//! Packages and the images that hold them, as SPDX elements.

use std::collections::BTreeMap;

use ironkit_tree::{Digest, Hasher};
use serde_json::{Map, Value, json};

use crate::Fragment;
use crate::fragment::DOCUMENT;
use crate::licence::{NOASSERTION, declared};

/// Who made the packages: decides how package URLs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Registry {
    /// dpkg's packages.
    Deb,
    /// apk's packages.
    Apk,
    /// Programs that came with IronKit.
    Generic,
}

/// An installed package. Texts that are not known are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Where it is from.
    pub registry: Registry,
    /// Name.
    pub name: String,
    /// Version, in full.
    pub version: String,
    /// Architecture, as its registry names it.
    pub architecture: String,
    /// Which release of its distribution it is from, `trixie`, where the image does not say.
    pub release: String,
    /// The source package and its version, `glibc 2.41-12`, when it is called otherwise.
    pub source: String,
    /// Who packages it: a name, and perhaps an address in angle brackets.
    pub maintainer: String,
    /// The licence in its registry's words.
    pub licence: String,
    /// Web page.
    pub homepage: String,
    /// Digest of the archive that it was installed from.
    pub sha256: Option<Digest>,
}

/// The image that holds packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// Name without a tag: `docker.io/library/nginx`.
    pub name: String,
    /// Tag; empty when there is none.
    pub version: String,
    /// Digest of its manifest, when it is known already.
    pub digest: Option<Digest>,
    /// `ID` of its `os-release`: `debian`.
    pub distribution: String,
    /// `VERSION_ID`: `13`.
    pub release: String,
    /// What a reader should know about the list.
    pub comment: String,
}

impl Package {
    /// A package of which nothing more is known.
    pub fn new(registry: Registry, name: &str, version: &str) -> Package {
        let (name, version) = (name.to_owned(), version.to_owned());
        let [architecture, release, source, maintainer, licence, homepage] = <[String; 6]>::default();
        Package {
            registry,
            name,
            version,
            architecture,
            release,
            source,
            maintainer,
            licence,
            homepage,
            sha256: None,
        }
    }

    /// Its package URL (purl specification): `pkg:deb/debian/nginx@1.26.3-1?arch=amd64&distro=debian-13`.
    pub fn url(&self, container: &Container) -> String {
        let distribution = match (container.distribution.as_str(), self.registry) {
            ("", Registry::Deb) => "debian",
            ("", Registry::Apk) => "alpine",
            (id, _) => id,
        };
        let mut qualifiers = BTreeMap::new();
        if !self.architecture.is_empty() {
            qualifiers.insert("arch", self.architecture.clone());
        }
        if !self.release.is_empty() {
            qualifiers.insert("distro", self.release.clone());
        } else if !container.release.is_empty() && self.registry != Registry::Generic {
            qualifiers.insert("distro", format!("{distribution}-{}", container.release));
        }
        let base = match self.registry {
            Registry::Deb => format!("pkg:deb/{}/", encode(&distribution.to_lowercase())),
            Registry::Apk => format!("pkg:apk/{}/", encode(&distribution.to_lowercase())),
            Registry::Generic => "pkg:generic/".to_owned(),
        };
        purl(
            &format!("{base}{}", encode(&self.name)),
            &self.version,
            &qualifiers,
        )
    }

    fn element(&self, url: &str) -> Map<String, Value> {
        let mut element = element(&self.name, &self.version, &self.id(url), url);
        if !self.maintainer.is_empty() {
            element.insert("supplier".to_owned(), json!(supplier(&self.maintainer)));
        }
        if !self.homepage.is_empty() && !self.homepage.contains(char::is_whitespace) {
            element.insert("homepage".to_owned(), json!(self.homepage));
        }
        if !self.source.is_empty() {
            let info = format!("built from the source package {}", self.source);
            element.insert("sourceInfo".to_owned(), json!(info));
        }
        if let Some(digest) = &self.sha256 {
            element.insert("checksums".to_owned(), checksum(digest));
        }
        let (licence, comment) = declared(&self.licence);
        element.insert("licenseDeclared".to_owned(), json!(licence));
        if let Some(comment) = comment {
            element.insert("licenseComments".to_owned(), json!(comment));
        }
        element
    }

    /// An identifier that says what it is and differs when the package does.
    fn id(&self, url: &str) -> String {
        let kind = match self.registry {
            Registry::Deb => "deb",
            Registry::Apk => "apk",
            Registry::Generic => "program",
        };
        let mut hasher = Hasher::new();
        hasher.field(url.as_bytes());
        hasher.field(self.sha256.as_ref().map_or(&[][..], |digest| digest.bytes()));
        let hash = hasher.finish().hex();
        format!(
            "SPDXRef-Package-{kind}-{}-{}",
            identifier(&self.name),
            &hash[..16]
        )
    }
}

impl Container {
    /// Its package URL: `pkg:oci/nginx@sha256:…?repository_url=docker.io/library/nginx&tag=1`.
    pub fn url(&self) -> String {
        let short = self.name.rsplit('/').next().unwrap_or_default().to_lowercase();
        let mut qualifiers = BTreeMap::from([("repository_url", self.name.clone())]);
        if !self.version.is_empty() {
            qualifiers.insert("tag", self.version.clone());
        }
        let digest = self.digest.map(|digest| digest.to_string()).unwrap_or_default();
        purl(&format!("pkg:oci/{}", encode(&short)), &digest, &qualifiers)
    }

    fn element(&self) -> Map<String, Value> {
        let url = self.url();
        let hash = Digest::of(url.as_bytes()).hex();
        let id = format!("SPDXRef-Image-{}-{}", identifier(&self.name), &hash[..16]);
        let mut element = element(&self.name, &self.version, &id, &url);
        element.insert("primaryPackagePurpose".to_owned(), json!("CONTAINER"));
        element.insert("licenseDeclared".to_owned(), json!(NOASSERTION));
        if let Some(digest) = &self.digest {
            element.insert("checksums".to_owned(), checksum(digest));
        }
        if !self.comment.is_empty() {
            element.insert("comment".to_owned(), json!(self.comment));
        }
        element
    }
}

impl Fragment {
    /// What `container` says of itself when it holds `packages`. Of packages that are listed twice one is kept.
    pub fn of_packages(container: &Container, packages: &[Package]) -> Fragment {
        let mut fragment = Fragment::default();
        let image = container.element();
        let root = image.get("SPDXID").cloned().unwrap_or_default();
        let mut elements = BTreeMap::new();
        for package in packages {
            let url = package.url(container);
            let id = package.id(&url);
            elements.insert((package.name.clone(), id), package.element(&url));
        }
        fragment.packages.push(&Value::Object(image));
        fragment
            .relationships
            .push(&relationship(&json!(DOCUMENT), "DESCRIBES", &root));
        for ((_, id), element) in elements {
            fragment.packages.push(&Value::Object(element));
            fragment
                .relationships
                .push(&relationship(&root, "CONTAINS", &json!(id)));
        }
        fragment
    }
}

fn element(name: &str, version: &str, id: &str, url: &str) -> Map<String, Value> {
    let mut element = Map::new();
    let mut put = |key: &str, value: Value| element.insert(key.to_owned(), value);
    put("SPDXID", json!(id));
    put("name", json!(clean(name)));
    if !version.is_empty() {
        put("versionInfo", json!(clean(version)));
    }
    put("downloadLocation", json!(NOASSERTION));
    put("filesAnalyzed", json!(false));
    put("licenseConcluded", json!(NOASSERTION));
    put("copyrightText", json!(NOASSERTION));
    let reference = json!({
        "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url,
    });
    put("externalRefs", json!([reference]));
    element
}

fn relationship(from: &Value, kind: &str, to: &Value) -> Value {
    json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to})
}

fn checksum(digest: &Digest) -> Value {
    json!([{"algorithm": "SHA256", "checksumValue": digest.hex()}])
}

/// `Person: NAME (ADDRESS)` out of `NAME <ADDRESS>`. Databases do not tell people from teams.
fn supplier(maintainer: &str) -> String {
    let maintainer = clean(maintainer);
    let named = maintainer
        .strip_suffix('>')
        .and_then(|text| text.rsplit_once('<'))
        .map(|(name, address)| (name.trim(), address.trim()));
    match named {
        Some((name, address)) if !name.is_empty() && address.contains('@') => {
            format!("Person: {name} ({address})")
        }
        _ => format!("Organization: {maintainer}"),
    }
}

/// Without what would break lines or documents in two.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// The letters that an SPDX identifier may have.
fn identifier(text: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    text.chars().take(80).map(plain).collect()
}

fn purl(base: &str, version: &str, qualifiers: &BTreeMap<&str, String>) -> String {
    let mut url = base.to_owned();
    if !version.is_empty() {
        url.push('@');
        url.push_str(&encode(version));
    }
    for (index, (key, value)) in qualifiers.iter().enumerate() {
        url.push(if index == 0 { '?' } else { '&' });
        url.push_str(&format!("{key}={}", encode(value)));
    }
    url
}

/// Percent-encoding as package URLs want it: the colon stays, everything else that is not unreserved does not.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(distribution: &str, release: &str) -> Container {
        Container {
            name: "docker.io/library/web".into(),
            version: "v1".into(),
            digest: Some(Digest::from([0x11; 32])),
            distribution: distribution.into(),
            release: release.into(),
            comment: String::new(),
        }
    }

    #[test]
    fn package_urls() {
        let package = |registry, name: &str, version: &str, architecture: &str| Package {
            architecture: architecture.into(),
            ..Package::new(registry, name, version)
        };
        for (package, place, expect) in [
            (
                package(Registry::Deb, "libstdc++6", "1:14.2.0-19+b1~x", "amd64"),
                container("debian", "13"),
                "pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19%2Bb1~x?arch=amd64&distro=debian-13",
            ),
            (
                package(Registry::Deb, "a", "1", ""),
                container("", ""),
                "pkg:deb/debian/a@1",
            ),
            (
                package(Registry::Apk, "musl", "1.2.5-r0", "x86_64"),
                container("alpine", "3.21.0"),
                "pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.21.0",
            ),
            (
                package(Registry::Generic, "init", "0.1.0", "amd64"),
                container("debian", "13"),
                "pkg:generic/init@0.1.0?arch=amd64",
            ),
            (
                package(Registry::Deb, "a b?#/é", "", ""),
                container("", ""),
                "pkg:deb/debian/a%20b%3F%23%2F%C3%A9",
            ),
        ] {
            assert_eq!(package.url(&place), expect);
        }
        let expect = format!(
            "pkg:oci/web@sha256:{}?repository_url=docker.io%2Flibrary%2Fweb&tag=v1",
            "11".repeat(32)
        );
        assert_eq!(container("", "").url(), expect);
    }

    #[test]
    fn suppliers() {
        for (maintainer, expect) in [
            ("A Team <a@example.org>", "Person: A Team (a@example.org)"),
            ("Somebody", "Organization: Somebody"),
            ("<a@example.org>", "Organization: <a@example.org>"),
            ("Evil\nPackage: x <a@b>", "Person: EvilPackage: x (a@b)"),
        ] {
            assert_eq!(supplier(maintainer), expect);
        }
    }

    #[test]
    fn a_package_that_is_listed_twice_is_there_once() {
        let package = Package::new(Registry::Apk, "musl", "1");
        let fragment = Fragment::of_packages(&container("", ""), &[package.clone(), package]);
        assert_eq!(
            (fragment.packages.0.len(), fragment.relationships.0.len()),
            (2, 2)
        );
    }
}
