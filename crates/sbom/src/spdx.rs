//! SPDX 2.3 as JSON, in the shape of LinuxKit's: one document called `sbom`.

use std::fmt::Write as _;

use ironkit_tree::{Digest, Hasher};
use serde_json::json;

use crate::fragment::DOCUMENT;
use crate::{Merged, rfc3339};

/// Where the document is in an image when nobody says otherwise.
pub const FILE_NAME: &str = "sbom.spdx.json";
/// The version of SPDX's list of licences that identifiers are from.
const LICENCE_LIST: &str = "3.20";

/// The document. `created` is seconds since 1970, `version` IronKit's.
pub fn document(merged: &Merged, created: i64, version: &str) -> Vec<u8> {
    let creation = json!({
        "created": rfc3339(created),
        "creators": ["Organization: IronKit", format!("Tool: ironkit-{version}")],
        "licenseListVersion": LICENCE_LIST,
    });
    let mut text = format!(
        "{{\"spdxVersion\":\"SPDX-2.3\",\"dataLicense\":\"CC0-1.0\",\"SPDXID\":\"{DOCUMENT}\",\"name\":\"sbom\",\
         \"documentNamespace\":\"{}\",\"creationInfo\":{creation}",
        urn(merged, created, version)
    );
    for (name, list) in merged.lists() {
        if !list.is_empty() {
            // Writing to a text does not fail.
            let _ = write!(text, ",\n\"{name}\":[\n{}\n]", list.join(",\n"));
        }
    }
    text.push_str("}\n");
    text.into_bytes()
}

/// A name that no other document has: made from the content, so that the same document has it again.
pub(crate) fn urn(merged: &Merged, created: i64, version: &str) -> String {
    let mut hasher = Hasher::new();
    hasher.field(crate::VERSION);
    hasher.field(version.as_bytes());
    hasher.field(&created.to_le_bytes());
    for (name, list) in merged.lists() {
        hasher.field(name.as_bytes());
        hasher.field(&(list.len() as u64).to_le_bytes());
        for element in list {
            hasher.field(element.as_bytes());
        }
    }
    uuid(&hasher.finish())
}

/// A UUID of version 8, whose bits the application decides (RFC 9562, section 5.8).
fn uuid(digest: &Digest) -> String {
    let hex = digest.hex();
    // The variant's two bits are 10.
    let variant = ["8", "9", "a", "b"][usize::from(digest.bytes()[8] & 3)];
    format!(
        "urn:uuid:{}-{}-8{}-{variant}{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32]
    )
}

impl Merged {
    /// The lists with SPDX's names.
    fn lists(&self) -> [(&'static str, &Vec<String>); 7] {
        [
            ("packages", &self.packages),
            ("files", &self.files),
            ("snippets", &self.snippets),
            ("hasExtractedLicensingInfos", &self.licences),
            ("relationships", &self.relationships),
            ("annotations", &self.annotations),
            ("externalDocumentRefs", &self.references),
        ]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_document_without_images_is_one() {
        let text = document(&Merged::default(), 1_492_533_000, "1.2.3");
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["creationInfo"]["created"], "2017-04-18T16:30:00Z");
        assert_eq!(value["creationInfo"]["creators"][1], "Tool: ironkit-1.2.3");
    }

    #[test]
    fn the_name_depends_on_the_content_only() {
        let one = Merged {
            packages: vec!["{}".into()],
            ..Merged::default()
        };
        let name = urn(&one, 0, "1");
        assert_eq!(name, urn(&one.clone(), 0, "1"));
        for other in [
            urn(&Merged::default(), 0, "1"),
            urn(&one, 1, "1"),
            urn(&one, 0, "2"),
        ] {
            assert_ne!(name, other);
        }
        assert_eq!((name.len(), name.as_bytes()[23]), (45, b'8'), "{name}");
    }
}
