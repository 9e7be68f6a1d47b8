//! apk's list of packages: stanzas of `K:value` with one letter a key (apk-package(5)).

use super::{stanzas, text};
use crate::{Package, Registry};

/// The packages that are installed.
pub(super) fn packages(list: &str) -> impl Iterator<Item = Package> {
    stanzas(list, ':').filter_map(|stanza| {
        let (name, version) = (stanza.get("P")?, stanza.get("V")?);
        if name.is_empty() {
            return None;
        }
        let origin = stanza.get("o").filter(|origin| *origin != name);
        Some(Package {
            architecture: text(&stanza, "A"),
            source: origin
                .map(|origin| format!("{origin} {version}"))
                .unwrap_or_default(),
            maintainer: text(&stanza, "m"),
            licence: text(&stanza, "L"),
            homepage: text(&stanza, "U"),
            ..Package::new(Registry::Apk, name, version)
        })
    })
}
