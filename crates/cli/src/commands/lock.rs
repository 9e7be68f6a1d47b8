//! `ironkit lock`.

use ironkit_pipeline::lock::{self, LockOptions};
use ironkit_pipeline::sources;

use super::Outcome;
use crate::args::{Global, LockArguments};
use crate::console::Console;
use crate::environment;
use crate::exit::Failure;

/// Writes or checks the lock file, and says what changed in it.
pub fn run(global: &Global, arguments: &LockArguments, console: &Console) -> Outcome {
    let context = environment::context(global)?;
    let path = match &arguments.lock_file {
        Some(path) => path.clone(),
        None => lock::path(&arguments.manifests)?,
    };
    let texts = sources::read(&context, &arguments.manifests, &mut std::io::stdin())?;
    let options = LockOptions {
        path,
        loaders: arguments.loader.clone(),
        platform: environment::platform(arguments.arch.as_deref())?,
        update: arguments.update,
        check: arguments.check,
        fetch: arguments.fetch,
    };
    let report = lock::lock(&context, &texts, &options, console)
        .map_err(|error| Failure::in_sources(error, &texts))?;
    for change in &report.changes {
        console.inform(change);
    }
    let images = match report.pins {
        1 => "1 image".to_owned(),
        pins => format!("{pins} images"),
    };
    console.inform(&format!("{}: {images} pinned", options.path.display()));
    Ok(())
}
