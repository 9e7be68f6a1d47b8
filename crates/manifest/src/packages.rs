//! `@pkg:` templates: a scalar that names a package directory becomes that package's image reference.
//!
//! LinuxKit takes every scalar that begins with `@` for a template, and one that it does not know is empty. So it is
//! here, with a warning: a machine is not to get other files from the same manifest. What the reference is, the caller knows; here are only the places.

use crate::yaml::{Kind, Node, Value};
use crate::{Diagnostic, Diagnostics, SourceFile};

/// Turns the path behind `@pkg:`, relative to the file's directory, into an image reference. The error is shown at
/// the scalar's place.
pub type ResolvePackage<'r> = &'r dyn Fn(&str, &SourceFile) -> Result<String, String>;

/// Replaces every such scalar below `node`, keys included. Files that are not local have none.
pub(crate) fn expand(node: &mut Node, file: &SourceFile, resolve: ResolvePackage<'_>, out: &mut Diagnostics) {
    if file.directory.is_none() {
        return;
    }
    match &mut node.value {
        Value::Sequence(items) => items.iter_mut().for_each(|item| expand(item, file, resolve, out)),
        Value::Mapping(entries) => {
            for (key, value) in entries {
                expand(key, file, resolve, out);
                expand(value, file, resolve, out);
            }
        }
        Value::Scalar(scalar) if scalar.kind == Kind::String => {
            let Some(path) = scalar.text.strip_prefix("@pkg:") else {
                if scalar.text.starts_with('@') {
                    let message = format!(
                        "`{}` is no template that is known, and becomes empty",
                        scalar.text
                    );
                    let warning = Diagnostic::warning(node.span, message);
                    out.push(warning.hint("only `@pkg:` is one; text that begins with `@` can be in a file of its own (`source`)"));
                    scalar.text.clear();
                }
                return;
            };
            match resolve(path, file) {
                Ok(reference) => scalar.text = reference,
                Err(reason) => {
                    out.push(Diagnostic::error(
                        node.span,
                        format!("cannot resolve `{}`: {reason}", scalar.text),
                    ));
                    // A well-formed stand-in, so that the literal is not reported as a bad reference as well.
                    scalar.text = "unresolved".to_owned();
                }
            }
        }
        Value::Scalar(_) => {}
    }
}
