//! dpkg's list of packages: stanzas of `Key: value` (deb822, dpkg-query(1)).

use super::{stanzas, text};
use crate::{Package, Registry};

/// The packages that are installed. Files of distroless images have no `Status`: what they list is there.
pub(super) fn packages(list: &str) -> impl Iterator<Item = Package> {
    stanzas(list, ':').filter_map(|stanza| {
        let installed = stanza
            .get("Status")
            .is_none_or(|status| status.split_whitespace().last() == Some("installed"));
        let (name, version) = (stanza.get("Package")?, stanza.get("Version")?);
        if !installed || name.is_empty() {
            return None;
        }
        // `glibc (2.41-12)` where the versions differ, else `glibc`.
        let source = stanza.get("Source").copied().unwrap_or_default();
        let source = match source.split_once(" (") {
            Some((source, version)) => format!("{source} {}", version.trim_end_matches(')')),
            None if source.is_empty() => String::new(),
            None => format!("{source} {version}"),
        };
        Some(Package {
            architecture: text(&stanza, "Architecture"),
            source,
            maintainer: text(&stanza, "Maintainer"),
            homepage: text(&stanza, "Homepage"),
            ..Package::new(Registry::Deb, name, version)
        })
    })
}
