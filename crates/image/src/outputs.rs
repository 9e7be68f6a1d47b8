//! Where the files of an output go.

use crate::{Out, Result};

/// The files that a build makes. They share a base name, and differ in what follows it.
pub trait Outputs {
    /// The base name, for files that name others.
    fn name(&self) -> String;

    /// Makes the file NAME followed by `suffix`; `write` gives its bytes.
    ///
    /// # Errors
    /// Those of `write`, and a file that cannot be made.
    fn create(&mut self, suffix: &str, write: &mut dyn FnMut(&mut dyn Out) -> Result<()>) -> Result<()>;

    /// There is no file NAME followed by `suffix`: one from an earlier build would not belong to the others.
    fn absent(&mut self, suffix: &str);
}
