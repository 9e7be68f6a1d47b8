//! `ironkit version`.

use std::io::Write;

use super::Outcome;
use crate::args::VersionArguments;

/// Prints the version.
pub fn run(arguments: &VersionArguments) -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    let text = if arguments.short {
        version.to_owned()
    } else {
        format!("ironkit version {version}")
    };
    let _ = writeln!(anstream::stdout(), "{text}");
    Ok(())
}
