//! `build --why PATH`: which part of the manifest a path of the image comes from, and which parts lost it.
//!
//! Nothing is written. Symbolic links on the way are followed as the booted system would, in the text of the tree, and each
//! is said.

use std::collections::BTreeMap;

use ironkit_manifest::SourceFile;
use ironkit_manifest::suggest::nearest;
use ironkit_oci::{Digest, Image};
use ironkit_rootfs::Contents;
use ironkit_tree::{FileSet, Files, InodeId, Kind, Node, Part, Path};

use crate::plan::{Plan, PlanOptions, plan};
use crate::{Context, Error, Result, Watcher};

/// Symbolic links that are followed before it is a loop, as many as Linux follows.
const MAX_LINKS: usize = 40;
/// Suggestions for a path that is not there.
const MAX_SUGGESTIONS: usize = 3;

/// What is known of one path.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// The path in the image.
    pub path: Path,
    /// What it is, in words: `file, 5 bytes, mode 0644, owner 0:0, sha256:…`.
    pub what: String,
    /// The part whose entry is in the image.
    pub from: Contributor,
    /// The parts that have this path too, and lost it.
    pub lost: Vec<Contributor>,
    /// For a directory: the other parts that have something below it, and how many entries.
    pub below: Vec<(Contributor, usize)>,
    /// The other names of the same file.
    pub links: Vec<Path>,
    /// For a symbolic link on the way: where it leads.
    pub leads_to: Option<Path>,
}

/// A part of the manifest, and where it has a path from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contributor {
    /// Its place: `services[0]`.
    pub location: String,
    /// Its name: `nginx`.
    pub name: String,
    /// What it was made from: an image's reference, `linuxkit.files`.
    pub source: String,
    /// The manifest of that image.
    pub image: Option<Digest>,
    /// The layer that has the entry. None for what IronKit makes itself.
    pub layer: Option<Digest>,
    /// What the entry is there; empty when that is no news.
    pub what: String,
}

/// Explains each of `paths`, in order; a path with symbolic links has several reasons.
///
/// # Errors
/// As for a build, and for a path that the image does not have.
pub fn why(
    context: &Context,
    sources: &[SourceFile],
    options: &PlanOptions,
    paths: &[String],
    watcher: &dyn Watcher,
) -> Result<Vec<Reason>> {
    let store = context.store()?;
    let mut contents = Contents::at(&store, context.time);
    let plan = plan(context, &store, sources, options, &mut contents, watcher)?;
    let mut claims = Vec::new();
    for part in &plan.tree.parts {
        claims.push(part.files.load(&contents).map_err(Error::Tree)?);
    }
    let merged = merge(&plan, &claims);
    let view = View {
        plan: &plan,
        contents: &contents,
        claims,
        merged,
    };
    let mut reasons = Vec::new();
    for path in paths {
        let path = Path::parse(path).map_err(|error| Error::Usage {
            message: error.to_string(),
            hint: "a path is one in the image, such as etc/hosts".to_owned(),
        })?;
        view.follow(&path, &mut reasons)?;
    }
    Ok(reasons)
}

/// What the image has at a path, and the part that it is from.
type Merged = BTreeMap<Path, (usize, Node)>;

fn merge(plan: &Plan, claims: &[FileSet]) -> Merged {
    let mut merged = Merged::new();
    for (index, (claim, edits)) in claims.iter().zip(&plan.resolution.edits).enumerate() {
        for (path, _, node) in claim.iter().filter(|(path, ..)| !edits.hidden.contains(path)) {
            let (winner, node) = match edits.directories.get(path) {
                Some(won) => (won.winner, &won.node),
                None => (index, node),
            };
            merged.insert(path.clone(), (winner, node.clone()));
        }
    }
    merged
}

struct View<'a> {
    plan: &'a Plan,
    contents: &'a Contents<'a>,
    claims: Vec<FileSet>,
    merged: Merged,
}

impl View<'_> {
    /// Adds the reasons of a path and of the symbolic links on the way to it.
    fn follow(&self, asked: &Path, reasons: &mut Vec<Reason>) -> Result<()> {
        let mut path = asked.clone();
        for _ in 0..MAX_LINKS {
            let way = path.ancestors().chain([path.clone()]);
            let link = way.into_iter().find_map(|above| match self.merged.get(&above) {
                Some((_, node)) => match &node.kind {
                    Kind::Symlink(target) => Some((above, target.clone())),
                    _ => None,
                },
                None => None,
            });
            let Some((link, target)) = link else {
                let reason = self.reason(asked, &path)?;
                reasons.push(reason);
                return Ok(());
            };
            let rest = path.below(&link).unwrap_or_default();
            let mut reason = self.reason(asked, &link)?;
            let Some(next) = lead(&link, &target) else {
                reasons.push(reason);
                return Ok(());
            };
            reason.leads_to = Some(next.clone());
            reasons.push(reason);
            let next = next.join(&rest);
            // What it leads to may be mounted only when the system runs.
            if rest.is_root() && !self.merged.contains_key(&next) && !self.has_links(&next) {
                return Ok(());
            }
            path = next;
        }
        Err(Error::Usage {
            message: format!("`{asked}` leads through more than {MAX_LINKS} symbolic links"),
            hint: "they seem to point at each other".to_owned(),
        })
    }

    fn has_links(&self, path: &Path) -> bool {
        path.ancestors().any(|above| {
            let found = self.merged.get(&above);
            found.is_some_and(|(_, node)| matches!(node.kind, Kind::Symlink(_)))
        })
    }

    fn reason(&self, asked: &Path, path: &Path) -> Result<Reason> {
        let root = (self.claims.len().saturating_sub(1), Node::implied_directory());
        let found = match self.merged.get(path) {
            None if path.is_root() && !self.claims.is_empty() => Some(&root),
            found => found,
        };
        let (winner, node) = found.ok_or_else(|| self.unknown(asked, path))?;
        let mut lost = Vec::new();
        let mut below = Vec::new();
        for (index, claim) in self.claims.iter().enumerate() {
            let has = claim.get(path);
            if index != *winner
                && let Some(theirs) = has.filter(|theirs| !(theirs.is_directory() && node.is_directory()))
            {
                lost.push(self.contributor(index, path, describe(theirs))?);
            }
            let edits = &self.plan.resolution.edits[index];
            let there = claim
                .below(path)
                .filter(|name| !edits.hidden.contains(name))
                .count();
            if node.is_directory() && there > 0 {
                below.push((self.contributor(index, path, String::new())?, there));
            }
        }
        let claim = &self.claims[*winner];
        let inode = claim.inode(path);
        Ok(Reason {
            path: path.clone(),
            what: describe(node),
            from: self.contributor(*winner, path, String::new())?,
            lost,
            below,
            links: inode.map_or_else(Vec::new, |inode| self.names(claim, inode, path)),
            leads_to: None,
        })
    }

    /// The other names of an inode.
    fn names(&self, claim: &FileSet, inode: InodeId, path: &Path) -> Vec<Path> {
        let same = claim.iter().filter(|(name, id, _)| *id == inode && *name != path);
        same.map(|(name, ..)| name.clone()).collect()
    }

    fn contributor(&self, index: usize, path: &Path, what: String) -> Result<Contributor> {
        let part = &self.plan.tree.parts[index];
        let layer = match &part.files {
            Files::Listed(_) => None,
            Files::Stored { key, under } => match path.below(under) {
                Some(inside) => self.contents.layer_of(key, &inside)?,
                None => None,
            },
        };
        Ok(Contributor {
            location: part.location.clone(),
            name: part.name.clone(),
            source: part.source.clone(),
            image: self.image(part).map(|image| image.digest),
            layer: layer.map(|layer| layer.digest),
            what,
        })
    }

    fn image(&self, part: &Part) -> Option<&Image> {
        let images = &self.plan.images;
        images
            .values()
            .find(|image| image.name.to_string() == part.source)
    }

    /// An error with what may have been meant: the same name elsewhere, or a similar one at this place.
    fn unknown(&self, asked: &Path, path: &Path) -> Error {
        let mut suggestions: Vec<String> = Vec::new();
        let parent = path.parent().unwrap_or_default();
        let beside = self
            .merged
            .keys()
            .filter(|other| other.parent().as_ref() == Some(&parent));
        let beside: Vec<String> = beside
            .map(|other| String::from_utf8_lossy(other.file_name()).into_owned())
            .collect();
        let words: Vec<&str> = beside.iter().map(String::as_str).collect();
        let name = String::from_utf8_lossy(path.file_name()).into_owned();
        if let Some(near) = nearest(&name, &words) {
            let near = Path::parse(near).unwrap_or_default();
            suggestions.push(format!("`{}`", parent.join(&near)));
        }
        let named = self
            .merged
            .keys()
            .filter(|other| other.file_name() == path.file_name());
        suggestions.extend(named.take(MAX_SUGGESTIONS).map(|other| format!("`{other}`")));
        let via = match asked == path {
            true => String::new(),
            false => format!(", to which `{asked}` leads"),
        };
        Error::Usage {
            message: format!("the image has no `{path}`{via}"),
            hint: match suggestions.as_slice() {
                [] => "paths are those in the image; `--why /` shows what its parts have".to_owned(),
                some => format!("did you mean {}?", some.join(" or ")),
            },
        }
    }
}

/// Where a symbolic link leads, from its place. None when it leaves the root or cannot be a path.
fn lead(link: &Path, target: &[u8]) -> Option<Path> {
    let mut components: Vec<Vec<u8>> = match target.first() {
        Some(b'/') => Vec::new(),
        _ => {
            let parent = link.parent().unwrap_or_default();
            let parts = parent.as_bytes().split(|&byte| byte == b'/');
            parts
                .filter(|part| !part.is_empty())
                .map(<[u8]>::to_vec)
                .collect()
        }
    };
    for component in target.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            // The root is its own parent.
            b".." => drop(components.pop()),
            name => components.push(name.to_vec()),
        }
    }
    Path::parse(components.join(&b'/')).ok()
}

/// A node in words.
pub(crate) fn describe(node: &Node) -> String {
    let access = format!("mode {:04o}, owner {}:{}", node.mode, node.uid, node.gid);
    match &node.kind {
        Kind::Directory => format!("directory, {access}"),
        Kind::File(content) => format!("file, {} bytes, {access}, {}", content.size(), content.digest()),
        Kind::Symlink(target) => format!("symbolic link to {}", String::from_utf8_lossy(target)),
        Kind::CharDevice(major, minor) => format!("character device {major}:{minor}, {access}"),
        Kind::BlockDevice(major, minor) => format!("block device {major}:{minor}, {access}"),
        Kind::Fifo => format!("named pipe, {access}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_where_the_booted_system_goes() {
        for (link, target, expect) in [
            ("a", "b", "b"),
            ("bin/sh", "busybox", "bin/busybox"),
            ("bin/sh", "../usr/./bin//x", "usr/bin/x"),
            ("bin/sh", "/run/x", "run/x"),
            ("a", "../../x", "x"),
            ("a", "/", ""),
        ] {
            let link = Path::parse(link).unwrap();
            let found = lead(&link, target.as_bytes()).map(|path| path.to_string());
            assert_eq!(found.as_deref(), Some(expect), "{link} → {target}");
        }
    }
}
