//! A distribution's kernel package → LinuxKit's kernel image: `kernel` and `kernel.tar`.
//!
//! Of the modules only the wanted ones and those that they need are taken. They are stored uncompressed, since an image
//! is compressed as a whole, and otherwise untouched, so that their signatures stay valid. Soft dependencies are the
//! recipe's to name. Device trees are below `boot/dtb`, as LinuxKit's kernels have them.

pub mod depmod;
pub mod modinfo;

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::GzDecoder;
use ironkit_formats::archive::tar;
use ironkit_tree::{Content, FileSet, Kind, Node, Path, Source};
use lzma_rust2::XzReader;

use crate::debian::Package;
use crate::{Error, glob};
use depmod::Modules;
use modinfo::module_name;

/// Where packages keep their modules, once `lib` is a part of `usr`.
const MODULES: &str = "usr/lib/modules";
/// Where LinuxKit's kernels have their device trees.
const DEVICE_TREES: &str = "boot/dtb";
/// Largest module: a limit for hostile ones. The largest real one (amdgpu) has 30 MB.
const MAX_MODULE: u64 = 1 << 30;

/// What a kernel image holds.
pub struct KernelFiles {
    /// The kernel's own release: `6.12.107+deb13-cloud-amd64`.
    pub release: String,
    /// The bootable image.
    pub image: Node,
    /// `lib/modules` and `boot/dtb`, as a tar archive.
    pub archive: Vec<u8>,
}

/// A module's file in the package, or that it is part of the kernel.
enum Found {
    File(Path),
    BuiltIn,
}

/// What is wanted of a package: names and whatever tells the caller where each is from.
pub struct Wanted<'a, T> {
    /// Modules; those that they need come along.
    pub modules: &'a [(String, T)],
    /// Device trees: paths and patterns below the folder of all of them.
    pub device_trees: &'a [(String, T)],
}

/// Whether a package has a kernel in it.
pub fn has_kernel(package: &Package) -> bool {
    kernel_path(package).is_some()
}

/// Takes the kernel, and the modules and device trees that are `wanted`. `failed` turns what tells where a name is from into
/// the error's place.
///
/// # Errors
/// [`Error::NoModule`], [`Error::NoPath`], and those of reading the package.
pub fn take<T>(
    package: &Package,
    wanted: &Wanted<T>,
    source: &dyn Source,
    failed: impl Fn(&T, Error) -> Error,
) -> Result<KernelFiles, Error> {
    let missing = |path: &str| Error::NoPath {
        path: path.to_owned(),
        searched: package.title(),
    };
    let kernel = kernel_path(package).ok_or_else(|| missing("/boot/vmlinuz-*"))?;
    let name = String::from_utf8_lossy(kernel.file_name()).into_owned();
    let release = name.strip_prefix("vmlinuz-").unwrap_or(&name).to_owned();
    let folder = Path::parse(format!("{MODULES}/{release}")).ok();
    let folder = folder.filter(|folder| package.files.get(folder).is_some());
    let folder = folder.ok_or_else(|| missing(&format!("/{MODULES}/{release}")))?;

    let found = find_modules(package, &folder, source)?;
    let mut selected: BTreeMap<String, (Path, Vec<u8>, modinfo::Modinfo)> = BTreeMap::new();
    for (name, at) in wanted.modules {
        let mut queue = vec![module_name(name)];
        while let Some(next) = queue.pop() {
            match found.get(&next) {
                _ if selected.contains_key(&next) => {}
                Some(Found::BuiltIn) => {}
                Some(Found::File(path)) => {
                    let bytes = read_module(package, path, source).map_err(|error| failed(at, error))?;
                    let invalid = |reason| Error::Binary {
                        file: path.to_string(),
                        kind: "kernel module",
                        reason,
                    };
                    let info = modinfo::read(&bytes).map_err(|reason| failed(at, invalid(reason)))?;
                    queue.extend(info.depends.iter().cloned());
                    selected.insert(next, (path.clone(), bytes, info));
                }
                None => {
                    return Err(failed(
                        at,
                        Error::NoModule {
                            module: next,
                            package: package.title(),
                        },
                    ));
                }
            }
        }
    }
    let image = package
        .files
        .get(&kernel)
        .cloned()
        .ok_or_else(|| missing("/boot/vmlinuz-*"))?;
    let mut files = place(package, &folder, &release, selected, source)?;
    for (pattern, at) in wanted.device_trees {
        take_device_trees(package, &release, pattern, &mut files).map_err(|error| failed(at, error))?;
    }
    let mut archive = Vec::new();
    tar::write_fileset(&files, source, &mut archive).map_err(|error| Error::Layer(error.into()))?;
    Ok(KernelFiles {
        release,
        image: Node::new(image.kind, 0o644),
        archive,
    })
}

/// Adds the device trees that match. Debian has them beside the kernel's documentation, not in `/boot`.
fn take_device_trees(
    package: &Package,
    release: &str,
    pattern: &str,
    files: &mut FileSet,
) -> Result<(), Error> {
    let missing = || Error::NoPath {
        path: format!("/usr/lib/linux-image-{release}/{pattern}"),
        searched: package.title(),
    };
    let path = |text: String| Path::parse(text).map_err(|_| missing());
    let folder = path(format!("usr/lib/linux-image-{release}"))?;
    let root = path(DEVICE_TREES.to_owned())?;
    let mut any = false;
    for (found, _, node) in package.files.iter() {
        let Some(below) = found.below(&folder).filter(|below| glob::matches(pattern, below)) else {
            continue;
        };
        if matches!(node.kind, Kind::File(_)) {
            files.insert(root.join(&below), Node::new(node.kind.clone(), 0o644));
            any = true;
        }
    }
    if any { Ok(()) } else { Err(missing()) }
}

fn kernel_path(package: &Package) -> Option<Path> {
    let mut paths = package
        .files
        .iter()
        .filter(|(_, _, node)| matches!(node.kind, Kind::File(_)));
    paths
        .find(|(path, ..)| path.as_bytes().starts_with(b"boot/vmlinuz-"))
        .map(|(path, ..)| path.clone())
}

/// Every module by name.
fn find_modules(
    package: &Package,
    folder: &Path,
    source: &dyn Source,
) -> Result<BTreeMap<String, Found>, Error> {
    let mut found = BTreeMap::new();
    for line in text(package, folder, "modules.builtin", source)?.lines() {
        found.insert(module_name(line), Found::BuiltIn);
    }
    for path in package.files.below(folder) {
        let name = String::from_utf8_lossy(path.file_name()).into_owned();
        if [".ko", ".ko.xz", ".ko.gz", ".ko.zst"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            found.insert(module_name(&name), Found::File(path.clone()));
        }
    }
    Ok(found)
}

/// The text of a file in the modules' folder; empty when there is none.
fn text(package: &Package, folder: &Path, name: &str, source: &dyn Source) -> Result<String, Error> {
    let path = Path::parse(name)
        .map(|name| folder.join(&name))
        .unwrap_or_default();
    match package.files.get(&path).map(|node| &node.kind) {
        Some(Kind::File(content)) => {
            let bytes = content.read(source).map_err(Error::Layer)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => Ok(String::new()),
    }
}

fn read_module(package: &Package, path: &Path, source: &dyn Source) -> Result<Vec<u8>, Error> {
    let Some(Kind::File(content)) = package.files.get(path).map(|node| &node.kind) else {
        return Err(Error::NoPath {
            path: path.to_string(),
            searched: package.title(),
        });
    };
    let packed = content.read(source).map_err(Error::Layer)?;
    let name = path.file_name();
    let reader: Box<dyn Read + '_> = if name.ends_with(b".xz") {
        Box::new(XzReader::new(&*packed, true))
    } else if name.ends_with(b".gz") {
        Box::new(GzDecoder::new(&*packed))
    } else if name.ends_with(b".zst") {
        let damaged = |source| Error::Damaged {
            what: format!("module {path} of {}", package.title()),
            source,
        };
        Box::new(zstd::Decoder::with_buffer(&*packed).map_err(damaged)?)
    } else {
        return Ok(packed);
    };
    let mut bytes = Vec::new();
    let read = reader.take(MAX_MODULE).read_to_end(&mut bytes);
    read.map_err(|source| Error::Damaged {
        what: format!("module {path} of {}", package.title()),
        source,
    })?;
    Ok(bytes)
}

/// Lays the modules and their indices out below `lib/modules`, where LinuxKit has them.
fn place(
    package: &Package,
    folder: &Path,
    release: &str,
    selected: BTreeMap<String, (Path, Vec<u8>, modinfo::Modinfo)>,
    source: &dyn Source,
) -> Result<FileSet, Error> {
    let refused = |error: ironkit_tree::PathError| Error::Binary {
        file: release.to_owned(),
        kind: "kernel release",
        reason: error.to_string(),
    };
    let root = Path::parse(format!("lib/modules/{release}")).map_err(refused)?;
    let file = |bytes: Vec<u8>| Node::new(Kind::File(Content::from(bytes)), 0o644);
    let mut files = FileSet::new();
    let mut modules = Modules::new();
    for (name, (path, bytes, info)) in selected {
        let below = path.below(folder).unwrap_or(path).to_string();
        let below = below.split(".ko").next().unwrap_or(&below).to_owned() + ".ko";
        files.insert(root.join(&Path::parse(&below).map_err(refused)?), file(bytes));
        modules.insert(name, (below, info));
    }
    let order: String = text(package, folder, "modules.order", source)?
        .lines()
        .filter(|line| modules.contains_key(&module_name(line)))
        .map(|line| format!("{line}\n"))
        .collect();
    for (name, content) in [
        ("modules.alias", depmod::alias(&modules)),
        (
            "modules.builtin",
            text(package, folder, "modules.builtin", source)?,
        ),
        ("modules.dep", depmod::dep(&modules)),
        ("modules.order", order),
        ("modules.softdep", depmod::softdep(&modules)),
    ] {
        files.insert(
            root.join(&Path::parse(name).map_err(refused)?),
            file(content.into_bytes()),
        );
    }
    Ok(files)
}
