//! Boot loaders: the files that formats are linked with, out of images that are looked for only when a format needs them.
//!
//! Their recipes travel with the program, so any manifest anywhere can be built. An image of one is in the store, or is made
//! like any component: from Debian's archive, verified and pinned.

use std::path::PathBuf;

use ironkit_image::{Loader, Loaders};
use ironkit_manifest::SourceFile;
use ironkit_oci::{Image, Lookup, Store};
use ironkit_package::Recipe;
use ironkit_rootfs::Contents;
use ironkit_tree::{Kind, Path};

use crate::packages::Named;
use crate::resolve::{self, ResolveOptions};
use crate::{Context, Error, Result, Watcher};

/// In front of a component's path.
const COMPONENT: &str = "@pkg:";

/// The files of all `needed` loaders, and the images that they are from. Those of the images in `given` take the place of
/// ours.
///
/// # Errors
/// Images that cannot be had or read.
pub(crate) fn load(
    context: &Context,
    store: &Store,
    needed: &[Loader],
    given: &[String],
    options: &ResolveOptions,
    watcher: &dyn Watcher,
) -> Result<(Loaders, Vec<Image>)> {
    let mut loaders = Loaders::default();
    let mut images = Vec::new();
    if needed.is_empty() {
        return Ok((loaders, images));
    }
    let mut contents = Contents::at(store, context.time);
    let mut read = |image: &Image, needed: &[Loader]| -> Result<Vec<(Loader, String, Vec<u8>)>> {
        let files = contents.plain(image)?;
        let mut found = Vec::new();
        for &loader in needed {
            let folder = Path::parse(loader.folder()).unwrap_or_default();
            for (path, _, node) in files.iter() {
                let (Some(_), Kind::File(content)) = (path.below(&folder), &node.kind) else {
                    continue;
                };
                let bytes = content.read(&contents).map_err(Error::Tree)?;
                found.push((loader, path.to_string(), bytes));
            }
        }
        Ok(found)
    };
    let mut replaced = Vec::new();
    for name in given {
        let image = image(context, store, name, options, watcher)?;
        replaced.extend(read(&image, needed)?);
        images.push(image);
    }
    for &loader in needed {
        let ours = ours(context, store, loader, options, watcher)?;
        for (_, path, bytes) in read(&ours, &[loader])? {
            loaders.insert(path, bytes);
        }
        images.push(ours);
    }
    for (_, path, bytes) in replaced {
        loaders.insert(path, bytes);
    }
    Ok((loaders, images))
}

/// An image that the user named.
fn image(
    context: &Context,
    store: &Store,
    given: &str,
    options: &ResolveOptions,
    watcher: &dyn Watcher,
) -> Result<Image> {
    let named = Named::default();
    let name = reference(given, &named)?;
    resolve::image(context, store, &name, &named, options, watcher).map_err(|error| match error {
        Error::Usage { message, hint } => Error::Usage {
            message: format!("cannot use the boot loader `{given}`: {message}"),
            hint,
        },
        other => other,
    })
}

/// The name of the image that a user named: as it is, or that of the component at `@pkg:FOLDER`, which becomes known.
///
/// # Errors
/// There is no such component.
pub(crate) fn reference(given: &str, named: &Named) -> Result<String> {
    let Some(path) = given.strip_prefix(COMPONENT) else {
        return Ok(given.to_owned());
    };
    let here = SourceFile {
        name: "--loader".to_owned(),
        text: String::new(),
        directory: Some(PathBuf::from(".")),
    };
    named.resolve(path, &here).map_err(|message| Error::Usage {
        message: format!("cannot use the boot loader `{given}`: {message}"),
        hint: "it is @pkg: and the folder of a recipe, or the name of an image".to_owned(),
    })
}

/// The image that our own recipe makes.
fn ours(
    context: &Context,
    store: &Store,
    loader: Loader,
    options: &ResolveOptions,
    watcher: &dyn Watcher,
) -> Result<Image> {
    let recipe = recipe(loader)?;
    let reference = ironkit_package::reference(&recipe)?;
    let name = reference.to_string();
    if options.lock.is_some() {
        // What it is made from is pinned by the program itself; only the network is not asked.
        return match store.lookup(&reference, &options.platform)? {
            Lookup::Found(image) => Ok(*image),
            _ => Err(Error::Usage {
                message: format!("the cache lacks the boot loader {name}, and --locked uses no network"),
                hint: "a build without --locked puts it there".to_owned(),
            }),
        };
    }
    let named = Named::default();
    named.insert(name.clone(), recipe);
    // A container engine has no loaders, and what the store has under this name is what the recipe makes.
    let options = ResolveOptions {
        engine: None,
        pull: false,
        ..options.clone()
    };
    resolve::image(context, store, &name, &named, &options, watcher)
}

/// The recipe that travels with the program.
fn recipe(loader: Loader) -> Result<Recipe> {
    macro_rules! component {
        ($name:literal) => {
            (
                $name,
                include_str!(concat!("../../../components/", $name, "/build.yml")),
                include_str!(concat!("../../../components/", $name, "/build.lock")),
            )
        };
    }
    let (name, text, lock) = match loader {
        Loader::Grub => component!("grub"),
        Loader::SystemdStub => component!("systemd-stub"),
        Loader::UBootRpi => component!("u-boot-rpi"),
    };
    Ok(ironkit_package::recipe::embedded(name, text, lock)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_whole() {
        for (loader, name) in [
            (Loader::Grub, "grub"),
            (Loader::SystemdStub, "systemd-stub"),
            (Loader::UBootRpi, "u-boot-rpi"),
        ] {
            let recipe = recipe(loader).unwrap();
            assert_eq!(recipe.definition.image, name);
            assert!(!recipe.lock.packages.is_empty());
            assert_eq!(recipe.warnings, []);
            ironkit_package::reference(&recipe).unwrap();
        }
    }
}
