//! Names and inodes: the entries of one part.

use std::collections::BTreeMap;

use crate::{Content, Digest, Hasher, Kind, Node, Path};

/// Number of an inode inside its [`FileSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId(usize);

/// A set of named inodes. Several names of one inode are hard links.
///
/// Parents always exist: inserting `a/b` makes an implied directory `a` unless there is one.
#[derive(Debug, Clone, Default)]
pub struct FileSet {
    names: BTreeMap<Path, InodeId>,
    inodes: Vec<Node>,
}

impl FileSet {
    /// A set without entries.
    pub fn new() -> FileSet {
        FileSet::default()
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are no names.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The node of `path`.
    pub fn get(&self, path: &Path) -> Option<&Node> {
        self.names.get(path).map(|&id| &self.inodes[id.0])
    }

    /// The inode number of `path`, equal for hard links.
    pub fn inode(&self, path: &Path) -> Option<InodeId> {
        self.names.get(path).copied()
    }

    /// Every name with its inode, parents before children.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, InodeId, &Node)> {
        self.names
            .iter()
            .map(|(path, &id)| (path, id, &self.inodes[id.0]))
    }

    /// The names below `path`, without itself.
    pub fn below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Path> {
        let tail = self.names.range(path.clone()..).map(|(name, _)| name);
        tail.skip_while(move |name| *name == path)
            .take_while(move |name| name.below(path).is_some())
    }

    /// Sets `path` to a node of its own. A directory that is replaced by a directory keeps what is below it;
    /// any other replacement removes that. Missing parents are implied; a parent that is not a directory is
    /// replaced by one.
    pub fn insert(&mut self, path: Path, node: Node) {
        // The root is a directory even where nothing says so.
        let was_directory = path.is_root() || self.get(&path).is_some_and(Node::is_directory);
        let keeps_children = node.is_directory() && was_directory;
        if !keeps_children {
            self.remove(&path);
        }
        self.add_parents(&path);
        let id = InodeId(self.inodes.len());
        self.inodes.push(node);
        self.names.insert(path, id);
    }

    /// Makes `path` another name of `target`. False when `target` is missing or a directory.
    pub fn link(&mut self, path: Path, target: &Path) -> bool {
        let Some(id) = self.inode(target).filter(|id| !self.inodes[id.0].is_directory()) else {
            return false;
        };
        path == *target || self.link_inode(path, id)
    }

    /// Makes `path` another name of an inode of this set, which may have lost all its names meanwhile. False when it is
    /// a directory.
    pub fn link_inode(&mut self, path: Path, id: InodeId) -> bool {
        if self.inodes.get(id.0).is_none_or(Node::is_directory) {
            return false;
        }
        self.remove(&path);
        self.add_parents(&path);
        self.names.insert(path, id);
        true
    }

    /// Removes `path` and everything below it. The root itself cannot be removed, only emptied.
    pub fn remove(&mut self, path: &Path) {
        let below: Vec<Path> = self.below(path).cloned().collect();
        for name in below {
            self.names.remove(&name);
        }
        self.names.remove(path);
    }

    /// Removes just this name; what is below it stays and keeps its implied way there.
    pub(crate) fn remove_name(&mut self, path: &Path) {
        self.names.remove(path);
    }

    /// Removes everything below `path`, and keeps `path`.
    pub fn clear(&mut self, path: &Path) {
        let below: Vec<Path> = self.below(path).cloned().collect();
        for name in below {
            self.names.remove(&name);
        }
    }

    /// Adds the names of `other`, which has none of this set's.
    pub fn extend(&mut self, other: FileSet) {
        let shift = self.inodes.len();
        // Most sets are put together of a large one and some small ones.
        self.inodes.reserve_exact(other.inodes.len());
        self.inodes.extend(other.inodes);
        let shifted = other
            .names
            .into_iter()
            .map(|(path, id)| (path, InodeId(id.0 + shift)));
        self.names.extend(shifted);
    }

    /// Changes the node of `path` in place, for all of its names.
    pub fn get_mut(&mut self, path: &Path) -> Option<&mut Node> {
        let id = self.inode(path)?;
        self.inodes.get_mut(id.0)
    }

    /// The same entries with every name placed below `prefix`. An entry for the root becomes `prefix` itself.
    pub fn under(self, prefix: &Path) -> FileSet {
        if prefix.is_root() {
            return self;
        }
        let mut placed = FileSet {
            names: BTreeMap::new(),
            inodes: self.inodes,
        };
        placed.add_parents(prefix);
        for (path, id) in self.names {
            placed.names.insert(prefix.join(&path), id);
        }
        if placed.get(prefix).is_none() && placed.below(prefix).next().is_some() {
            placed.insert_implied(prefix.clone(), Node::implied_directory());
        }
        placed
    }

    /// The first name of `path`'s inode in order, when `path` is another name of it.
    pub fn first_names(&self) -> BTreeMap<InodeId, &Path> {
        let mut first = BTreeMap::new();
        for (path, id, _) in self.iter() {
            first.entry(id).or_insert(path);
        }
        first
    }

    /// Identifies the entries, with their contents: equal exactly when the text form is equal, save for where
    /// contents are kept.
    pub fn key(&self) -> Digest {
        let mut hasher = Hasher::new();
        let first = self.first_names();
        for (path, id, node) in self.iter() {
            hasher.field(path.as_bytes());
            hasher.field(if first[&id] == path {
                b""
            } else {
                first[&id].as_bytes()
            });
            hash_node(node, &mut hasher);
        }
        hasher.finish()
    }

    /// The directory right above `path` that is there, or the root; and how many below it on the way to `path` are not.
    /// What is there may be something else than a directory, but not above it.
    pub fn nearest_parent(&self, path: &Path) -> (Path, usize) {
        let mut missing = 0;
        let mut above = path.parent().unwrap_or_default();
        while !above.is_root() && !self.names.contains_key(&above) {
            missing += 1;
            above = above.parent().unwrap_or_default();
        }
        (above, missing)
    }

    /// Makes the directories above `path` that are missing. Parents of what is there are there too, so that only the
    /// way up to the first one is looked at.
    fn add_parents(&mut self, path: &Path) {
        let mut above = path.parent().unwrap_or_default();
        while !above.is_root() && !self.get(&above).is_some_and(Node::is_directory) {
            let next = above.parent().unwrap_or_default();
            // In the place of something else, which has nothing below it.
            self.insert_implied(above, Node::implied_directory());
            above = next;
        }
    }

    fn insert_implied(&mut self, path: Path, node: Node) {
        let id = InodeId(self.inodes.len());
        self.inodes.push(node);
        self.names.insert(path, id);
    }
}

impl PartialEq for FileSet {
    fn eq(&self, other: &FileSet) -> bool {
        self.to_string() == other.to_string()
    }
}

/// Adds all that matters of a node to a key.
pub(crate) fn hash_node(node: &Node, hasher: &mut Hasher) {
    for number in [node.st_mode(), node.uid, node.gid, u32::from(node.implied)] {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(&node.mtime.to_le_bytes());
    match &node.kind {
        Kind::File(Content::Inline(bytes)) => hasher.update(Digest::of(bytes).bytes()),
        Kind::File(Content::Blob { digest, .. }) => hasher.update(digest.bytes()),
        Kind::Symlink(target) => hasher.field(target),
        Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
            hasher.update(&major.to_le_bytes());
            hasher.update(&minor.to_le_bytes());
        }
        Kind::Directory | Kind::Fifo => {}
    }
    hasher.update(&(node.xattrs.len() as u64).to_le_bytes());
    for (name, value) in &node.xattrs {
        hasher.field(name);
        hasher.field(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> Path {
        Path::parse(name).unwrap()
    }

    fn file(text: &str) -> Node {
        Node::new(Kind::File(text.as_bytes().to_vec().into()), 0o644)
    }

    #[test]
    fn replacing_a_directory_takes_its_children_along() {
        let mut set = FileSet::new();
        set.insert(path("etc/a/b"), file("1"));
        set.insert(path("etc"), Node::new(Kind::Directory, 0o700));
        assert_eq!(set.len(), 3, "a directory over a directory keeps its children");
        set.insert(path("etc"), file("2"));
        assert_eq!(set.len(), 1);
        set.insert(path("etc/x/y"), file("3"));
        assert_eq!(set.len(), 3, "a file in the way gives way");
    }

    #[test]
    fn naming_the_root_takes_nothing_away() {
        let mut set = FileSet::new();
        set.insert(path("etc/a"), file("1"));
        set.insert(Path::ROOT, Node::new(Kind::Directory, 0o700));
        assert_eq!(set.get(&path("etc/a")), Some(&file("1")));
        assert_eq!(set.get(&Path::ROOT).map(|root| root.mode), Some(0o700));
    }

    #[test]
    fn a_hard_link_outlives_its_target() {
        let mut set = FileSet::new();
        set.insert(path("a"), file("content"));
        assert!(set.link(path("b/c"), &path("a")));
        assert_eq!(set.inode(&path("a")), set.inode(&path("b/c")));
        set.remove(&path("a"));
        assert_eq!(set.get(&path("b/c")), Some(&file("content")));
        assert!(!set.link(path("d"), &path("missing")));
        assert!(!set.link(path("d"), &path("b")));
    }

    #[test]
    fn placing_below_a_prefix_implies_its_parents() {
        let mut set = FileSet::new();
        set.insert(path("x"), file("1"));
        let placed = set.under(&path("containers/s"));
        let names: Vec<String> = placed.iter().map(|(path, ..)| path.to_string()).collect();
        assert_eq!(names, ["containers", "containers/s", "containers/s/x"]);
    }

    #[test]
    fn the_key_ignores_where_content_is_kept() {
        let digest = Digest::of(b"abc");
        let at = |offset| {
            let mut set = FileSet::new();
            let content = Content::Blob {
                layer: digest,
                offset,
                size: 3,
                digest,
            };
            set.insert(path("f"), Node::new(Kind::File(content), 0o644));
            set.key()
        };
        assert_eq!(at(0), at(512));
        let mut inline = FileSet::new();
        inline.insert(path("f"), file("abc"));
        assert_eq!(inline.key(), at(0));
        inline.get_mut(&path("f")).unwrap().mode = 0o600;
        assert_ne!(inline.key(), at(0));
    }
}
