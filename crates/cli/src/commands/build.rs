//! `ironkit build`.

use ironkit_pipeline::packages::PackageOptions;
use ironkit_pipeline::{BuildOptions, BuildReport, ProvenanceOptions, sources};

use super::Outcome;
use crate::args::{BuildArguments, Global};
use crate::console::{Console, size, table};
use crate::exit::Failure;
use crate::{diagnostics, environment};

/// Builds, and says what was written.
pub fn run(global: &Global, arguments: &BuildArguments, console: &Console) -> Outcome {
    let context = environment::context(global)?;
    let formats = arguments
        .format
        .iter()
        .map(|name| name.parse())
        .collect::<Result<_, _>>()?;
    let texts = sources::read(&context, &arguments.manifests, &mut std::io::stdin())?;
    let options = BuildOptions {
        name: arguments
            .name
            .clone()
            .unwrap_or_else(|| sources::base_name(&arguments.manifests)),
        directory: arguments.dir.clone(),
        formats,
        platform: environment::platform(arguments.arch.as_deref())?,
        pull: arguments.pull,
        packages: PackageOptions {
            locked: arguments.locked,
            force: false,
        },
        sbom: environment::sbom(&arguments.sbom)?,
        provenance: arguments.provenance.clone().map(|file| ProvenanceOptions {
            file,
            formats: arguments.format.clone(),
        }),
    };
    let report = ironkit_pipeline::build(&context, &texts, &options, console)
        .map_err(|error| Failure::in_sources(error, &texts))?;
    console.finish();
    if !global.quiet {
        diagnostics::print(&report.warnings, &texts);
        for overridden in &report.overridden {
            console.inform(&format!("note: {overridden}"));
        }
    }
    if arguments.sizes {
        console.print(&sizes(&report));
    } else {
        for (path, bytes) in &report.outputs {
            console.inform(&format!(
                "{}  {}",
                path.strip_prefix("./").unwrap_or(path).display(),
                size(*bytes)
            ));
        }
    }
    Ok(())
}

/// The outputs and what each component takes of the initrd.
fn sizes(report: &BuildReport) -> String {
    let mut rows = Vec::new();
    for (path, bytes) in &report.outputs {
        rows.push(vec![
            path.strip_prefix("./").unwrap_or(path).display().to_string(),
            size(*bytes),
        ]);
    }
    for component in &report.components {
        rows.push(vec![
            format!(
                "  {}",
                format!("{} {}", component.location, component.name).trim_start()
            ),
            size(component.size),
        ]);
    }
    let total = report.outputs.iter().map(|(_, bytes)| bytes).sum();
    rows.push(vec!["total".to_owned(), size(total)]);
    table(&rows)
}
