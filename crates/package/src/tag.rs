//! What a component is called.
//!
//! A recipe with `contents` is named by a hash over all that its image is made from: the recipe, the lock file, the
//! files that the recipe names and the static programs of this ironkit. No repository is asked, so it is the same wherever
//! those are, and it is quick: `@pkg:` asks for it in every build.
//!
//! A recipe with a Dockerfile is LinuxKit's, and named as LinuxKit names it: by the hash of git's tree of the folder, so
//! that images which are already in a registry are found.

use ironkit_oci::Reference;
use ironkit_tree::Hasher;
use sha1::{Digest as _, Sha1};

use crate::error::Error;
use crate::git;
use crate::guest;
use crate::lock::Lock;
use crate::recipe::{Dockerfile, Item, Recipe};

/// Changes whenever the same recipe gives another image.
const VERSION: &[u8] = b"2";
/// Length of a hash in hexadecimal digits: that of a git object, as in LinuxKit's tags.
const DIGITS: usize = 40;
/// How much of the hash over the contents is in the tag of a folder that differs from its commit.
const DIRTY_DIGITS: usize = 7;
/// The tag when there is nothing to take one from, as in LinuxKit.
const NO_TAG: &str = "latest";

/// The reference of the component's image: `docker.io/ORG/IMAGE:TAG`.
///
/// # Errors
/// When a file that the recipe names cannot be read, when git does not know the folder of a Dockerfile, and for a name
/// that is no reference.
pub fn reference(recipe: &Recipe, lock: &Lock) -> Result<Reference, Error> {
    let definition = &recipe.definition;
    let template = &definition.tag;
    let tag = match (has_hash(template), &recipe.naming.hash, &definition.dockerfile) {
        (false, ..) => template.clone(),
        (true, Some(hash), _) => fill(template, hash),
        (true, None, None) => fill(template, &hash(recipe, lock)?),
        (true, None, Some(dockerfile)) => fill(template, &tree_hash(recipe, dockerfile)?.unwrap_or_default()),
    };
    let tag = if tag.is_empty() { NO_TAG } else { &tag };
    Ok(format!("{}/{}:{tag}", definition.org, definition.image).parse()?)
}

/// Replaces `{{.Hash}}`, with or without spaces inside, by `hash`. Everything else is left alone.
pub fn fill(template: &str, hash: &str) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, inside)) = rest.split_once("{{") {
        filled.push_str(before);
        match inside.split_once("}}") {
            Some((name, after)) if name.trim() == ".Hash" => {
                filled.push_str(hash);
                rest = after;
            }
            _ => {
                filled.push_str("{{");
                rest = inside;
            }
        }
    }
    filled.push_str(rest);
    filled
}

fn has_hash(template: &str) -> bool {
    fill(template, "") != *template
}

/// LinuxKit's hash of a package. None when the folder is in no git repository.
fn tree_hash(recipe: &Recipe, dockerfile: &Dockerfile) -> Result<Option<String>, Error> {
    let commit = recipe.naming.commit.as_deref().unwrap_or(git::HEAD);
    let mut sources = String::new();
    for source in &dockerfile.extra_sources {
        let place = recipe.place(source.span);
        let at = |error| Error::At {
            place: place.clone(),
            what: format!("extra source `{}`", source.from),
            source: Box::new(error),
        };
        let path = recipe.directory.join(&source.from);
        let folder = match path.is_dir() {
            true => path.as_path(),
            false => path.parent().unwrap_or(&recipe.directory),
        };
        if !git::is_tracked(folder).map_err(at)? {
            return Err(at(Error::Git {
                path: path.clone(),
                reason: "it is in no git repository".to_owned(),
                hint: None,
            }));
        }
        sources.push_str(&git::object(&path, commit).map_err(at)?);
    }
    if !git::is_tracked(&recipe.directory)? {
        return Ok(None);
    }
    let root = recipe.naming.hash_path.as_ref().unwrap_or(&recipe.directory);
    let mut hash = git::object(root, commit)?;
    if !sources.is_empty() {
        let hashed = Sha1::digest(hash + &sources);
        hash = hashed.iter().map(|byte| format!("{byte:02x}")).collect();
    }
    // Only the last commit has a working tree to differ from.
    let dirty = recipe.naming.force_dirty || commit == git::HEAD && git::is_dirty(root)?;
    if dirty {
        let mut contents = git::contents(&recipe.directory)?;
        contents.truncate(DIRTY_DIGITS);
        hash = format!("{hash}-dirty-{contents}");
    }
    Ok(Some(hash))
}

fn hash(recipe: &Recipe, lock: &Lock) -> Result<String, Error> {
    let mut hasher = Hasher::new();
    hasher.field(VERSION);
    hasher.field(recipe.text.as_bytes());
    hasher.field(lock.to_string().as_bytes());
    for entry in &recipe.definition.contents {
        match &entry.item {
            Item::File { file, .. } => {
                let (place, what) = (recipe.place(entry.span), format!("file `{file}`"));
                let (_, digest, _) = recipe.file(file).map_err(|source| Error::At {
                    place,
                    what,
                    source: Box::new(source),
                })?;
                hasher.field(file.as_bytes());
                hasher.field(digest.bytes());
            }
            Item::Binary { binary, .. } => {
                hasher.field(binary.as_bytes());
                // Those for other architectures are made from the same sources.
                let own = guest::find(binary, guest::ARCHITECTURE);
                hasher.field(&own.map_or([0; 32], |binary| *binary.digest().bytes()));
            }
            _ => {}
        }
    }
    let mut hex = hasher.finish().hex();
    hex.truncate(DIGITS);
    Ok(hex)
}

#[cfg(test)]
mod tests {
    use super::{fill, has_hash};

    #[test]
    fn templates_know_the_hash_and_nothing_else() {
        for (template, expect) in [
            ("{{.Hash}}", "abc"),
            ("{{ .Hash }}", "abc"),
            ("v1-{{.Hash}}-x{{.Hash}}", "v1-abc-xabc"),
            ("v1", "v1"),
            ("{{.Other}}{{.Hash}}", "{{.Other}}abc"),
            ("{{", "{{"),
            ("", ""),
        ] {
            assert_eq!(fill(template, "abc"), expect);
            assert_eq!(has_hash(template), template.contains(".Hash"), "{template}");
        }
    }
}
