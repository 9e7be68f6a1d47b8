//! A manifest, an output, a tree or an image → [`Side`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path as FilePath;

use ironkit_image::read::{EntryKind, Listing};
use ironkit_manifest::SourceFile;
use ironkit_oci::{Lookup, Platform, Reference, Store};
use ironkit_rootfs::Contents;
use ironkit_tree::{BoxError, FileSet, Kind, Node, Path, Source};

use crate::inspect::inspect;
use crate::packages::PackageOptions;
use crate::plan::{PlanOptions, plan};
use crate::resolve::ResolveOptions;
use crate::{Context, Error, Result, Watcher, sources};

/// Largest tree in its text form that is read, in bytes.
const TEXT_MAX: u64 = 64 << 20;
/// Longest document that is compared by its keys, in bytes.
const DOCUMENT_MAX: u64 = 1 << 20;

/// The component of what nobody says the origin of.
pub(super) const UNKNOWN: &str = "root file system";

/// How sides are loaded.
#[derive(Debug, Clone)]
pub struct DiffOptions {
    /// Which platform's images are meant.
    pub platform: Platform,
}

/// One of two things that are compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Side {
    /// The root file system.
    pub entries: BTreeMap<Path, Entry>,
    /// What each component was made from.
    pub sources: BTreeMap<String, String>,
    /// Whether it says what its components were made from.
    pub names_sources: bool,
    /// What a manifest says of the kernel: always the same names, in one order.
    pub kernel: Option<Vec<(&'static str, String)>>,
}

/// A path of the root file system.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The component that it belongs to.
    pub component: String,
    /// `file`, `directory`, …
    pub kind: &'static str,
    /// Mode and owner: `0644 0:0`. Empty for symbolic links, where they mean nothing.
    pub access: String,
    /// Length of a file, in bytes.
    pub size: Option<u64>,
    /// Digest of a file with its attributes, target of a link, numbers of a device.
    pub content: String,
    /// Whether it is another name of a file that has one before it.
    pub again: bool,
    /// The content of a container's documents.
    pub document: Option<Vec<u8>>,
}

impl Entry {
    /// Whether both are the same, whomever they belong to.
    pub fn is_like(&self, other: &Entry) -> bool {
        (self.kind, &self.access, self.size, &self.content)
            == (other.kind, &other.access, other.size, &other.content)
    }
}

/// Loads what an argument names: a file of any of the kinds, else an image of the store.
///
/// # Errors
/// A file that is nothing of the kind, an image that the store does not have, and all that a manifest can have wrong.
pub fn load(context: &Context, argument: &str, options: &DiffOptions, watcher: &dyn Watcher) -> Result<Side> {
    let failed = |source| Error::Read {
        path: argument.into(),
        source,
    };
    let path = FilePath::new(argument);
    if !path.exists() {
        return image(context, argument, options);
    }
    let mut file = File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(unknown(argument, "it is no regular file"));
    }
    let mut head = Vec::new();
    (&mut file).take(512).read_to_end(&mut head).map_err(failed)?;
    file.rewind().map_err(failed)?;
    match kind(&head) {
        Form::Archive => archive(context, argument),
        Form::Tree => {
            let mut text = String::new();
            file.take(TEXT_MAX).read_to_string(&mut text).map_err(failed)?;
            let files: FileSet = text
                .parse()
                .map_err(|error: ironkit_tree::TextError| unknown(argument, &error.to_string()))?;
            let mut side = Side::default();
            add(&mut side, &files, &|path| component("", "", path), None)?;
            Ok(side)
        }
        Form::Manifest => {
            let texts = sources::read(context, &[argument.to_owned()], &mut std::io::empty())?;
            manifest(context, &texts, options, watcher)
        }
    }
}

enum Form {
    Archive,
    Tree,
    Manifest,
}

/// What a file is, by its first bytes.
fn kind(head: &[u8]) -> Form {
    let is_text = std::str::from_utf8(head).is_ok_and(|text| !text.contains('\0'))
        || head.len() == 512 && !head.contains(&0) && head[0].is_ascii() && head[0] != 0x1f;
    let mut words = head.split(|&byte| byte == b' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_mode = second.len() == 4 && second.iter().all(|byte| (b'0'..b'8').contains(byte));
    match (is_text, first) {
        _ if head.starts_with(b"07070") => Form::Archive,
        (false, _) => Form::Archive,
        (true, [b'd' | b'D' | b'f' | b'l' | b'c' | b'b' | b'p']) if is_mode => Form::Tree,
        (true, _) => Form::Manifest,
    }
}

fn archive(context: &Context, name: &str) -> Result<Side> {
    let object = inspect(context, FilePath::new(name), &is_document)?;
    let listing = object.root();
    let has = |file: &&str| {
        let listed = |listing: &Listing| Path::parse(file).is_ok_and(|path| listing.contains_key(&path));
        listing.is_some_and(listed) || object.inside.iter().any(|inside| inside.name == *file)
    };
    if let Some(what) = ["oci-layout", "manifest.json"].into_iter().find(has) {
        return Err(Error::Usage {
            message: format!("{name} is an image archive (it has `{what}`), and these are not supported yet"),
            hint: "`ironkit cache import` it, and give the image's name".to_owned(),
        });
    }
    let nothing = || {
        unknown(
            name,
            &format!("there is no root file system in this {}", object.format),
        )
    };
    listing.cloned().map(listed).ok_or_else(nothing)
}

/// A root file system that was read.
pub fn listed(listing: Listing) -> Side {
    let mut side = Side::default();
    for (path, entry) in listing {
        let (kind, size, content) = match entry.kind {
            EntryKind::Directory => ("directory", None, String::new()),
            EntryKind::File { size, digest } => ("file", Some(size), digest.to_string()),
            EntryKind::Symlink(target) => ("link", None, String::from_utf8_lossy(&target).into_owned()),
            EntryKind::CharDevice(major, minor) => ("character device", None, format!("{major}:{minor}")),
            EntryKind::BlockDevice(major, minor) => ("block device", None, format!("{major}:{minor}")),
            EntryKind::Fifo => ("pipe", None, String::new()),
        };
        let component = component(&entry.location, &entry.source, &path);
        // What no image is the source of is called by one word, such as `linuxkit.files`.
        if entry.source.contains('/') {
            side.names_sources = true;
            side.sources.insert(component.clone(), entry.source.clone());
        }
        let access = access(kind, entry.mode, entry.uid, entry.gid);
        side.entries.insert(
            path,
            Entry {
                component,
                kind,
                access,
                size,
                content,
                again: entry.again,
                document: entry.kept,
            },
        );
    }
    side
}

fn manifest(
    context: &Context,
    texts: &[SourceFile],
    options: &DiffOptions,
    watcher: &dyn Watcher,
) -> Result<Side> {
    let store = context.store()?;
    let wanted = PlanOptions {
        resolve: ResolveOptions {
            platform: options.platform.clone(),
            pull: false,
            engine: None,
            packages: PackageOptions::default(),
            lock: None,
        },
        decompress_kernel: false,
        sbom: None,
    };
    let mut contents = Contents::at(&store, context.time);
    let plan = plan(context, &store, texts, &wanted, &mut contents, watcher)?;
    let mut side = Side {
        names_sources: true,
        ..Side::default()
    };
    for (part, edits) in plan.tree.parts.iter().zip(&plan.resolution.edits) {
        let files = part.files.load(&contents).map_err(Error::Tree)?;
        let image = plan
            .images
            .values()
            .find(|image| image.name.to_string() == part.source);
        let source = match image {
            Some(image) => format!("{}@{}", part.source, image.digest),
            None => part.source.clone(),
        };
        let owner = |path: &Path| component(&part.location, &part.source, path);
        for (path, ..) in files.iter() {
            if image.is_some() {
                side.sources.insert(owner(path), source.clone());
            }
        }
        add(&mut side, &edits.apply(files), &owner, Some(&contents))?;
    }
    if let Some(kernel) = &plan.tree.kernel {
        let microcode = kernel.microcode.as_ref();
        side.kernel = Some(vec![
            ("kernel", kernel.image.digest().to_string()),
            ("cmdline", kernel.cmdline.clone()),
            (
                "microcode",
                microcode.map_or("none".to_owned(), |content| content.digest().to_string()),
            ),
        ]);
    }
    Ok(side)
}

fn image(context: &Context, name: &str, options: &DiffOptions) -> Result<Side> {
    let reference: Reference = name
        .parse()
        .map_err(|error: ironkit_oci::Error| unknown(name, &format!("there is no such file, and {error}")))?;
    let store: Store = context.store()?;
    let mut found = None;
    for candidate in [&reference, &reference.or_latest()] {
        if let Lookup::Found(image) = store.lookup(candidate, &options.platform)? {
            found = Some(image);
            break;
        }
    }
    let Some(image) = found else {
        return Err(Error::Usage {
            message: format!(
                "there is no file {name}, and no image {reference} for {} in the cache",
                options.platform
            ),
            hint: format!("`ironkit cache pull {name}` fetches it"),
        });
    };
    let mut contents = Contents::new(&store);
    let files = contents.plain(&image)?;
    let mut side = Side {
        names_sources: true,
        ..Side::default()
    };
    side.sources.insert(
        reference.repository().to_owned(),
        format!("{reference}@{}", image.digest),
    );
    let owner = |_: &Path| reference.repository().to_owned();
    add(&mut side, &files, &owner, None)?;
    Ok(side)
}

/// Adds a part's entries. With `contents`, documents are read to be compared by their keys.
fn add(
    side: &mut Side,
    files: &FileSet,
    component: &dyn Fn(&Path) -> String,
    contents: Option<&dyn Source>,
) -> Result<()> {
    let first = files.first_names();
    for (path, id, node) in files.iter() {
        let mut entry = entry(node, component(path));
        entry.again = first[&id] != path;
        if let (Kind::File(content), Some(contents)) = (&node.kind, contents)
            && is_document(path)
            && content.size() <= DOCUMENT_MAX
        {
            let read: std::result::Result<Vec<u8>, BoxError> = content.read(contents);
            entry.document = Some(read.map_err(Error::Tree)?);
        }
        side.entries.insert(path.clone(), entry);
    }
    Ok(())
}

fn entry(node: &Node, component: String) -> Entry {
    let (kind, size, content) = match &node.kind {
        Kind::Directory => ("directory", None, String::new()),
        Kind::File(content) => ("file", Some(content.size()), content.digest().to_string()),
        Kind::Symlink(target) => ("link", None, String::from_utf8_lossy(target).into_owned()),
        Kind::CharDevice(major, minor) => ("character device", None, format!("{major}:{minor}")),
        Kind::BlockDevice(major, minor) => ("block device", None, format!("{major}:{minor}")),
        Kind::Fifo => ("pipe", None, String::new()),
    };
    Entry {
        component,
        kind,
        access: access(kind, node.mode, node.uid.into(), node.gid.into()),
        size,
        content,
        again: false,
        document: None,
    }
}

fn access(kind: &str, mode: u32, uid: u64, gid: u64) -> String {
    match kind {
        "link" => String::new(),
        _ => format!("{mode:04o} {uid}:{gid}"),
    }
}

/// The documents of a container, which are compared by their keys.
fn is_document(path: &Path) -> bool {
    matches!(path.file_name(), b"config.json" | b"runtime.json")
        && path
            .below(&Path::parse("containers").unwrap_or_default())
            .is_some()
}

/// The component that a path belongs to: by where it is, for containers and volumes, whose images may be shared; else by
/// its place in the manifest.
fn component(location: &str, source: &str, path: &Path) -> String {
    let text = path.to_string();
    let words: Vec<&str> = text.split('/').collect();
    match words[..] {
        ["containers", section @ ("onboot" | "onshutdown"), name, ..] => {
            let name = name.split_once('-').map_or(name, |(_, name)| name);
            return format!("{section} {name}");
        }
        ["containers", "services", name, ..] => return format!("service {name}"),
        ["containers", "volumes", name, ..] => return format!("volume {name}"),
        _ => {}
    }
    let section = location.split('[').next().unwrap_or_default();
    match (section, source.parse::<Reference>()) {
        ("", _) => UNKNOWN.to_owned(),
        ("init", Ok(reference)) => format!("init {}", reference.repository()),
        (section, _) => section.to_owned(),
    }
}

fn unknown(name: &str, reason: &str) -> Error {
    Error::Usage {
        message: format!("{name} cannot be compared: {reason}"),
        hint: "a manifest, a tar, an initrd, a tree in its text form, or an image of the cache can"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_belong_to_components() {
        for (location, source, path, expect) in [
            (
                "onboot[0]",
                "docker.io/a/b:1",
                "containers/onboot/000-dhcpcd/config.json",
                "onboot dhcpcd",
            ),
            ("", "", "containers/onshutdown/001-a-b/x", "onshutdown a-b"),
            ("", "", "containers/services/nginx", "service nginx"),
            (
                "volume[0]",
                "linuxkit.volumes",
                "containers/volumes/v/merged",
                "volume v",
            ),
            (
                "init[1]",
                "docker.io/ironkit/init:1",
                "sbin/init",
                "init ironkit/init",
            ),
            ("kernel", "docker.io/k:1", "lib/modules/x", "kernel"),
            ("files[3]", "linuxkit.files", "etc/x", "files"),
            ("", "", "etc/x", "root file system"),
        ] {
            assert_eq!(component(location, source, &Path::parse(path).unwrap()), expect);
        }
    }

    #[test]
    fn files_are_known_by_their_first_bytes() {
        let form = |head: &[u8]| match kind(head) {
            Form::Archive => "archive",
            Form::Tree => "tree",
            Form::Manifest => "manifest",
        };
        for (head, expect) in [
            (b"kernel:\n  image: a".as_slice(), "manifest"),
            (b"d 0755 0:0 0 etc", "tree"),
            (b"f 0644 0:0 0 a =b", "tree"),
            (b"070701000", "archive"),
            (b"\x1f\x8b\x08\x00", "archive"),
            (b"a\0\0\0", "archive"),
            (b"", "manifest"),
        ] {
            assert_eq!(form(head), expect, "{head:?}");
        }
    }
}
