//! Images by a lock file: out of the store, by digest, and from nowhere else.

use ironkit_oci::{Digest, Image, Layout, LayoutLookup, Lookup, Platform, Reference, Store};
use ironkit_package::Recipe;

use super::LockFile;
use crate::{Error, Result};

/// The same image by name and digest.
pub(super) fn pinned(reference: &Reference, digest: Digest) -> Result<Reference> {
    match reference.digest() {
        Some(_) => Ok(reference.clone()),
        None => Ok(format!("{reference}@{digest}").parse()?),
    }
}

/// The image that `reference` is pinned to. It keeps the name that the manifest has for it, so that a locked build
/// writes the same bytes as the one that was locked.
pub(crate) fn image(
    lock: &LockFile,
    store: &Store,
    reference: &Reference,
    component: Option<&Recipe>,
    platform: &Platform,
) -> Result<Image> {
    let digest = expect(lock, reference, platform)?;
    let Some(recipe) = component else {
        let wanted = pinned(reference, digest)?;
        return match store.lookup(&wanted, platform)? {
            Lookup::Found(image) => Ok(Image {
                name: reference.clone(),
                ..*image
            }),
            Lookup::OtherPlatforms(others) => Err(no_platform(&wanted, platform, &others)),
            Lookup::Unknown | Lookup::Incomplete(_) => Err(not_here(store, &wanted)),
        };
    };
    match store.lookup(reference, platform)? {
        Lookup::Found(image) if image.digest == digest => Ok(*image),
        Lookup::Found(image) => Err(Error::Usage {
            message: format!(
                "the lock file pins it to {digest}, and the cache has {}",
                image.digest
            ),
            hint: "`ironkit lock --update` pins the one that is there".to_owned(),
        }),
        _ => Err(Error::Usage {
            message: format!(
                "it is not in {}, and --locked builds no components",
                store.root().display()
            ),
            hint: format!(
                "`ironkit pkg build --locked {}` makes it",
                recipe.directory.display()
            ),
        }),
    }
}

/// As [`image`], for a volume that holds the image itself.
pub(crate) fn layout(
    lock: &LockFile,
    store: &Store,
    reference: &Reference,
    component: Option<&Recipe>,
    platforms: &[Platform],
    platform: &Platform,
) -> Result<Layout> {
    let wanted = match component {
        // Checked by its manifest; its name leads to all of it.
        Some(_) => image(lock, store, reference, component, platform)?.name,
        None => pinned(reference, expect(lock, reference, platform)?)?,
    };
    match store.layout(&wanted, platforms)? {
        LayoutLookup::Found(layout) => Ok(Layout {
            name: reference.clone(),
            ..*layout
        }),
        LayoutLookup::NoPlatform {
            wanted: lacking,
            available,
        } => Err(no_platform(&wanted, &lacking, &available)),
        LayoutLookup::Unknown | LayoutLookup::Incomplete(_) => Err(not_here(store, &wanted)),
    }
}

fn expect(lock: &LockFile, reference: &Reference, platform: &Platform) -> Result<Digest> {
    let digest = lock.digest(reference, platform);
    digest
        .or(reference.digest().copied())
        .ok_or_else(|| Error::Usage {
            message: format!("the lock file does not have it for {platform}"),
            hint: "`ironkit lock` adds what is missing".to_owned(),
        })
}

fn not_here(store: &Store, wanted: &Reference) -> Error {
    Error::Usage {
        message: format!("{wanted} is not in {}, or not wholly", store.root().display()),
        hint: format!(
            "`ironkit lock --fetch` fetches what is missing, as does `ironkit cache pull {wanted}`"
        ),
    }
}

fn no_platform(wanted: &Reference, platform: &Platform, others: &[String]) -> Error {
    Error::Usage {
        message: format!(
            "{wanted} has nothing for {platform}, only for {}",
            others.join(", ")
        ),
        hint: "build for another architecture, or use another image".to_owned(),
    }
}
