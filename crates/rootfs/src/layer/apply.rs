//! Entries of a layer → on top of the layers below.

use std::collections::{BTreeMap, BTreeSet};

use ironkit_tree::{FileSet, InodeId, Kind, Path};

use super::{Budget, Change, Entry, LayerError, NAME_MAX, WHITEOUT, shown};

/// Symbolic links that are followed on the way to one entry: the kernel's own limit.
const LINKS_MAX: usize = 40;

/// What a component on the way is worth at least, in bytes: also `.` takes time.
const STEP: usize = 64;

/// Puts the entries of one layer on top of `base`.
///
/// Whiteouts hide what lower layers have, wherever in the layer they stand, and never what the same layer adds. Of two
/// entries for one name the last counts. A hard link to a file of a lower layer keeps that file's content, also when the
/// same layer hides or replaces the name. A parent that is a symbolic link is followed, inside the root.
///
/// # Errors
/// [`LayerError`]: a name that leaves the root, a hard link to nothing, too much of something.
pub fn apply(base: &mut FileSet, entries: Vec<Entry>, budget: &mut Budget) -> Result<(), LayerError> {
    budget.start_applying(base);
    let lower_links = links_to_lower_layers(base, &entries, budget)?;
    for entry in &entries {
        match entry.change {
            Change::Whiteout => {
                let file = entry.name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
                if matches!(file, b"" | b".") {
                    return Err(LayerError::Unsupported {
                        name: shown(&entry.name),
                        what: "a whiteout without a name".to_owned(),
                    });
                }
                base.remove(&locate(base, &entry.name, &entry.name, budget)?);
            }
            Change::Opaque => base.clear(&locate(base, &entry.name, &entry.name, budget)?),
            Change::Add(_) | Change::HardLink(_) => {}
        }
    }
    for (index, Entry { name, change }) in entries.into_iter().enumerate() {
        match change {
            Change::Add(node) => {
                let path = locate(base, &name, &name, budget)?;
                refuse_root(&name, &path, node.is_directory())?;
                let attributes = node.xattrs.iter().map(|(name, value)| name.len() + value.len());
                grow(base, &name, &path, attributes.sum(), budget)?;
                base.insert(path, node);
            }
            Change::HardLink(target) => {
                let path = locate(base, &name, &name, budget)?;
                refuse_root(&name, &path, false)?;
                grow(base, &name, &path, 0, budget)?;
                let target_path = locate(base, &name, &target, budget)?;
                let linked = match lower_links.get(&index) {
                    Some(&inode) => base.link_inode(path, inode),
                    None => base.link(path, &target_path),
                };
                if !linked {
                    return Err(LayerError::DanglingLink {
                        name: shown(&name),
                        target: shown(&target),
                    });
                }
            }
            Change::Whiteout | Change::Opaque => {}
        }
    }
    Ok(())
}

/// Counts what the entry `name` at `path` adds: itself with `more` bytes, and the directories that are missing above it.
fn grow(
    base: &FileSet,
    name: &[u8],
    path: &Path,
    more: usize,
    budget: &mut Budget,
) -> Result<(), LayerError> {
    let (_, missing) = base.nearest_parent(path);
    let bytes = (missing + 1) * path.as_bytes().len() + more;
    budget.grow(name, base.len() + missing + 1, bytes)
}

/// The root can only be a directory: anything else would take all away that lies below it.
fn refuse_root(name: &[u8], path: &Path, is_directory: bool) -> Result<(), LayerError> {
    if path.is_root() && !is_directory {
        let what = "something else than a directory in the place of the root".to_owned();
        return Err(LayerError::Unsupported {
            name: shown(name),
            what,
        });
    }
    Ok(())
}

/// The hard links whose target this layer itself does not have before them: they mean the lower layers' file.
fn links_to_lower_layers(
    base: &FileSet,
    entries: &[Entry],
    budget: &mut Budget,
) -> Result<BTreeMap<usize, InodeId>, LayerError> {
    let mut targets = BTreeSet::new();
    for entry in entries {
        if let Change::HardLink(target) = &entry.change {
            targets.insert(parse(&entry.name, target)?);
        }
    }
    let mut links = BTreeMap::new();
    let mut own = BTreeSet::new();
    for (index, entry) in entries.iter().enumerate() {
        if targets.is_empty() {
            break;
        }
        if let Change::HardLink(target) = &entry.change {
            let target = parse(&entry.name, target)?;
            if !own.contains(&target) {
                let path = follow_parents(base, &entry.name, target, budget)?;
                links.extend(base.inode(&path).map(|inode| (index, inode)));
            }
        }
        if matches!(entry.change, Change::Add(_) | Change::HardLink(_)) {
            let path = parse(&entry.name, &entry.name)?;
            if targets.contains(&path) {
                own.insert(path);
            }
        }
    }
    Ok(links)
}

/// The path of a `text` in the entry `name`.
fn parse(name: &[u8], text: &[u8]) -> Result<Path, LayerError> {
    Path::parse(text).map_err(|source| LayerError::Name {
        name: shown(name),
        source,
    })
}

/// Where a `text` of the entry `name` leads: with symbolic links among its parents followed.
fn locate(base: &FileSet, name: &[u8], text: &[u8], budget: &mut Budget) -> Result<Path, LayerError> {
    let path = follow_parents(base, name, parse(name, text)?, budget)?;
    if path.as_bytes().len() > NAME_MAX {
        return Err(LayerError::Limit {
            name: shown(name),
            what: "bytes of a name behind symbolic links",
            limit: NAME_MAX,
        });
    }
    let mut components = path.as_bytes().split(|&byte| byte == b'/');
    if components.any(|component| component.starts_with(WHITEOUT)) {
        return Err(LayerError::Unsupported {
            name: shown(name),
            what: "in a place with the name of a whiteout".to_owned(),
        });
    }
    Ok(path)
}

/// Follows links as a process would whose root is the image's: an absolute target starts at the root, and `..` stops
/// there. A loop leaves the path as it is.
fn follow_parents(base: &FileSet, name: &[u8], path: Path, budget: &mut Budget) -> Result<Path, LayerError> {
    // What is there has directories above it and nothing else: only the nearest can be a link.
    let (above, missing) = base.nearest_parent(&path);
    if missing > 0 {
        budget.follow(name, missing * path.as_bytes().len())?;
    }
    let is_link = base
        .get(&above)
        .is_some_and(|node| matches!(node.kind, Kind::Symlink(_)));
    if !is_link {
        return Ok(path);
    }
    let split = |bytes: &[u8]| {
        bytes
            .split(|&byte| byte == b'/')
            .map(<[u8]>::to_vec)
            .rev()
            .collect::<Vec<_>>()
    };
    let mut todo = split(path.as_bytes());
    let mut done = Path::ROOT;
    let mut followed = 0;
    while let Some(component) = todo.pop() {
        budget.follow(name, STEP + done.as_bytes().len() + component.len())?;
        match component.as_slice() {
            b"" | b"." => continue,
            b".." => {
                done = done.parent().unwrap_or(Path::ROOT);
                continue;
            }
            _ => {}
        }
        let next = Path::parse(&component).map_or(done.clone(), |component| done.join(&component));
        match base.get(&next).map(|node| &node.kind) {
            Some(Kind::Symlink(target)) if !todo.is_empty() => {
                followed += 1;
                if followed > LINKS_MAX {
                    return Ok(path);
                }
                if target.starts_with(b"/") {
                    done = Path::ROOT;
                }
                todo.extend(split(target));
            }
            _ => done = next,
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironkit_tree::Node;

    fn file(name: &str, text: &str) -> Entry {
        let node = Node::new(Kind::File(text.as_bytes().to_vec().into()), 0o644);
        Entry {
            name: name.into(),
            change: Change::Add(node),
        }
    }

    fn directory(name: &str) -> Entry {
        Entry {
            name: name.into(),
            change: Change::Add(Node::new(Kind::Directory, 0o755)),
        }
    }

    fn symlink(name: &str, target: &str) -> Entry {
        Entry {
            name: name.into(),
            change: Change::Add(Node::new(Kind::Symlink(target.into()), 0o777)),
        }
    }

    fn link(name: &str, target: &str) -> Entry {
        Entry {
            name: name.into(),
            change: Change::HardLink(target.into()),
        }
    }

    fn gone(name: &str) -> Entry {
        Entry {
            name: name.into(),
            change: Change::Whiteout,
        }
    }

    fn opaque(name: &str) -> Entry {
        Entry {
            name: name.into(),
            change: Change::Opaque,
        }
    }

    /// `path=content`, `path@target` for links, `path/` for directories.
    fn check(layers: &[&[Entry]], expect: &str) {
        let mut set = FileSet::new();
        for layer in layers {
            apply(&mut set, layer.to_vec(), &mut Budget::default()).unwrap();
        }
        let shown: Vec<String> = set
            .iter()
            .map(|(path, _, node)| match &node.kind {
                Kind::File(content) => format!("{path}={}", String::from_utf8_lossy(&inline(content))),
                Kind::Symlink(target) => format!("{path}@{}", String::from_utf8_lossy(target)),
                _ => format!("{path}/"),
            })
            .collect();
        assert_eq!(shown.join(" "), expect);
    }

    fn inline(content: &ironkit_tree::Content) -> Vec<u8> {
        match content {
            ironkit_tree::Content::Inline(bytes) => bytes.to_vec(),
            ironkit_tree::Content::Blob { .. } => panic!("inline content expected"),
        }
    }

    #[test]
    fn layers_stack() {
        check(
            &[&[file("a", "1"), file("d/b", "2")], &[file("a", "3")]],
            "a=3 d/ d/b=2",
        );
        check(
            &[&[file("d/a", "1"), file("d/b", "2")], &[gone("d/a")]],
            "d/ d/b=2",
        );
        check(
            &[
                &[file("d/a", "1"), file("d/b/c", "2")],
                &[opaque("d/"), file("d/n", "3")],
            ],
            "d/ d/n=3",
        );
        check(
            &[&[file("d/a", "1")], &[file("d/n", "3"), opaque("d/")]],
            "d/ d/n=3",
        );
        check(
            &[
                &[file("d/a", "1")],
                &[gone("d"), directory("d"), file("d/n", "2")],
            ],
            "d/ d/n=2",
        );
        check(
            &[
                &[file("d/a", "1")],
                &[directory("d"), file("d/n", "2"), gone("d")],
            ],
            "d/ d/n=2",
        );
        check(&[&[file("d/a", "1")], &[file("d", "2")]], "d=2");
        check(&[&[file("a", "1")], &[file("a/b", "2")]], "a/ a/b=2");
        check(&[&[file("a", "1"), file("a", "2")]], "a=2");
        check(
            &[&[file("a", "1")], &[directory("./"), file("b", "2")]],
            "/ a=1 b=2",
        );
        check(&[&[file("a", "1")], &[opaque(""), file("b", "2")]], "b=2");
    }

    #[test]
    fn hard_links_keep_their_content() {
        check(&[&[file("a", "1"), link("b", "a")], &[gone("a")]], "b=1");
        check(&[&[file("a", "1")], &[link("b", "a"), file("a", "2")]], "a=2 b=1");
        check(&[&[file("a", "1")], &[link("b", "a"), gone("a")]], "b=1");
        check(&[&[file("a", "1")], &[file("a", "2"), link("b", "a")]], "a=2 b=2");
        check(
            &[&[file("a", "1"), link("b", "/a"), link("c", "./b")]],
            "a=1 b=1 c=1",
        );
    }

    #[test]
    fn parents_that_are_links_are_followed_inside_the_root() {
        check(
            &[
                &[file("usr/lib/x", "1"), symlink("lib", "usr/lib")],
                &[file("lib/y", "2")],
            ],
            "lib@usr/lib usr/ usr/lib/ usr/lib/x=1 usr/lib/y=2",
        );
        check(
            &[&[symlink("out", "../../etc")], &[file("out/passwd", "1")]],
            "etc/ etc/passwd=1 out@../../etc",
        );
        check(
            &[
                &[symlink("out", "/etc")],
                &[gone("out/passwd"), file("out/x", "1")],
            ],
            "etc/ etc/x=1 out@/etc",
        );
        check(
            &[&[symlink("a", "b"), symlink("b", "a")], &[file("a/x", "1")]],
            "a/ a/x=1 b@a",
        );
    }

    #[test]
    fn what_leaves_the_root_or_points_nowhere_is_refused() {
        for (entry, expect) in [
            (file("../x", "1"), "entry `../x` is refused"),
            (file("a/../../x", "1"), "entry `a/../../x` is refused"),
            (gone("../x"), "entry `../x` is refused"),
            (
                gone("a/"),
                "entry `a/` is a whiteout without a name, which is not supported",
            ),
            (
                gone("."),
                "entry `.` is a whiteout without a name, which is not supported",
            ),
            (
                symlink("./", "etc"),
                "entry `./` is something else than a directory in the place of the root, which is not supported",
            ),
            (
                file(".wh.d/x", ""),
                "entry `.wh.d/x` is in a place with the name of a whiteout, which is not supported",
            ),
            (link("a", "../../etc/shadow"), "entry `a` is refused"),
            (
                link("a", "b"),
                "entry `a` is a hard link to `b`, which is not a file of this or a lower layer",
            ),
        ] {
            assert_eq!(
                apply(&mut FileSet::new(), vec![entry], &mut Budget::default())
                    .unwrap_err()
                    .to_string(),
                expect
            );
        }
    }
}
