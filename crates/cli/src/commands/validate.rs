//! `ironkit validate`.

use ironkit_manifest::Severity;
use ironkit_pipeline::validate;

use super::Outcome;
use crate::args::{Global, ValidateArguments};
use crate::console::Console;
use crate::exit::Failure;
use crate::{diagnostics, environment};

/// Checks manifests and says what is wrong with them.
pub fn run(global: &Global, arguments: &ValidateArguments, console: &Console) -> Outcome {
    let context = environment::context(global)?;
    let checked = validate::validate(&context, &arguments.manifests, &mut std::io::stdin())?;
    let is_error = |severity: &Severity| *severity == Severity::Error;
    let severities = checked.diagnostics.iter().map(|one| one.severity);
    let errors = severities.filter(is_error).count();
    let warnings = checked.diagnostics.len() - errors;
    if arguments.json {
        for diagnostic in &checked.diagnostics {
            console.print(&diagnostics::json(diagnostic, &checked.sources));
        }
    } else if errors > 0 || !global.quiet {
        diagnostics::print(&checked.diagnostics, &checked.sources);
    }
    if errors > 0 {
        return Err(Failure::said(checked.diagnostics));
    }
    if !arguments.json {
        let count = match warnings {
            0 => String::new(),
            1 => ", one warning".to_owned(),
            many => format!(", {many} warnings"),
        };
        console.inform(&format!("{}: no mistakes{count}", arguments.manifests.join(", ")));
    }
    Ok(())
}
