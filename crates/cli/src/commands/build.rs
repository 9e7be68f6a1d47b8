//! `ironkit build`.

use ironkit_pipeline::lock::{self, LockFile};
use ironkit_pipeline::packages::PackageOptions;
use ironkit_pipeline::resolve::ResolveOptions;
use ironkit_pipeline::{BuildOptions, BuildReport, Error, ProvenanceOptions, sources};

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
        sbom: environment::sbom(&arguments.sbom)?,
        provenance: arguments.provenance.clone().map(|file| ProvenanceOptions {
            file,
            formats: arguments.format.clone(),
        }),
        packages: PackageOptions::default(),
        lock: lock_file(arguments)?,
    };
    if !arguments.why.is_empty() {
        let wanted = ResolveOptions {
            platform: options.platform,
            pull: options.pull,
            packages: options.packages,
            lock: options.lock,
        };
        let reasons = ironkit_pipeline::why::why(&context, &texts, &wanted, &arguments.why, console)
            .map_err(|error| Failure::in_sources(error, &texts))?;
        console.print(&super::why::text(&reasons));
        return Ok(());
    }
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

/// What images are pinned to, when nothing else may be used.
fn lock_file(arguments: &BuildArguments) -> Result<Option<LockFile>, Error> {
    if !arguments.locked {
        return Ok(None);
    }
    let path = match &arguments.lock_file {
        Some(path) => path.clone(),
        None => lock::path(&arguments.manifests)?,
    };
    lock::read_for(&path, &arguments.manifests).map(Some)
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
