//! The arguments, in LinuxKit's spelling with IronKit's additions.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

/// Build and run minimal, immutable Linux systems out of container images.
#[derive(Debug, Parser)]
#[command(name = "ironkit", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  ironkit build examples/minimal.yml                  write minimal-kernel, minimal-initrd.img, minimal-cmdline
  ironkit run qemu --publish 8080:80 minimal          boot them; Ctrl-A X leaves
  ironkit pkg build components/nginx                  build one component into the cache
  ironkit cache ls                                    what is in the cache";

const SCHEMA: &str = "\
Editors with a YAML language server use it when a manifest begins with the line
  # yaml-language-server: $schema=ironkit.schema.json";

/// What every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// Directory of the content store [default: $LINUXKIT_CACHE or ~/.linuxkit/cache]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub cache: Option<PathBuf>,
    /// Ask this registry instead: [REGISTRY=]URL; may be repeated
    #[arg(long, global = true, value_name = "MIRROR")]
    pub mirror: Vec<String>,
    /// PEM file of a certificate authority to trust beside the system's; may be repeated
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub cert_file: Vec<PathBuf>,
    /// Print errors only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// How much to tell, 0 to 3: 2 prints each step also when it goes to a file
    #[arg(short, long, global = true, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=3))]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build a bootable image from manifests
    Build(BuildArguments),
    /// Check manifests, without images and network
    Validate(ValidateArguments),
    /// Print the JSON Schema of manifests, for editors: ironkit schema > ironkit.schema.json
    #[command(after_help = SCHEMA)]
    Schema,
    /// Pin the images of manifests to digests, in a lock file beside the last one
    Lock(LockArguments),
    /// Tell what is different between two manifests, images or trees
    Diff(DiffArguments),
    /// Tell what an image file is and contains
    Inspect(InspectArguments),
    /// Tell what takes the space of an image, by component and file
    Size(SizeArguments),
    /// Run a built image in a virtual machine
    Run(Box<RunArguments>),
    /// Serve a directory over HTTP, for machines that boot from the network
    Serve(ServeArguments),
    /// Make CDs with metadata for machines
    #[command(subcommand)]
    Metadata(MetadataCommand),
    /// Build component images
    Pkg(PkgArguments),
    /// Look into the content store, and fill or empty it
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Print the version
    Version(VersionArguments),
    /// Print a script that completes arguments: ironkit completion bash > /etc/bash_completion.d/ironkit
    Completion {
        /// Which shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ironkit build minimal.yml                     minimal-kernel, minimal-initrd.img and minimal-cmdline
  ironkit build --name web --dir out a.yml b.yml    merged left to right, into out/web-*
  ironkit build -f tar -o root.tar minimal.yml  the root file system as a tar archive
  ironkit build -o - minimal.yml | tar -tv      the same, looked into
  ironkit build - < minimal.yml                 from standard input
  ironkit build --format raw --o /dev/sdX minimal.yml
                                                onto a USB stick
  ironkit build --why etc/passwd minimal.yml    which image that file is from; nothing is written
  ironkit build --locked minimal.yml            with the images that minimal.lock pins")]
pub struct BuildArguments {
    /// Manifests: files, addresses, or - for standard input; later ones are merged over earlier ones
    #[arg(required = true, value_name = "MANIFEST", value_hint = ValueHint::FilePath)]
    pub manifests: Vec<String>,
    /// Base name of the outputs [default: that of the last manifest]
    #[arg(long)]
    pub name: Option<String>,
    /// Directory of the outputs [default: the current one]
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
    /// One output, in a format that is a single file: tar, if nothing is said; - is standard output
    #[arg(short = 'o', long = "o", alias = "output", value_name = "FILE", conflicts_with_all = ["name", "dir"], value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Output formats, separated by commas or repeated: kernel+initrd, tar, raw, iso, qcow2-efi … (docs/formats.md) [default: kernel+initrd]
    #[arg(short, long, value_delimiter = ',')]
    pub format: Vec<String>,
    /// Size of disk images: 4G, 512M, or a number of MiB [default: LinuxKit's of the format, or as small as can be]
    #[arg(long, value_name = "SIZE", value_parser = megabytes)]
    pub size: Option<u64>,
    /// Where the root file system of disk images is: initrd (in memory), squashfs or erofs (in a partition)
    #[arg(long, value_name = "WHERE", default_value = "initrd")]
    pub root: ironkit_pipeline::Root,
    /// Add a partition for data to disk images, mounted on /var; it grows with the disk
    #[arg(long, value_name = "SIZE", value_parser = megabytes)]
    pub data_partition: Option<u64>,
    /// Take boot loaders from this image, at the paths that ours have: a name, or @pkg:FOLDER; may be repeated
    #[arg(long, value_name = "IMAGE")]
    pub loader: Vec<String>,
    /// Take the kernel proper out of a kernel that unpacks itself
    #[arg(long)]
    pub decompress_kernel: bool,
    /// Make everything again from the images alone, and compare: the same bytes must come out
    #[arg(long)]
    pub check: bool,
    /// Print the merged manifest and build nothing
    #[arg(long)]
    pub dry_run: bool,
    /// An earlier tar output; it is checked and not needed: what did not change is in the cache
    #[arg(long, value_name = "FILE", conflicts_with = "pull", value_hint = ValueHint::FilePath)]
    pub input_tar: Option<PathBuf>,
    /// Architecture of the image: amd64 or arm64 [default: this machine's]
    #[arg(long)]
    pub arch: Option<String>,
    /// Ask registries also for images that the cache has
    #[arg(long)]
    pub pull: bool,
    /// Look for images in the Docker engine first, or in podman's: DOCKER_HOST=unix:///PATH says where; --pull overrules this
    #[arg(long)]
    pub docker: bool,
    /// Use the images that the lock file pins, as the cache has them, and nothing from the network
    #[arg(long, conflicts_with = "pull")]
    pub locked: bool,
    /// The lock file [default: beside the last manifest, called as it but for the extension lock]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub lock_file: Option<PathBuf>,
    /// Only print where this path of the image comes from; may be repeated
    #[arg(long, value_name = "PATH")]
    pub why: Vec<String>,
    /// Print what each component takes
    #[arg(long)]
    pub sizes: bool,
    #[command(flatten)]
    pub sbom: SbomArguments,
    /// Write what the outputs were made from to this file, as an in-toto statement with SLSA provenance
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub provenance: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct SbomArguments {
    /// Leave out the list of packages
    #[arg(long)]
    pub no_sbom: bool,
    /// Where the list of packages goes in the image [default: sbom.spdx.json or sbom.cdx.json]
    #[arg(long, value_name = "PATH", conflicts_with = "no_sbom")]
    pub sbom_output: Option<String>,
    /// Format of the list of packages: spdx, cyclonedx, or both separated by a comma
    #[arg(long, value_name = "FORMAT", default_value = "spdx", value_delimiter = ',')]
    pub sbom_format: Vec<String>,
    /// Put this time into the list of packages, not a fixed one; $SOURCE_DATE_EPOCH counts before both
    #[arg(long)]
    pub sbom_current_time: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ironkit validate minimal.yml                  every mistake with its place; exit code 1 when there is one
  ironkit validate base.yml web.yml             merged left to right, as build does
  ironkit validate --json - < minimal.yml       one JSON object a line, for editors and CI
  ironkit validate components/nginx/build.yml   a component's recipe

Each object has file, line, column, endLine, endColumn, severity (error or warning) and message; and where there are any,
label, hint, and notes: other places with file, line, column and message. Lines and columns count from 1, columns in
characters.")]
pub struct ValidateArguments {
    /// Manifests: files, addresses, or - for standard input; and recipes, which are called build.yml
    #[arg(required = true, value_name = "MANIFEST", value_hint = ValueHint::FilePath)]
    pub manifests: Vec<String>,
    /// Print JSON on standard output, one object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ironkit lock minimal.yml            write minimal.lock; images that it has keep their pins
  ironkit lock --update minimal.yml   pin what the registries have now
  ironkit lock --check minimal.yml    fail if an image is not pinned, or one that is pinned is not used
  ironkit lock --fetch minimal.yml    also fetch what `build --locked` needs
  ironkit lock --loader registry.example/grub:1 minimal.yml
                                      pin the boot loader of `build --locked --loader`, too")]
pub struct LockArguments {
    /// Manifests, as for build
    #[arg(required = true, value_name = "MANIFEST", value_hint = ValueHint::FilePath)]
    pub manifests: Vec<String>,
    /// The lock file [default: beside the last manifest, called as it but for the extension lock]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub lock_file: Option<PathBuf>,
    /// Ask registries again for images that are pinned
    #[arg(long)]
    pub update: bool,
    /// Write nothing, and fail if the lock file would have to change
    #[arg(long, conflicts_with = "fetch")]
    pub check: bool,
    /// Fetch pinned images that the cache lacks
    #[arg(long)]
    pub fetch: bool,
    /// Pin this image with boot loaders, too, as for build; may be repeated
    #[arg(long, value_name = "IMAGE")]
    pub loader: Vec<String>,
    /// Architecture that components are made and images are fetched for [default: this machine's]
    #[arg(long)]
    pub arch: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ironkit diff old.yml new.yml                     what a change of a manifest does to the image
  ironkit diff minimal-initrd.img out/minimal.tar  two outputs, whatever their formats
  ironkit diff alpine:3.19 alpine:3.20             two images of the cache
  ironkit diff --quiet a.tar b.tar                 only the exit code: 0 equal, 1 different, 2 trouble")]
pub struct DiffArguments {
    /// A manifest, a tar, an initrd, a tree in its text form, or an image of the cache
    pub old: String,
    /// The same
    pub new: String,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Architecture of images [default: this machine's]
    #[arg(long)]
    pub arch: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
From the outside to the inside: disk format, partitions, file systems, kernel, command line, initrd, components.

Examples:
  ironkit inspect minimal-efi.qcow2
  ironkit inspect --json minimal.ova | jq .components")]
pub struct InspectArguments {
    /// An output of build, of whatever format, or something like it
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Sizes are those of the files, before they are compressed. A file with several names counts once.

Examples:
  ironkit size minimal.yml                      the components, and the largest files
  ironkit size --html size.html minimal.yml     the same as a map, in a page for a browser
  ironkit size --files 50 minimal-efi.img       of something that was built
  ironkit size --json minimal.yml | jq .total")]
pub struct SizeArguments {
    /// A manifest, an output of build, a tree in its text form, or an image of the cache
    pub image: String,
    /// Write a map of the image into this page
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub html: Option<PathBuf>,
    /// Write the map as a picture
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub svg: Option<PathBuf>,
    /// How many of the largest files are listed
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub files: usize,
    /// Print one JSON document, with all files
    #[arg(long)]
    pub json: bool,
    /// Architecture of images [default: this machine's]
    #[arg(long)]
    pub arch: Option<String>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct RunArguments {
    #[command(subcommand)]
    pub backend: Option<Backend>,
    #[command(flatten)]
    pub qemu: QemuArguments,
}

#[derive(Debug, Subcommand)]
pub enum Backend {
    /// Run with QEMU
    Qemu(Box<QemuArguments>),
    /// LinuxKit's other backends
    #[command(name = "aws", hide = true, aliases = [
        "azure", "equinixmetal", "gcp", "hyperkit", "hyperv", "openstack", "packet", "scaleway", "vbox", "vcenter",
        "virtualization", "vmware",
    ])]
    Elsewhere {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
What is run is what the file is, not what it is called: ISO images, disks (raw, qcow2, VHD, VHDX, VMDK), programs for UEFI,
iPXE scripts. A base name means a kernel and what belongs to it. UEFI is used where nothing else can start the image.

Examples:
  ironkit run qemu minimal                            console on this terminal; Ctrl-A X leaves
  ironkit run qemu --publish 8080:80 --mem 512 minimal
  ironkit run qemu --disk size=4G minimal             with a disk, kept in minimal-state/
  ironkit run qemu --uefi minimal-hybrid.iso          an ISO image as a CD, with UEFI
  ironkit run qemu --attach usb minimal-hybrid.iso    the same as a USB stick, with a BIOS
  ironkit run qemu --arch aarch64 minimal-efi.img
  ironkit run qemu --detached minimal                 in the background; the console goes to minimal-state/console")]
pub struct QemuArguments {
    /// Base name of the image, as given to `build --name`, or a file of a disk, a CD, a UEFI program or an iPXE script
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    pub name: Option<String>,
    /// Number of processors
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub cpus: u32,
    /// Memory in MiB
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..))]
    pub mem: u64,
    /// Reach a port of the guest on this machine: [ADDRESS:]HOST:GUEST[/udp]; may be repeated
    #[arg(long, value_name = "PORTS")]
    pub publish: Vec<ironkit_vm::Publish>,
    /// A disk: file=PATH,size=1G,format=qcow2; made when it is not there; may be repeated
    #[arg(long, value_name = "DISK")]
    pub disk: Vec<ironkit_vm::DiskSpec>,
    /// UEFI, also where a BIOS would do
    #[arg(long)]
    pub uefi: bool,
    /// UEFI firmware, instead of the one that is installed
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub fw: Option<PathBuf>,
    /// How the image is attached: auto, cd, disk or usb
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub attach: ironkit_pipeline::run::Attach,
    /// The image is a CD, whatever it looks like
    #[arg(long, conflicts_with = "attach")]
    pub iso: bool,
    /// Run NAME-kernel with NAME-initrd.img, also when other files are there
    #[arg(long, conflicts_with_all = ["iso", "attach"])]
    pub kernel: bool,
    /// Run NAME-kernel with NAME-squashfs.img
    #[arg(long, conflicts_with_all = ["iso", "attach", "kernel"])]
    pub squashfs: bool,
    /// Run NAME-kernel with NAME-erofs.img
    #[arg(long, conflicts_with_all = ["iso", "attach", "kernel", "squashfs"])]
    pub erofs: bool,
    /// Accelerator: auto, kvm or tcg [default: $LINUXKIT_QEMU_ACCEL or auto]
    #[arg(long)]
    pub accel: Option<ironkit_vm::Accel>,
    /// Architecture of the machine: x86_64, aarch64 or riscv64 [default: the image's, or else this machine's]
    #[arg(long)]
    pub arch: Option<ironkit_vm::Arch>,
    /// Network: user, bridge,NAME, tap,NAME or none; may be repeated
    #[arg(long, value_name = "NETWORK", default_value = "user")]
    pub networking: Vec<ironkit_pipeline::run::NetworkSpec>,
    /// Text for the guest's metadata, on a CD
    #[arg(
        long,
        value_name = "TEXT",
        conflicts_with = "data_file",
        allow_hyphen_values = true
    )]
    pub data: Option<String>,
    /// The same from a file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub data_file: Option<PathBuf>,
    /// A folder that the guest can mount by 9p: DIR[,tag=NAME][,ro]; tags are share0, share1 …; may be repeated
    #[arg(long, value_name = "DIR")]
    pub share: Vec<ironkit_vm::ShareSpec>,
    /// A folder that the guest can mount by virtiofs: DIR[,tag=NAME]; tags are virtiofs0, virtiofs1 …; may be repeated
    #[arg(long, value_name = "DIR")]
    pub virtiofs: Vec<ironkit_vm::ShareSpec>,
    /// The program virtiofsd, instead of the one that is installed
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub virtiofsd: Option<PathBuf>,
    /// Address of the guest for sockets between it and this machine (vsock), from 3 on
    #[arg(long, value_name = "CID", value_parser = clap::value_parser!(u32).range(3..))]
    pub vsock_cid: Option<u32>,
    /// A Trusted Platform Module 2.0, emulated by swtpm
    #[arg(long)]
    pub tpm: bool,
    /// A USB controller
    #[arg(long)]
    pub usb: bool,
    /// A device in QEMU's spelling: driver[,property=value]; may be repeated
    #[arg(long, value_name = "DEVICE")]
    pub device: Vec<String>,
    /// A screen, in a window
    #[arg(long)]
    pub gui: bool,
    /// QEMU, instead of the one in $PATH
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub qemu: Option<PathBuf>,
    /// Run in the background
    #[arg(long, alias = "detach")]
    pub detached: bool,
    /// Directory for disks, sockets and the console of a detached machine [default: NAME-state]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Write the guest's boot report, one JSON document a line, to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Add this to the kernel's command line
    #[arg(long, value_name = "TEXT", default_value = "", allow_hyphen_values = true)]
    pub append: String,
}

#[derive(Debug, Subcommand)]
pub enum MetadataCommand {
    /// Write an ISO image with the text in the file `config`, as LinuxKit's metadata package reads it
    Create {
        /// The image
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The text
        #[arg(allow_hyphen_values = true)]
        data: String,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ironkit build -f netboot minimal.yml && ironkit serve     iPXE: chain http://ADDRESS:8080/minimal.ipxe
  ironkit serve --port 127.0.0.1:8000 --directory out")]
pub struct ServeArguments {
    /// Where to listen: [ADDRESS]:PORT
    #[arg(long, value_name = "ADDRESS", default_value = ":8080")]
    pub port: String,
    /// What to serve
    #[arg(long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
}

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

#[derive(Debug, Args)]
pub struct VersionArguments {
    /// The number only
    #[arg(long)]
    pub short: bool,
}

/// A size as LinuxKit writes it: a number of MiB, or one with `M` or `G`.
fn megabytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'M')) => (&text[..at], 1),
        Some((at, 'G')) => (&text[..at], 1024),
        _ => (text, 1),
    };
    let number: Option<u64> = digits.parse().ok();
    number
        .and_then(|number| number.checked_mul(unit))
        .filter(|size| *size > 0)
        .ok_or_else(|| "expected a number of MiB, or one followed by M or G: 1024, 512M, 4G".to_owned())
}

/// Arguments as people write them: LinuxKit's `--o` and the long flags of its old documentation with one dash.
pub fn accepted(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    const OLD: [&str; 28] = [
        "-format",
        "-name",
        "-dir",
        "-arch",
        "-pull",
        "-size",
        "-docker",
        "-input-tar",
        "-decompress-kernel",
        "-dry-run",
        "-publish",
        "-mem",
        "-cpus",
        "-disk",
        "-uefi",
        "-fw",
        "-iso",
        "-kernel",
        "-squashfs",
        "-accel",
        "-networking",
        "-data",
        "-data-file",
        "-state",
        "-detached",
        "-gui",
        "-usb",
        "-device",
    ];
    arguments.map(|argument| match argument.to_str() {
        Some(text)
            if OLD
                .iter()
                .any(|old| text == *old || text.starts_with(&format!("{old}="))) =>
        {
            OsString::from(format!("-{text}"))
        }
        _ => argument,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn both_ways_to_run_take_the_same_arguments() {
        for line in [
            "ironkit run qemu --publish 8080:80 --mem 512 minimal",
            "ironkit run --publish 8080:80 --mem 512 minimal",
            "ironkit run qemu -publish 8080:80 -mem=512 minimal",
        ] {
            let parsed = Arguments::try_parse_from(accepted(line.split(' ').map(OsString::from))).unwrap();
            let Command::Run(run) = parsed.command else {
                panic!("{line}")
            };
            let qemu = match run.backend {
                Some(Backend::Qemu(qemu)) => *qemu,
                Some(Backend::Elsewhere { .. }) => panic!("{line}"),
                None => run.qemu,
            };
            assert_eq!(
                (qemu.name.as_deref(), qemu.mem, qemu.publish.len()),
                (Some("minimal"), 512, 1),
                "{line}"
            );
        }
    }
}
