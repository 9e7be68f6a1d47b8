//! Programs that a machine needs beside QEMU: the daemons of its shares, and its TPM.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::prepare::remove_socket;
use crate::{Error, Machine, Share};

/// How long one may take until it listens.
const PATIENCE: Duration = Duration::from_secs(10);

/// Helpers that run. Dropping them ends them.
#[derive(Debug, Default)]
pub(crate) struct Helpers(Vec<Started>);

/// One of them.
#[derive(Debug)]
struct Started {
    program: PathBuf,
    child: Child,
    /// What it complains about.
    log: PathBuf,
    socket: PathBuf,
}

impl Helpers {
    /// Starts what `machine` needs; when this returns, all of them listen.
    pub(crate) fn start(machine: &Machine) -> Result<Helpers, Error> {
        let mut helpers = Helpers::default();
        for helper in of(machine) {
            helpers.0.push(helper.start()?);
        }
        Ok(helpers)
    }

    /// Why the first of them failed, if one did. QEMU only says that it does not answer.
    pub(crate) fn failed(&mut self) -> Option<Error> {
        // It may be about to end.
        std::thread::sleep(Duration::from_millis(50));
        self.0.iter_mut().find_map(|helper| {
            let status = helper.child.try_wait().ok().flatten()?;
            let output = fs::read(&helper.log).unwrap_or_default();
            (!status.success()).then(|| Error::Exited {
                program: helper.program.display().to_string(),
                status,
                output: String::from_utf8_lossy(&output).trim().to_owned(),
            })
        })
    }

    /// Leaves them to the machine, whose end is theirs.
    pub(crate) fn detach(mut self) {
        self.0.clear();
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        for helper in &mut self.0 {
            // Both fail only if it has ended already.
            let _ = helper.child.kill();
            let _ = helper.child.wait();
            let _ = fs::remove_file(&helper.socket);
        }
    }
}

/// A program, and where it listens.
#[derive(Debug, PartialEq, Eq)]
struct Helper {
    program: PathBuf,
    arguments: Vec<OsString>,
    socket: PathBuf,
    /// A folder that it wants to be there.
    folder: Option<PathBuf>,
}

/// What `machine` needs.
fn of(machine: &Machine) -> Vec<Helper> {
    let mut helpers = Vec::new();
    for share in &machine.shares {
        if let Share::Virtiofs {
            folder,
            daemon,
            socket,
            ..
        } = share
        {
            helpers.push(Helper {
                program: daemon.clone(),
                // Both the daemon that came with QEMU and the one that replaced it know these.
                arguments: vec![
                    joined("--socket-path=", socket),
                    "-o".into(),
                    joined("source=", folder),
                ],
                socket: socket.clone(),
                folder: None,
            });
        }
    }
    if let Some(tpm) = &machine.tpm {
        helpers.push(Helper {
            program: tpm.program.clone(),
            arguments: vec![
                "socket".into(),
                "--tpm2".into(),
                "--terminate".into(),
                "--tpmstate".into(),
                joined("dir=", &tpm.state),
                "--ctrl".into(),
                joined("type=unixio,path=", &tpm.socket),
            ],
            socket: tpm.socket.clone(),
            folder: Some(tpm.state.clone()),
        });
    }
    helpers
}

fn joined(before: &str, path: &Path) -> OsString {
    let mut text = OsString::from(before);
    text.push(path);
    text
}

impl Helper {
    fn start(&self) -> Result<Started, Error> {
        remove_socket(&self.socket)?;
        if let Some(folder) = &self.folder {
            fs::create_dir_all(folder).map_err(|source| Error::File {
                what: "the folder",
                path: folder.clone(),
                source,
            })?;
        }
        // A file, not a pipe: the helper may outlive this program.
        let log = self.socket.with_extension("log");
        let errors = File::create(&log).map_err(|source| self.failed(source))?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .map_err(|source| self.failed(source))?;
        let deadline = Instant::now() + PATIENCE;
        while !self.socket.exists() {
            let ended = child.try_wait().map_err(|source| self.failed(source))?;
            if let Some(status) = ended {
                let output = fs::read(&log).map_err(|source| self.failed(source))?;
                return Err(Error::Exited {
                    program: self.program.display().to_string(),
                    status,
                    output: String::from_utf8_lossy(&output).trim().to_owned(),
                });
            }
            if Instant::now() >= deadline {
                let _ = child.kill();
                let _ = child.wait();
                return Err(self.failed(std::io::ErrorKind::TimedOut.into()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Started {
            program: self.program.clone(),
            child,
            log,
            socket: self.socket.clone(),
        })
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::Run {
            program: self.program.clone(),
            source,
        }
    }
}
