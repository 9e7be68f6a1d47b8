//! Names as readers find them, put together to paths. What no file can be called is refused, and so is more than anybody has:
//! a few bytes of an image can be a long name in many directories.

use ironkit_tree::Path;

/// Longest path in bytes: many more levels than anybody has, and few enough that going through them ends soon.
const PATH_MAX: usize = 64 * 1024;
/// Bytes of all paths of an image together, for the same reason: some millions of files.
const PATHS_MAX: usize = 256 << 20;

/// The paths of one image.
pub(super) struct Paths {
    longest: usize,
    left: usize,
}

impl Paths {
    /// No path yet. No name is longer than `longest` bytes.
    pub fn new(longest: usize) -> Paths {
        Paths {
            longest,
            left: PATHS_MAX,
        }
    }

    /// The path of what is called `name` in `directory`. The error says what the matter is.
    pub fn join(&mut self, directory: &Path, name: &[u8]) -> Result<Path, &'static str> {
        let length = directory.as_bytes().len() + name.len();
        let is_name = !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/');
        let name = Path::parse(name)
            .ok()
            .filter(|_| is_name && name.len() <= self.longest);
        let name = name.ok_or("a name that no file can have")?;
        if length > PATH_MAX {
            return Err("a path that is too long");
        }
        self.left = self.left.checked_sub(length).ok_or("too many names")?;
        Ok(directory.join(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_held_against_what_files_can_be_called() {
        let above = Path::parse("a/b").unwrap();
        for (name, expect) in [
            (&b"c"[..], Ok("a/b/c")),
            (b"...", Ok("a/b/...")),
            (b"four", Ok("a/b/four")),
            (b"fives", Err("a name that no file can have")),
            (b"", Err("a name that no file can have")),
            (b".", Err("a name that no file can have")),
            (b"..", Err("a name that no file can have")),
            (b"c/d", Err("a name that no file can have")),
            (b"c/", Err("a name that no file can have")),
            (b"c\0", Err("a name that no file can have")),
        ] {
            let joined = Paths::new(4).join(&above, name);
            let expect = expect.map(|path| Path::parse(path).unwrap());
            assert_eq!(joined, expect, "{name:?}");
        }
    }

    #[test]
    fn there_is_an_end_to_paths() {
        let mut paths = Paths::new(255);
        let mut deep = Path::ROOT;
        let error = loop {
            match paths.join(&deep, &[b'n'; 255]) {
                Ok(path) => deep = path,
                Err(error) => break error,
            }
        };
        assert_eq!(error, "a path that is too long");
        assert!(deep.as_bytes().len() > PATH_MAX - 300);
        let above = deep.parent().unwrap();
        let error = loop {
            if let Err(error) = paths.join(&above, b"n") {
                break error;
            }
        };
        assert_eq!(error, "too many names");
    }
}
