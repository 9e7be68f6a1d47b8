//! What a component is called: a hash over all that its image is made from.
//!
//! No repository is asked. The hash is over the recipe, the lock file, the files that the recipe names and the static
//! programs of this ironkit, so it is the same wherever those are, and it is quick: `@pkg:` asks for it in every build.

use ironkit_oci::Reference;
use ironkit_tree::Hasher;

use crate::error::Error;
use crate::guest;
use crate::lock::Lock;
use crate::recipe::{Item, Recipe};

/// Changes whenever the same recipe gives another image.
const VERSION: &[u8] = b"1";
/// Length of a hash in hexadecimal digits: that of a git object, as in LinuxKit's tags.
const DIGITS: usize = 40;

/// The reference of the component's image: `docker.io/ORG/IMAGE:TAG`.
///
/// # Errors
/// When a file that the recipe names cannot be read, and for a name that is no reference.
pub fn reference(recipe: &Recipe, lock: &Lock) -> Result<Reference, Error> {
    let definition = &recipe.definition;
    let tag = match definition.tag.contains("{{.Hash}}") {
        true => definition.tag.replace("{{.Hash}}", &hash(recipe, lock)?),
        false => definition.tag.clone(),
    };
    Ok(format!("{}/{}:{tag}", definition.org, definition.image).parse()?)
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
                hasher.field(&guest::find(binary).map_or([0; 32], |binary| *binary.digest().bytes()));
            }
            _ => {}
        }
    }
    let mut hex = hasher.finish().hex();
    hex.truncate(DIGITS);
    Ok(hex)
}
