//! CycloneDX 1.6 as JSON (ECMA-424): the same data as in the SPDX document.
//!
//! Packages and files become components, relationships that contain or need become dependencies. Identifiers are unique
//! here whatever the images say.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::fragment::DOCUMENT;
use crate::licence::NOASSERTION;
use crate::merge::Relationship;
use crate::{Merged, rfc3339, spdx};

/// Where the document is in an image when nobody says otherwise.
pub const FILE_NAME: &str = "sbom.cdx.json";
/// At how many places one identifier is followed: documents that give it to more things are broken.
const MAX_PLACES: usize = 64;
/// The component that the document is about.
const SYSTEM: &str = "system";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Element {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    file_name: String,
    version_info: String,
    package_file_name: String,
    supplier: String,
    description: String,
    homepage: String,
    license_concluded: String,
    license_declared: String,
    copyright_text: String,
    primary_package_purpose: String,
    checksums: Vec<Checksum>,
    external_refs: Vec<Reference>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Checksum {
    algorithm: String,
    checksum_value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Reference {
    reference_type: String,
    reference_locator: String,
}

/// The document. `created` is seconds since 1970, `version` IronKit's.
pub fn document(merged: &Merged, created: i64, version: &str) -> Vec<u8> {
    let mut names = Names::default();
    let mut components = Vec::new();
    for text in &merged.packages {
        components.push(component(text, &mut names, false));
    }
    for text in &merged.files {
        components.push(component(text, &mut names, true));
    }
    let document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": spdx::urn(merged, created, version),
        "version": 1,
        "metadata": {
            "timestamp": rfc3339(created),
            "tools": {"components": [{"type": "application", "name": "ironkit", "version": version}]},
            "component": {"type": "operating-system", "bom-ref": SYSTEM, "name": SYSTEM},
        },
        "components": components,
        "dependencies": dependencies(merged, &names),
    });
    let mut text = document.to_string().into_bytes();
    text.push(b'\n');
    text
}

/// References of components by the identifier that they have in SPDX.
#[derive(Debug, Default)]
struct Names {
    by_id: BTreeMap<String, Vec<String>>,
    used: BTreeSet<String>,
    /// The last number that was tried, by identifier.
    last: BTreeMap<String, u64>,
}

impl Names {
    fn give(&mut self, id: &str) -> String {
        let base = id
            .strip_prefix("SPDXRef-")
            .filter(|rest| !rest.is_empty())
            .unwrap_or("component");
        // Where many have one identifier, the search goes on where it ended.
        let last = self.last.entry(base.to_owned()).or_insert(0);
        let free = loop {
            *last += 1;
            let name = match *last {
                1 => base.to_owned(),
                number => format!("{base}-{number}"),
            };
            if name != SYSTEM && !self.used.contains(&name) {
                break name;
            }
        };
        self.used.insert(free.clone());
        self.by_id.entry(id.to_owned()).or_default().push(free.clone());
        free
    }
}

fn component(text: &str, names: &mut Names, is_file: bool) -> Value {
    // What has a field of another type than SPDX says is listed by what can be read of it.
    let element: Element = serde_json::from_str(text).unwrap_or_else(|_| lenient(text));
    let mut component = Map::new();
    let mut put = |key: &str, value: Value| component.insert(key.to_owned(), value);
    put("bom-ref", json!(names.give(&element.id)));
    let kind = match (is_file, element.primary_package_purpose.as_str()) {
        (true, _) | (_, "FILE") => "file",
        (_, "APPLICATION") => "application",
        (_, "FRAMEWORK") => "framework",
        (_, "CONTAINER") => "container",
        (_, "OPERATING-SYSTEM" | "OPERATING_SYSTEM") => "operating-system",
        (_, "DEVICE") => "device",
        (_, "FIRMWARE") => "firmware",
        _ => "library",
    };
    put("type", json!(kind));
    put(
        "name",
        json!(if is_file {
            &element.file_name
        } else {
            &element.name
        }),
    );
    for (key, value) in [
        ("version", &element.version_info),
        ("description", &element.description),
        ("copyright", &element.copyright_text),
    ] {
        if is_said(value) {
            put(key, json!(value));
        }
    }
    let supplier = element.supplier.split_once(": ").map(|(_, name)| name);
    if let Some(name) = supplier {
        put("supplier", json!({"name": name}));
    }
    let licence = [&element.license_concluded, &element.license_declared]
        .into_iter()
        .find(|text| is_said(text));
    if let Some(expression) = licence {
        put("licenses", json!([{"expression": expression}]));
    }
    let hashes: Vec<Value> = element.checksums.iter().filter_map(hash).collect();
    if !hashes.is_empty() {
        put("hashes", json!(hashes));
    }
    for (key, types) in [("purl", &["purl"][..]), ("cpe", &["cpe23Type", "cpe22Type"])] {
        let mut references = element.external_refs.iter();
        if let Some(found) = references.find(|reference| types.contains(&reference.reference_type.as_str())) {
            put(key, json!(found.reference_locator));
        }
    }
    if is_said(&element.homepage) {
        put(
            "externalReferences",
            json!([{"type": "website", "url": element.homepage}]),
        );
    }
    if !element.package_file_name.is_empty() {
        let property = json!({"name": "ironkit:location", "value": element.package_file_name});
        put("properties", json!([property]));
    }
    Value::Object(component)
}

fn lenient(text: &str) -> Element {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let field = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    Element {
        id: field("SPDXID"),
        name: field("name"),
        file_name: field("fileName"),
        version_info: field("versionInfo"),
        package_file_name: field("packageFileName"),
        ..Element::default()
    }
}

fn is_said(text: &str) -> bool {
    !text.is_empty() && text != NOASSERTION && text != "NONE"
}

/// CycloneDX's name of an algorithm, and only digests of the right length.
fn hash(checksum: &Checksum) -> Option<Value> {
    let (name, digits) = match checksum.algorithm.as_str() {
        "MD5" => ("MD5", 32),
        "SHA1" => ("SHA-1", 40),
        "SHA256" => ("SHA-256", 64),
        "SHA384" => ("SHA-384", 96),
        "SHA512" => ("SHA-512", 128),
        "SHA3-256" => ("SHA3-256", 64),
        "SHA3-384" => ("SHA3-384", 96),
        "SHA3-512" => ("SHA3-512", 128),
        "BLAKE2b-256" => ("BLAKE2b-256", 64),
        "BLAKE2b-384" => ("BLAKE2b-384", 96),
        "BLAKE2b-512" => ("BLAKE2b-512", 128),
        _ => return None,
    };
    let value = &checksum.checksum_value;
    let fits = value.len() == digits && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| json!({"alg": name, "content": value}))
}

fn dependencies(merged: &Merged, names: &Names) -> Vec<Value> {
    let mut needs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::from([(SYSTEM, BTreeSet::new())]);
    let system = vec![SYSTEM.to_owned()];
    let find = |id: &str| match id {
        DOCUMENT => Some(&system),
        id => names.by_id.get(id),
    };
    for text in &merged.relationships {
        let Ok(relationship) = serde_json::from_str::<Relationship>(text) else {
            continue;
        };
        let (from, to) = match relationship.relationship_type.as_str() {
            "DESCRIBES" | "CONTAINS" | "DEPENDS_ON" => {
                (relationship.spdx_element_id, relationship.related_spdx_element)
            }
            "DESCRIBED_BY" | "CONTAINED_BY" | "DEPENDENCY_OF" => {
                (relationship.related_spdx_element, relationship.spdx_element_id)
            }
            _ => continue,
        };
        let (Some(from), Some(to)) = (find(&from), find(&to)) else {
            continue;
        };
        // An image at two places has both ends twice, in the same order.
        // An image at two places has both ends twice, in the same order.
        for (index, from) in from.iter().enumerate().take(MAX_PLACES) {
            let ends = match from == SYSTEM {
                true => to.iter().take(MAX_PLACES),
                false => to
                    .get(index)
                    .map_or(&to[..1], std::slice::from_ref)
                    .iter()
                    .take(1),
            };
            let ends = ends
                .map(String::as_str)
                .filter(|end| end != from && *end != SYSTEM);
            needs.entry(from).or_default().extend(ends);
        }
    }
    needs
        .into_iter()
        .map(|(name, needed)| json!({"ref": name, "dependsOn": needed}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(merged: &Merged) -> Value {
        serde_json::from_slice(&document(merged, 0, "1")).unwrap()
    }

    #[test]
    fn identifiers_are_unique_and_dependencies_stay_at_their_place() {
        let relation = |from: &str, kind: &str, to: &str| {
            json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to}).to_string()
        };
        let package =
            |id: &str, place: &str| json!({"SPDXID": id, "name": "n", "packageFileName": place}).to_string();
        let merged = Merged {
            packages: ["", "c"]
                .into_iter()
                .flat_map(|place| [package("SPDXRef-a", place), package("SPDXRef-b", place)])
                .collect(),
            files: vec![json!({"SPDXID": "SPDXRef-system", "fileName": "x"}).to_string()],
            relationships: vec![
                relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-a"),
                relation("SPDXRef-a", "CONTAINS", "SPDXRef-b"),
                relation("SPDXRef-a", "OTHER", "SPDXRef-b"),
                relation("SPDXRef-b", "DEPENDENCY_OF", "SPDXRef-system"),
                relation("SPDXRef-a", "CONTAINS", "SPDXRef-unknown"),
            ],
            ..Merged::default()
        };
        let value = read(&merged);
        let names: Vec<&str> = value["components"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|c| c["bom-ref"].as_str())
            .collect();
        assert_eq!(names, ["a", "b", "a-2", "b-2", "system-2"]);
        let expect = json!([
            {"ref": "a", "dependsOn": ["b"]},
            {"ref": "a-2", "dependsOn": ["b-2"]},
            {"ref": "system", "dependsOn": ["a", "a-2"]},
            {"ref": "system-2", "dependsOn": ["b"]},
        ]);
        assert_eq!(value["dependencies"], expect);
    }

    #[test]
    fn what_is_not_said_is_not_there() {
        let package = json!({
            "SPDXID": "SPDXRef-a", "name": "n", "licenseConcluded": "NOASSERTION", "licenseDeclared": "MIT",
            "copyrightText": "NONE", "supplier": "Organization: o",
            "checksums": [{"algorithm": "SHA256", "checksumValue": "zz"}, {"algorithm": "MD5", "checksumValue": "0".repeat(32)}],
        });
        let merged = Merged {
            packages: vec![package.to_string(), r#"{"name":"odd","supplier":{}}"#.to_owned()],
            ..Merged::default()
        };
        let components = read(&merged)["components"].clone();
        let expect = json!([
            {
                "bom-ref": "a", "type": "library", "name": "n", "supplier": {"name": "o"},
                "licenses": [{"expression": "MIT"}], "hashes": [{"alg": "MD5", "content": "0".repeat(32)}],
            },
            {"bom-ref": "component", "type": "library", "name": "odd"},
        ]);
        assert_eq!(components, expect);
    }

    #[test]
    fn many_things_with_one_identifier_take_no_time() {
        let merged = Merged {
            packages: vec![r#"{"SPDXID":"SPDXRef-a"}"#.to_owned(); 50_000],
            relationships: vec![
                r#"{"spdxElementId":"SPDXRef-a","relationshipType":"CONTAINS","relatedSpdxElement":"SPDXRef-a"}"#.to_owned();
                50_000
            ],
            ..Merged::default()
        };
        assert_eq!(read(&merged)["components"].as_array().map(Vec::len), Some(50_000));
    }
}
