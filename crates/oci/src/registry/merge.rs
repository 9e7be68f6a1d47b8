//! Two indexes of one name made one: that of the store, and that of the registry.

use std::collections::BTreeSet;

use crate::Digest;
use crate::document::{Descriptor, Index};

/// What is to be pushed.
#[derive(Debug, PartialEq)]
pub(super) enum Merged {
    /// The store's index, byte for byte.
    Same,
    /// The registry has all of it.
    Nothing,
    /// A new one.
    Index(Index),
}

/// The annotations by which BuildKit's attestations say whose they are.
const ATTESTATION_TYPE: &str = "vnd.docker.reference.type";
const ATTESTED: &str = "vnd.docker.reference.digest";

/// Whether an entry is about another one, and no image.
pub(super) fn is_attestation(entry: &Descriptor) -> bool {
    let unknown = entry
        .platform
        .as_ref()
        .is_some_and(|platform| platform.os == "unknown" || platform.architecture == "unknown");
    unknown || entry.annotation(ATTESTATION_TYPE).is_some()
}

/// The entries of `ours` that are `here`, then those of `theirs` for other platforms. Attestations stay as long as what
/// they are about does.
pub(super) fn merge(ours: &Index, here: &dyn Fn(&Descriptor) -> bool, theirs: Option<&Index>) -> Merged {
    let mut entries: Vec<Descriptor> = ours
        .manifests
        .iter()
        .filter(|entry| here(entry))
        .cloned()
        .collect();
    let listed = |digest: &Digest| {
        theirs.is_some_and(|theirs| theirs.manifests.iter().any(|entry| entry.digest == *digest))
    };
    if entries.iter().all(|entry| listed(&entry.digest)) && !entries.is_empty() {
        return Merged::Nothing;
    }
    let images: Vec<_> = entries
        .iter()
        .filter(|entry| !is_attestation(entry))
        .cloned()
        .collect();
    for entry in theirs
        .map(|theirs| theirs.manifests.as_slice())
        .unwrap_or_default()
    {
        let known = entries.iter().any(|ours| ours.digest == entry.digest);
        let replaced = !is_attestation(entry)
            && entry.platform.is_some()
            && images.iter().any(|ours| ours.platform == entry.platform);
        if !known && !replaced {
            entries.push(entry.clone());
        }
    }
    let images: BTreeSet<Digest> = entries
        .iter()
        .filter(|entry| !is_attestation(entry))
        .map(|entry| entry.digest)
        .collect();
    entries.retain(|entry| {
        let about = entry.annotation(ATTESTED).and_then(|digest| digest.parse().ok());
        !is_attestation(entry) || about.is_none_or(|digest| images.contains(&digest))
    });
    if entries == ours.manifests {
        return Merged::Same;
    }
    Merged::Index(Index {
        manifests: entries,
        ..ours.clone()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// `amd64:1` is an image with the content 1, `amd64:1?` an attestation of it.
    fn index(entries: &str) -> Index {
        let entry = |text: &str| -> Value {
            let about = text.strip_suffix('?');
            let (arch, _) = text.split_once(':').expect("an entry");
            let mut entry = json!({
                "mediaType": crate::document::media::MANIFEST,
                "digest": Digest::of(text.as_bytes()), "size": 1,
                "platform": {"os": "linux", "architecture": arch},
            });
            if let Some(about) = about {
                entry["platform"] = json!({"os": "unknown", "architecture": "unknown"});
                entry["annotations"] = json!({
                    ATTESTATION_TYPE: "attestation-manifest", ATTESTED: Digest::of(about.as_bytes()),
                });
            }
            entry
        };
        let entries: Vec<Value> = entries.split_whitespace().map(entry).collect();
        serde_json::from_value(json!({"schemaVersion": 2, "manifests": entries})).expect("an index")
    }

    #[test]
    fn what_is_pushed_wins_and_the_rest_stays() {
        for (ours, theirs, expect) in [
            ("amd64:1", None, None),
            ("amd64:1", Some("arm64:1"), Some("amd64:1 arm64:1")),
            ("amd64:2", Some("amd64:1 arm64:1"), Some("amd64:2 arm64:1")),
            ("amd64:1", Some("amd64:1 arm64:1"), Some("")),
            (
                "amd64:1 amd64:1?",
                Some("arm64:1 arm64:1?"),
                Some("amd64:1 amd64:1? arm64:1 arm64:1?"),
            ),
            ("amd64:2 amd64:2?", Some("amd64:1 amd64:1?"), None),
            (
                "amd64:2",
                Some("amd64:1 amd64:1? arm64:1 arm64:1?"),
                Some("amd64:2 arm64:1 arm64:1?"),
            ),
            ("amd64:2", Some("amd64:1 amd64:1?"), None),
            ("amd64:1 amd64:1?", Some("amd64:1"), None),
            ("amd64:1 arm64:9?", None, Some("amd64:1")),
            ("amd64:2 arm64:-", Some("arm64:1"), Some("amd64:2 arm64:1")),
        ] {
            let (first, second) = (index(ours), theirs.map(index));
            let gone = index("arm64:-").manifests[0].digest;
            let found = merge(&first, &|entry| entry.digest != gone, second.as_ref());
            let expect = match expect {
                None => Merged::Same,
                Some("") => Merged::Nothing,
                Some(entries) => Merged::Index(index(entries)),
            };
            assert_eq!(found, expect, "{ours} + {theirs:?}");
        }
    }
}
