//! YAML text as a tree in which every node knows its place.
//!
//! One document with anchors, aliases and merge keys already resolved and duplicate keys refused. Scalars are typed
//! as Go's yaml.v3 types them. What the tree means is not decided here; see [`crate::decode`].

mod advice;
mod parse;
mod place;
mod scalar;

pub use parse::parse;

use crate::Span;

/// A value and its place. The span of a block list or mapping is that of its first item or key, since pointing at
/// all of it helps nobody; that of an absent value is its key's.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it is written. What came in by an alias keeps the place where it was anchored.
    pub span: Span,
    /// The value.
    pub value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A single value.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order of the text, then those that came in by `<<`. Keys are scalars and unique.
    Mapping(Vec<(Node, Node)>),
}

/// A single value: its text, and what YAML takes it for.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// The text, without quotes and with escapes resolved.
    pub text: String,
    /// Its type.
    pub kind: Kind,
    /// Whether it was written without quotes on one or more lines.
    pub plain: bool,
}

/// Type of a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number, also in the forms `0x1f`, `0o17`, `017` and `0b11`.
    Integer(i128),
    /// A number with a fraction or an exponent.
    Float,
    /// Anything else, and everything in quotes.
    String,
}

/// What [`Node::describe`] calls an absent value.
pub(crate) const NOTHING: &str = "nothing";

impl Node {
    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// What it is, with an article: `a list`.
    pub fn describe(&self) -> &'static str {
        match &self.value {
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
            Value::Scalar(scalar) => match scalar.kind {
                Kind::Null => NOTHING,
                Kind::Boolean(_) => "a boolean",
                Kind::Integer(_) => "an integer",
                Kind::Float => "a number",
                Kind::String => "a string",
            },
        }
    }
}
