//! A manifest and its images → the root file system, as a tree.
//!
//! The layout inside the image is LinuxKit's (see `ironkit_contract::paths`). Layers are applied in memory; what comes
//! out refers to the store's contents by digest and range, so that nothing large is ever held here.

mod bundle;
mod contents;
mod error;
mod files;
mod fixups;
mod flat;
mod init;
mod json;
mod kernel;
pub mod layer;
mod made;
mod verify;
mod volume;

use std::collections::BTreeMap;
use std::path::PathBuf;

use ironkit_contract::paths;
use ironkit_manifest::{Container, Diagnostic, Manifest, Spanned, Volume, VolumeFormat};
use ironkit_oci::{Image, Layout, Platform};
use ironkit_tree::{FileSet, Files, Kind, Node, Part, Path, Tree};

pub use bundle::LABEL;
pub use contents::{Contents, TIME};
pub use error::{Error, Result};
pub use flat::write_flat;
pub use init::JOINED_SOURCE;
pub use verify::verify;
use volume::Filling;

/// What of the builder's machine a manifest can refer to.
#[derive(Debug, Clone)]
pub struct Host {
    /// Base of relative `source:` paths.
    pub working_directory: PathBuf,
    /// What `~/` stands for.
    pub home: PathBuf,
}

/// What a tree is made of beside manifest and images.
#[derive(Debug, Clone)]
pub struct Options {
    /// The builder's machine.
    pub host: Host,
    /// The kernel proper is taken out of a kernel that unpacks itself.
    pub decompress_kernel: bool,
}

/// The resolved images of a manifest, by reference as it is written there.
pub type Images = BTreeMap<String, Image>;

/// The images of the volumes with `format: oci`, by the volume's name.
pub type Layouts = BTreeMap<String, Layout>;

/// Every image reference of a manifest whose files are wanted, with its place, in order and once each. Those of
/// [`layouts`] are wanted as they are.
pub fn references(manifest: &Manifest) -> Vec<&Spanned<String>> {
    let kernel = manifest.kernel.iter().filter_map(|kernel| kernel.image.as_ref());
    let files = |volume: &&Volume| volume.format == VolumeFormat::Filesystem;
    let volumes = manifest.volumes.iter().filter(files);
    let volumes = volumes.filter_map(|volume| volume.image.as_ref());
    let containers = manifest
        .sections()
        .into_iter()
        .flat_map(|(_, containers)| containers)
        .map(|c| &c.image);
    let mut seen = std::collections::BTreeSet::new();
    kernel
        .chain(&manifest.init)
        .chain(volumes)
        .chain(containers)
        .filter(|image| seen.insert(&image.value))
        .collect()
}

/// A volume with `format: oci`, and which platforms of its image it wants: all when there are none.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedLayout<'a> {
    /// The volume's name.
    pub volume: &'a str,
    /// The image.
    pub image: &'a Spanned<String>,
    /// The platforms.
    pub platforms: Vec<Platform>,
}

/// What the volumes with `format: oci` want.
///
/// # Errors
/// Platforms that are none, each at its place.
pub fn layouts(manifest: &Manifest) -> std::result::Result<Vec<WantedLayout<'_>>, Vec<Diagnostic>> {
    let mut wanted = Vec::new();
    let mut mistakes = Vec::new();
    for volume in &manifest.volumes {
        let Some(image) = volume
            .image
            .as_ref()
            .filter(|_| volume.format == VolumeFormat::Oci)
        else {
            continue;
        };
        let mut platforms = Vec::new();
        for platform in &volume.platforms {
            match platform.parse::<Platform>() {
                Ok(parsed) => platforms.push(parsed),
                Err(error) => {
                    let mistake = Diagnostic::error(platform.span, error.to_string());
                    mistakes.push(place(manifest, mistake));
                }
            }
        }
        wanted.push(WantedLayout {
            volume: &volume.name,
            image,
            platforms,
        });
    }
    if mistakes.is_empty() {
        Ok(wanted)
    } else {
        Err(mistakes)
    }
}

/// Puts the tree of a manifest together. Every reference of [`references`] must be in `images`, every volume of
/// [`layouts`] in `layouts`.
///
/// # Errors
/// [`Error`]: an image that lacks what the manifest wants of it, a label or `files` entry that is wrong.
pub fn assemble(
    manifest: &Manifest,
    images: &Images,
    layouts: &Layouts,
    options: &Options,
    contents: &mut Contents,
) -> Result<Tree> {
    let mut tree = Tree::default();
    if let Some(section) = &manifest.kernel
        && let Some(reference) = &section.image
    {
        let image = &images[&reference.value];
        let (kernel, parts) = kernel::kernel(manifest, section, image, options, contents)?;
        tree.kernel = Some(kernel);
        tree.parts.extend(parts);
    }
    tree.parts.extend(init::parts(manifest, images, contents)?);
    for (index, volume) in manifest.volumes.iter().enumerate() {
        let filling = match (&volume.image, layouts.get(volume.name.as_str())) {
            (None, _) => Filling::Blank,
            (Some(_), Some(layout)) => Filling::Layout(layout),
            (Some(image), None) => Filling::Files(&images[&image.value]),
        };
        tree.parts
            .extend(volume::parts(index, volume, filling, contents)?);
    }
    tree.parts.extend(containers(manifest, images, contents)?);
    tree.parts
        .extend(files::parts(manifest, &options.host, contents)?);
    Ok(tree)
}

/// The parts of all containers. An image that several use is there once, where its first user is.
fn containers(manifest: &Manifest, images: &Images, contents: &mut Contents) -> Result<Vec<Part>> {
    let ids = manifest.ids();
    let volumes: BTreeMap<&str, &Volume> = manifest.volumes.iter().map(|v| (v.name.as_str(), v)).collect();
    let names = bundle::Names {
        ids: &ids,
        volumes: &volumes,
    };
    let mut unpacked: BTreeMap<String, String> = BTreeMap::new();
    let mut parts = Vec::new();
    let placed = |error| match error {
        Error::Manifest(list) => Error::Manifest(list.into_iter().map(|one| place(manifest, one)).collect()),
        other => other,
    };
    for (section, containers) in manifest.sections() {
        for (index, container) in containers.iter().enumerate() {
            let image = &images[&container.image.value];
            let readonly = bundle::is_readonly(container, &image.config).map_err(placed)?;
            let directory = directory(section, index, container);
            let (path, source) = (parse(&directory, &container.name)?, image.name.to_string());
            let part = |files| Part {
                location: format!("{section}[{index}]"),
                name: container.name.value.clone(),
                source: source.clone(),
                files,
            };
            let below = |name: &str| Path::parse(name).map(|name| path.join(&name)).unwrap_or_default();
            let first = !unpacked.contains_key(&source);
            let files = unpacked.entry(source.clone()).or_insert_with(|| {
                let name = if readonly { paths::ROOTFS } else { paths::LOWER };
                parts.push(part(Files::Stored {
                    key: contents.image(image, fixups::Place::Container),
                    under: below(name),
                }));
                format!("/{}", below(name))
            });
            let directories = bundle::Directories {
                bundle: format!("/{path}"),
                files: files.clone(),
            };
            let bundle = bundle::bundle(container, &image.config, &names, &directories)?;
            let mut own = FileSet::new();
            own.insert(below(paths::CONFIG), document(&bundle.config, contents.time()));
            own.insert(below(paths::RUNTIME), document(&bundle.runtime, contents.time()));
            let empty: &[&str] = match (readonly, first) {
                (false, _) => &[paths::TMP, paths::ROOTFS],
                (true, false) => &[paths::ROOTFS],
                (true, true) => &[],
            };
            for name in empty {
                own.insert(below(name), Node::new(Kind::Directory, 0o755).at(contents.time()));
            }
            parts.push(part(Files::Listed(own)));
        }
    }
    Ok(parts)
}

/// A container's directory: with its place in the order where the order counts.
fn directory(section: &str, index: usize, container: &Container) -> String {
    let name = &container.name.value;
    match section {
        "onboot" => format!("{}/{index:03}-{name}", paths::ONBOOT),
        "onshutdown" => format!("{}/{index:03}-{name}", paths::ONSHUTDOWN),
        _ => format!("{}/{name}", paths::SERVICES),
    }
}

fn document(value: &impl serde::Serialize, time: i64) -> Node {
    Node::new(Kind::File(json::encode(value).into()), 0o644).at(time)
}

/// A path out of a name that the manifest gives.
fn parse(path: &str, name: &str) -> Result<Path> {
    Path::parse(path).map_err(|source| {
        Error::Entry(layer::LayerError::Name {
            name: name.to_owned(),
            source,
        })
    })
}

/// Fills in the name of the file that a diagnostic is about.
fn place(manifest: &Manifest, mut diagnostic: Diagnostic) -> Diagnostic {
    if let Some(source) = manifest.sources.get(diagnostic.span.file) {
        diagnostic.file.clone_from(&source.name);
    }
    diagnostic
}
