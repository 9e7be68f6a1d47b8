//! `run`: a built image in a virtual machine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ironkit_vm::{Accel, Arch, Boot, Console, Disk, DiskSpec, Machine, Networking, OnReboot};

use crate::{Context, Error, Result, Watcher};

/// How long KVM may take to run its first guest. A working one takes a tenth of that.
const PROBE_LIMIT: Duration = Duration::from_millis(1500);

/// What is run, and in what machine.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Base name of the image's files, as given to `build --name`.
    pub name: String,
    /// Architecture of the machine.
    pub arch: Arch,
    /// How the guest is run.
    pub accel: Accel,
    /// Number of processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Disks, made when they are not there.
    pub disks: Vec<DiskSpec>,
    /// Network.
    pub networking: Networking,
    /// Console.
    pub console: Console,
    /// File for the guest's boot report.
    pub report: Option<PathBuf>,
    /// Socket for QEMU's machine protocol.
    pub qmp: Option<PathBuf>,
    /// Where disks without a path of their own are.
    pub state: PathBuf,
    /// Text for the end of the kernel's command line.
    pub append: String,
    /// `PATH`, in which QEMU is looked for.
    pub path: std::ffi::OsString,
}

/// A machine that is ready to be started.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The machine.
    pub machine: Machine,
    /// The program that runs it.
    pub qemu: PathBuf,
}

/// Finds the image's files and QEMU, chooses the accelerator and describes the machine.
///
/// # Errors
/// An image that is not there, a missing or unusable QEMU, an accelerator that does not work.
pub fn prepare(context: &Context, options: &RunOptions, watcher: &dyn Watcher) -> Result<Prepared> {
    let base = context.working_directory.join(&options.name);
    let file = |suffix: &str| PathBuf::from(format!("{}-{suffix}", base.display()));
    let kernel = file("kernel");
    if !kernel.is_file() {
        return Err(missing(options, &kernel));
    }
    let initrd = Some(file("initrd.img")).filter(|initrd| initrd.is_file());
    let cmdline_file = file("cmdline");
    let mut cmdline = match std::fs::read_to_string(&cmdline_file) {
        Ok(cmdline) => cmdline,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => {
            return Err(Error::Read {
                path: cmdline_file,
                source,
            });
        }
    };
    if options.report.is_some() {
        let device = options.arch.report_device();
        cmdline = format!("{cmdline} {}={device}", ironkit_contract::cmdline::REPORT);
    }
    if !options.append.is_empty() {
        cmdline = format!("{cmdline} {}", options.append);
    }
    let qemu = ironkit_vm::find_qemu(options.arch, OsStr::new(&options.path))?;
    let chosen = ironkit_vm::choose_accelerator(options.accel, options.arch, &qemu, PROBE_LIMIT)?;
    if let Some(why) = &chosen.why {
        watcher.note(why);
    }
    let machine = Machine {
        arch: options.arch,
        accelerator: chosen.accelerator,
        cpus: options.cpus,
        memory_mib: options.memory_mib,
        boot: Boot::Kernel {
            kernel,
            initrd,
            cmdline: cmdline.trim().to_owned(),
        },
        disks: disks(options)?,
        networking: options.networking.clone(),
        console: options.console.clone(),
        report: options.report.clone(),
        qmp: options.qmp.clone(),
        on_reboot: OnReboot::Restart,
    };
    Ok(Prepared { machine, qemu })
}

fn disks(options: &RunOptions) -> Result<Vec<Disk>> {
    let place = |(index, disk): (usize, &DiskSpec)| Ok(disk.place(index, &options.state)?);
    options.disks.iter().enumerate().map(place).collect()
}

fn missing(options: &RunOptions, kernel: &Path) -> Error {
    let name = &options.name;
    let hint = match name.ends_with(".yml") || name.ends_with(".yaml") {
        true => format!("`run` takes the name of a built image: first `ironkit build {name}`"),
        false => format!("build it first: `ironkit build {name}.yml`, or give the path without `-kernel`"),
    };
    Error::Usage {
        message: format!("there is no image `{name}`: {} does not exist", kernel.display()),
        hint,
    }
}
