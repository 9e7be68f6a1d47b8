//! `diff`: what is different between two manifests, outputs, trees or images, by component.
//!
//! Both sides become a [`Side`]: entries by path, each with the component that it belongs to. What they came from does not
//! matter then, so a manifest can be held against what was once built from it. Times and hard links are not compared: not
//! every form has them.

mod json;
mod side;

use std::collections::{BTreeMap, BTreeSet};

use ironkit_tree::Path;

pub use json::Change as JsonChange;
pub use side::{DiffOptions, Entry, Side, listed, load};

/// All that is different.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Difference {
    /// What is said about the kernel, which is not in the root file system: name, before, after.
    pub kernel: Vec<(&'static str, String, String)>,
    /// The components with differences, in alphabetical order.
    pub components: Vec<ComponentDifference>,
}

/// What is different in one component.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ComponentDifference {
    /// `service nginx`, `init ironkit/init`, `files`.
    pub name: String,
    /// What it was made from; equal when that is the same, empty when nobody knows.
    pub before: String,
    /// What it is made from now.
    pub after: String,
    /// The entries that differ, by path.
    pub entries: Vec<EntryDifference>,
}

/// A path that is different.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryDifference {
    /// The path.
    pub path: Path,
    /// None when it is new.
    pub before: Option<Entry>,
    /// None when it is gone.
    pub after: Option<Entry>,
    /// What changed in a JSON document.
    pub json: Vec<JsonChange>,
}

impl Difference {
    /// Whether there is nothing different.
    pub fn is_empty(&self) -> bool {
        self.kernel.is_empty() && self.components.is_empty()
    }
}

/// Compares two sides.
pub fn compare(before: &Side, after: &Side) -> Difference {
    let mut components: BTreeMap<String, ComponentDifference> = BTreeMap::new();
    for name in before.sources.keys().chain(after.sources.keys()) {
        let source = |side: &Side| side.sources.get(name).cloned();
        let (old, new) = (source(before), source(after));
        // A side that does not say where things are from says nothing about a change of that.
        let known = before.names_sources && after.names_sources;
        let same = match (&old, &new) {
            (Some(old), Some(new)) => is_same_source(old, new),
            _ => false,
        };
        if known && !same {
            let difference = components.entry(name.clone()).or_default();
            difference.before = old.unwrap_or_default();
            difference.after = new.unwrap_or_default();
        }
    }
    let paths: BTreeSet<&Path> = before.entries.keys().chain(after.entries.keys()).collect();
    for path in paths {
        let (old, new) = (before.entries.get(path), after.entries.get(path));
        if let (Some(old), Some(new)) = (old, new)
            && old.is_like(new)
        {
            continue;
        }
        let owners = new.iter().chain(&old).map(|entry| entry.component.as_str());
        let owner = owners.clone().find(|owner| *owner != side::UNKNOWN);
        let Some(owner) = owner.or(owners.clone().next()).map(str::to_owned) else {
            continue;
        };
        components
            .entry(owner)
            .or_default()
            .entries
            .push(EntryDifference {
                path: path.clone(),
                before: old.cloned(),
                after: new.cloned(),
                json: json::changes(
                    old.and_then(|entry| entry.document.as_deref()),
                    new.and_then(|entry| entry.document.as_deref()),
                ),
            });
    }
    let kernel = match (&before.kernel, &after.kernel) {
        (Some(before), Some(after)) => {
            let pairs = before.iter().zip(after);
            let changed = pairs.filter(|(old, new)| old.1 != new.1);
            changed
                .map(|(old, new)| (old.0, old.1.clone(), new.1.clone()))
                .collect()
        }
        _ => Vec::new(),
    };
    let components = components
        .into_iter()
        .map(|(name, component)| ComponentDifference { name, ..component });
    Difference {
        kernel,
        components: components.collect(),
    }
}

/// Whether two references are of one image, as far as both say: a tar names no digests.
fn is_same_source(old: &str, new: &str) -> bool {
    match (old.split_once('@'), new.split_once('@')) {
        (Some((old, _)), None) => old == new,
        (None, Some((new, _))) => old == new,
        _ => old == new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `path kind access digest component`, one a line.
    fn side(lines: &[(&str, &str, &str)]) -> Side {
        let entry = |what: &str, component: &str| Entry {
            component: component.to_owned(),
            kind: "file",
            access: "0644 0:0".to_owned(),
            size: Some(1),
            content: what.to_owned(),
            again: false,
            document: what.starts_with('{').then(|| what.as_bytes().to_vec()),
        };
        Side {
            entries: lines
                .iter()
                .map(|(path, what, component)| (Path::parse(path).unwrap(), entry(what, component)))
                .collect(),
            ..Side::default()
        }
    }

    #[test]
    fn entries_are_grouped_by_component() {
        let before = side(&[
            ("a", "1", "x"),
            ("b", "1", "y"),
            ("c", "1", "x"),
            ("d", "{\"k\":1}", "z"),
        ]);
        let after = side(&[
            ("a", "1", "other"),
            ("b", "2", "y"),
            ("d", "{\"k\":2}", "z"),
            ("e", "1", "x"),
        ]);
        let found = compare(&before, &after);
        let shown: Vec<String> = found
            .components
            .iter()
            .map(|component| {
                let entries = component.entries.iter().map(|entry| {
                    let sign = match (&entry.before, &entry.after) {
                        (None, _) => '+',
                        (_, None) => '-',
                        _ => '~',
                    };
                    let json: Vec<&str> = entry.json.iter().map(|change| change.pointer.as_str()).collect();
                    format!("{sign}{}{}", entry.path, json.concat())
                });
                format!("{}: {}", component.name, entries.collect::<Vec<_>>().join(" "))
            })
            .collect();
        assert_eq!(shown, ["x: -c +e", "y: ~b", "z: ~d/k"]);
        // Who says where something belongs is believed.
        let nobody = side(&[("a", "2", side::UNKNOWN)]);
        assert_eq!(compare(&before, &nobody).components[0].name, "x");
        assert!(compare(&before, &before).is_empty());
    }

    #[test]
    fn sources_count_where_both_sides_know_them() {
        let with = |source: &str| {
            let mut side = side(&[]);
            side.sources.insert("init x".to_owned(), source.to_owned());
            side.names_sources = true;
            side
        };
        let found = compare(&with("x@1"), &with("x@2"));
        let component = &found.components[0];
        assert_eq!(
            (
                component.name.as_str(),
                component.before.as_str(),
                component.after.as_str()
            ),
            ("init x", "x@1", "x@2")
        );
        assert!(compare(&with("x@1"), &side(&[])).is_empty());
    }
}
