//! PID 1: from the kernel's last step to running services, and down again.
//!
//! `/init` of an initramfs, and `/sbin/init` of any other root. In an initramfs that is but a first stage it goes to the root on a
//! disk, and is run there again. One thread, one event loop. Every file here is one
//! step of the story or what it needs; nothing that fails on the way up stops the machine, it is said and reported.

mod attributes;
mod blocks;
mod boot;
mod bundle;
mod button;
mod cmdline;
mod console;
mod container;
mod data;
mod error;
mod host;
mod logs;
mod modules;
mod mounts;
mod panics;
mod policy;
mod power;
mod report;
mod section;
mod shutdown;
mod stage;
mod supervisor;
mod volumes;

use std::fs;
use std::path::Path;

use rustix::process::{Pid, getpid};

use boot::Next;
use modules::{Devices, Modules};
use supervisor::Supervisor;

fn main() {
    if getpid() != Pid::INIT {
        // The kernel calls this program again when it needs a module.
        std::process::exit(modules::modprobe(std::env::args().skip(1)));
    }
    if stage::is_first() {
        stage::run();
    }
    console::welcome();
    power::catch_ctrl_alt_del();
    let report = report::begin();
    // The root is still the kernel's own, and can be written to.
    let mut problems = attributes::apply(Path::new("/"));
    problems.extend(mounts::mount_all());
    console::adopt();
    let cmdline = cmdline::parse(&fs::read_to_string("/proc/cmdline").unwrap_or_default());
    panics::take_over(cmdline.panic);
    console::welcome_elsewhere(&cmdline.consoles);
    if cmdline.cgroup_v1 {
        problems.push("cgroup v1 is not supported yet: version 2 is mounted".to_owned());
    }
    let mut modules = Modules::open();
    modules::serve_kernel();
    problems.extend(modules.coldplug(Devices::Needed));
    problems.extend(modules.load_listed(Path::new("/etc/modules-load.d")));
    if let Some(device) = &cmdline.data {
        problems.extend(data::mount(device, &mut modules));
    }
    problems.extend(host::set_up());
    let root = Path::new("/");
    problems.extend(volumes::mount_all(root, &mut modules));
    let mut supervisor = match Supervisor::new(cmdline, modules, report) {
        Ok(supervisor) => supervisor,
        Err(error) => panic!("{error}"),
    };
    problems
        .into_iter()
        .for_each(|problem| supervisor.problem(problem));
    supervisor.report.system_ms = report::now_ms();
    if boot::onboot(&mut supervisor, root) == Next::Go {
        boot::services(&mut supervisor, root);
    }
    boot::report(&mut supervisor);
    let request = loop {
        match supervisor.request {
            Some(request) => break request,
            None => supervisor.turn(None),
        }
    };
    shutdown::run(&mut supervisor, root, request)
}
