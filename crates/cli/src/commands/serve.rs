//! `ironkit serve`.

use ironkit_pipeline::Error;
use ironkit_pipeline::serve::Server;

use super::Outcome;
use crate::args::ServeArguments;
use crate::console::Console;

/// Serves a directory until the program is ended.
pub fn run(arguments: &ServeArguments, console: &Console) -> Outcome {
    let server = Server::new(&arguments.port, &arguments.directory)?;
    let address = server.address().map_err(|source| Error::Read {
        path: arguments.directory.clone(),
        source,
    })?;
    console.inform(&format!(
        "serving {} at http://{address}/",
        arguments.directory.display()
    ));
    server.run(&|line| console.inform(line));
    Ok(())
}
