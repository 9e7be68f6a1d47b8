//! Volumes: directories that containers share, at first with the files of an image, with the image itself, or with
//! nothing.

use ironkit_contract::paths;
use ironkit_manifest::Volume;
use ironkit_oci::document::{Descriptor, Index, REF_NAME};
use ironkit_oci::{Image, Layout};
use ironkit_tree::{FileSet, Files, Kind, Node, Part, Path};

use crate::contents::Contents;
use crate::fixups::Place;
use crate::{Result, parse};

/// A volume's directory in the root file system, relative to it.
pub(crate) fn directory(name: &str) -> String {
    format!("{}/{name}", paths::VOLUMES)
}

/// What a volume holds at first.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Filling<'a> {
    /// Nothing.
    Blank,
    /// The files of an image.
    Files(&'a Image),
    /// The image as an OCI layout.
    Layout(&'a Layout),
}

/// The parts of a volume: what it is filled with, and the directories around that. These are the same for a read-only
/// volume, as in LinuxKit; the guest goes by how containers mount it.
pub(crate) fn parts(
    index: usize,
    volume: &Volume,
    filling: Filling,
    contents: &mut Contents,
) -> Result<Vec<Part>> {
    let directory = directory(&volume.name);
    let part = |source: String, files: Files| Part {
        location: format!("volume[{index}]"),
        name: volume.name.value.clone(),
        source,
        files,
    };
    let mut parts = Vec::new();
    let time = contents.time();
    let folder = || Node::new(Kind::Directory, 0o755).at(time);
    let lower = parse(&format!("{directory}/{}", paths::LOWER), &volume.name)?;
    match filling {
        Filling::Files(image) => {
            let key = contents.image(image, Place::System);
            let files = Files::Stored { key, under: lower };
            parts.push(part(image.name.to_string(), files));
        }
        Filling::Layout(layout) => {
            let files = layout_files(layout, contents)?.under(&lower);
            parts.push(part(layout.name.to_string(), Files::Listed(files)));
        }
        Filling::Blank => {
            let mut files = FileSet::new();
            files.insert(lower, folder());
            parts.push(part("empty".to_owned(), Files::Listed(files)));
        }
    }
    let mut around = FileSet::new();
    for name in [paths::TMP, paths::MERGED] {
        let path = parse(&format!("{directory}/{name}"), &volume.name)?;
        around.insert(path, folder());
    }
    parts.push(part("linuxkit.volumes".to_owned(), Files::Listed(around)));
    Ok(parts)
}

/// An OCI image layout of an image, as LinuxKit writes it: everything is of time 0, and the index names the image once.
fn layout_files(layout: &Layout, contents: &mut Contents) -> Result<FileSet> {
    let mut files = FileSet::new();
    files.insert(Path::ROOT, Node::new(Kind::Directory, 0o755));
    let mut add = |name: &str, kind: Kind, mode| {
        let path = parse(name, name)?;
        files.insert(path, Node::new(kind, mode));
        Ok::<_, crate::Error>(())
    };
    let version = br#"{"imageLayoutVersion": "1.0.0"}"#.to_vec();
    add("oci-layout", Kind::File(version.into()), 0o644)?;
    let mut root = Descriptor::new(&layout.root.media_type, layout.root.digest, layout.root.size);
    let name = (REF_NAME.to_owned(), layout.name.to_string());
    root.annotations = Some([name].into());
    let index = Index {
        manifests: vec![root],
        ..Index::default()
    };
    add(
        "index.json",
        Kind::File(crate::json::encode(&index).into()),
        0o644,
    )?;
    add("blobs", Kind::Directory, 0o755)?;
    add("blobs/sha256", Kind::Directory, 0o755)?;
    for (digest, size) in &layout.blobs {
        let content = contents.blob(*digest, *size);
        add(
            &format!("blobs/sha256/{}", digest.hex()),
            Kind::File(content),
            0o644,
        )?;
    }
    Ok(files)
}
