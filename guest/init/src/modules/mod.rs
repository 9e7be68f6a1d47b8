//! Kernel modules: for the devices that are there, and on demand. In process: no modprobe is run.

mod index;
mod pattern;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::system::{finit_module, uname};

use crate::error::{Result, Step};
use index::{Index, Texts};

/// `MODULE_INIT_COMPRESSED_FILE` of finit_module(2): the kernel decompresses.
const COMPRESSED: i32 = 4;

/// Where the kernel shows the names that a device's driver goes by: a `modalias` in every folder below these.
const DEVICES: [&str; 2] = ["/sys/bus/*/devices", "/sys/class/input"];

/// Devices that can wait until the services run: buttons, and keyboards. Checking a module's signature takes tens of
/// milliseconds where the processor is emulated.
const LATER: [&str; 5] = [
    "input:",
    "acpi:LNXPWRBN:",
    "acpi:LNXSLPBN:",
    "acpi:PNP0C0C:",
    "acpi:PNP0C0E:",
];

/// Which devices get their modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices {
    /// Those that anything may need.
    Needed,
    /// All.
    All,
}

/// The modules of the running kernel.
#[derive(Debug)]
pub struct Modules {
    folder: PathBuf,
    index: Index,
    /// Files that are loaded, or can not be.
    tried: BTreeSet<String>,
    /// Names of devices that were looked up.
    seen: BTreeSet<String>,
}

impl Modules {
    /// Reads what depmod wrote for the running kernel; a kernel without modules has none.
    pub fn open() -> Modules {
        let folder = Path::new("/lib/modules").join(uname().release().to_string_lossy().as_ref());
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let (dep, alias) = (read("modules.dep"), read("modules.alias"));
        let (softdep, builtin) = (read("modules.softdep"), read("modules.builtin"));
        let index = Index::parse(Texts {
            dep: &dep,
            alias: &alias,
            softdep: &softdep,
            builtin: &builtin,
        });
        Modules {
            folder,
            index,
            tried: BTreeSet::new(),
            seen: BTreeSet::new(),
        }
    }

    /// Loads a module and all that it needs, by its name or an alias. `false` when there is none of that name.
    ///
    /// # Errors
    /// The first file that the kernel refused; the others are loaded nevertheless.
    pub fn load(&mut self, name: &str) -> Result<bool> {
        let Some(files) = self.index.files_for(name) else {
            return Ok(false);
        };
        let mut outcome = Ok(true);
        for file in files {
            if self.tried.insert(file.to_owned()) {
                outcome = outcome.and(insert(&self.folder.join(file)).map(|()| true));
            }
        }
        outcome
    }

    /// Loads the modules of devices, until no new one appears. What the kernel refused is returned.
    pub fn coldplug(&mut self, devices: Devices) -> Vec<String> {
        let wanted =
            |alias: &String| devices == Devices::All || !LATER.iter().any(|later| alias.starts_with(later));
        let mut refused = Vec::new();
        loop {
            let new: Vec<_> = aliases()
                .into_iter()
                .filter(|alias| wanted(alias) && !self.seen.contains(alias))
                .collect();
            if new.is_empty() {
                return refused;
            }
            for alias in new {
                refused.extend(self.load(&alias).err().map(|error| error.to_string()));
                self.seen.insert(alias);
            }
        }
    }

    /// Loads the modules that the files of `folder` name, one a line, whatever devices are there.
    pub fn load_listed(&mut self, folder: &Path) -> Vec<String> {
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        files.retain(|file| file.extension().is_some_and(|ending| ending == "conf"));
        files.sort();
        let mut refused = Vec::new();
        for text in files.iter().flat_map(fs::read_to_string) {
            for name in text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
            {
                match self.load(name) {
                    Ok(true) => {}
                    Ok(false) => refused.push(format!("module {name}: there is none of that name")),
                    Err(error) => refused.push(error.to_string()),
                }
            }
        }
        refused
    }
}

/// Has the kernel call this program when it needs a module: a protocol, a file system.
pub fn serve_kernel() {
    if let Ok(program) = std::env::current_exe() {
        let _ = fs::write(
            "/proc/sys/kernel/modprobe",
            program.as_os_str().as_encoded_bytes(),
        );
    }
}

/// Answers the kernel's `modprobe -q -- NAME…`: the exit status.
pub fn modprobe(arguments: impl Iterator<Item = String>) -> i32 {
    let mut modules = Modules::open();
    let mut status = 0;
    for name in arguments.filter(|argument| !argument.starts_with('-')) {
        if !matches!(modules.load(&name), Ok(true)) {
            status = 1;
        }
    }
    status
}

fn insert(path: &Path) -> Result<()> {
    let step = || format!("module {}", path.display());
    // The first stage may have loaded it: to find that out is quicker than to have it refused.
    if is_loaded(path) {
        return Ok(());
    }
    let file = File::open(path).step(step)?;
    let flags = if path.extension().is_some_and(|ending| ending == "ko") {
        0
    } else {
        COMPRESSED
    };
    match finit_module(&file, c"", flags) {
        // Someone else was faster, or the hardware that it drives is not there.
        Ok(()) | Err(Errno::EXIST | Errno::NODEV) => Ok(()),
        Err(error) => Err(error).step(step),
    }
}

/// Whether the kernel runs the module in this file: it has its name, without endings and with `_` for `-`.
fn is_loaded(path: &Path) -> bool {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let name = file.split(".ko").next().unwrap_or_default().replace('-', "_");
    Path::new("/sys/module").join(name).join("initstate").exists()
}

/// The `modalias` of every device.
fn aliases() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in DEVICES {
        match folder.split_once('*') {
            Some((above, below)) => {
                for bus in entries(Path::new(above)) {
                    collect(&bus.join(below.trim_start_matches('/')), &mut found);
                }
            }
            None => collect(Path::new(folder), &mut found),
        }
    }
    found
}

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for device in entries(folder) {
        if let Ok(alias) = fs::read_to_string(device.join("modalias"))
            && !alias.trim().is_empty()
        {
            found.insert(alias.trim().to_owned());
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default()
}
