//! Users and groups: a number, or the name of a container that has one.

use crate::decode::wrong_type;
use crate::yaml::{Kind, Node, Value};
use crate::{Diagnostic, Diagnostics, Spanned};

/// A user or group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Id {
    /// This one. `""` and `root` are 0.
    Number(u32),
    /// The one that belongs to the container of this name; see `Manifest::ids`. A string of digits is a name too.
    Name(String),
}

/// Decodes a number or a name.
pub fn id(node: &Node, out: &mut Diagnostics) -> Option<Spanned<Id>> {
    let Value::Scalar(scalar) = &node.value else {
        wrong_type(node, "a whole number or the name of a container", out);
        return None;
    };
    let id = match scalar.kind {
        Kind::Integer(number) => match u32::try_from(number) {
            Ok(number) => Id::Number(number),
            Err(_) => {
                let message = format!(
                    "{} must be a number from 0 to {}, not {number}",
                    out.field(),
                    u32::MAX
                );
                out.push(Diagnostic::error(node.span, message));
                return None;
            }
        },
        Kind::String if matches!(scalar.text.as_str(), "" | "root") => Id::Number(0),
        Kind::String => Id::Name(scalar.text.clone()),
        _ => {
            wrong_type(node, "a whole number or the name of a container", out);
            return None;
        }
    };
    Some(Spanned::new(id, node.span))
}
