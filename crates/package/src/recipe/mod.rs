//! `build.yml` of a component: what it is called, what goes into it, how it is run.
//!
//! The keys are LinuxKit's (`linuxkit pkg`), with `contents` and `debian` in place of a Dockerfile:
//!
//! ```yaml
//! image: example
//! org: ironkit
//! debian: {suite: trixie}            # the release of all packages that do not name another, and its `areas`
//! contents:
//!   - package: nginx                 # files of a package, with the shared libraries that they need
//!     paths: [/usr/sbin/nginx, "/usr/share/nginx/**"]
//!     except: ["**/*.gz"]            # a directory is all below it; `as: PATH` places a single path elsewhere
//!   - kernel: linux-image-cloud-amd64
//!     modules: [virtio_net, overlay] # with those that they depend on
//!     device-trees: [broadcom/*.dtb] # for machines whose firmware has none
//!   - binary: init                   # a static program that travels with ironkit
//!     path: /init
//!   - file: nginx.conf               # of the recipe's folder
//!     path: /etc/nginx/nginx.conf
//!     mode: "0644"
//!   - directory: /var/log
//!   - symlink: /sbin/init
//!     target: /init
//! config:                            # the label org.mobyproject.config
//!   command: [/init]
//! ```

mod config;
mod contents;
mod decode;

use std::fs;
use std::io;
use std::path::{Path as FilePath, PathBuf};

use ironkit_manifest::{Diagnostic, Span};
use ironkit_tree::{Digest, Path};

use crate::debian::fetch::digest_of;
use crate::error::{Error, Place, io_at};
use crate::lock::{self, Lock};

/// Name of the file.
pub const FILE_NAME: &str = "build.yml";

/// A component's recipe, as read from its folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The folder.
    pub directory: PathBuf,
    /// `build.yml` itself, as shown in messages.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// What is in it.
    pub definition: Definition,
    /// `build.lock`; empty when there is none.
    pub lock: Lock,
    /// Warnings about the recipe.
    pub warnings: Vec<Diagnostic>,
    /// What was asked for beside the recipe.
    pub naming: Naming,
    /// Whether it came with the program: there is no folder then, and no lock file to write.
    pub embedded: bool,
}

/// What the caller says about an image's name, beside or against the recipe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Naming {
    /// Name of the recipe's file, instead of `build.yml`.
    pub file: Option<String>,
    /// Organisation, instead of the recipe's.
    pub org: Option<String>,
    /// Template of the tag, instead of the recipe's.
    pub tag: Option<String>,
    /// Hash in the tag, instead of the one over the content or of git.
    pub hash: Option<String>,
    /// Commit whose tree is the hash, instead of `HEAD`; only for a Dockerfile.
    pub commit: Option<String>,
    /// Folder whose tree is the hash, at or above the recipe's; only for a Dockerfile.
    pub hash_path: Option<PathBuf>,
    /// Whether the tag is to say that the folder differs from its commit; only for a Dockerfile.
    pub force_dirty: bool,
}

/// The content of a `build.yml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Name of the image: `nginx`.
    pub image: String,
    /// Organisation: `linuxkit` unless it is given.
    pub org: String,
    /// Template of the tag: `{{.Hash}}` unless it is given.
    pub tag: String,
    /// The areas of the archive that packages are looked for in: `main` unless they are given.
    pub areas: Vec<String>,
    /// What goes into the image, in order.
    pub contents: Vec<Entry>,
    /// What is built instead, in LinuxKit's packages.
    pub dockerfile: Option<Dockerfile>,
    /// How the image is run: the label `org.mobyproject.config`, as JSON.
    pub config: Option<serde_json::Value>,
}

/// A package of LinuxKit's: what of it matters for its tag.
#[derive(Debug, Clone, PartialEq)]
pub struct Dockerfile {
    /// Path of the Dockerfile below the folder: `Dockerfile` unless it is given.
    pub file: String,
    /// Where that is written, or the recipe.
    pub span: Span,
    /// Folders and files from elsewhere that are built with it.
    pub extra_sources: Vec<ExtraSource>,
}

/// An entry of `extra-sources`: `from:to`.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtraSource {
    /// Relative to the recipe's folder.
    pub from: String,
    /// Absolute, in the context of the build.
    pub to: String,
    /// Where it is written.
    pub span: Span,
}

/// One entry of `contents` and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where it is written.
    pub span: Span,
    /// The architecture that it is for, by its OCI name; all when there is none.
    pub arch: Option<String>,
    /// What it is.
    pub item: Item,
}

impl Entry {
    /// Whether it belongs into an image for this architecture.
    pub fn is_for(&self, architecture: &str) -> bool {
        self.arch.as_ref().is_none_or(|own| own == architecture)
    }
}

/// What an entry puts into the image.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Files of a package.
    Package {
        /// Release of the distribution.
        suite: String,
        /// Name.
        package: String,
        /// Paths and patterns in the package, with their places.
        paths: Vec<(String, Span)>,
        /// Patterns that are left out.
        except: Vec<String>,
        /// Where the only path goes instead.
        to: Option<Path>,
    },
    /// A static program that travels with this one.
    Binary {
        /// Name.
        binary: String,
        /// Where it goes.
        path: Path,
        /// Permission bits.
        mode: u32,
    },
    /// A file of the recipe's folder.
    File {
        /// Name below the folder.
        file: String,
        /// Where it goes.
        path: Path,
        /// Permissions and owner.
        access: Access,
    },
    /// A directory.
    Directory {
        /// Where.
        path: Path,
        /// Permissions and owner.
        access: Access,
    },
    /// A symbolic link.
    Symlink {
        /// Where.
        path: Path,
        /// What it points to, verbatim.
        target: String,
    },
    /// A kernel and modules of it.
    Kernel {
        /// Release of the distribution.
        suite: String,
        /// Package, or one that only depends on it.
        package: String,
        /// Names of the modules, with their places.
        modules: Vec<(String, Span)>,
        /// Paths and patterns of device trees, with their places.
        device_trees: Vec<(String, Span)>,
    },
}

/// Permissions and owner of a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Recipe {
    /// The place of a span of this recipe.
    pub fn place(&self, span: Span) -> Place {
        Place {
            file: self.file.clone(),
            line: span.line,
            column: span.column,
        }
    }

    /// Where the lock file is.
    pub fn lock_file(&self) -> PathBuf {
        self.directory.join(lock::FILE_NAME)
    }

    /// A file of the folder, open, with its digest and size.
    ///
    /// # Errors
    /// [`Error::File`] when it is missing, no regular file, or outside of the folder.
    pub fn file(&self, name: &str) -> Result<(fs::File, Digest, u64), Error> {
        let failed = |reason: String| Error::File {
            file: name.to_owned(),
            reason,
        };
        let path = Path::parse(name).map_err(|_| failed("is outside of the recipe's folder".into()))?;
        if name.starts_with('/') || path.is_root() {
            return Err(failed("is outside of the recipe's folder".into()));
        }
        let root = fs::canonicalize(&self.directory).map_err(io_at("read", &self.directory))?;
        let file = fs::canonicalize(root.join(name)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => failed(format!("is not in {}", self.directory.display())),
            _ => failed(format!("cannot be read: {error}")),
        })?;
        if !file.starts_with(&root) {
            return Err(failed("is outside of the recipe's folder".into()));
        }
        if !file.is_file() {
            return Err(failed("is not a regular file".into()));
        }
        let opened = fs::File::open(&file).and_then(|mut opened| {
            let (digest, size) = digest_of(&mut opened)?;
            Ok((opened, digest, size))
        });
        opened.map_err(io_at("read", &file))
    }
}

/// Decodes the text of a recipe, which is shown as `name`; warnings come along.
///
/// # Errors
/// Everything that is wrong.
pub fn parse(name: &str, text: &str) -> Result<(Definition, Vec<Diagnostic>), Vec<Diagnostic>> {
    decode::decode(name, text)
}

/// Reads the recipe in `directory`.
///
/// # Errors
/// [`Error::Recipe`] with everything that is wrong with `build.yml`; a damaged lock file.
pub fn load(directory: &FilePath) -> Result<Recipe, Error> {
    load_as(directory, &Naming::default())
}

/// As [`load`], with what the caller says about the name.
///
/// # Errors
/// The same, and for what cannot be said about such a recipe.
pub fn load_as(directory: &FilePath, naming: &Naming) -> Result<Recipe, Error> {
    let file = directory.join(naming.file.as_deref().unwrap_or(FILE_NAME));
    let text = fs::read_to_string(&file).map_err(io_at("read", &file))?;
    let name = file.display().to_string();
    let (mut definition, warnings) = parse(&name, &text).map_err(Error::Recipe)?;
    if let Some(dockerfile) = &definition.dockerfile
        && !directory.join(&dockerfile.file).is_file()
    {
        let message = format!("there is no `{}` in {}", dockerfile.file, directory.display());
        let mut mistake = Diagnostic::error(dockerfile.span, message)
            .hint("a recipe has `contents`, or a Dockerfile beside it".to_owned());
        mistake.file = name;
        return Err(Error::Recipe(vec![mistake]));
    }
    if definition.dockerfile.is_none()
        && (naming.commit.is_some() || naming.hash_path.is_some() || naming.force_dirty)
    {
        let what = "a commit, hash path or dirty mark for a recipe with `contents`, whose hash is not git's,";
        return Err(Error::Unsupported(what.to_owned()));
    }
    definition.org = naming.org.clone().unwrap_or(definition.org);
    definition.tag = naming.tag.clone().unwrap_or(definition.tag);
    check_hash_path(directory, naming)?;
    let lock_file = directory.join(lock::FILE_NAME);
    let lock = match fs::read_to_string(&lock_file) {
        Ok(text) => Lock::parse(&text).map_err(|source| Error::Damaged {
            what: lock_file.display().to_string(),
            source,
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Lock::default(),
        Err(error) => return Err(io_at("read", &lock_file)(error)),
    };
    Ok(Recipe {
        directory: directory.to_owned(),
        file,
        text,
        definition,
        lock,
        warnings,
        naming: naming.clone(),
        embedded: false,
    })
}

/// A recipe that travels with the program, with its lock file. It can name no files.
///
/// # Errors
/// As [`load`].
pub fn embedded(name: &str, text: &str, lock: &str) -> Result<Recipe, Error> {
    let (definition, warnings) = parse(name, text).map_err(Error::Recipe)?;
    let lock = Lock::parse(lock).map_err(|source| Error::Damaged {
        what: format!("the lock file of {name}"),
        source,
    })?;
    let directory = PathBuf::from(name);
    Ok(Recipe {
        file: directory.join(FILE_NAME),
        directory,
        text: text.to_owned(),
        definition,
        lock,
        warnings,
        naming: Naming::default(),
        embedded: true,
    })
}

/// The hash path must hold the package, or changes of the package would not change its tag.
fn check_hash_path(directory: &FilePath, naming: &Naming) -> Result<(), Error> {
    let Some(path) = &naming.hash_path else {
        return Ok(());
    };
    let whole = fs::canonicalize(path).map_err(io_at("read", path))?;
    let inside = fs::canonicalize(directory).map_err(io_at("read", directory))?;
    match inside.starts_with(&whole) {
        true => Ok(()),
        false => Err(Error::Git {
            path: directory.to_owned(),
            reason: format!("it is not below the hash path {}", path.display()),
            hint: None,
        }),
    }
}
