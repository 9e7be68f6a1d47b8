//! The in-toto statement: what a document is about, around the document (in-toto attestation framework, v0.1 and v1).

use ironkit_tree::Digest;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::{Error, Result};

/// The predicate type of SPDX documents.
pub const SPDX: &str = "https://spdx.dev/Document";
/// The media type of a statement in an image's attestation.
pub const MEDIA_TYPE: &str = "application/vnd.in-toto+json";
/// The type of statements that are written.
const TYPE: &str = "https://in-toto.io/Statement/v1";

/// What a statement is about: a file or an image, by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
}

/// The predicate of a statement that has the type `expected`.
///
/// # Errors
/// [`Error::Json`], [`Error::Predicate`].
pub fn predicate<'a>(text: &'a [u8], expected: &'static str) -> Result<&'a RawValue> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Statement<'a> {
        #[serde(default)]
        predicate_type: String,
        #[serde(borrow)]
        predicate: &'a RawValue,
    }
    let statement: Statement = serde_json::from_slice(text).map_err(|source| Error::Json {
        what: "the in-toto statement",
        source,
    })?;
    if statement.predicate_type != expected {
        let found = Error::shown(&statement.predicate_type);
        return Err(Error::Predicate { expected, found });
    }
    Ok(statement.predicate)
}

/// A statement about `subjects`.
pub fn statement(subjects: &[Subject], predicate_type: &str, predicate: &Value) -> Value {
    let subject =
        |subject: &Subject| json!({"name": subject.name, "digest": {"sha256": subject.digest.hex()}});
    json!({
        "_type": TYPE,
        "subject": subjects.iter().map(subject).collect::<Vec<_>>(),
        "predicateType": predicate_type,
        "predicate": predicate,
    })
}
