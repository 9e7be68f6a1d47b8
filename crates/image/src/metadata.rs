//! Text for a machine, on a CD, where LinuxKit's `metadata` package looks for it.

use ironkit_formats::extents::Data;
use ironkit_formats::filesystem::iso9660::{self, Options};
use ironkit_tree::{FileSet, Inline, Kind, Node, Path};

use crate::{Error, Result};

/// The only file, as LinuxKit calls it.
const FILE: &str = "config";
/// The volume's identifier; LinuxKit has none that anybody looks for.
const VOLUME: &str = "METADATA";
/// Permissions of the file and of the directory that it is in. The guest's root reads it, and nobody else.
const MODE: u32 = 0o600;
const ROOT_MODE: u32 = 0o755;

/// The bytes of an ISO 9660 image with `data` in the file `config`.
///
/// # Errors
/// [`Error`]: what the format cannot hold.
pub fn metadata(data: &[u8], time: i64) -> Result<Vec<u8>> {
    let mut files = FileSet::new();
    files.insert(Path::ROOT, Node::new(Kind::Directory, ROOT_MODE).at(time));
    let path = Path::parse(FILE).unwrap_or_default();
    files.insert(path, Node::new(Kind::File(data.to_vec().into()), MODE).at(time));
    let options = Options {
        volume: VOLUME.to_owned(),
        time,
        joliet: false,
        front: Vec::new(),
        boot: Vec::new(),
        tail: 0,
    };
    let iso = iso9660::layout(&files, &Inline, &options)?.image(Vec::new(), Vec::new())?;
    let mut bytes = Vec::new();
    iso.write_to(&mut bytes).map_err(Error::Contents)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironkit_formats::filesystem::Entry;
    use ironkit_tree::BoxError;
    use std::io::Read;

    #[test]
    fn one_file() {
        let text = "a: text\n".repeat(1000);
        let iso = metadata(text.as_bytes(), 1).unwrap();
        assert_eq!(iso, metadata(text.as_bytes(), 1).unwrap());
        let mut found = Vec::new();
        let mut visit = |entry: &Entry, content: &mut dyn Read| -> std::result::Result<(), BoxError> {
            let mut bytes = String::new();
            content.read_to_string(&mut bytes)?;
            found.push((entry.path.to_string(), bytes));
            Ok(())
        };
        iso9660::read(&iso, &mut visit).unwrap();
        assert!(found.contains(&(FILE.to_owned(), text)), "{found:?}");
    }
}
