//! Random file sets: their text form gives them back, to the last field.

use ironkit_tree::{Content, Digest, FileSet, Kind, Node, Path};

/// Sets that are tried. Their seeds are 0, 1, 2 …
const SETS: u64 = 500;
/// What names, targets, contents and attributes are made of: also bytes that the text form has a meaning for.
const BYTES: &[u8] = b"ab.=\\ \n\t\x01\x7f\x80\xff+@:x";

/// SplitMix64: the same numbers for the same seed everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    /// Small numbers mostly, and any now and then.
    fn number(&mut self) -> u32 {
        match self.below(3) {
            0 => 0,
            1 => u32::try_from(self.below(2000)).unwrap(),
            _ => u32::try_from(self.next() >> 32).unwrap(),
        }
    }

    fn bytes(&mut self, longest: usize) -> Vec<u8> {
        let length = self.below(longest + 1);
        (0..length).map(|_| BYTES[self.below(BYTES.len())]).collect()
    }

    /// A path of up to three names; few enough that they meet.
    fn path(&mut self) -> Path {
        loop {
            let names: Vec<Vec<u8>> = (0..1 + self.below(3)).map(|_| self.bytes(2)).collect();
            if let Ok(path) = Path::parse(names.join(&b'/'))
                && !path.is_root()
            {
                return path;
            }
        }
    }

    fn digest(&mut self) -> Digest {
        Digest::of(&self.next().to_le_bytes())
    }

    fn node(&mut self) -> Node {
        let kind = match self.below(8) {
            0 | 1 => Kind::Directory,
            2 => Kind::Symlink(self.bytes(9)),
            3 => Kind::CharDevice(self.number(), self.number()),
            4 => Kind::BlockDevice(self.number(), self.number()),
            5 => Kind::Fifo,
            6 => Kind::File(Content::Blob {
                layer: self.digest(),
                offset: self.next(),
                size: self.next(),
                digest: self.digest(),
            }),
            _ => Kind::File(self.bytes(20).into()),
        };
        let mode = self.number() & 0o7777;
        let mut node =
            Node::new(kind, mode).at(i64::from_le_bytes(self.next().to_le_bytes()) >> self.below(64));
        (node.uid, node.gid) = (self.number(), self.number());
        node.implied = node.is_directory() && self.below(3) == 0;
        for _ in 0..self.below(3) {
            let name = [b"user.".to_vec(), self.bytes(5)].concat();
            node.xattrs.insert(name, self.bytes(9));
        }
        node
    }
}

/// Names with their nodes, and the first name of each inode: two sets with the same list are the same.
fn list(set: &FileSet) -> Vec<(Path, Path, Node)> {
    let first = set.first_names();
    let entries = set.iter();
    entries
        .map(|(path, inode, node)| (path.clone(), first[&inode].clone(), node.clone()))
        .collect()
}

#[test]
fn a_random_set_is_what_its_text_form_says() {
    let (mut links, mut names) = (0, 0);
    for seed in 0..SETS {
        let mut random = Random(seed);
        let mut set = FileSet::new();
        for _ in 0..random.below(30) {
            let path = random.path();
            match random.below(8) {
                0 => set.remove(&path),
                1 | 2 => {
                    let count = set.len().max(1);
                    let target = set.iter().nth(random.below(count)).map(|(name, ..)| name.clone());
                    if let Some(target) = target {
                        links += usize::from(set.link(path, &target));
                    }
                }
                _ => set.insert(path, random.node()),
            }
        }
        names += set.len();
        let text = set.to_string();
        assert!(text.is_ascii(), "seed {seed}: {text}");
        let back: FileSet = text
            .parse()
            .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
        assert_eq!(list(&back), list(&set), "seed {seed}:\n{text}");
        assert_eq!(back.to_string(), text, "seed {seed}");
        assert_eq!(back.key(), set.key(), "seed {seed}:\n{text}");
    }
    // Otherwise hardly anything was tried.
    assert!(links > 500 && names > 3000, "{links} links, {names} names");
}
