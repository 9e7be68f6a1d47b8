//! `validate`: manifests and recipes read and checked, and nothing done with them.

use std::io::Read;
use std::path::Path;

use ironkit_manifest::{Diagnostic, SourceFile};
use ironkit_package::Naming;

use crate::packages::{self, Named};
use crate::{Context, Error, Result, sources};

/// What was found.
#[derive(Debug, Default)]
pub struct Checked {
    /// The manifests, to which the places refer.
    pub sources: Vec<SourceFile>,
    /// Mistakes and warnings: those of the merged manifests first, then those of each recipe.
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks manifests, merged as `build` merges them, and every argument that is called `build.yml` as a recipe. Images are
/// not looked up; `@pkg:` is resolved. Only what is given as an address is fetched.
///
/// # Errors
/// A file that cannot be read. Mistakes are no error here.
pub fn validate(context: &Context, arguments: &[String], stdin: &mut dyn Read) -> Result<Checked> {
    let is_recipe = |argument: &&String| {
        Path::new(argument.as_str())
            .file_name()
            .is_some_and(|name| name == ironkit_package::FILE_NAME)
    };
    let manifests: Vec<String> = arguments.iter().filter(|one| !is_recipe(one)).cloned().collect();
    let mut checked = Checked {
        sources: sources::read(context, &manifests, stdin)?,
        ..Checked::default()
    };
    if !manifests.is_empty() {
        let named = Named::default();
        let resolve = |path: &str, file: &SourceFile| named.resolve(path, file);
        let found = ironkit_manifest::parse(&checked.sources, &resolve);
        checked
            .diagnostics
            .extend(found.map_or_else(|mistakes| mistakes, |(_, warnings)| warnings));
    }
    for recipe in arguments.iter().filter(is_recipe) {
        let directory = Path::new(recipe).parent().unwrap_or(Path::new(""));
        match packages::load(&directory.display().to_string(), &Naming::default()) {
            Ok(recipe) => checked.diagnostics.extend(recipe.warnings),
            Err(Error::Manifest(mistakes)) => checked.diagnostics.extend(mistakes),
            Err(error) => return Err(error),
        }
    }
    Ok(checked)
}
