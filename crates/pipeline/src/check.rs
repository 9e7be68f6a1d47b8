//! Outputs that are compared with files instead of written.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ironkit_image::{Out, Outputs, Sink};

use crate::output::{Files, equal};
use crate::{Error, Result};

/// Compares with what a first build has written.
pub(crate) struct Compared {
    files: Files,
    /// The first file that is different, and the byte where it begins to be.
    different: Option<(PathBuf, u64)>,
}

impl Compared {
    /// Compares with the files that `files` will write.
    pub fn with(files: &Files) -> Compared {
        Compared {
            files: files.same_names(),
            different: None,
        }
    }

    /// # Errors
    /// [`Error::Different`].
    pub fn verdict(self) -> Result<()> {
        match self.different {
            Some((path, offset)) => Err(Error::Different { path, offset }),
            None => Ok(()),
        }
    }
}

impl Outputs for Compared {
    fn name(&self) -> String {
        self.files.name()
    }

    fn create(
        &mut self,
        suffix: &str,
        write: &mut dyn FnMut(&mut dyn Out) -> ironkit_image::Result<()>,
    ) -> ironkit_image::Result<()> {
        let path = self.files.path(suffix);
        let file = File::open(&path)?;
        let length = file.metadata()?.len();
        let mut comparison = Comparison {
            file,
            position: 0,
            different: None,
            old: Vec::new(),
        };
        write(&mut comparison)?;
        if comparison.different.is_none() && comparison.position != length {
            comparison.different = Some(comparison.position);
        }
        if let (None, Some(offset)) = (&self.different, comparison.different) {
            self.different = Some((path, offset));
        }
        Ok(())
    }

    fn absent(&mut self, suffix: &str) {
        let path = self.files.path(suffix);
        if self.different.is_none() && Path::exists(&path) {
            self.different = Some((path, 0));
        }
    }
}

struct Comparison {
    file: File,
    position: u64,
    different: Option<u64>,
    /// What the file has, to compare with.
    old: Vec<u8>,
}

impl Write for Comparison {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.different.is_none() && !equal(&self.file, self.position, bytes, &mut self.old)? {
            let first = (0..bytes.len()).find(|&at| {
                !matches!(
                    equal(
                        &self.file,
                        self.position + at as u64,
                        &bytes[at..=at],
                        &mut self.old
                    ),
                    Ok(true)
                )
            });
            self.different = Some(self.position + first.unwrap_or(0) as u64);
        }
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Comparison {}

impl Out for Comparison {
    fn position(&self) -> u64 {
        self.position
    }

    fn truncate(&mut self, position: u64) -> io::Result<()> {
        self.position = position;
        self.different = self.different.filter(|different| *different < position);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a build that writes these chunks is different from the files `a` and `b`.
    fn check(chunks: &[&str], absent: &[&str], expect: Option<(&str, u64)>) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("m-a"), "some bytes").unwrap();
        std::fs::write(directory.path().join("m-b"), "more").unwrap();
        let mut compared = Compared::with(&Files::named(directory.path().into(), "m".to_owned()));
        let mut write = |out: &mut dyn Out| {
            chunks
                .iter()
                .try_for_each(|chunk| out.write_all(chunk.as_bytes()))?;
            Ok(())
        };
        compared.create("-a", &mut write).unwrap();
        absent.iter().for_each(|suffix| compared.absent(suffix));
        let found = compared.different.map(|(path, offset)| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, offset)
        });
        assert_eq!(
            found,
            expect.map(|(name, offset)| (name.to_owned(), offset)),
            "{chunks:?}"
        );
    }

    #[test]
    fn the_first_difference_is_found() {
        check(&["some bytes"], &["-c"], None);
        check(&["some ", "bytes"], &[], None);
        check(&["some ", "bites"], &[], Some(("m-a", 6)));
        check(&["some"], &[], Some(("m-a", 4)));
        check(&["some bytes", "!"], &[], Some(("m-a", 10)));
        check(&["some bytes"], &["-b"], Some(("m-b", 0)));
    }
}
