//! The whole manifest: its sections, and how several files become one.

use std::collections::BTreeMap;

use crate::container::container;
use crate::decode::{Mapping, list, string};
use crate::file::file;
use crate::kernel::kernel;
use crate::reference::image;
use crate::schema;
use crate::volume::volume;
use crate::yaml::Node;
use crate::{Container, Diagnostic, Diagnostics, File, Kernel, SourceFile, Spanned, Volume};

/// What an image is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest {
    /// The kernel; only needed where something is to boot.
    pub kernel: Option<Kernel>,
    /// Images that are unpacked into the root, in order.
    pub init: Vec<Spanned<String>>,
    /// Containers that run once, in order, at boot.
    pub onboot: Vec<Container>,
    /// Containers that run once, in order, at shutdown.
    pub onshutdown: Vec<Container>,
    /// Containers that run all the time.
    pub services: Vec<Container>,
    /// Directories that containers share.
    pub volumes: Vec<Volume>,
    /// Single files.
    pub files: Vec<File>,
    /// The texts that spans refer to.
    pub sources: Vec<SourceFile>,
}

/// Number of the first named user.
const FIRST_ID: u32 = 100;

impl Manifest {
    /// Users and groups that belong to containers: numbers from 100 up, in the order onboot, onshutdown, services. Of
    /// containers with one name the last counts.
    pub fn ids(&self) -> BTreeMap<String, u32> {
        let containers = self.sections().into_iter().flat_map(|(_, containers)| containers);
        containers
            .zip(FIRST_ID..)
            .map(|(container, id)| (container.name.value.clone(), id))
            .collect()
    }

    /// The sections of containers with their names, in the order of the image.
    pub fn sections(&self) -> [(&'static str, &[Container]); 3] {
        [
            ("onboot", &self.onboot),
            ("onshutdown", &self.onshutdown),
            ("services", &self.services),
        ]
    }

    /// Adds what a later file says: its kernel's fields override, its lists are appended.
    pub(crate) fn merge(&mut self, later: Manifest) {
        match (&mut self.kernel, later.kernel) {
            (Some(kernel), Some(later)) => kernel.merge(later),
            (kernel, later) => *kernel = later.or(kernel.take()),
        }
        self.init.extend(later.init);
        self.onboot.extend(later.onboot);
        self.onshutdown.extend(later.onshutdown);
        self.services.extend(later.services);
        self.volumes.extend(later.volumes);
        self.files.extend(later.files);
        self.sources.extend(later.sources);
    }
}

/// Decodes one file.
pub(crate) fn manifest(node: &Node, out: &mut Diagnostics) -> Option<Manifest> {
    let map = Mapping::object(node, "the manifest", &schema::MANIFEST, out)?;
    if let Some(span) = map.key_span("trust") {
        // Content trust is gone from LinuxKit too; old manifests still have the section.
        let warning = Diagnostic::warning(span, "`trust` has no effect: content trust no longer exists");
        out.push(warning.hint("pin images by digest: `name@sha256:…`"));
        map.get("trust", out, trust);
    }
    Some(Manifest {
        kernel: map.get("kernel", out, kernel),
        init: map.get("init", out, list(image)).unwrap_or_default(),
        onboot: map.get("onboot", out, list(container)).unwrap_or_default(),
        onshutdown: map.get("onshutdown", out, list(container)).unwrap_or_default(),
        services: map.get("services", out, list(container)).unwrap_or_default(),
        volumes: map.get("volumes", out, list(volume)).unwrap_or_default(),
        files: map.get("files", out, list(file)).unwrap_or_default(),
        sources: Vec::new(),
    })
}

fn trust(node: &Node, out: &mut Diagnostics) -> Option<()> {
    let map = Mapping::object(node, "`trust`", &schema::TRUST, out)?;
    map.get("image", out, list(string));
    map.get("org", out, list(string));
    Some(())
}
