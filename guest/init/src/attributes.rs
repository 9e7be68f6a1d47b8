//! Extended attributes of an initrd's files, which its archives cannot hold: applied from lists, see
//! [`ironkit_contract::xattrs`].

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ironkit_contract::xattrs::{self, Attribute};
use rustix::fs::{XattrFlags, lsetxattr};

use crate::error::{Error, Result, Step};

/// Longest line that is read, in bytes: the longest path, name and value, all escaped.
const LINE_MAX: u64 = 4 * 4096 + 4 * 255 + 2 * 65_536 + 3;

/// Applies the lists below `root` and removes them. What failed is returned, one text for each list: on a file system
/// without attributes, a thousand would say the same.
pub fn apply(root: &Path) -> Vec<String> {
    let folder = root.join(xattrs::DIRECTORY);
    let Ok(lists) = fs::read_dir(&folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = lists.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut problems = Vec::new();
    for path in paths {
        problems.extend(apply_list(root, &path).err().map(|error| error.to_string()));
        let _ = fs::remove_file(&path);
    }
    let _ = fs::remove_dir(&folder);
    if let Some(above) = folder.parent() {
        // Somebody else may have something there.
        let _ = fs::remove_dir(above);
    }
    problems
}

/// Applies all of a list, and tells the first failure and how many there were.
fn apply_list(root: &Path, path: &Path) -> Result<()> {
    let step = || "extended attributes".to_owned();
    let mut list = BufReader::new(File::open(path).step(step)?.take(xattrs::LIST_MAX));
    let mut line = Vec::new();
    let (mut failures, mut first) = (0, None);
    loop {
        line.clear();
        let length = (&mut list)
            .take(LINE_MAX)
            .read_until(b'\n', &mut line)
            .step(step)?;
        if length == 0 {
            break;
        }
        let attribute = line.strip_suffix(b"\n").and_then(xattrs::parse);
        let attribute =
            attribute.ok_or_else(|| Error::Invalid("extended attributes: a line is wrong".to_owned()));
        if let Err(error) = attribute.and_then(|attribute| set(root, &attribute)) {
            failures += 1;
            first.get_or_insert(error);
        }
    }
    match first {
        None => Ok(()),
        Some(error) if failures == 1 => Err(error),
        Some(error) => Err(Error::Invalid(format!("{error}, and {} more", failures - 1))),
    }
}

fn set(root: &Path, attribute: &Attribute) -> Result<()> {
    let path = root.join(std::ffi::OsStr::from_bytes(&attribute.path));
    let name = String::from_utf8_lossy(&attribute.name);
    lsetxattr(
        &path,
        attribute.name.as_slice(),
        &attribute.value,
        XattrFlags::empty(),
    )
    .step(|| format!("attribute {name} of {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_applied_and_removed() {
        let root = std::env::temp_dir().join(format!("ironkit-xattrs-{}", std::process::id()));
        let folder = root.join(xattrs::DIRECTORY);
        fs::create_dir_all(&folder).unwrap();
        fs::write(root.join("sp ace"), "").unwrap();
        let mut list = String::new();
        xattrs::write(&mut list, b"sp ace", b"user.note", b"\0text");
        xattrs::write(&mut list, b"missing", b"user.note", b"1");
        fs::write(folder.join("1"), &list).unwrap();
        fs::write(folder.join("2"), "nonsense\nmore\n").unwrap();
        let problems = apply(&root);
        let mut value = [0; 16];
        assert!(!folder.exists());
        let read = rustix::fs::lgetxattr(root.join("sp ace"), "user.note", &mut value);
        fs::remove_dir_all(&root).ok();
        // Not every file system that tests run on has attributes of users.
        if read != Err(rustix::io::Errno::OPNOTSUPP) {
            assert_eq!(&value[..read.unwrap()], b"\0text");
            assert!(problems[0].contains("attribute user.note of") && problems[0].contains("missing"));
        }
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert_eq!(problems[1], "extended attributes: a line is wrong, and 1 more");
    }
}
