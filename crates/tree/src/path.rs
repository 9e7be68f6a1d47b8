//! Names of entries: relative to the root file system, normalised, never leaving it.

use std::fmt;

/// A normalised path relative to the root file system: `etc/hosts`. The root itself is empty.
///
/// Names are bytes, as Linux has them. There is no leading or trailing slash and no component is empty, `.` or
/// `..`, so ordering bytewise by component gives parents before children.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Path(Vec<u8>);

/// A name that cannot be placed in a root file system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It has a `..` component, so it could leave the root.
    #[error("path `{0}` leaves its root")]
    Escape(String),
    /// It contains a NUL byte, which no file system can store.
    #[error("path `{0}` contains a NUL byte")]
    Nul(String),
}

impl Path {
    /// The root itself.
    pub const ROOT: Path = Path(Vec::new());

    /// Normalises a name: leading, doubled and trailing slashes and `.` go away; `..` is an error.
    pub fn parse(name: impl AsRef<[u8]>) -> Result<Path, PathError> {
        let name = name.as_ref();
        let shown = || String::from_utf8_lossy(name).into_owned();
        if name.contains(&0) {
            return Err(PathError::Nul(shown()));
        }
        let mut path = Vec::with_capacity(name.len());
        for component in name.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => return Err(PathError::Escape(shown())),
                _ => {
                    if !path.is_empty() {
                        path.push(b'/');
                    }
                    path.extend_from_slice(component);
                }
            }
        }
        Ok(Path(path))
    }

    /// The bytes, without a leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory that holds it; `None` for the root.
    pub fn parent(&self) -> Option<Path> {
        if self.is_root() {
            return None;
        }
        let slash = self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        Some(Path(self.0[..slash].to_vec()))
    }

    /// The last component; empty for the root.
    pub fn file_name(&self) -> &[u8] {
        match self.0.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => &self.0[slash + 1..],
            None => &self.0,
        }
    }

    /// `self/below`.
    pub fn join(&self, below: &Path) -> Path {
        match (self.is_root(), below.is_root()) {
            (true, _) => below.clone(),
            (_, true) => self.clone(),
            _ => Path([&self.0, b"/".as_slice(), &below.0].concat()),
        }
    }

    /// What is left of `self` below `base`; `None` when it is not there. A path is below itself.
    pub fn below(&self, base: &Path) -> Option<Path> {
        if base.is_root() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(base.0.as_slice())?;
        match rest.split_first() {
            None => Some(Path::ROOT),
            Some((b'/', rest)) => Some(Path(rest.to_vec())),
            Some(_) => None,
        }
    }

    /// All directories above it, outermost first, without the root.
    pub fn ancestors(&self) -> impl Iterator<Item = Path> + '_ {
        let ends = self
            .0
            .iter()
            .enumerate()
            .filter(|&(_, &byte)| byte == b'/')
            .map(|(at, _)| at);
        ends.map(|end| Path(self.0[..end].to_vec()))
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Path) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Path {
    /// Component by component, so that a directory stands right before everything below it: a slash comes before any
    /// other byte. Long equal beginnings, which deep paths have, are passed over in chunks.
    fn cmp(&self, other: &Path) -> std::cmp::Ordering {
        const CHUNK: usize = 64;
        let chunks = self.0.chunks_exact(CHUNK).zip(other.0.chunks_exact(CHUNK));
        let equal = CHUNK * chunks.take_while(|(one, other)| one == other).count();
        let rank = |&byte: &u8| (byte != b'/', byte);
        self.0[equal..]
            .iter()
            .map(rank)
            .cmp(other.0[equal..].iter().map(rank))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> Path {
        Path::parse(name).unwrap()
    }

    #[test]
    fn names_are_normalised_or_refused() {
        for (name, expect) in [
            ("/etc//hosts/", "etc/hosts"),
            ("./a/./b", "a/b"),
            ("/", ""),
            ("", ""),
            ("...", "..."),
            ("a\\b", "a\\b"),
        ] {
            assert_eq!(path(name).to_string(), expect);
        }
        for name in ["..", "a/../b", "../../etc/passwd", "a/.."] {
            assert_eq!(Path::parse(name), Err(PathError::Escape(name.into())));
        }
        assert!(matches!(Path::parse("a\0b"), Err(PathError::Nul(_))));
    }

    #[test]
    fn a_directory_sorts_right_before_what_is_below_it() {
        let mut paths = ["a-b", "a/c", "a", "a/b/c", "a.d/x", "a/b"].map(path);
        paths.sort();
        assert_eq!(
            paths.map(|p| p.to_string()),
            ["a", "a/b", "a/b/c", "a/c", "a-b", "a.d/x"]
        );
    }

    #[test]
    fn relations() {
        assert_eq!(path("a/b").below(&path("a")), Some(path("b")));
        assert_eq!(path("ab").below(&path("a")), None);
        assert_eq!(path("a").below(&path("a")), Some(Path::ROOT));
        assert_eq!(
            path("a/b/c").ancestors().collect::<Vec<_>>(),
            [path("a"), path("a/b")]
        );
        assert_eq!(path("a").parent(), Some(Path::ROOT));
        assert_eq!(Path::ROOT.parent(), None);
        assert_eq!(Path::ROOT.join(&path("x")), path("x"));
        assert_eq!(path("x").join(&Path::ROOT), path("x"));
        assert_eq!(path("a/bc").file_name(), b"bc");
    }
}
