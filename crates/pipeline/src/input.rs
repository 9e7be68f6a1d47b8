//! `--input-tar`: an earlier output. LinuxKit takes out of it what did not change. Here the cache has that already, so the
//! result is the same without it, and the archive is only looked at.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Where a tar header says what it is (POSIX.1-1988).
const MAGIC: std::ops::Range<usize> = 257..262;

/// Checks that `archive` is a tar archive, and none of the files that are about to be written.
///
/// # Errors
/// [`Error::Read`] for what cannot be read or is no tar archive, [`Error::Usage`] for an output.
pub fn check(archive: &Path, outputs: &[PathBuf]) -> Result<()> {
    let failed = |source| Error::Read {
        path: archive.to_path_buf(),
        source,
    };
    let place = archive.canonicalize().map_err(failed)?;
    if !place.is_file() {
        return Err(failed(std::io::Error::other("it is not a regular file")));
    }
    let same = |output: &PathBuf| output.canonicalize().is_ok_and(|output| output == place);
    if outputs.iter().any(same) {
        return Err(Error::Usage {
            message: format!("{} is both the input and the output", archive.display()),
            hint: "write the new one under another name".to_owned(),
        });
    }
    let mut header = [0; 512];
    let read = File::open(&place).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Ok(()) if header[MAGIC] == *b"ustar" => Ok(()),
        Ok(()) => Err(failed(std::io::Error::other("it is not a tar archive"))),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_tar_archive_will_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let mut header = vec![0; 1024];
        header[MAGIC].copy_from_slice(b"ustar");
        std::fs::write(path("a.tar"), &header).unwrap();
        std::fs::write(path("text"), "text").unwrap();
        std::fs::write(path("zeros"), vec![0; 1024]).unwrap();
        for (archive, outputs, fits) in [
            ("a.tar", vec![], true),
            ("a.tar", vec![path("b.tar")], true),
            ("a.tar", vec![path("b.tar"), path("./a.tar")], false),
            ("text", vec![], false),
            ("zeros", vec![], false),
            ("absent", vec![], false),
            (".", vec![], false),
        ] {
            assert_eq!(
                check(&path(archive), &outputs).is_ok(),
                fits,
                "{archive} {outputs:?}"
            );
        }
    }
}
