//! `ironkit pkg`.

use ironkit_package::Naming;
use ironkit_pipeline::packages::{self, PackageOptions};

use super::Outcome;
use crate::args::{Global, PkgArguments, PkgBuildArguments, PkgCommand, PkgTagArguments};
use crate::console::{Console, size};
use crate::environment;

/// Dispatches.
pub fn run(global: &Global, arguments: &PkgArguments, console: &Console) -> Outcome {
    let naming = environment::naming(&arguments.naming)?;
    match &arguments.command {
        PkgCommand::Build(arguments) => build(global, &naming, arguments, console),
        PkgCommand::ShowTag(arguments) => show_tag(&naming, arguments, console),
    }
}

/// Builds each component and prints its reference; what changed in its lock file goes to standard error.
fn build(global: &Global, naming: &Naming, arguments: &PkgBuildArguments, console: &Console) -> Outcome {
    let context = environment::context(global)?;
    let platform = environment::platform(arguments.arch.as_deref())?;
    let store = context.store()?;
    let options = PackageOptions {
        locked: arguments.locked,
        force: arguments.force,
    };
    for path in &arguments.path {
        let recipe = packages::load(path, naming)?;
        for warning in &recipe.warnings {
            console.inform(&warning.to_string());
        }
        let built = packages::build(&context, &store, &recipe, &platform, options, console)?;
        for change in &built.changes {
            console.inform(&format!("{path}/build.lock: {change}"));
        }
        let state = if built.cached {
            "already in the cache"
        } else {
            "built"
        };
        console.inform(&format!("{path}: {state}, {}", size(built.layer_size)));
        console.print(&built.reference.to_string());
    }
    Ok(())
}

fn show_tag(naming: &Naming, arguments: &PkgTagArguments, console: &Console) -> Outcome {
    for path in &arguments.path {
        let recipe = packages::load(path, naming)?;
        let reference = ironkit_package::reference(&recipe)?.to_string();
        let short = reference.strip_prefix("docker.io/").unwrap_or(&reference);
        console.print(if arguments.canonical { &reference } else { short });
    }
    Ok(())
}
