//! What one image says of itself: the lists of an SPDX 2 document, each element as its own JSON text.
//!
//! Elements stay text until one at a time is looked at, and their number and size are bounded, so that a hostile
//! document cannot take much more memory than its own length.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{Error, Result, statement};

/// The longest document that is read, in bytes.
pub const MAX_DOCUMENT: u64 = 16 << 20;
/// The most elements of one list. A distribution's image with all its files listed has some 50 000.
const MAX_ELEMENTS: usize = 200_000;
/// The longest element in bytes: the text of a licence is the longest thing in one.
const MAX_ELEMENT: usize = 512 << 10;

/// The lists of an SPDX 2 document. The default is an image that says nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Fragment {
    /// `packages`.
    pub packages: Elements,
    /// `files`.
    pub files: Elements,
    /// `snippets`.
    pub snippets: Elements,
    /// `hasExtractedLicensingInfos`: texts of licences that SPDX has no name for.
    #[serde(rename = "hasExtractedLicensingInfos")]
    pub licences: Elements,
    /// `relationships`.
    pub relationships: Elements,
    /// `annotations`.
    pub annotations: Elements,
    /// `externalDocumentRefs`.
    #[serde(rename = "externalDocumentRefs")]
    pub references: Elements,
}

/// The elements of a list, each as JSON text.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct Elements(pub Vec<Box<RawValue>>);

impl Fragment {
    /// Reads an in-toto statement with an SPDX document in it.
    ///
    /// # Errors
    /// [`Error`]: not such a statement, not SPDX 2, or more than the limits.
    pub fn from_statement(text: &[u8]) -> Result<Fragment> {
        Fragment::from_document(statement::predicate(text, statement::SPDX)?.get())
    }

    /// Reads an SPDX 2 document.
    ///
    /// # Errors
    /// Those of [`Fragment::from_statement`].
    pub fn from_document(text: &str) -> Result<Fragment> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head {
            #[serde(default)]
            spdx_version: Option<String>,
            #[serde(rename = "@context", default)]
            context: Option<de::IgnoredAny>,
            #[serde(default)]
            document_describes: Option<Elements>,
        }
        let json = |source| Error::Json {
            what: "the SPDX document",
            source,
        };
        if text.len() as u64 > MAX_DOCUMENT {
            let (what, limit) = ("bytes of an SPDX document".to_owned(), MAX_DOCUMENT);
            return Err(Error::TooMuch {
                what,
                limit: usize::try_from(limit).unwrap_or(usize::MAX),
            });
        }
        let head: Head = serde_json::from_str(text).map_err(json)?;
        match (head.spdx_version.as_deref(), head.context) {
            (Some(version), _) if version.starts_with("SPDX-2.") => {}
            (Some(version), _) => return Err(Error::Version(Error::shown(version))),
            (None, Some(_)) => return Err(Error::Version("3".to_owned())),
            (None, None) => return Err(Error::Version(String::new())),
        }
        let mut fragment: Fragment = serde_json::from_str(text).map_err(json)?;
        // An older way to write these relationships.
        for described in head.document_describes.unwrap_or_default().0 {
            let id: Value = serde_json::from_str(described.get()).map_err(json)?;
            fragment.relationships.push(&serde_json::json!({
                "spdxElementId": DOCUMENT, "relatedSpdxElement": id, "relationshipType": "DESCRIBES",
            }));
        }
        Ok(fragment)
    }

    /// Reads the form that [`Fragment::to_text`] writes.
    pub fn from_text(text: &[u8]) -> Option<Fragment> {
        serde_json::from_slice(text).ok()
    }

    /// A text that [`Fragment::from_text`] reads.
    pub fn to_text(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.packages.0.is_empty() && self.files.0.is_empty() && self.snippets.0.is_empty()
    }

    /// Adds all that `other` has.
    pub fn extend(&mut self, other: Fragment) {
        self.packages.0.extend(other.packages.0);
        self.files.0.extend(other.files.0);
        self.snippets.0.extend(other.snippets.0);
        self.licences.0.extend(other.licences.0);
        self.relationships.0.extend(other.relationships.0);
        self.annotations.0.extend(other.annotations.0);
        self.references.0.extend(other.references.0);
    }
}

/// The identifier of every SPDX document inside itself.
pub(crate) const DOCUMENT: &str = "SPDXRef-DOCUMENT";

impl Elements {
    /// Adds an element.
    pub(crate) fn push(&mut self, value: &Value) {
        // A value is always text.
        self.0.extend(serde_json::value::to_raw_value(value));
    }

    /// The texts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|element| element.get())
    }
}

impl<'de> Deserialize<'de> for Elements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Elements, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Elements;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list or null")
            }

            fn visit_unit<E: de::Error>(self) -> std::result::Result<Elements, E> {
                Ok(Elements::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Elements, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element::<Box<RawValue>>()? {
                    if elements.len() >= MAX_ELEMENTS {
                        return Err(de::Error::custom(format_args!(
                            "a list has more than {MAX_ELEMENTS} elements"
                        )));
                    }
                    if element.get().len() > MAX_ELEMENT {
                        return Err(de::Error::custom(format_args!(
                            "an element has {} bytes: at most {MAX_ELEMENT} are accepted",
                            element.get().len()
                        )));
                    }
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }
        deserializer.deserialize_any(Bounded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many packages and relationships a document has, or a part of the message.
    fn check(document: &str, expect: std::result::Result<(usize, usize), &str>) {
        let shown = Error::shown(document);
        match (Fragment::from_document(document), expect) {
            (Ok(found), Ok(expect)) => {
                assert_eq!(
                    (found.packages.0.len(), found.relationships.0.len()),
                    expect,
                    "{shown}"
                );
                let text = found.to_text();
                assert_eq!(
                    Fragment::from_text(&text).map(|again| again.to_text()),
                    Some(text)
                );
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error} for {shown}"),
            (found, _) => panic!("{} for {shown}", found.is_ok()),
        }
    }

    #[test]
    fn documents() {
        check(r#"{"spdxVersion":"SPDX-2.3"}"#, Ok((0, 0)));
        check(
            r#"{"spdxVersion":"SPDX-2.2","packages":null,"files":[],"else":[[]]}"#,
            Ok((0, 0)),
        );
        check(
            r#"{"spdxVersion":"SPDX-2.3","packages":[{"SPDXID":"a"}],"documentDescribes":["a"]}"#,
            Ok((1, 1)),
        );
        check(
            r#"{"spdxVersion":"SPDX-3.0"}"#,
            Err("version `SPDX-3.0` are not supported yet"),
        );
        check(
            r#"{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[]}"#,
            Err("version `3`"),
        );
        check("{}", Err("version ``"));
        check("", Err("EOF"));
        check("[]", Err("version ``"));
        check(
            r#"{"spdxVersion":"SPDX-2.3","packages":{}}"#,
            Err("a list or null"),
        );
        check(r#"{"spdxVersion":"SPDX-2.3","packages":[{"#, Err("EOF"));
    }

    #[test]
    fn hostile_documents_are_refused() {
        let list = |element: &str, count: usize| {
            let elements = vec![element; count].join(",");
            format!(r#"{{"spdxVersion":"SPDX-2.3","files":[{elements}]}}"#)
        };
        check(&list("1", MAX_ELEMENTS + 1), Err("more than 200000 elements"));
        check(
            &list(&format!("\"{}\"", "x".repeat(MAX_ELEMENT)), 1),
            Err("bytes: at most"),
        );
        check(
            &list(&format!("\"{}\"", "x".repeat(MAX_ELEMENT / 2)), 80),
            Err("bytes of an SPDX document"),
        );
        check(&list(&"[".repeat(5_000), 1), Err("cannot be read"));
        check(&"[".repeat(100_000), Err("cannot be read"));
    }

    #[test]
    fn statements() {
        let document = r#"{"spdxVersion":"SPDX-2.3","packages":[{}]}"#;
        for (statement, expect) in [
            (
                format!(r#"{{"predicateType":"https://spdx.dev/Document","predicate":{document}}}"#),
                "",
            ),
            (
                format!(r#"{{"predicateType":"other","predicate":{document}}}"#),
                "found `other`",
            ),
            (
                r#"{"predicateType":"https://spdx.dev/Document"}"#.to_owned(),
                "missing field `predicate`",
            ),
            ("null".to_owned(), "cannot be read"),
            ("\u{feff}{}".to_owned(), "cannot be read"),
        ] {
            let found = Fragment::from_statement(statement.as_bytes());
            let text = found.map_or_else(|error| error.to_string(), |_| String::new());
            assert!(
                text.contains(expect) && text.is_empty() == expect.is_empty(),
                "{text} for {statement}"
            );
        }
    }
}
