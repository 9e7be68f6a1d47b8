//! Reading typed values from nodes, with every mistake collected and none fatal to the rest.
//!
//! A decoder is a function from a node to a value, or to `None` after it has said what is wrong. They compose:
//! `mapping.get("env", out, list(string))`.

use std::collections::BTreeMap;

use crate::schema::{self, Object};
use crate::suggest::{nearest, quoted_list};
use crate::yaml::{Kind, NOTHING, Node, Value};
use crate::{Diagnostic, Diagnostics, Span, Spanned};

/// A closed mapping: its keys are known, and others are mistakes.
#[derive(Debug, Clone)]
pub struct Mapping<'n> {
    /// Where it is.
    pub span: Span,
    what: &'n str,
    entries: Vec<(&'n str, &'n Node, &'n Node)>,
}

/// How keys are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// Exactly as listed.
    Exact,
    /// As listed, or in lower case throughout: fields of the OCI specification, for which LinuxKit's decoder knew only
    /// the latter.
    OrLowerCase,
}

impl<'n> Mapping<'n> {
    /// Reads a mapping that may have these keys. `what` names it in messages: `` `kernel` ``. Reports another kind of
    /// node, for which it returns `None`, and each unknown key.
    pub fn read(
        node: &'n Node,
        what: &'n str,
        keys: &[&'n str],
        spelling: Spelling,
        out: &mut Diagnostics,
    ) -> Option<Mapping<'n>> {
        Mapping::read_with(node, what, keys, spelling, |_| None, out)
    }

    /// Reads a mapping of the manifest's schema. Keys that belong to another of its mappings are shown the way.
    pub fn object(
        node: &'n Node,
        what: &'n str,
        object: &'static Object,
        out: &mut Diagnostics,
    ) -> Option<Mapping<'n>> {
        let spelling = if object.lower_case {
            Spelling::OrLowerCase
        } else {
            Spelling::Exact
        };
        Mapping::read_with(node, what, &object.keys(), spelling, schema::home, out)
    }

    fn read_with(
        node: &'n Node,
        what: &'n str,
        keys: &[&'n str],
        spelling: Spelling,
        home: impl Fn(&str) -> Option<String>,
        out: &mut Diagnostics,
    ) -> Option<Mapping<'n>> {
        let Value::Mapping(pairs) = &node.value else {
            wrong_type(node, "a mapping", out);
            return None;
        };
        let mut mapping = Mapping {
            span: node.span,
            what,
            entries: Vec::with_capacity(pairs.len()),
        };
        for (key, value) in pairs {
            let name = key.text().unwrap_or_default();
            let matches = |known: &&&str| {
                **known == name || (spelling == Spelling::OrLowerCase && known.to_ascii_lowercase() == name)
            };
            match keys.iter().find(matches) {
                Some(known) if mapping.node(known).is_some() => {
                    out.push(Diagnostic::error(
                        key.span,
                        format!("`{known}` is given twice, in two spellings"),
                    ));
                }
                Some(known) => mapping.entries.push((known, key, value)),
                None if out.is_full() => out.push(Diagnostic::error(key.span, "unknown key")),
                None => out.push(unknown_key(key, what, keys, &home)),
            }
        }
        Some(mapping)
    }

    /// The value of a key, undecoded.
    pub fn node(&self, key: &str) -> Option<&'n Node> {
        self.entries
            .iter()
            .find(|(name, ..)| *name == key)
            .map(|(_, _, value)| *value)
    }

    /// Where a key is written.
    pub fn key_span(&self, key: &str) -> Option<Span> {
        self.entries
            .iter()
            .find(|(name, ..)| *name == key)
            .map(|(_, at, _)| at.span)
    }

    /// The value of a key; `None` when it is absent or wrong.
    pub fn get<T>(
        &self,
        key: &str,
        out: &mut Diagnostics,
        decode: impl FnOnce(&Node, &mut Diagnostics) -> Option<T>,
    ) -> Option<T> {
        let node = self.node(key)?;
        out.within(key, |out| decode(node, out))
    }

    /// The value of a key that must be there.
    pub fn required<T>(
        &self,
        key: &str,
        out: &mut Diagnostics,
        decode: impl FnOnce(&Node, &mut Diagnostics) -> Option<T>,
    ) -> Option<T> {
        if self.node(key).is_none() {
            let mistake = Diagnostic::error(self.span, format!("{} has no `{key}`", self.what));
            out.push(mistake.label(format!("`{key}` is missing here")));
        }
        self.get(key, out, decode)
    }
}

/// A string, and where it is. Numbers and booleans without quotes are none, as in LinuxKit.
pub fn string(node: &Node, out: &mut Diagnostics) -> Option<Spanned<String>> {
    match &node.value {
        Value::Scalar(scalar) if scalar.kind == Kind::String => {
            Some(Spanned::new(scalar.text.clone(), node.span))
        }
        _ => {
            wrong_type(node, "a string", out);
            None
        }
    }
}

/// A string whose place does not matter.
pub fn text(node: &Node, out: &mut Diagnostics) -> Option<String> {
    string(node, out).map(|string| string.value)
}

/// `true` or `false`.
pub fn boolean(node: &Node, out: &mut Diagnostics) -> Option<bool> {
    match &node.value {
        Value::Scalar(scalar) if matches!(scalar.kind, Kind::Boolean(_)) => {
            let Kind::Boolean(value) = scalar.kind else {
                return None;
            };
            Some(value)
        }
        _ => {
            wrong_type(node, "`true` or `false`", out);
            None
        }
    }
}

/// A whole number that fits its type.
pub fn integer<T: Integer>(node: &Node, out: &mut Diagnostics) -> Option<T> {
    let Value::Scalar(scalar) = &node.value else {
        wrong_type(node, "an integer", out);
        return None;
    };
    let value = match scalar.kind {
        Kind::Integer(value) => Some(value),
        Kind::Float => whole(&scalar.text),
        _ => None,
    };
    let Some(value) = value else {
        wrong_type(node, "an integer", out);
        return None;
    };
    let fitting = T::try_from(value).ok();
    if fitting.is_none() {
        let message = format!(
            "{} must be a number from {} to {}, not {value}",
            out.field(),
            T::MIN,
            T::MAX
        );
        out.push(Diagnostic::error(node.span, message));
    }
    fitting
}

/// The value of a number like `1e9`, when it is a whole one that a float holds exactly; LinuxKit takes these too.
fn whole(text: &str) -> Option<i128> {
    /// 2^53: up to here every whole number is a float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = text.replace('_', "").parse().ok()?;
    (number.fract() == 0.0 && number.abs() <= EXACT)
        .then(|| format!("{number:.0}").parse().ok())
        .flatten()
}

/// Number types that [`integer`] can decode to.
pub trait Integer: TryFrom<i128> {
    /// Smallest value.
    const MIN: Self::Shown;
    /// Largest value.
    const MAX: Self::Shown;
    /// The type itself.
    type Shown: std::fmt::Display;
}

macro_rules! integers {
    ($($type:ty),*) => {
        $(impl Integer for $type {
            const MIN: $type = <$type>::MIN;
            const MAX: $type = <$type>::MAX;
            type Shown = $type;
        })*
    };
}
integers!(u16, i32, u32, i64, u64);

/// A list of what `item` decodes. Items that are wrong are left out.
pub fn list<T>(
    item: impl Fn(&Node, &mut Diagnostics) -> Option<T>,
) -> impl Fn(&Node, &mut Diagnostics) -> Option<Vec<T>> {
    move |node, out| match &node.value {
        Value::Sequence(items) => Some(
            items
                .iter()
                .filter_map(|node| out.within_list(|out| item(node, out)))
                .collect(),
        ),
        _ => {
            wrong_type(node, "a list", out);
            None
        }
    }
}

/// A mapping with free keys.
pub fn map_of<T>(
    value: impl Fn(&Node, &mut Diagnostics) -> Option<T>,
) -> impl Fn(&Node, &mut Diagnostics) -> Option<BTreeMap<String, T>> {
    move |node, out| match &node.value {
        Value::Mapping(pairs) => Some(
            pairs
                .iter()
                .filter_map(|(key, node)| {
                    let key = key.text()?;
                    Some((key.to_owned(), out.within(key, |out| value(node, out))?))
                })
                .collect(),
        ),
        _ => {
            wrong_type(node, "a mapping", out);
            None
        }
    }
}

/// One of some words.
pub fn word<T: Copy>(choices: &[(&str, T)]) -> impl Fn(&Node, &mut Diagnostics) -> Option<T> {
    move |node, out| {
        let given = string(node, out)?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == given.value) {
            return Some(*value);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let message = format!("{} cannot be `{}`", out.field(), given.value);
        let hint = match nearest(&given, &words) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("expected {}", quoted_list(&words)),
        };
        out.push(Diagnostic::error(node.span, message).hint(hint));
        None
    }
}

/// Reports that something else than `expected` was found.
pub fn wrong_type(node: &Node, expected: &str, out: &mut Diagnostics) {
    let found = node.describe();
    let message = match (out.field(), found) {
        ("", _) => format!("expected {expected}, found {found}"),
        (field, NOTHING) => format!("{field} must be {expected}, but has no value"),
        (field, _) => format!("{field} must be {expected}, not {found}"),
    };
    let mistake = Diagnostic::error(node.span, message).label(format!("expected {expected}"));
    let Value::Scalar(scalar) = &node.value else {
        out.push(mistake);
        return;
    };
    let short = scalar.text.len() <= 60 && !scalar.text.contains('\n');
    let mistake = match (expected, scalar.kind) {
        ("a string", Kind::Null) => mistake.hint("write `\"\"` for an empty string, or leave the key out"),
        ("a string", _) if short => mistake.hint(format!("put it in quotes: \"{}\"", scalar.text)),
        ("a list", Kind::Null) => mistake.hint("write `[]` for an empty list, or leave the key out"),
        ("a list", _) if short => mistake.hint(format!("write a list: `[\"{}\"]`", scalar.text)),
        ("a mapping", Kind::Null) => mistake.hint("write `{}` for an empty mapping"),
        ("an integer", Kind::String) if !scalar.plain && scalar.text.parse::<i64>().is_ok() => {
            mistake.hint("leave out the quotes")
        }
        ("`true` or `false`", _) => match scalar.text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "true" => mistake.hint("write `true`, without quotes"),
            "no" | "off" | "false" => mistake.hint("write `false`, without quotes"),
            _ => mistake,
        },
        _ => mistake,
    };
    out.push(mistake);
}

/// Keys that people bring from other tools.
const FOREIGN: &[(&str, &str)] = &[
    ("entrypoint", "command"),
    ("cmd", "command"),
    ("args", "command"),
    ("environment", "env"),
    ("network", "net"),
    ("network_mode", "net"),
    ("cap_add", "capabilities.add"),
    ("working_dir", "cwd"),
    ("workdir", "cwd"),
    ("volumes", "binds"),
    ("read_only", "readonly"),
    ("user", "uid"),
    ("group", "gid"),
    ("ulimits", "rlimits"),
    ("sysctls", "sysctl"),
    ("labels", "annotations"),
    ("content", "contents"),
    ("target", "symlink"),
    ("type", "format"),
];

/// Lists of more keys than this do not fit under a caret.
const LABELLED: usize = 10;

fn unknown_key(key: &Node, what: &str, keys: &[&str], home: &dyn Fn(&str) -> Option<String>) -> Diagnostic {
    let name = key.text().unwrap_or_default();
    let foreign = FOREIGN
        .iter()
        .find(|(from, to)| *from == name && keys.contains(to))
        .map(|(_, to)| *to);
    let mistake = Diagnostic::error(key.span, format!("unknown key `{name}` in {what}"));
    let known = format!("known here: {}", quoted_list(keys));
    if foreign.is_none()
        && let Some(home) = home(name)
    {
        return mistake.hint(format!("`{name}` belongs to {home}"));
    }
    match foreign.or_else(|| nearest(name, keys)) {
        Some(near) if keys.len() <= LABELLED => mistake.label(known).hint(format!("did you mean `{near}`?")),
        Some(near) => mistake.hint(format!("did you mean `{near}`?")),
        None => mistake.hint(known),
    }
}
