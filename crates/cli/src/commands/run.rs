//! `ironkit run`.

use std::ffi::OsStr;

use ironkit_pipeline::Error;
use ironkit_pipeline::run::{self, Attach, RootFile, RunOptions};

use super::Outcome;
use crate::args::{Backend, Global, QemuArguments, RunArguments};
use crate::console::Console;
use crate::environment;

/// This program, wherever it is, and whatever its file is called by now.
const SELF: &str = "/proc/self/exe";

/// Runs an image on this terminal, or in the background.
pub fn run(global: &Global, arguments: &RunArguments, console: &Console) -> Outcome {
    let arguments = match &arguments.backend {
        Some(Backend::Qemu(qemu)) => qemu,
        Some(Backend::Elsewhere { .. }) => {
            return Err(Error::NotSupported("running an image elsewhere than in QEMU".to_owned()).into());
        }
        None => &arguments.qemu,
    };
    let context = environment::context(global)?;
    let prepared = run::prepare(&context, &options(arguments)?, console)?;
    console.finish();
    if !arguments.detached {
        return ironkit_vm::run_in_terminal(&prepared.machine, &prepared.qemu, Some(OsStr::new(SELF)))
            .map_err(|error| Error::from(error).into());
    }
    let machine = ironkit_vm::start_detached(&prepared.machine, &prepared.qemu).map_err(Error::from)?;
    console.print(&machine.to_string());
    if let Some(state) = &prepared.state {
        console.inform(&format!("console: {}", state.join("console").display()));
    }
    Ok(())
}

fn options(arguments: &QemuArguments) -> Result<RunOptions, Error> {
    let data = match (&arguments.data, &arguments.data_file) {
        (Some(text), _) => Some(text.clone().into_bytes()),
        (None, Some(path)) => Some(std::fs::read(path).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?),
        (None, None) => None,
    };
    let accel = match arguments.accel {
        Some(accel) => accel,
        None => environment::accelerator().map_err(|error| Error::Vm(error.into()))?,
    };
    Ok(RunOptions {
        name: arguments.name.clone().unwrap_or_default(),
        attach: match arguments.iso {
            true => Attach::Cd,
            false => arguments.attach,
        },
        root: match (arguments.kernel, arguments.squashfs, arguments.erofs) {
            (true, _, _) => RootFile::Initrd,
            (_, true, _) => RootFile::Squashfs,
            (_, _, true) => RootFile::Erofs,
            _ => RootFile::Auto,
        },
        arch: arguments.arch,
        accel,
        uefi: arguments.uefi,
        firmware: arguments.fw.clone(),
        cpus: arguments.cpus,
        memory_mib: arguments.mem,
        disks: arguments.disk.clone(),
        networks: arguments.networking.clone(),
        publish: arguments.publish.clone(),
        shares: arguments.share.clone(),
        virtiofs: arguments.virtiofs.clone(),
        virtiofsd: arguments.virtiofsd.clone(),
        data,
        vsock_cid: arguments.vsock_cid,
        tpm: arguments.tpm,
        usb: arguments.usb,
        devices: arguments.device.clone(),
        screen: arguments.gui,
        detached: arguments.detached,
        report: arguments.report.clone(),
        state: arguments.state.clone(),
        append: arguments.append.clone(),
        qemu: arguments.qemu.clone(),
        path: environment::path(),
    })
}
