//! Components: `@pkg:` references in manifests, and `pkg build`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ironkit_manifest::SourceFile;
use ironkit_oci::http::Client;
use ironkit_oci::{Platform, Store};
use ironkit_package::{Built, Naming, Options, Recipe};

use crate::{Context, Result, Watcher};

/// The components that manifests named with `@pkg:`, by the reference that took its place.
#[derive(Debug, Default)]
pub struct Named(RefCell<BTreeMap<String, Recipe>>);

impl Named {
    /// Resolves the path behind `@pkg:` to the component's reference, and remembers its recipe.
    ///
    /// # Errors
    /// A text for the place in the manifest.
    pub fn resolve(&self, path: &str, file: &SourceFile) -> std::result::Result<String, String> {
        let directory = tidy(&file.directory.clone().unwrap_or_default().join(path));
        let directory = match directory.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => directory,
        };
        let recipe = ironkit_package::load(&directory).map_err(|error| chain(&error))?;
        let reference = ironkit_package::reference(&recipe)
            .map_err(|error| chain(&error))?
            .to_string();
        self.0.borrow_mut().insert(reference.clone(), recipe);
        Ok(reference)
    }

    /// Remembers the recipe of a reference that came from elsewhere.
    pub(crate) fn insert(&self, reference: String, recipe: Recipe) {
        self.0.borrow_mut().insert(reference, recipe);
    }

    /// The recipe of a reference that came from `@pkg:`.
    pub fn recipe(&self, reference: &str) -> Option<Recipe> {
        self.0.borrow().get(reference).cloned()
    }
}

/// How components are built.
#[derive(Debug, Clone, Copy, Default)]
pub struct PackageOptions {
    /// Fail rather than change a lock file.
    pub locked: bool,
    /// Build even what the store has.
    pub force: bool,
}

/// Builds one component into the store.
///
/// # Errors
/// Those of reading the recipe and of building it.
pub fn build(
    context: &Context,
    store: &Store,
    recipe: &Recipe,
    platform: &Platform,
    options: PackageOptions,
    watcher: &dyn Watcher,
) -> Result<Built> {
    let client = Client::new(context.registry.http.clone())?;
    let PackageOptions { locked, force } = options;
    let machine = context.packages.clone();
    let options = Options {
        platform: platform.clone(),
        locked,
        force,
        machine,
    };
    let name = &recipe.definition.image;
    let progress = |text: &str| watcher.step(&format!("{name}: {text}"));
    Ok(ironkit_package::build(
        recipe, store, &client, &options, &progress,
    )?)
}

/// Reads the recipe in a folder given on the command line, with what is said there about its name.
///
/// # Errors
/// Those of reading it.
pub fn load(directory: &str, naming: &Naming) -> Result<Recipe> {
    let directory = match tidy(Path::new(directory)) {
        here if here.as_os_str().is_empty() => PathBuf::from("."),
        directory => directory,
    };
    Ok(ironkit_package::load_as(&directory, naming)?)
}

/// The path without `.` and `x/..`, for messages. Links are left alone as long as no `..` follows them.
fn tidy(path: &Path) -> PathBuf {
    let mut tidied = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if !tidied.is_symlink() && tidied.file_name().is_some() => {
                tidied.pop();
            }
            other => tidied.push(other),
        }
    }
    tidied
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
