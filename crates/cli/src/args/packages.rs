//! The arguments of `pkg` and `cache`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ironkit pkg build components/nginx                  build it into the cache, print its reference
  ironkit pkg show-tag components/nginx               the reference that it has as things stand
  ironkit pkg show-tag --hash-commit v1.0 pkg/dhcpcd  the one that a package with a Dockerfile had in a commit")]
pub struct PkgArguments {
    #[command(flatten)]
    pub naming: NamingArguments,
    #[command(subcommand)]
    pub command: PkgCommand,
}

/// What is said about an image's name, beside its recipe.
#[derive(Debug, Args)]
pub struct NamingArguments {
    /// Name of the recipe's file
    #[arg(long, global = true, value_name = "NAME", default_value = "build.yml")]
    pub build_yml: String,
    /// Organisation, instead of the recipe's [default: $LINUXKIT_PKG_ORG, or what the recipe says]
    #[arg(long, global = true)]
    pub org: Option<String>,
    /// Tag, instead of the recipe's: a text in which {{.Hash}} stands for the hash
    #[arg(long, global = true, value_name = "TEMPLATE")]
    pub tag: Option<String>,
    /// Hash in the tag, instead of the one over the content or of git
    #[arg(long, global = true)]
    pub hash: Option<String>,
    /// With a Dockerfile: commit whose tree is the hash
    #[arg(long, global = true, value_name = "COMMIT", default_value = "HEAD")]
    pub hash_commit: String,
    /// With a Dockerfile: folder whose tree is the hash, above the package's
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub hash_path: Option<PathBuf>,
    /// With a Dockerfile: a tag as if the folder differed from its commit
    #[arg(long, global = true)]
    pub force_dirty: bool,
    /// The organisation $USER and the hash `dev`
    #[arg(long, global = true)]
    pub dev: bool,
}

#[derive(Debug, Subcommand)]
pub enum PkgCommand {
    /// Build components from the build.yml in their folders
    Build(PkgBuildArguments),
    /// Print the image reference that a component has as things stand
    ShowTag(PkgTagArguments),
}

#[derive(Debug, Args)]
pub struct PkgBuildArguments {
    /// Folders with a build.yml
    #[arg(required = true, value_hint = ValueHint::DirPath)]
    pub path: Vec<String>,
    /// Build also what the cache has
    #[arg(long)]
    pub force: bool,
    /// Fail rather than change a lock file
    #[arg(long)]
    pub locked: bool,
    /// Architecture of the image [default: this machine's]
    #[arg(long)]
    pub arch: Option<String>,
}

#[derive(Debug, Args)]
pub struct PkgTagArguments {
    /// Folders with a build.yml
    #[arg(required = true, value_hint = ValueHint::DirPath)]
    pub path: Vec<String>,
    /// Print the full reference, with the registry
    #[arg(long)]
    pub canonical: bool,
}

#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// List the images
    Ls,
    /// Pull images from their registries
    Pull {
        /// Image references
        #[arg(required = true, value_name = "REFERENCE")]
        references: Vec<String>,
        /// Platforms: os/architecture, separated by commas or repeated [default: linux and this machine's]
        #[arg(long, value_delimiter = ',', conflicts_with = "arch")]
        platform: Vec<ironkit_oci::Platform>,
        /// Architecture, the operating system being Linux
        #[arg(long)]
        arch: Option<String>,
    },
    /// Send images to their registries
    Push(CachePushArguments),
    /// Read image archives (OCI or docker save)
    Import {
        /// Files, or - for standard input
        #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<String>,
        /// Name for an archive that has one image
        #[arg(long)]
        name: Option<String>,
    },
    /// Write an image to an archive
    Export(CacheExportArguments),
    /// Remove images, and the blobs that no other image needs
    Rm {
        /// Image references, as `cache ls` prints them or shorter
        #[arg(required = true, value_name = "REFERENCE")]
        references: Vec<String>,
        /// Keep those that their registry does not have with the same digest
        #[arg(long)]
        published_only: bool,
    },
    /// Remove all images and derived data
    Clean {
        /// Keep the images: remove what none of them needs, and what can be made again
        #[arg(long)]
        unneeded: bool,
        /// Remove only images that their registry has with the same digest, and keep the rest
        #[arg(long, conflicts_with = "unneeded")]
        published_only: bool,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
A name that the registry has already is left as it is; with --override it is replaced, where platforms that the registry
has and the cache has not stay. Mirrors are not written to.

Examples:
  ironkit cache push registry.example/team/web:1
  ironkit cache push --remote-name registry.example/team/web:1 web:dev
  ironkit cache push --override --with-arch-tags registry.example/team/web:1")]
pub struct CachePushArguments {
    /// Image references
    #[arg(required = true, value_name = "REFERENCE")]
    pub references: Vec<String>,
    /// Name of the image in the registry, when it is another
    #[arg(long, value_name = "REFERENCE")]
    pub remote_name: Option<String>,
    /// Name the image of each platform too: TAG-ARCHITECTURE
    #[arg(long)]
    pub with_arch_tags: bool,
    /// Push also when the registry has the name
    #[arg(long = "override")]
    pub replace: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ironkit cache export --outfile web.tar registry.example/team/web:1
  ironkit cache export --format docker --outfile - web:1 | docker load
  ironkit cache export --format filesystem --outfile - web:1 | tar -t")]
pub struct CacheExportArguments {
    /// Image reference
    pub reference: String,
    /// The archive, or - for standard output
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub outfile: String,
    /// oci, docker (as `docker save`), or filesystem: the image's files
    #[arg(long, default_value = "oci")]
    pub format: String,
    /// Platform: os/architecture [default: linux and this machine's]
    #[arg(long)]
    pub platform: Option<ironkit_oci::Platform>,
    /// Name of the image in the archive, when it is another
    #[arg(long)]
    pub name: Option<String>,
}
