//! Which part wins each path, so that an output holds every path once.
//!
//! Later parts win. A directory that several parts have is written by the first one that needs it, with the
//! mode and owner of the last one that names it explicitly; an implied directory never wins over an explicit one.
//! Parts whose place in the root file system overlaps with no other are never loaded: their key stands for them.

use std::collections::{BTreeMap, BTreeSet};

use crate::fileset::hash_node;
use crate::{BoxError, FileSet, Files, Hasher, Node, Path, Source, Tree};

/// What resolving a tree found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resolution {
    /// One for each part of the tree, in order.
    pub edits: Vec<Edits>,
    /// Entries that are not in the result because a later part has the same path.
    pub overrides: Vec<Override>,
}

/// How the entries of one part differ from what it brings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Edits {
    /// Not to be written by this part: another one does.
    pub hidden: BTreeSet<Path>,
    /// Directories that this part writes for all, with the metadata that won.
    pub directories: BTreeMap<Path, Won>,
}

/// A directory as another part has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Won {
    /// The directory.
    pub node: Node,
    /// Index of the part that has it.
    pub winner: usize,
}

/// A file that a later part replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The path that both have, or, where a file replaced a directory, a path below it.
    pub path: Path,
    /// Index of the part whose entry is lost.
    pub loser: usize,
    /// Index of the part whose entry is kept.
    pub winner: usize,
}

impl Edits {
    /// Applies the edits: what this part contributes to the result.
    pub fn apply(&self, mut files: FileSet) -> FileSet {
        // First, as this makes the way to the directory, which may be hidden.
        for (path, won) in &self.directories {
            files.insert(path.clone(), won.node.clone());
        }
        for path in &self.hidden {
            // Names below a hidden directory may stay: only this very name goes.
            files.remove_name(path);
        }
        files
    }

    /// Adds the edits to the key of what is made from the edited part.
    pub fn add_to(&self, hasher: &mut Hasher) {
        for path in &self.hidden {
            hasher.field(path.as_bytes());
        }
        hasher.update(b"directories");
        for (path, won) in &self.directories {
            hasher.field(path.as_bytes());
            hash_node(&won.node, hasher);
        }
    }
}

impl Files {
    /// The place that nothing outside it is written by this part: the root for listed files.
    fn place(&self) -> Path {
        match self {
            Files::Listed(_) => Path::ROOT,
            Files::Stored { under, .. } => under.clone(),
        }
    }

    /// The entries, placed in the root file system.
    pub fn load(&self, source: &dyn Source) -> Result<FileSet, BoxError> {
        match self {
            Files::Listed(files) => Ok(files.clone()),
            Files::Stored { key, under } => Ok(source.files(key)?.under(under)),
        }
    }
}

/// Decides for every path of `tree` which part writes it.
///
/// # Errors
/// Those of `source`, when file sets have to be loaded because their parts overlap.
pub fn resolve(tree: &Tree, source: &dyn Source) -> Result<Resolution, BoxError> {
    let claims = claims(tree, source)?;
    let mut winners: BTreeMap<&Path, (usize, &Node)> = BTreeMap::new();
    for (index, claim) in claims.iter().enumerate() {
        for (path, _, node) in claim.iter() {
            let old = winners.get(path);
            let keeps = node.implied && old.is_some_and(|(_, old)| old.is_directory());
            if !keeps {
                winners.insert(path, (index, node));
            }
        }
    }

    let blocked = blocked(&winners);
    let mut resolution = Resolution::default();
    let mut written: BTreeSet<&Path> = BTreeSet::new();
    for (index, claim) in claims.iter().enumerate() {
        let mut edits = Edits::default();
        for (path, _, node) in claim.iter() {
            let (winner, winning) = winners[path];
            let blocked = blocked.get(path).copied();
            if let Some(winner) = blocked.filter(|&winner| winner != index) {
                edits.hidden.insert(path.clone());
                resolution.overrides.push(Override {
                    path: path.clone(),
                    loser: index,
                    winner,
                });
            } else if !winning.is_directory() || !node.is_directory() {
                if winner != index {
                    edits.hidden.insert(path.clone());
                    resolution.overrides.push(Override {
                        path: path.clone(),
                        loser: index,
                        winner,
                    });
                }
            } else if !written.insert(path) {
                edits.hidden.insert(path.clone());
            } else if winner != index {
                let node = winning.clone();
                edits.directories.insert(path.clone(), Won { node, winner });
            }
        }
        resolution.edits.push(edits);
    }
    Ok(resolution)
}

/// The paths that have something else than a directory above them, and the part that has the outermost such thing. What
/// lies below a path stands right behind it, so one look at each is enough, however deep it is.
fn blocked<'a>(winners: &BTreeMap<&'a Path, (usize, &Node)>) -> BTreeMap<&'a Path, usize> {
    let mut blocked = BTreeMap::new();
    let mut block: Option<(&Path, usize)> = None;
    for (path, (winner, node)) in winners {
        match block {
            Some((above, winner)) if path.below(above).is_some() => {
                blocked.insert(*path, winner);
            }
            _ => block = (!node.is_directory()).then_some((*path, *winner)),
        }
    }
    blocked
}

/// What each part may write, as far as it can meet another part. A stored part that has its place to itself claims
/// just that place and the way to it.
fn claims(tree: &Tree, source: &dyn Source) -> Result<Vec<FileSet>, BoxError> {
    let places: Vec<Path> = tree.parts.iter().map(|part| part.files.place()).collect();
    let listed: Vec<&FileSet> = tree
        .parts
        .iter()
        .filter_map(|part| match &part.files {
            Files::Listed(files) => Some(files),
            Files::Stored { .. } => None,
        })
        .collect();
    let mut claims = Vec::with_capacity(tree.parts.len());
    for (index, part) in tree.parts.iter().enumerate() {
        let place = &places[index];
        let neighbour = places.iter().enumerate().any(|(other, theirs)| {
            other != index
                && !theirs.is_root()
                && (theirs.below(place).is_some() || place.below(theirs).is_some())
        });
        let meets = place.is_root()
            || neighbour
            || listed.iter().any(|files| files.below(place).next().is_some())
            || listed
                .iter()
                .any(|files| files.get(place).is_some_and(|node| !node.is_directory()));
        claims.push(match &part.files {
            Files::Stored { under, .. } if !meets => {
                let mut claim = FileSet::new();
                claim.insert(under.clone(), Node::implied_directory());
                claim
            }
            files => files.load(source)?,
        });
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::{Digest, Kind, Part};

    /// Stored file sets by key; a key that is not here must not be asked for.
    struct Stored(Vec<(Digest, FileSet)>);

    impl Source for Stored {
        fn files(&self, key: &Digest) -> Result<FileSet, BoxError> {
            let found = self.0.iter().find(|(stored, _)| stored == key);
            found
                .map(|(_, files)| files.clone())
                .ok_or_else(|| format!("{key} was loaded").into())
        }

        fn layer(&self, _: &Digest, _: u64, _: u64) -> Result<Box<dyn Read + '_>, BoxError> {
            Err("no layers here".into())
        }
    }

    fn path(name: &str) -> Path {
        Path::parse(name).unwrap()
    }

    /// `a/b` is a file, `a/` a directory of mode 0700.
    fn files(names: &[&str]) -> FileSet {
        let mut set = FileSet::new();
        for name in names {
            let node = match name.strip_suffix('/') {
                Some(_) => Node::new(Kind::Directory, 0o700),
                None => Node::new(Kind::File(Vec::new().into()), 0o644),
            };
            set.insert(path(name), node);
        }
        set
    }

    fn part(files: Files) -> Part {
        Part {
            location: String::new(),
            name: String::new(),
            source: String::new(),
            files,
        }
    }

    /// What each part contributes, `name:mode` for directories, after checking that no path appears twice and every
    /// parent before its children.
    fn check(parts: &[&[&str]], expect: &[&str], overridden: &[&str]) {
        let parts: Vec<Part> = parts
            .iter()
            .map(|names| part(Files::Listed(files(names))))
            .collect();
        let tree = Tree { kernel: None, parts };
        let resolution = resolve(&tree, &Stored(Vec::new())).unwrap();
        let mut seen = BTreeSet::new();
        for ((part, edits), expect) in tree.parts.iter().zip(&resolution.edits).zip(expect) {
            let left = edits.apply(part.files.load(&Stored(Vec::new())).unwrap());
            let mut shown = Vec::new();
            for (path, _, node) in left.iter() {
                assert!(seen.insert(path.clone()), "{path} appears twice");
                assert!(
                    path.ancestors().all(|above| seen.contains(&above)),
                    "{path} comes before its parent"
                );
                shown.push(if node.is_directory() {
                    format!("{path}:{:o}", node.mode)
                } else {
                    path.to_string()
                });
            }
            assert_eq!(shown.join(" "), *expect);
        }
        let lost: Vec<String> = resolution
            .overrides
            .iter()
            .map(|o| format!("{} {}<{}", o.path, o.loser, o.winner))
            .collect();
        assert_eq!(lost, overridden);
    }

    #[test]
    fn later_parts_win_and_every_path_appears_once() {
        check(&[&["a", "b"], &["b", "c"]], &["a", "b c"], &["b 0<1"]);
        check(&[&["d/a"], &["d/b"], &["d/c"]], &["d:755 d/a", "d/b", "d/c"], &[]);
        check(&[&[], &["a"]], &["", "a"], &[]);
    }

    #[test]
    fn an_explicit_directory_beats_an_implied_one_whatever_the_order() {
        check(&[&["d/a"], &["d/"]], &["d:700 d/a", ""], &[]);
        check(&[&["d/"], &["d/a"]], &["d:700", "d/a"], &[]);
        check(
            &[&["d/"], &["d/e/f"], &["d/e/"]],
            &["d:700", "d/e:700 d/e/f", ""],
            &[],
        );
    }

    #[test]
    fn a_file_over_a_directory_hides_what_is_below_it() {
        check(&[&["d/a", "e"], &["d"]], &["e", "d"], &["d 0<1", "d/a 0<1"]);
        check(&[&["d"], &["d/a"]], &["", "d:755 d/a"], &["d 0<1"]);
    }

    #[test]
    fn a_part_with_a_place_of_its_own_is_not_loaded() {
        let key = Digest::of(b"image");
        let stored = |under: &str| {
            part(Files::Stored {
                key,
                under: path(under),
            })
        };
        let listed = |names| part(Files::Listed(files(names)));
        let apart = vec![
            stored("c/a/lower"),
            listed(&["c/a/config.json"]),
            stored("c/b/lower"),
            listed(&["etc/x"]),
        ];
        let resolution = resolve(
            &Tree {
                kernel: None,
                parts: apart,
            },
            &Stored(Vec::new()),
        )
        .unwrap();
        assert_eq!(resolution.overrides, []);
        assert!(
            resolution.edits[2].hidden.contains(&path("c")),
            "the way there is made by the first part"
        );

        let met = vec![stored("c/a/lower"), listed(&["c/a/lower/etc/x"])];
        let source = Stored(vec![(key, files(&["etc/x", "etc/y"]))]);
        let resolution = resolve(
            &Tree {
                kernel: None,
                parts: met,
            },
            &source,
        )
        .unwrap();
        let lost = Override {
            path: path("c/a/lower/etc/x"),
            loser: 0,
            winner: 1,
        };
        assert_eq!(resolution.overrides, [lost]);
    }
}
