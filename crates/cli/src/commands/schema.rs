//! `ironkit schema`.

use ironkit_manifest::{data, schema};

use super::Outcome;
use crate::console::Console;

/// Prints the JSON Schema of manifests.
pub fn run(console: &Console) -> Outcome {
    console.print(data::pretty(&schema::json_schema()).trim_end());
    Ok(())
}
