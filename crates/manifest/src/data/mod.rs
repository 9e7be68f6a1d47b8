//! Documents that are written rather than read: plain values, and their texts in YAML and JSON.
//!
//! Mappings keep the order in which they were filled, so the same value always gives the same text.

mod json;
mod yaml;

pub use json::{compact, pretty};
pub use yaml::yaml;

/// A value of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i128),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Data>),
    /// Keys and values, in the order in which they are written.
    Map(Vec<(String, Data)>),
}

impl Data {
    /// The text of a value.
    pub fn text(text: impl Into<String>) -> Data {
        Data::Text(text.into())
    }

    /// A mapping with these entries.
    pub fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Data)>) -> Data {
        Data::Map(
            entries
                .into_iter()
                .map(|(key, value)| (key.into(), value))
                .collect(),
        )
    }
}
