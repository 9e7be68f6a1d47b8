//! `ironkit metadata`.

use ironkit_pipeline::metadata;

use super::Outcome;
use crate::args::{Global, MetadataCommand};
use crate::environment;

/// Writes a CD with metadata.
pub fn run(global: &Global, command: &MetadataCommand) -> Outcome {
    let MetadataCommand::Create { file, data } = command;
    let context = environment::context(global)?;
    Ok(metadata::create(&context, file.clone(), data.as_bytes())?)
}
