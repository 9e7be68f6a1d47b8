//! `ironkit completion`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Outcome;
use crate::args::Arguments;

/// Prints a completion script.
pub fn run(shell: Shell) -> Outcome {
    clap_complete::generate(
        shell,
        &mut Arguments::command(),
        "ironkit",
        &mut std::io::stdout(),
    );
    Ok(())
}
