//! Where a build puts its outputs: files that appear together, or one stream.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use ironkit_image::{Out, Outputs, Sink};

use super::Output;
use crate::{Error, Result};

/// Small writes to a stream are gathered up to this many bytes.
const BUFFER: usize = 128 * 1024;

/// The output files of a build, which appear together.
pub(crate) struct Files {
    /// What all names begin with; the whole name of the only one.
    base: PathBuf,
    suffixes: bool,
    outputs: Vec<Output>,
    absent: Vec<PathBuf>,
}

impl Files {
    /// Files in `directory` whose names begin with `name`.
    pub fn named(directory: PathBuf, name: String) -> Files {
        Files {
            base: directory.join(name),
            suffixes: true,
            outputs: Vec::new(),
            absent: Vec::new(),
        }
    }

    /// One file with that name.
    pub fn one(path: PathBuf) -> Files {
        Files {
            base: path,
            suffixes: false,
            outputs: Vec::new(),
            absent: Vec::new(),
        }
    }

    /// Gives all of them their names, and tells these and the sizes in bytes.
    pub fn publish(mut self) -> Result<Vec<(PathBuf, u64)>> {
        // First all that can fail for want of space, then the names.
        for output in &mut self.outputs {
            output.finish()?;
        }
        let mut published = Vec::new();
        for output in self.outputs {
            let size = output.position;
            published.push((output.publish()?, size));
        }
        for path in self.absent {
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::Write { path, source });
                }
                _ => {}
            }
        }
        Ok(published)
    }

    /// None of the files, and the names that they will have.
    pub fn same_names(&self) -> Files {
        Files {
            base: self.base.clone(),
            suffixes: self.suffixes,
            outputs: Vec::new(),
            absent: Vec::new(),
        }
    }

    /// The name of the file with that suffix.
    pub fn path(&self, suffix: &str) -> PathBuf {
        let mut path = self.base.clone().into_os_string();
        if self.suffixes {
            path.push(suffix);
        }
        path.into()
    }
}

impl Outputs for Files {
    fn name(&self) -> String {
        let name = match self.suffixes {
            true => self.base.file_name(),
            false => self.base.file_stem(),
        };
        name.map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    fn create(
        &mut self,
        suffix: &str,
        write: &mut dyn FnMut(&mut dyn Out) -> ironkit_image::Result<()>,
    ) -> ironkit_image::Result<()> {
        let path = self.path(suffix);
        if self.outputs.iter().any(|output| output.path == path) {
            // Several formats have it, such as the kernel, and it is the same in all of them.
            return Ok(());
        }
        let failed = |source| ironkit_image::Error::Create {
            path: path.display().to_string(),
            source,
        };
        let mut output = Output::new(path.clone()).map_err(failed)?;
        match write(&mut output) {
            Err(ironkit_image::Error::Output(source)) => return Err(failed(source)),
            written => written?,
        }
        self.outputs.push(output);
        Ok(())
    }

    fn absent(&mut self, suffix: &str) {
        self.absent.push(self.path(suffix));
    }
}

/// Standard output, or whatever else cannot be taken back.
pub(crate) struct Stream<'a> {
    out: io::BufWriter<&'a mut dyn Write>,
    position: u64,
}

impl<'a> Stream<'a> {
    /// Writes into `out`.
    pub fn new(out: &'a mut dyn Write) -> Stream<'a> {
        Stream {
            out: io::BufWriter::with_capacity(BUFFER, out),
            position: 0,
        }
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Sink for Stream<'_> {}

impl Out for Stream<'_> {
    fn position(&self) -> u64 {
        self.position
    }

    fn truncate(&mut self, position: u64) -> io::Result<()> {
        match position == self.position {
            true => Ok(()),
            false => Err(io::Error::other("what was written cannot be taken back")),
        }
    }
}

impl Outputs for Stream<'_> {
    fn name(&self) -> String {
        "image".to_owned()
    }

    fn create(
        &mut self,
        _suffix: &str,
        write: &mut dyn FnMut(&mut dyn Out) -> ironkit_image::Result<()>,
    ) -> ironkit_image::Result<()> {
        write(self)?;
        Ok(self.flush()?)
    }

    fn absent(&mut self, _suffix: &str) {}
}
