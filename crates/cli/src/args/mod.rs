//! The arguments, in LinuxKit's spelling with IronKit's additions.

mod image;
mod packages;
mod run;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

pub use image::{
    BuildArguments, DiffArguments, InspectArguments, LockArguments, SbomArguments, SizeArguments,
    ValidateArguments,
};
pub use packages::{
    CacheCommand, CacheExportArguments, CachePushArguments, NamingArguments, PkgArguments, PkgBuildArguments,
    PkgCommand, PkgTagArguments,
};
pub use run::{Backend, QemuArguments, RunArguments};

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
pub struct VersionArguments {
    /// The number only
    #[arg(long)]
    pub short: bool,
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
