//! The arguments of commands that make images, and look at them.

use std::path::PathBuf;

use clap::{Args, ValueHint};

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
