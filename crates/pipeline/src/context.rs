//! What a command knows of the machine that it runs on, and whom it tells what it does.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use ironkit_oci::{Registry, RegistryOptions, Store};

use crate::Result;

/// The builder's machine, as far as a command may depend on it.
#[derive(Debug, Clone)]
pub struct Context {
    /// The content store's directory.
    pub cache: PathBuf,
    /// Told when another process holds the store's lock, whose path it gets.
    pub waiting: fn(&std::path::Path),
    /// Where files may be that have no name and are gone with the command.
    pub temporary: PathBuf,
    /// Base of relative paths.
    pub working_directory: PathBuf,
    /// What `~/` stands for.
    pub home: PathBuf,
    /// How registries are asked.
    pub registry: RegistryOptions,
    /// Where packages of components come from.
    pub packages: ironkit_package::Machine,
    /// The time of what is in no image, in seconds since 1970.
    pub time: i64,
    /// Threads that may work at once.
    pub threads: NonZeroUsize,
}

impl Context {
    /// Opens the content store, making it when it is not there.
    pub fn store(&self) -> Result<Store> {
        Ok(Store::open_with_notice(&self.cache, self.waiting)?)
    }

    /// A client of registries. Nothing is contacted yet.
    pub fn registry(&self) -> Result<Registry> {
        Ok(Registry::new(self.registry.clone())?)
    }
}

/// Hears what a command is doing while it takes time. Downloads report through the supertrait.
pub trait Watcher: ironkit_oci::Progress {
    /// A step that may take a while has begun: `building components/nginx`.
    fn step(&self, text: &str);
}

impl Watcher for () {
    fn step(&self, _text: &str) {}
}
