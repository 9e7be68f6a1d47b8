//! Fragments → one list: names of files get the directory in front, identifiers stay apart.
//!
//! An element that two images share is there once. Where two images use one identifier for different things, the later
//! one gets a number. An image with an attestation that is unpacked at two places keeps its identifiers at both, as in
//! LinuxKit's documents.

use std::collections::{BTreeMap, BTreeSet};

use ironkit_tree::Digest;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::fragment::Elements;
use crate::{Error, Fragment, Result, licence};

/// The longest document that is written, in bytes, as far as it comes from images.
const MAX_MERGED: usize = 48 << 20;

/// An image at its place.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Digest of its manifest.
    pub image: Digest,
    /// Whether its identifiers stay when it is at several places.
    pub keeps: bool,
    /// Where it is unpacked, relative to the root file system; empty for the root.
    pub directory: String,
    /// What it says.
    pub fragment: Fragment,
}

/// The lists of the joined document, each element as JSON text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Merged {
    /// See [`Fragment::packages`].
    pub packages: Vec<String>,
    /// See [`Fragment::files`].
    pub files: Vec<String>,
    /// See [`Fragment::snippets`].
    pub snippets: Vec<String>,
    /// See [`Fragment::licences`].
    pub licences: Vec<String>,
    /// See [`Fragment::relationships`].
    pub relationships: Vec<String>,
    /// See [`Fragment::annotations`].
    pub annotations: Vec<String>,
    /// See [`Fragment::references`].
    pub references: Vec<String>,
}

/// Joins fragments one after the other.
#[derive(Debug, Default)]
pub struct Merge {
    merged: Merged,
    size: usize,
    /// The elements with identifiers.
    owners: BTreeMap<String, Owner>,
    /// Those without, and relationships.
    others: BTreeSet<Digest>,
}

#[derive(Debug)]
struct Owner {
    /// Digest of the element's text.
    text: Digest,
    /// The image that brought it.
    image: Digest,
}

/// The lists, and which field identifies an element of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Packages,
    Files,
    Snippets,
    Licences,
    Relationships,
    Annotations,
    References,
}

/// The lists in the order in which they are looked at.
const LISTS: [List; 7] = [
    List::Packages,
    List::Files,
    List::Snippets,
    List::Licences,
    List::Relationships,
    List::Annotations,
    List::References,
];

impl List {
    fn identifier(self) -> Option<&'static str> {
        match self {
            List::Packages | List::Files | List::Snippets => Some("SPDXID"),
            List::Licences => Some("licenseId"),
            List::References => Some("externalDocumentId"),
            List::Relationships | List::Annotations => None,
        }
    }

    fn of(self, fragment: &Fragment) -> &Elements {
        match self {
            List::Packages => &fragment.packages,
            List::Files => &fragment.files,
            List::Snippets => &fragment.snippets,
            List::Licences => &fragment.licences,
            List::Relationships => &fragment.relationships,
            List::Annotations => &fragment.annotations,
            List::References => &fragment.references,
        }
    }

    fn in_merged(self, merged: &mut Merged) -> &mut Vec<String> {
        match self {
            List::Packages => &mut merged.packages,
            List::Files => &mut merged.files,
            List::Snippets => &mut merged.snippets,
            List::Licences => &mut merged.licences,
            List::Relationships => &mut merged.relationships,
            List::Annotations => &mut merged.annotations,
            List::References => &mut merged.references,
        }
    }
}

impl Merge {
    /// Adds an image.
    ///
    /// # Errors
    /// [`Error::Json`] for an element that is no object, [`Error::TooMuch`].
    pub fn add(&mut self, placed: &Placed) -> Result<()> {
        let renamed = self.names(placed)?;
        for list in LISTS {
            for text in list.of(&placed.fragment).iter() {
                let mut element = element(text)?;
                place(&mut element, list, &placed.directory);
                if !renamed.is_empty() {
                    rename(&mut element, &renamed);
                }
                let identifier = identifier(&element, list).map(str::to_owned);
                let text = Value::Object(element).to_string();
                let digest = Digest::of(text.as_bytes());
                match identifier {
                    Some(identifier) => {
                        let owner = Owner {
                            text: digest,
                            image: placed.image,
                        };
                        match self.owners.get(&identifier) {
                            Some(there) if there.text == digest => continue,
                            Some(_) => {}
                            None => drop(self.owners.insert(identifier, owner)),
                        }
                    }
                    None if !self.others.insert(digest) => continue,
                    None => {}
                }
                self.size += text.len();
                if self.size > MAX_MERGED {
                    let what = "bytes of all SPDX documents together".to_owned();
                    return Err(Error::TooMuch {
                        what,
                        limit: MAX_MERGED,
                    });
                }
                list.in_merged(&mut self.merged).push(text);
            }
        }
        Ok(())
    }

    /// What all images together say.
    pub fn finish(self) -> Merged {
        self.merged
    }

    /// New names for those identifiers of an image that something else has already.
    fn names(&self, placed: &Placed) -> Result<BTreeMap<String, String>> {
        let mut own = BTreeSet::new();
        let mut taken = Vec::new();
        for list in LISTS.into_iter().filter(|list| list.identifier().is_some()) {
            for text in list.of(&placed.fragment).iter() {
                let mut element = element(text)?;
                let Some(name) = identifier(&element, list).map(str::to_owned) else {
                    continue;
                };
                if let Some(owner) = self.owners.get(&name) {
                    place(&mut element, list, &placed.directory);
                    let same = Digest::of(Value::Object(element).to_string().as_bytes()) == owner.text;
                    let stays = placed.keeps && owner.image == placed.image;
                    if !same && !stays {
                        taken.push(name.clone());
                    }
                }
                own.insert(name);
            }
        }
        let mut renamed = BTreeMap::new();
        for name in taken {
            let free = |new: &String| !self.owners.contains_key(new) && !own.contains(new);
            let new = (2_u64..).map(|number| format!("{name}-{number}")).find(free);
            renamed.extend(new.map(|new| (name, new)));
        }
        Ok(renamed)
    }
}

fn element(text: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(text).map_err(|source| Error::Json {
        what: "an element of the SPDX document",
        source,
    })
}

fn identifier(element: &Map<String, Value>, list: List) -> Option<&str> {
    element.get(list.identifier()?)?.as_str()
}

/// Puts the directory in front of names of files.
fn place(element: &mut Map<String, Value>, list: List, directory: &str) {
    let key = match list {
        List::Files => "fileName",
        // A package that says nothing is at least in this directory.
        List::Packages if !directory.is_empty() => {
            element.entry("packageFileName").or_insert(Value::Null);
            "packageFileName"
        }
        List::Packages => "packageFileName",
        _ => return,
    };
    if let Some(name) = element.get_mut(key)
        && (name.is_string() || name.is_null())
    {
        *name = Value::String(join(directory, name.as_str().unwrap_or_default()));
    }
}

/// `directory/name`, without `.`, `..` and doubled slashes; a name never leaves its directory. At the root an absolute
/// name stays one.
fn join(directory: &str, name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let name_is_absolute = directory.is_empty() && name.starts_with('/');
    match (directory.is_empty(), parts.is_empty()) {
        (true, _) if name_is_absolute => format!("/{}", parts.join("/")),
        (true, _) => parts.join("/"),
        (false, true) => directory.to_owned(),
        (false, false) => format!("{directory}/{}", parts.join("/")),
    }
}

/// Gives identifiers their new names wherever they stand: alone, or inside a licence expression.
fn rename(element: &mut Map<String, Value>, renamed: &BTreeMap<String, String>) {
    for (key, value) in element.iter_mut() {
        let is_expression = key.starts_with("license") && key != "licenseComments";
        rename_in(value, is_expression, renamed);
    }
}

fn rename_in(value: &mut Value, is_expression: bool, renamed: &BTreeMap<String, String>) {
    match value {
        Value::String(text) if is_expression => {
            *text = licence::rename(text, &|word| renamed.get(word).cloned());
        }
        Value::String(text) => {
            let whole = renamed.get(text.as_str()).cloned();
            // `DocumentRef-other:SPDXRef-thing` names a thing of another document.
            let other = || {
                let (document, thing) = text.split_once(':')?;
                Some(format!("{}:{thing}", renamed.get(document)?))
            };
            if let Some(new) = whole.or_else(other) {
                *text = new;
            }
        }
        Value::Array(list) => list
            .iter_mut()
            .for_each(|value| rename_in(value, is_expression, renamed)),
        Value::Object(element) => rename(element, renamed),
        _ => {}
    }
}

/// The identifiers that an element of a merged list has and refers to, for other formats.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Relationship {
    #[serde(default)]
    pub(crate) spdx_element_id: String,
    #[serde(default)]
    pub(crate) relationship_type: String,
    #[serde(default)]
    pub(crate) related_spdx_element: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn placed(image: u8, directory: &str, keeps: bool, document: Value) -> Placed {
        let mut document = document;
        document["spdxVersion"] = json!("SPDX-2.3");
        Placed {
            image: Digest::from([image; 32]),
            keeps,
            directory: directory.to_owned(),
            fragment: Fragment::from_document(&document.to_string()).unwrap(),
        }
    }

    fn document(id: &str, version: &str) -> Value {
        json!({
            "packages": [{"SPDXID": id, "versionInfo": version, "licenseDeclared": "MIT AND LicenseRef-x"}],
            "hasExtractedLicensingInfos": [{"licenseId": "LicenseRef-x", "extractedText": version}],
            "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relatedSpdxElement": id, "relationshipType": "DESCRIBES"}],
        })
    }

    /// What becomes of packages, `id version licence place`, and of the ends of relationships.
    fn check(images: &[Placed], packages: &[&str], related: &[&str]) {
        let mut merge = Merge::default();
        for placed in images {
            merge.add(placed).unwrap();
        }
        let merged = merge.finish();
        let show = |text: &String, keys: &[&str]| {
            let value: Value = serde_json::from_str(text).unwrap();
            let texts: Vec<&str> = keys.iter().filter_map(|key| value[key].as_str()).collect();
            texts.join(" ")
        };
        let keys = ["SPDXID", "versionInfo", "licenseDeclared", "packageFileName"];
        let found: Vec<String> = merged.packages.iter().map(|text| show(text, &keys)).collect();
        assert_eq!(found, packages);
        let found: Vec<String> = merged
            .relationships
            .iter()
            .map(|text| show(text, &["relatedSpdxElement"]))
            .collect();
        assert_eq!(found, related);
    }

    #[test]
    fn equal_elements_are_there_once_and_different_ones_apart() {
        let a = |image, directory, version| placed(image, directory, true, document("SPDXRef-a", version));
        check(
            &[a(1, "", "1"), a(2, "", "1")],
            &["SPDXRef-a 1 MIT AND LicenseRef-x"],
            &["SPDXRef-a"],
        );
        check(
            &[a(1, "", "1"), a(2, "", "2"), a(3, "", "3")],
            &[
                "SPDXRef-a 1 MIT AND LicenseRef-x",
                "SPDXRef-a-2 2 MIT AND LicenseRef-x-2",
                "SPDXRef-a-3 3 MIT AND LicenseRef-x-3",
            ],
            &["SPDXRef-a", "SPDXRef-a-2", "SPDXRef-a-3"],
        );
    }

    #[test]
    fn an_image_at_two_places_keeps_its_identifiers_if_it_may() {
        let at = |directory, keeps| placed(1, directory, keeps, document("SPDXRef-a", "1"));
        check(
            &[at("", true), at("c/x", true)],
            &[
                "SPDXRef-a 1 MIT AND LicenseRef-x",
                "SPDXRef-a 1 MIT AND LicenseRef-x c/x",
            ],
            &["SPDXRef-a"],
        );
        check(
            &[at("", false), at("c/x", false)],
            &[
                "SPDXRef-a 1 MIT AND LicenseRef-x",
                "SPDXRef-a-2 1 MIT AND LicenseRef-x c/x",
            ],
            &["SPDXRef-a", "SPDXRef-a-2"],
        );
    }

    #[test]
    fn a_new_name_is_never_one_that_is_there() {
        let two =
            json!({"packages": [{"SPDXID": "SPDXRef-a", "versionInfo": "2"}, {"SPDXID": "SPDXRef-a-2"}]});
        check(
            &[
                placed(1, "", true, document("SPDXRef-a", "1")),
                placed(2, "", true, two),
            ],
            &["SPDXRef-a 1 MIT AND LicenseRef-x", "SPDXRef-a-3 2", "SPDXRef-a-2"],
            &["SPDXRef-a"],
        );
    }

    #[test]
    fn names_of_files() {
        for (directory, name, expect) in [
            ("", "bin/a", "bin/a"),
            ("", "./bin//a", "bin/a"),
            ("", "/bin/a", "/bin/a"),
            ("", "", ""),
            ("c/x", "", "c/x"),
            ("c/x", "/bin/a", "c/x/bin/a"),
            ("c/x", "../../etc/passwd", "c/x/etc/passwd"),
            ("c/x", "a/../b/.", "c/x/b"),
        ] {
            assert_eq!(join(directory, name), expect, "{directory} {name}");
        }
    }

    #[test]
    fn other_documents_are_named_anew_too() {
        let document = |checksum: &str| {
            json!({
                "externalDocumentRefs": [{"externalDocumentId": "DocumentRef-o", "spdxDocument": checksum}],
                "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relatedSpdxElement": "DocumentRef-o:SPDXRef-z"}],
            })
        };
        check(
            &[
                placed(1, "", true, document("1")),
                placed(2, "", true, document("2")),
            ],
            &[],
            &["DocumentRef-o:SPDXRef-z", "DocumentRef-o-2:SPDXRef-z"],
        );
    }

    #[test]
    fn elements_that_are_no_objects_or_too_deep_are_refused() {
        let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
        for (element, expect) in [
            ("1", "invalid type"),
            (&deep, "recursion limit"),
            ("[]", "invalid type"),
        ] {
            let text = format!(r#"{{"spdxVersion":"SPDX-2.3","files":[{element}]}}"#);
            let placed = Placed {
                fragment: Fragment::from_document(&text).unwrap(),
                ..placed(1, "", true, json!({}))
            };
            let error = Merge::default().add(&placed).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        }
    }
}
