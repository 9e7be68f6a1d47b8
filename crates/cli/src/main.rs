//! The `ironkit` command: reads arguments and environment, calls the pipeline, prints what comes of it.
//!
//! Everything that a person sees is printed by this crate: results on standard output, the rest on standard error.

mod args;
mod commands;
mod console;
mod diagnostics;
mod environment;
mod exit;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use exit::Exit;

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == ironkit_vm::UNTIL_PARENT_ENDS)
    {
        let error = ironkit_vm::until_parent_ends(std::env::args_os().skip(2));
        return exit::report(&error.into());
    }
    let arguments = match Arguments::try_parse_from(args::accepted(std::env::args_os())) {
        Ok(arguments) => arguments,
        Err(error) => return exit::usage(&error),
    };
    let console = console::Console::new(&arguments.global);
    let outcome = match &arguments.command {
        Command::Build(options) => commands::build::run(&arguments.global, options, &console),
        Command::Schema => commands::schema::run(&console),
        Command::Validate(options) => commands::validate::run(&arguments.global, options, &console),
        Command::Lock(options) => commands::lock::run(&arguments.global, options, &console),
        Command::Diff(options) => {
            let outcome = commands::diff::run(&arguments.global, options, &console);
            console.finish();
            // As with other programs that compare, 1 means different, and everything that went wrong is trouble.
            return match outcome {
                Ok(false) => Exit::Done.into(),
                Ok(true) => Exit::Input.into(),
                Err(failure) => {
                    exit::report(&failure);
                    Exit::Environment.into()
                }
            };
        }
        Command::Inspect(options) => commands::inspect::run(&arguments.global, options, &console),
        Command::Size(options) => commands::size::run(&arguments.global, options, &console),
        Command::Run(options) => commands::run::run(&arguments.global, options, &console),
        Command::Metadata(command) => commands::metadata::run(&arguments.global, command),
        Command::Serve(options) => commands::serve::run(options, &console),
        Command::Pkg(options) => commands::pkg::run(&arguments.global, options, &console),
        Command::Cache(command) => commands::cache::run(&arguments.global, command, &console),
        Command::Version(options) => commands::version::run(options),
        Command::Completion { shell } => commands::completion::run(*shell),
    };
    console.finish();
    match outcome {
        Ok(()) => Exit::Done.into(),
        Err(failure) => exit::report(&failure),
    }
}
