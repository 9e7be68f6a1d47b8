//! `inspect`: what an image file is and contains.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

pub use ironkit_image::inspect::Object;
use ironkit_image::inspect::{Looker, Unknown};
use ironkit_image::read::ReadAt;
use ironkit_image::read::kind::KNOWN;

use crate::output::scratch;
use crate::{Context, Error, Result};

/// A file that can be read anywhere.
struct Whole {
    file: File,
    size: u64,
}

impl Whole {
    fn new(file: File) -> io::Result<Whole> {
        let size = file.metadata()?.len();
        Ok(Whole { file, size })
    }
}

impl ReadAt for Whole {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

/// Looks at the file `path`. Files of its root file system that `keep` names are kept with their content.
///
/// # Errors
/// A file that cannot be read, is damaged, or is nothing that is known here.
pub fn inspect(context: &Context, path: &Path, keep: &dyn Fn(&ironkit_tree::Path) -> bool) -> Result<Object> {
    let failed = |source| Error::Read {
        path: path.into(),
        source,
    };
    let file = File::open(context.working_directory.join(path)).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(unknown(path, "it is no regular file"));
    }
    let whole = Whole::new(file).map_err(failed)?;
    let spool = |stream: &mut dyn Read| -> io::Result<Box<dyn ReadAt>> {
        Ok(Box::new(Whole::new(spooled(stream, context)?)?))
    };
    let looker = Looker { keep, spool: &spool };
    looker.look(&whole).map_err(|error| {
        if error.is::<Unknown>() {
            return Error::Usage {
                message: format!("{} is nothing that is known here", path.display()),
                hint: format!("known are {KNOWN}"),
            };
        }
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            reason = format!("{reason}: {cause}");
            source = cause.source();
        }
        unknown(path, &reason)
    })
}

fn unknown(path: &Path, reason: &str) -> Error {
    Error::Usage {
        message: format!("{} cannot be read: {reason}", path.display()),
        hint: "an output of `ironkit build` can, whatever its format, and what is like it".to_owned(),
    }
}

/// A stream as a file without a name, with holes where it has zeros.
fn spooled(stream: &mut dyn Read, context: &Context) -> io::Result<File> {
    const BLOCK: usize = 64 << 10;
    let mut file = scratch(&context.temporary)?;
    let (mut buffer, mut size) = (vec![0; BLOCK], 0);
    loop {
        let mut filled = 0;
        while filled < BLOCK {
            match stream.read(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        let block = &buffer[..filled];
        if block.iter().any(|&byte| byte != 0) {
            file.write_all_at(block, size)?;
        }
        size += filled as u64;
        if filled < BLOCK {
            file.flush()?;
            file.set_len(size)?;
            return Ok(file);
        }
    }
}
