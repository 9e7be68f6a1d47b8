//! References → images: from the store, from a recipe, from a registry, in this order.

use std::collections::BTreeMap;

use ironkit_manifest::{Diagnostic, Manifest, Spanned};
use ironkit_oci::{Engine, Image, Layout, LayoutLookup, Lookup, Platform, Reference, Registry, Store};
use ironkit_rootfs::{Images, Layouts};

use crate::lock::{self, LockFile};
use crate::packages::{self, Named, PackageOptions};
use crate::{Context, Error, Result, Watcher};

/// How images are looked for.
#[derive(Debug, Clone)]
pub struct ResolveOptions {
    /// What they are for.
    pub platform: Platform,
    /// Ask the registry also for what the store has.
    pub pull: bool,
    /// The container engine that is asked before everything else, unless `pull` says to ask registries.
    pub engine: Option<Engine>,
    /// How components that the store lacks are built.
    pub packages: PackageOptions,
    /// Use the images of this lock file, and nothing but the store.
    pub lock: Option<LockFile>,
}

/// Finds every image of a manifest. Those that cannot be had are reported together, each at its place.
///
/// # Errors
/// [`Error::Manifest`] when there are no such images, [`Error::Images`] when something failed on the way to them.
pub fn images(
    context: &Context,
    store: &Store,
    manifest: &Manifest,
    named: &Named,
    options: &ResolveOptions,
    watcher: &dyn Watcher,
) -> Result<Images> {
    let resolver = Resolver {
        context,
        store,
        options,
        watcher,
    };
    let mut registry = None;
    let wanted = ironkit_rootfs::references(manifest).into_iter();
    resolver.all(manifest, named, wanted.map(|name| (name, name)), |name| {
        Ok((name.value.clone(), resolver.image(name, named, &mut registry)?))
    })
}

/// Finds one image, which no manifest names.
///
/// # Errors
/// When it cannot be had.
pub(crate) fn image(
    context: &Context,
    store: &Store,
    name: &str,
    named: &Named,
    options: &ResolveOptions,
    watcher: &dyn Watcher,
) -> Result<Image> {
    let resolver = Resolver {
        context,
        store,
        options,
        watcher,
    };
    resolver.image(name, named, &mut None)
}

/// Finds the images that volumes with `format: oci` hold, with all the platforms that these want.
///
/// # Errors
/// As [`images`].
pub fn layouts(
    context: &Context,
    store: &Store,
    manifest: &Manifest,
    named: &Named,
    options: &ResolveOptions,
    watcher: &dyn Watcher,
) -> Result<Layouts> {
    let resolver = Resolver {
        context,
        store,
        options,
        watcher,
    };
    let mut registry = None;
    let wanted = ironkit_rootfs::layouts(manifest).map_err(Error::Manifest)?;
    let wanted = wanted.into_iter().map(|wanted| (wanted.image, wanted));
    resolver.all(manifest, named, wanted, |wanted| {
        let layout = resolver.layout(wanted.image, &wanted.platforms, named, &mut registry)?;
        Ok((wanted.volume.to_owned(), layout))
    })
}

/// Whether an error means that what was asked for does not exist.
pub(crate) fn is_wish(error: &Error) -> bool {
    error.is_input() || matches!(error, Error::Oci(ironkit_oci::Error::NotFound { .. }))
}

struct Resolver<'a> {
    context: &'a Context,
    store: &'a Store,
    options: &'a ResolveOptions,
    watcher: &'a dyn Watcher,
}

impl Resolver<'_> {
    /// Finds all that is wanted, each with the name that it goes by in the manifest. What cannot be had is reported together.
    fn all<'m, W, T>(
        &self,
        manifest: &Manifest,
        named: &Named,
        wanted: impl Iterator<Item = (&'m Spanned<String>, W)>,
        mut find: impl FnMut(W) -> Result<(String, T)>,
    ) -> Result<BTreeMap<String, T>> {
        let mut all = BTreeMap::new();
        let mut mistakes = Vec::new();
        let mut failed = false;
        for (reference, wanted) in wanted {
            match find(wanted) {
                Ok((key, found)) => {
                    all.insert(key, found);
                }
                Err(error) => {
                    failed |= !is_wish(&error);
                    let problem = self.problem(reference);
                    mistakes.push(diagnostic(manifest, reference, named, problem, &error));
                }
            }
        }
        match (mistakes.is_empty(), failed) {
            (true, _) => Ok(all),
            (false, true) => Err(Error::Images(mistakes)),
            (false, false) => Err(Error::Manifest(mistakes)),
        }
    }

    /// What could not be done, for a message.
    fn problem(&self, name: &str) -> String {
        match self.options.lock {
            Some(_) => format!("cannot use the image `{name}`"),
            None => format!(
                "cannot get the image `{name}`: it is not in {}",
                self.context.cache.display()
            ),
        }
    }

    fn image(&self, name: &str, named: &Named, registry: &mut Option<Registry>) -> Result<Image> {
        let reference: Reference = name.parse()?;
        let recipe = named.recipe(name).filter(|recipe| !is_foreign(recipe));
        let mut damage = None;
        if let Some(lock) = &self.options.lock {
            return lock::image(
                lock,
                self.store,
                &reference,
                recipe.as_ref(),
                &self.options.platform,
            );
        }
        if recipe.is_none()
            && let Some(image) = self.engine(&reference)
        {
            return Ok(image);
        }
        if !self.options.pull || recipe.is_some() {
            for candidate in [&reference, &reference.or_latest()] {
                match self.stored(candidate) {
                    Ok(Some(image)) => return Ok(image),
                    Ok(None) => {}
                    Err(error) if error.is_damage() => damage = Some(error),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        if let Some(recipe) = recipe {
            return self.component(&recipe, &reference, damage);
        }
        let registry = match registry {
            Some(registry) => registry,
            None => registry.insert(self.context.registry()?),
        };
        self.watcher.step(&format!("pulling {reference}"));
        if let Some(damage) = &damage {
            self.watcher
                .note(&format!("{reference}: {damage}; it is fetched again"));
        }
        let pulled = registry.pull(self.store, &reference, &self.options.platform, self.watcher);
        match (pulled, damage) {
            (Err(source), Some(damage)) => Err(damage.not_mended(source).into()),
            (Err(source), None) => Err(self.lacking(&reference).unwrap_or(source).into()),
            (Ok(image), _) => Ok(image),
        }
    }

    /// Why nobody is to blame for an image that could not be pulled: there is one, for other platforms than the wanted one.
    fn lacking(&self, reference: &Reference) -> Option<ironkit_oci::Error> {
        let platform = &self.options.platform;
        match self.store.lookup(reference, platform) {
            Ok(Lookup::OtherPlatforms(available)) if !self.options.pull => {
                Some(ironkit_oci::Error::NoPlatform {
                    reference: reference.clone().into(),
                    wanted: platform.clone().into(),
                    available,
                })
            }
            _ => None,
        }
    }

    /// The image as the container engine has it, if one is to be asked. That it does not have it is no error.
    fn engine(&self, reference: &Reference) -> Option<Image> {
        let engine = self.options.engine.as_ref().filter(|_| !self.options.pull)?;
        let platform = &self.options.platform;
        let found = engine.find(reference, platform).and_then(|id| {
            // What was copied before is not copied again.
            if let Ok(Some(image)) = self.stored(reference)
                && (image.config_digest == id
                    || image.digest == id
                    || self.store.digest_of(reference)? == Some(id))
            {
                return Ok(image);
            }
            self.watcher
                .step(&format!("copying {reference} from the container engine"));
            engine.load(self.store, reference, platform)
        });
        match found {
            Ok(image) => Some(image),
            Err(error) => {
                let mut text = format!("not using the container engine for {reference}: {error}");
                let mut source = std::error::Error::source(&error);
                while let Some(cause) = source {
                    text = format!("{text}: {cause}");
                    source = cause.source();
                }
                self.watcher.step(&text);
                None
            }
        }
    }

    /// The image as the store has it. What will be read of it is verified here, where it can still be fetched again.
    fn stored(&self, reference: &Reference) -> ironkit_oci::Result<Option<Image>> {
        match self.store.lookup(reference, &self.options.platform)? {
            Lookup::Found(image) => {
                ironkit_rootfs::verify(self.store, &image)?;
                Ok(Some(*image))
            }
            Lookup::Incomplete(blobs) => match blobs.iter().find(|blob| self.store.blob_size(blob).is_some())
            {
                Some(blob) => Err(ironkit_oci::Error::CorruptBlob {
                    digest: *blob,
                    expected: "another size".to_owned(),
                    found: format!("{} bytes", self.store.blob_size(blob).unwrap_or_default()),
                }),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn layout(
        &self,
        name: &str,
        platforms: &[Platform],
        named: &Named,
        registry: &mut Option<Registry>,
    ) -> Result<Layout> {
        let reference: Reference = name.parse()?;
        let recipe = named.recipe(name).filter(|recipe| !is_foreign(recipe));
        if let Some(lock) = &self.options.lock {
            let platform = &self.options.platform;
            return lock::layout(lock, self.store, &reference, recipe.as_ref(), platforms, platform);
        }
        let mut damage = None;
        if let Some(recipe) = &recipe {
            match self.stored_layout(&reference, platforms) {
                Ok(LayoutLookup::Unknown) => drop(self.component(recipe, &reference, None)?),
                Err(error) if error.is_damage() => {
                    drop(self.component(recipe, &reference, Some(error))?);
                }
                _ => {}
            }
        }
        if !self.options.pull || recipe.is_some() {
            for candidate in [&reference, &reference.or_latest()] {
                match self.stored_layout(candidate, platforms) {
                    Ok(LayoutLookup::Found(layout)) => return Ok(*layout),
                    Ok(_) => {}
                    Err(error) if error.is_damage() => damage = Some(error),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let registry = match registry {
            Some(registry) => registry,
            None => registry.insert(self.context.registry()?),
        };
        self.watcher.step(&format!("pulling {reference}"));
        if let Some(damage) = &damage {
            self.watcher
                .note(&format!("{reference}: {damage}; it is fetched again"));
        }
        let pulled = registry.pull_layout(self.store, &reference, platforms, self.watcher);
        match (pulled, damage) {
            (Err(source), Some(damage)) => Err(damage.not_mended(source).into()),
            (pulled, _) => Ok(pulled?),
        }
    }

    /// The image with several platforms as the store has it, every blob of it verified.
    fn stored_layout(
        &self,
        reference: &Reference,
        platforms: &[Platform],
    ) -> ironkit_oci::Result<LayoutLookup> {
        let found = self.store.layout(reference, platforms)?;
        if let LayoutLookup::Found(layout) = &found {
            for (digest, size) in &layout.blobs {
                self.store.verify_blob(digest, *size, &mut std::io::sink())?;
            }
        }
        Ok(found)
    }

    /// Builds a component. What is damaged of it in the store is no reason to take it as it is there.
    fn component(
        &self,
        recipe: &ironkit_package::Recipe,
        reference: &Reference,
        damage: Option<ironkit_oci::Error>,
    ) -> Result<Image> {
        let platform = &self.options.platform;
        if let Some(damage) = &damage {
            self.watcher
                .note(&format!("{reference}: {damage}; it is built again"));
        }
        self.watcher
            .step(&format!("building {}", recipe.directory.display()));
        let mut options = self.options.packages;
        options.force |= damage.is_some();
        let built = packages::build(self.context, self.store, recipe, platform, options, self.watcher)?;
        // The lock file, and with it the name, may have changed: what was built is what is meant.
        match self.store.lookup(&built.reference, platform)? {
            Lookup::Found(image) => Ok(*image),
            _ => Err(ironkit_oci::Error::MissingBlob { digest: built.digest }.into()),
        }
    }
}

/// Whether a component comes out of a Dockerfile: its image is one as any other then, which somebody else has built.
fn is_foreign(recipe: &ironkit_package::Recipe) -> bool {
    recipe.definition.dockerfile.is_some()
}

/// What was tried, at the reference's place in the manifest. `problem` says what could not be done.
pub(crate) fn diagnostic(
    manifest: &Manifest,
    reference: &Spanned<String>,
    named: &Named,
    problem: String,
    error: &Error,
) -> Diagnostic {
    let mut message = format!("{problem}: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    let mut hint = error.hint();
    if let Some(recipe) = named.recipe(reference).filter(is_foreign) {
        let directory = recipe.directory;
        let error = ironkit_package::Error::Dockerfile { directory };
        message = format!("{message}; {error}");
        hint = error.hint();
    }
    let mut diagnostic = Diagnostic::error(reference.span, message);
    diagnostic.hint = hint;
    if let Some(file) = manifest.sources.get(reference.span.file) {
        diagnostic.file.clone_from(&file.name);
    }
    diagnostic
}
