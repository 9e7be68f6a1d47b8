//! `ironkit build`.

use std::path::{Path, PathBuf};

use ironkit_manifest::SourceFile;
use ironkit_pipeline::lock::{self, LockFile};
use ironkit_pipeline::packages::PackageOptions;
use ironkit_pipeline::resolve::ResolveOptions;
use ironkit_pipeline::{
    BuildOptions, BuildReport, Destination, DiskOptions, Error, Format, PlanOptions, ProvenanceOptions,
    sources,
};

use super::Outcome;
use crate::args::{BuildArguments, Global};
use crate::console::{Console, size, table};
use crate::exit::Failure;
use crate::{diagnostics, environment};

/// Builds, and says what was written.
pub fn run(global: &Global, arguments: &BuildArguments, console: &Console) -> Outcome {
    let context = environment::context(global)?;
    let formats = formats(arguments)?;
    let lock = lock_file(arguments)?;
    let texts = sources::read(&context, &arguments.manifests, &mut std::io::stdin())?;
    if let Some(archive) = &arguments.input_tar {
        ironkit_pipeline::input::check(archive, &files(arguments, &formats))?;
    }
    if arguments.dry_run {
        return dry_run(global, &texts, console);
    }
    let plan = PlanOptions {
        resolve: ResolveOptions {
            platform: environment::platform(arguments.arch.as_deref())?,
            pull: arguments.pull,
            engine: arguments.docker.then(environment::engine),
            packages: PackageOptions::default(),
            lock,
        },
        decompress_kernel: arguments.decompress_kernel,
        sbom: environment::sbom(&arguments.sbom)?,
    };
    if !arguments.why.is_empty() {
        let reasons = ironkit_pipeline::why::why(&context, &texts, &plan, &arguments.why, console)
            .map_err(|error| Failure::in_sources(error, &texts))?;
        console.print(&super::why::text(&reasons));
        return Ok(());
    }
    let options = BuildOptions {
        plan,
        provenance: arguments.provenance.clone().map(|file| ProvenanceOptions {
            file,
            formats: formats.iter().map(|format| format.name().to_owned()).collect(),
        }),
        formats,
        check: arguments.check,
        disk: DiskOptions {
            size: arguments.size.map(|mebibytes| mebibytes << 20),
            root: arguments.root,
            data: arguments.data_partition.map(|mebibytes| mebibytes << 20),
        },
        loaders: arguments.loader.clone(),
    };
    let mut stdout = std::io::stdout();
    let destination = destination(arguments, &mut stdout);
    let report = ironkit_pipeline::build(&context, &texts, &options, destination, console)
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
            console.inform(&format!("{}  {}", shown(path), size(*bytes)));
        }
    }
    Ok(())
}

/// Prints what is built of, and builds nothing.
fn dry_run(global: &Global, texts: &[SourceFile], console: &Console) -> Outcome {
    let merged = ironkit_pipeline::plan::merged(texts);
    let (text, warnings) = merged.map_err(|error| Failure::in_sources(error, texts))?;
    if !global.quiet {
        diagnostics::print(&warnings, texts);
    }
    console.print(text.trim_end_matches('\n'));
    Ok(())
}

/// What images are pinned to, when nothing else may be used.
fn lock_file(arguments: &BuildArguments) -> Result<Option<LockFile>, Error> {
    if !arguments.locked {
        return Ok(None);
    }
    lock::read_for(arguments.lock_file.as_deref(), &arguments.manifests).map(Some)
}

/// The formats that were asked for: LinuxKit's defaults if none was.
fn formats(arguments: &BuildArguments) -> Result<Vec<Format>, Error> {
    let named = arguments.format.iter().map(|name| Ok(name.parse()?));
    let mut formats = named.collect::<Result<Vec<Format>, Error>>()?;
    let alone = arguments.output.is_some();
    if formats.is_empty() {
        formats.push(if alone { Format::Tar } else { Format::KernelInitrd });
    }
    match formats.as_slice() {
        [format] if alone && !format.is_one_file() => Err(Error::Usage {
            message: format!("`--o` takes one file, and `{}` is several", format.name()),
            hint: "use --dir and --name".to_owned(),
        }),
        [_, _, ..] if alone => Err(Error::Usage {
            message: "`--o` takes one file, and there are several formats".to_owned(),
            hint: "use --dir and --name".to_owned(),
        }),
        [_, _, ..]
            if formats
                .iter()
                .any(|format| matches!(format, Format::Tar | Format::Docker)) =>
        {
            Err(Error::Usage {
                message: "`tar` and `docker` can only be the one format of a build".to_owned(),
                hint: "build twice: what both need is made once".to_owned(),
            })
        }
        _ => Ok(formats),
    }
}

fn destination<'a>(arguments: &BuildArguments, stdout: &'a mut std::io::Stdout) -> Destination<'a> {
    match &arguments.output {
        Some(path) if path == Path::new("-") => Destination::Stream(stdout),
        Some(path) => Destination::File(path.clone()),
        None => Destination::Named {
            directory: arguments.dir.clone().unwrap_or_else(|| ".".into()),
            name: arguments
                .name
                .clone()
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| sources::base_name(&arguments.manifests)),
        },
    }
}

/// The files that are of one of the formats alone.
fn files(arguments: &BuildArguments, formats: &[Format]) -> Vec<PathBuf> {
    match destination(arguments, &mut std::io::stdout()) {
        Destination::File(path) => vec![path],
        Destination::Stream(_) => Vec::new(),
        Destination::Named { directory, name } => {
            let file = |format: &Format| directory.join(format!("{name}{}", format.file()));
            formats.iter().map(file).collect()
        }
    }
}

fn shown(path: &Path) -> std::path::Display<'_> {
    path.strip_prefix("./").unwrap_or(path).display()
}

/// The outputs and what each component takes of the initrd.
fn sizes(report: &BuildReport) -> String {
    let mut rows = Vec::new();
    for (path, bytes) in &report.outputs {
        rows.push(vec![shown(path).to_string(), size(*bytes)]);
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
