//! `ironkit run`.

use std::path::PathBuf;

use ironkit_pipeline::Error;
use ironkit_pipeline::run::{self, RunOptions};
use ironkit_vm::{Arch, Console as VmConsole, Networking};

use super::Outcome;
use crate::args::{Backend, Global, QemuArguments, RunArguments};
use crate::console::Console;
use crate::environment;

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
    let options = options(arguments)?;
    let prepared = run::prepare(&context, &options, console)?;
    console.finish();
    if !arguments.detached {
        let status = ironkit_vm::run_in_terminal(&prepared.machine, &prepared.qemu).map_err(Error::from)?;
        if status.success() {
            return Ok(());
        }
        // QEMU said on the terminal what it has against it.
        let (program, output) = (prepared.qemu.display().to_string(), String::new());
        return Err(Error::Vm(ironkit_vm::Error::Exited {
            program,
            status,
            output,
        })
        .into());
    }
    let machine = ironkit_vm::start_detached(&prepared.machine, &prepared.qemu).map_err(Error::from)?;
    console.print(&machine.to_string());
    console.inform(&format!("console: {}", options.state.join("console").display()));
    Ok(())
}

fn options(arguments: &QemuArguments) -> Result<RunOptions, Error> {
    let name = arguments.name.clone().unwrap_or_default();
    let state = arguments
        .state
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{name}-state")));
    let host = std::env::consts::ARCH.parse::<Arch>();
    let arch = match arguments.arch {
        Some(arch) => arch,
        None => host.map_err(|error| Error::Vm(error.into()))?,
    };
    let networking = match arguments.networking.as_str() {
        "user" => Networking::User {
            publish: arguments.publish.clone(),
        },
        "none" => Networking::None,
        other => {
            return Err(Error::NotSupported(format!(
                "the network `{other}` (user and none are)"
            )));
        }
    };
    if arguments.detached || arguments.disk.iter().any(|disk| disk.path.is_none()) {
        std::fs::create_dir_all(&state).map_err(|source| Error::Write {
            path: state.clone(),
            source,
        })?;
    }
    Ok(RunOptions {
        name,
        arch,
        accel: arguments.accel,
        cpus: arguments.cpus,
        memory_mib: arguments.mem,
        disks: arguments.disk.clone(),
        networking,
        console: if arguments.detached {
            VmConsole::File(state.join("console"))
        } else {
            VmConsole::Terminal
        },
        report: arguments.report.clone(),
        qmp: arguments.detached.then(|| state.join("qmp")),
        state,
        append: arguments.append.clone(),
        path: std::env::var_os("PATH").unwrap_or_default(),
    })
}
