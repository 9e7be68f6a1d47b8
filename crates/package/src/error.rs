//! What can go wrong, and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A place in a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the caller named it.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Why a component could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something that an entry of a recipe asks for went wrong.
    #[error("{place}: {what} cannot be used")]
    At {
        /// Where the entry is.
        place: Place,
        /// The entry in words: "package `nginx`".
        what: String,
        /// What went wrong.
        source: Box<Error>,
    },
    /// The recipe is not valid.
    #[error("{} is not valid: {}", .0.first().map_or("the recipe", |first| first.file.as_str()), count(.0.len()))]
    Recipe(Vec<ironkit_manifest::Diagnostic>),
    /// Something that is not there yet.
    #[error("{0} is not supported yet")]
    Unsupported(String),
    /// The guest's programs for another architecture are not in this one.
    #[error("this ironkit has no guest programs for {0}")]
    NoGuest(String),
    /// A folder whose image comes out of a Dockerfile.
    #[error("{}: building from a Dockerfile is not supported yet", directory.display())]
    Dockerfile {
        /// The folder.
        directory: PathBuf,
    },
    /// A file on this machine.
    #[error("cannot {action} {path}")]
    Io {
        /// "read", "write", …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A document that should be well-formed is not.
    #[error("{what} is damaged")]
    Damaged {
        /// What it is, with its address.
        what: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// A package's entry whose name leaves the package, or that cannot be kept.
    #[error("entry `{entry}` of package {package} is refused: {reason}")]
    Entry {
        /// Package and version.
        package: String,
        /// The name as it stands there.
        entry: String,
        /// Why.
        reason: String,
    },
    /// A file of the recipe that is missing, no file, or outside of the recipe's folder.
    #[error("file `{file}` {reason}")]
    File {
        /// As written.
        file: String,
        /// Why.
        reason: String,
    },
    /// A binary that does not travel with this program.
    #[error("there is no static binary `{name}` here: known are {known}")]
    NoBinary {
        /// As written.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A package that the distribution does not have.
    #[error("there is no package `{package}` for {architecture} in {suite}")]
    NoPackage {
        /// As written.
        package: String,
        /// Debian's name of it.
        architecture: String,
        /// Debian's name of the release.
        suite: String,
    },
    /// An area that the distribution does not have.
    #[error("{suite} has no area `{area}` for {architecture}: it has {known}")]
    NoArea {
        /// As written.
        area: String,
        /// Debian's name of it.
        architecture: String,
        /// Debian's name of the release.
        suite: String,
        /// Those that there are.
        known: String,
    },
    /// A path that a package does not have.
    #[error("no path matches `{path}` in {searched}")]
    NoPath {
        /// As written.
        path: String,
        /// Packages that were searched, with versions.
        searched: String,
    },
    /// A shared library or program interpreter that no dependency has.
    #[error("`{needed_by}` of package {package} needs {library}, which is in none of {searched}")]
    NoLibrary {
        /// soname, or path of the interpreter.
        library: String,
        /// The file that asks for it.
        needed_by: String,
        /// The package of that file.
        package: String,
        /// Packages that were searched.
        searched: String,
    },
    /// A module that the kernel does not have.
    #[error("there is no kernel module `{module}` in {package}, nor is it built in")]
    NoModule {
        /// As written.
        module: String,
        /// Package and version.
        package: String,
    },
    /// An ELF file or kernel module that cannot be understood.
    #[error("`{file}` is not a valid {kind}: {reason}")]
    Binary {
        /// The file.
        file: String,
        /// "ELF file", "kernel module".
        kind: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Two entries of a recipe put something at the same path.
    #[error("`{path}` is already there, from an earlier entry")]
    Conflict {
        /// The path in the image.
        path: String,
    },
    /// No mirror is known.
    #[error("no Debian mirror is configured: {tried}")]
    NoMirror {
        /// Where it was looked for.
        tried: String,
    },
    /// No program that verifies OpenPGP signatures.
    #[error("sqv or gpgv is needed to verify the signature of a Debian release, and neither is installed")]
    NoVerifier,
    /// No keys to verify with.
    #[error("there are no Debian archive keys in {0}")]
    NoKeyring(PathBuf),
    /// A signature that is not good.
    #[error("the signature of {what} cannot be verified: {reason}")]
    Signature {
        /// Address of the document.
        what: String,
        /// What the verifier said.
        reason: String,
    },
    /// A download.
    #[error("cannot download {url}: {reason}")]
    Download {
        /// Address.
        url: String,
        /// Status or reason.
        reason: String,
        /// Whether the server says that there is no such file.
        gone: bool,
    },
    /// A download that is not what it should be.
    #[error("{url} has {found}, expected {expected}")]
    Mismatch {
        /// Address.
        url: String,
        /// Digest and size promised.
        expected: String,
        /// Digest and size received.
        found: String,
    },
    /// `--locked`, and the lock file does not do.
    #[error("{lock} would have to change: {reason}")]
    Locked {
        /// The lock file.
        lock: PathBuf,
        /// Why.
        reason: String,
    },
    /// The program that knows the tags of folders with a Dockerfile.
    #[error("git is needed to tell the tag of {}, and is not installed", .0.display())]
    NoGit(PathBuf),
    /// What git has to say of a folder or file.
    #[error("{} has no tag: {reason}", path.display())]
    Git {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The content store or a reference.
    #[error(transparent)]
    Oci(#[from] ironkit_oci::Error),
    /// Writing the layer.
    #[error("cannot write the layer")]
    Layer(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Error::At { source, .. } => return source.hint(),
            Error::Git { hint, .. } => return hint.clone(),
            Error::NoGit(_) => "install `git`, or say the tag with --hash",
            Error::Dockerfile { .. } => {
                "build it with another tool and `ironkit cache import` the archive, or push it and `ironkit cache pull` it"
            }
            Error::NoVerifier => "install `sqv` or `gpgv` with the machine's package manager",
            Error::NoKeyring(_) => "install the package `debian-archive-keyring`",
            Error::NoMirror { .. } => {
                "set IRONKIT_DEBIAN_MIRROR to the URL of a Debian mirror, the folder with `dists` and `pool`"
            }
            Error::Locked { .. } => "build without --locked to update it, and commit the result",
            Error::NoGuest(arch) if arch != "arm64" => {
                "IronKit's own components are for amd64 and arm64; others can be in images that come from elsewhere"
            }
            Error::NoGuest(_) => {
                "run scripts/arm64.sh and build ironkit again, or build the component on such a machine"
            }
            Error::NoPackage { .. } => "check the name, and `suite` and `areas` in the recipe's `debian`",
            Error::NoArea { .. } => "check `areas` in the recipe's `debian`",
            Error::NoPath { .. } => {
                "`dpkg -L` or the distribution's package search shows what a package contains"
            }
            Error::Download { gone: true, .. } => {
                "the mirror has moved on; build without --locked to use its newer packages"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether the recipe is at fault, and not the machine or the network.
    pub fn is_input(&self) -> bool {
        match self {
            Error::At { source, .. } => source.is_input(),
            Error::Recipe(_) | Error::Unsupported(_) | Error::File { .. } | Error::NoBinary { .. } => true,
            Error::NoPackage { .. }
            | Error::NoArea { .. }
            | Error::NoGuest(_)
            | Error::NoPath { .. }
            | Error::NoLibrary { .. }
            | Error::NoModule { .. } => true,
            Error::Conflict { .. } | Error::Locked { .. } | Error::Dockerfile { .. } | Error::Git { .. } => {
                true
            }
            _ => false,
        }
    }

    /// Whether the network, or what it takes to trust it, was missing.
    pub(crate) fn is_about_the_network(&self) -> bool {
        match self {
            Error::At { source, .. } => source.is_about_the_network(),
            Error::Download { gone, .. } => !gone,
            Error::NoMirror { .. } | Error::NoVerifier | Error::NoKeyring(_) => true,
            _ => false,
        }
    }

    /// Whether building anew from the current index may help: the lock names something that is no longer there, or
    /// not all that is needed.
    pub(crate) fn is_about_the_lock(&self) -> bool {
        match self {
            Error::At { source, .. } => source.is_about_the_lock(),
            Error::Download { gone, .. } => *gone,
            Error::NoPackage { .. } | Error::NoPath { .. } | Error::NoLibrary { .. } => true,
            _ => false,
        }
    }
}

fn count(mistakes: usize) -> String {
    if mistakes == 1 {
        "1 mistake".to_owned()
    } else {
        format!("{mistakes} mistakes")
    }
}

/// Says which file an I/O error is about.
pub(crate) fn io_at(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io {
        action,
        path: path.into(),
        source,
    }
}
