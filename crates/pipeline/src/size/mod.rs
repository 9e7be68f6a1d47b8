//! What takes the space of an image: its files, by component, as numbers and as a picture.
//!
//! Sizes are those of the files, before anything is compressed.

mod map;
mod squares;

use std::collections::BTreeMap;

use ironkit_tree::Path;

use crate::diff::Side;

pub use map::{html, svg};

/// What an image takes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sizes {
    /// All files together, in bytes.
    pub total: u64,
    /// The components, the largest first.
    pub components: Vec<Component>,
}

/// What one component takes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Component {
    /// Its name: `service nginx`.
    pub name: String,
    /// What it was made from, where that is known.
    pub source: String,
    /// All its files together, in bytes.
    pub size: u64,
    /// The files and their sizes in bytes, the largest first. Empty ones are left out.
    pub files: Vec<(Path, u64)>,
}

/// Adds up the files of an image. A file with several names counts once.
pub fn sizes(side: &Side) -> Sizes {
    let mut components: BTreeMap<&str, Component> = BTreeMap::new();
    for (path, entry) in &side.entries {
        let component = components.entry(&entry.component).or_insert_with(|| Component {
            name: entry.component.clone(),
            source: side.sources.get(&entry.component).cloned().unwrap_or_default(),
            ..Component::default()
        });
        if let Some(size) = entry.size.filter(|size| *size > 0 && !entry.again) {
            component.size += size;
            component.files.push((path.clone(), size));
        }
    }
    let mut components: Vec<Component> = components
        .into_values()
        .filter(|component| component.size > 0)
        .collect();
    for component in &mut components {
        component
            .files
            .sort_by(|(path, size), (other_path, other)| other.cmp(size).then_with(|| path.cmp(other_path)));
    }
    components.sort_by(|one, other| other.size.cmp(&one.size).then_with(|| one.name.cmp(&other.name)));
    Sizes {
        total: components.iter().map(|component| component.size).sum(),
        components,
    }
}
