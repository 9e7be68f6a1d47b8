//! Exit codes, and the one place where errors are printed.

use std::fmt::Write as _;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use ironkit_manifest::{Diagnostic, SourceFile};
use ironkit_pipeline::Error;

use crate::diagnostics;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked to.
    Done = 0,
    /// What the user gave it is wrong.
    Input = 1,
    /// The machine, the network or a registry failed it.
    Environment = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// An error and the texts that its places are in.
#[derive(Debug)]
pub struct Failure {
    error: Error,
    sources: Vec<SourceFile>,
    said: bool,
}

impl Failure {
    /// An error with places in `sources`.
    pub fn in_sources(error: Error, sources: &[SourceFile]) -> Failure {
        Failure {
            error,
            sources: sources.to_vec(),
            said: false,
        }
    }

    /// Mistakes that the command has printed itself.
    pub fn said(mistakes: Vec<Diagnostic>) -> Failure {
        Failure {
            error: Error::Manifest(mistakes),
            sources: Vec::new(),
            said: true,
        }
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure {
            error: error.into(),
            sources: Vec::new(),
            said: false,
        }
    }
}

/// LinuxKit's options and commands that this version does not have.
const PLANNED: [&str; 13] = [
    "--docker",
    "--platforms",
    "--builders",
    "--network",
    "--nonetwork",
    "--enable-cache",
    "--disable-cache",
    "--registry-creds",
    "push",
    "manifest",
    "index",
    "remote-tag",
    "builder",
];

/// Prints why a command failed and says how it ends.
pub fn report(failure: &Failure) -> ExitCode {
    let error = &failure.error;
    if failure.said {
        // Nothing is left to print.
    } else if let Error::Manifest(list) | Error::Images(list) = error {
        diagnostics::print(list, &failure.sources);
    } else {
        let mut text = format!("{ERROR}error:{ERROR:#} {error}");
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            // A chain names each cause once.
            if !text.ends_with(&cause.to_string()) {
                let _ = write!(text, ": {cause}");
            }
            source = cause.source();
        }
        if let Some(hint) = error.hint() {
            let _ = write!(text, "\n{HINT}hint:{HINT:#} {hint}");
        }
        crate::console::error_line(&text);
    }
    if error.is_input() {
        Exit::Input.into()
    } else {
        Exit::Environment.into()
    }
}

/// Prints what clap has to say: help and version are no errors. What LinuxKit has and this version has not is said to be
/// missing rather than unknown.
pub fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::{ContextKind, ContextValue};
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        if let Some(ContextValue::String(word)) = error.get(kind)
            && PLANNED.contains(&word.as_str())
        {
            return report(&Error::NotSupported(format!("`{word}`")).into());
        }
    }
    // Nothing can be done about an output that is closed.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Input.into()
    } else {
        Exit::Done.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn what_linuxkit_has_is_missing_and_not_unknown() {
        for line in [
            "pkg build --docker components/nginx",
            "push aws x",
            "pkg remote-tag a b",
        ] {
            let arguments = std::iter::once("ironkit").chain(line.split(' '));
            let error = crate::args::Arguments::try_parse_from(arguments).unwrap_err();
            let named = error
                .context()
                .any(|(_, value)| PLANNED.contains(&value.to_string().as_str()));
            assert!(named, "{line}: {error}");
        }
    }
}
