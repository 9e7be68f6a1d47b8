//! YAML text → [`Manifest`]: parsed, merged, validated, with the place of everything that a later stage may complain of.
//!
//! The schema is LinuxKit's, with IronKit's additions below `runtime`. Nothing is read here: texts come in, values and
//! diagnostics go out. Images are not looked up, files not opened, labels not applied.
//!
//! A text becomes a tree of [`yaml::Node`]s; decoders (one file per section) turn that into plain values and collect
//! every mistake on the way; files are merged left to right; what concerns several entries is checked last.

mod container;
pub mod data;
pub mod decode;
mod device;
mod diagnostic;
pub mod dump;
mod file;
mod id;
mod kernel;
mod limits;
mod manifest;
mod mode;
mod mount;
mod packages;
pub mod reference;
mod resources;
mod runtime;
pub mod schema;
mod span;
pub mod suggest;
mod validate;
mod volume;
pub mod yaml;

pub use container::{Container, ContainerConfig, Dialect, container_config};
pub use device::Device;
pub use diagnostic::{Diagnostic, Diagnostics, Note, Severity};
pub use file::{File, FileContent, MetadataFormat};
pub use id::Id;
pub use kernel::Kernel;
pub use limits::{CAPABILITIES, Rlimit};
pub use manifest::Manifest;
pub use mode::Mode;
pub use mount::{Bind, Mount, Tmpfs};
pub use packages::ResolvePackage;
pub use resources::{
    BlockIo, Cpu, DeviceRule, HugepageLimit, IdMapping, InterfacePriority, Memory, Network, PageSize, Pids,
    Rdma, Resources, ThrottleDevice, WeightDevice,
};
pub use runtime::{BindNamespaces, Interface, OnFailure, Restart, RuntimeConfig, SeccompPolicy};
pub use span::{LABEL_FILE, SourceFile, Span, Spanned};
pub use volume::{Volume, VolumeFormat};

/// Parses manifests and merges them left to right. `packages` resolves `@pkg:` templates.
///
/// Returns the manifest with its warnings.
///
/// # Errors
///
/// All mistakes of all files, and the warnings, in the order of the text.
pub fn parse(
    files: &[SourceFile],
    packages: ResolvePackage<'_>,
) -> Result<(Manifest, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut out = Diagnostics::new(files.iter().map(|file| file.name.clone()));
    let mut merged = Manifest::default();
    let mut complete = true;
    for (number, file) in files.iter().enumerate() {
        let node = yaml::parse(number, &file.text, &mut out).map(|mut node| {
            packages::expand(&mut node, file, packages, &mut out);
            node
        });
        match node.and_then(|node| manifest::manifest(&node, &mut out)) {
            Some(manifest) => merged.merge(manifest),
            None => complete = false,
        }
    }
    // What a file that could not be read declares would be reported as missing.
    if complete {
        validate::validate(&merged, &mut out);
    }
    merged.sources = files.to_vec();
    out.finish().map(|warnings| (merged, warnings))
}

/// Parses the label `org.mobyproject.config` of an image, which holds a configuration as JSON. Its spans carry
/// [`LABEL_FILE`]; its own `capabilities.add` and `binds.add` are kept.
///
/// # Errors
///
/// All mistakes, shown under the image's name.
pub fn parse_label(json: &str, image: &str) -> Result<ContainerConfig, Vec<Diagnostic>> {
    let mut out = Diagnostics::of_label(format!("label org.mobyproject.config of {image}"));
    let config = yaml::parse(LABEL_FILE, json, &mut out)
        .and_then(|node| container_config(&node, Dialect::Label, &mut out));
    out.finish().map(|_| config.unwrap_or_default())
}
