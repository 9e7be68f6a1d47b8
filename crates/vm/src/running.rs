//! Machines that run: started, listened to, told to stop, and never left behind.

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::helpers::Helpers;
use crate::launcher::launched;
use crate::prepare::prepare;
use crate::{Arch, Console, Error, Machine, Qmp};

/// A machine that runs. Dropping it pulls the plug.
#[derive(Debug)]
pub struct Running {
    child: Child,
    control: Option<PathBuf>,
    errors: Option<JoinHandle<String>>,
    /// They end with it.
    _helpers: Helpers,
}

/// Finds QEMU for `arch` in `path`, a list of folders as in the environment's `PATH`.
///
/// # Errors
/// [`Error::NoQemu`], whose hint names the package.
pub fn find_qemu(arch: Arch, path: &OsStr) -> Result<PathBuf, Error> {
    let program = arch.qemu();
    find(program, path, &[]).ok_or(Error::NoQemu { program, arch })
}

/// Finds the daemon that shares folders by virtiofs. Only the one that came with QEMU was ever in `PATH`.
///
/// # Errors
/// [`Error::NoHelper`], whose hint names the package.
pub fn find_virtiofsd(path: &OsStr) -> Result<PathBuf, Error> {
    find(
        "virtiofsd",
        path,
        &["/usr/libexec", "/usr/lib/qemu", "/usr/local/lib/qemu"],
    )
    .ok_or(Error::NoHelper {
        program: "virtiofsd",
        what: "virtiofs",
        package: "virtiofsd (Debian 12: qemu-system-common)",
    })
}

/// Finds the emulator of Trusted Platform Modules.
///
/// # Errors
/// [`Error::NoHelper`], whose hint names the package.
pub fn find_swtpm(path: &OsStr) -> Result<PathBuf, Error> {
    find("swtpm", path, &[]).ok_or(Error::NoHelper {
        program: "swtpm",
        what: "a TPM",
        package: "swtpm",
    })
}

fn find(program: &str, path: &OsStr, more: &[&str]) -> Option<PathBuf> {
    std::env::split_paths(path)
        .chain(more.iter().map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| is_executable(file))
}

/// Starts a machine. With a control socket, it is known to run when this returns; without one, a mistake that
/// only QEMU finds shows as an early end.
///
/// # Errors
/// A file that is missing, a disk that cannot be made, or what QEMU itself refuses.
pub fn start(machine: &Machine, qemu: &Path) -> Result<Running, Error> {
    let pipe = match machine.console {
        Console::Pipe => true,
        Console::Terminal | Console::File(_) => false,
    };
    let stream = |piped: bool| if piped { Stdio::piped() } else { Stdio::null() };
    let mut command = prepare(machine, qemu)?;
    if machine.console != Console::Terminal {
        command.stdin(stream(pipe)).stdout(stream(pipe));
    }
    let run = |source| Error::Run {
        program: qemu.to_owned(),
        source,
    };
    let helpers = Helpers::start(machine)?;
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(run)?;
    let errors = child
        .stderr
        .take()
        .map(|pipe| std::thread::spawn(move || tail(pipe, std::io::sink())));
    let mut running = Running {
        child,
        control: machine.qmp.clone(),
        errors,
        _helpers: helpers,
    };
    running.wait_for_control(machine.arch.qemu()).map(|()| running)
}

/// Runs a machine until it ends, as the terminal's foreground program. With a `launcher`, it also ends when this program
/// does: that is a program that calls [`until_parent_ends`](crate::until_parent_ends) when it is told so.
///
/// # Errors
/// As [`start`], but what QEMU itself says goes to the terminal, and then [`Error::Ended`] follows.
pub fn run_in_terminal(machine: &Machine, qemu: &Path, launcher: Option<&OsStr>) -> Result<(), Error> {
    let run = |source| Error::Run {
        program: qemu.to_owned(),
        source,
    };
    let mut command = prepare(machine, qemu)?;
    if !is_executable(qemu) {
        let source = fs::metadata(qemu).map_or_else(|error| error, |_| ErrorKind::PermissionDenied.into());
        return Err(run(source));
    }
    if let Some(launcher) = launcher {
        command = launched(launcher, &command);
    }
    let mut helpers = Helpers::start(machine)?;
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(run)?;
    let pipe = child.stderr.take();
    let errors = pipe.map(|pipe| std::thread::spawn(move || tail(pipe, std::io::stderr())));
    let status = child.wait().map_err(run)?;
    if status.success() {
        return Ok(());
    }
    Err(helpers.failed().unwrap_or_else(|| Error::Ended {
        program: machine.arch.qemu().to_owned(),
        status,
        output: errors.and_then(|thread| thread.join().ok()).unwrap_or_default(),
    }))
}

/// Starts a machine that goes on when this program ends; returns QEMU's process number. QEMU puts itself into the
/// background once the machine runs.
///
/// # Errors
/// As [`start`]. A console on the terminal cannot be detached: it must be a file.
pub fn start_detached(machine: &Machine, qemu: &Path) -> Result<u32, Error> {
    let run = |source| Error::Run {
        program: qemu.to_owned(),
        source,
    };
    let pid_file = pid_file(machine);
    let mut command = prepare(machine, qemu)?;
    command.arg("-daemonize").arg("-pidfile").arg(&pid_file);
    let mut helpers = Helpers::start(machine)?;
    let output = command.stdin(Stdio::null()).output().map_err(run)?;
    if !output.status.success() {
        return Err(helpers.failed().unwrap_or_else(|| Error::Exited {
            program: machine.arch.qemu().to_owned(),
            status: output.status,
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }));
    }
    helpers.detach();
    let pid = fs::read_to_string(&pid_file).map_err(run)?;
    pid.trim()
        .parse()
        .map_err(|error| run(std::io::Error::other(error)))
}

/// Where QEMU writes its process number: beside the console.
fn pid_file(machine: &Machine) -> PathBuf {
    match &machine.console {
        Console::File(path) => path.with_extension("pid"),
        Console::Terminal | Console::Pipe => PathBuf::from("qemu.pid"),
    }
}

impl Running {
    /// QEMU's process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The console's output, byte by byte as it comes; once, and only with [`Console::Pipe`]. Somebody has to
    /// read it: QEMU stops the guest when the pipe is full.
    pub fn take_console(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// The console's keyboard; once, and only with [`Console::Pipe`].
    pub fn take_keyboard(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Waits for the machine's end, at most `limit`; `None` if it still runs.
    ///
    /// # Errors
    /// Those of waiting for a process.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>, Error> {
        let deadline = Instant::now() + limit;
        loop {
            let ended = self.child.try_wait();
            let ended = ended.map_err(|source| Error::Run {
                program: "QEMU".into(),
                source,
            })?;
            if ended.is_some() || Instant::now() >= deadline {
                return Ok(ended);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends QEMU at once, whatever the guest is doing.
    ///
    /// # Errors
    /// [`Error::NoControl`] and those of the control socket, as for the next two.
    pub fn quit(&self) -> Result<(), Error> {
        self.tell("quit", Value::Null)
    }

    /// Presses the power button: the guest is asked to power off.
    ///
    /// # Errors
    /// See [`Running::quit`].
    pub fn power_button(&self) -> Result<(), Error> {
        self.tell("system_powerdown", Value::Null)
    }

    /// Presses Ctrl-Alt-Del. The guest needs a driver for the keyboard.
    ///
    /// # Errors
    /// See [`Running::quit`].
    pub fn ctrl_alt_del(&self) -> Result<(), Error> {
        let keys: Vec<Value> = ["ctrl", "alt", "delete"]
            .map(|key| json!({ "type": "qcode", "data": key }))
            .into();
        self.tell("send-key", json!({ "keys": keys }))
    }

    fn tell(&self, command: &str, arguments: Value) -> Result<(), Error> {
        let path = self.control.as_ref().ok_or(Error::NoControl)?;
        let failed = |source| Error::Control {
            command: command.to_owned(),
            source,
        };
        Qmp::connect(path)
            .map_err(failed)?
            .execute(command, arguments)
            .map(drop)
    }

    /// QEMU answers on its control socket when the machine is made: ports taken, files opened, memory there.
    fn wait_for_control(&mut self, program: &str) -> Result<(), Error> {
        let Some(path) = self.control.clone() else {
            return Ok(());
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self.wait(Duration::from_millis(10))? {
                let output = self
                    .errors
                    .take()
                    .and_then(|thread| thread.join().ok())
                    .unwrap_or_default();
                return Err(Error::Exited {
                    program: program.to_owned(),
                    status,
                    output,
                });
            }
            match Qmp::connect(&path) {
                Ok(_) => return Ok(()),
                Err(source) if Instant::now() >= deadline => {
                    return Err(Error::Control {
                        command: "qmp_capabilities".to_owned(),
                        source,
                    });
                }
                Err(_) => {}
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(path) = &self.control {
            let _ = fs::remove_file(path);
        }
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Reads to the end, passes everything on, and keeps the last few thousand bytes: QEMU can complain for days.
fn tail(mut pipe: impl Read, mut onwards: impl Write) -> String {
    const KEPT: usize = 4096;
    let mut kept = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        // Who does not listen misses it.
        let _ = onwards.write_all(&buffer[..count]);
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > 2 * KEPT {
            kept.drain(..kept.len() - KEPT);
        }
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{Accelerator, Boot, Bus, Disk, DiskFormat, Firmware, Mode, Network, OnReboot, Publish, Vars};

    /// QEMU, or nothing on a machine that lacks it; never nothing in CI.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    pub(crate) fn qemu(arch: Arch) -> Option<PathBuf> {
        let found = find_qemu(arch, &std::env::var_os("PATH").unwrap_or_default());
        // The other processors' emulators are large, and no test of this crate depends on them alone.
        let required = arch == Arch::X86_64 && std::env::var_os("CI").is_some();
        match found {
            Ok(path) => Some(path),
            Err(error) if required => panic!("{error}"),
            Err(error) => {
                eprintln!("SKIPPED: {error}");
                None
            }
        }
    }

    /// A machine whose kernel is no kernel: enough for everything that happens around a guest.
    fn machine(folder: &Path) -> Machine {
        let kernel = folder.join("kernel");
        // The smallest file that QEMU takes for a multiboot kernel: a header, and an endless loop.
        let mut image = Vec::new();
        for word in [
            0x1bad_b002_u32,
            0x1_0000,
            0u32.wrapping_sub(0x1bad_b002 + 0x1_0000),
        ] {
            image.extend_from_slice(&word.to_le_bytes());
        }
        for word in [0x10_0000_u32, 0x10_0000, 0, 0, 0x10_0020] {
            image.extend_from_slice(&word.to_le_bytes());
        }
        // mov dx, 0x3f8; mov al, '!'; out dx, al; hlt; jmp to the hlt
        image.extend_from_slice(&[0x66, 0xba, 0xf8, 0x03, 0xb0, b'!', 0xee, 0xf4, 0xeb, 0xfd]);
        image.resize(4096, 0);
        fs::write(&kernel, image).unwrap();
        Machine {
            arch: Arch::X86_64,
            accelerator: Accelerator::Tcg,
            cpus: 1,
            memory_mib: 32,
            firmware: Firmware::Builtin,
            boot: Boot::Kernel {
                kernel,
                initrd: None,
                cmdline: String::new(),
            },
            disks: vec![Disk {
                path: folder.join("d,1.img"),
                size_mib: Some(1),
                format: Some(DiskFormat::Raw),
                bus: Bus::Board,
            }],
            cds: Vec::new(),
            networks: user(Vec::new()),
            shares: Vec::new(),
            vsock_cid: None,
            tpm: None,
            usb: false,
            devices: Vec::new(),
            screen: false,
            console: Console::Pipe,
            report: Some(folder.join("report")),
            qmp: Some(folder.join("qmp")),
            on_reboot: OnReboot::Exit,
        }
    }

    fn user(publish: Vec<Publish>) -> Vec<Network> {
        vec![Network {
            mode: Mode::User { publish },
            mac: None,
        }]
    }

    #[test]
    fn a_guest_speaks_and_is_told_to_quit() {
        let Some(qemu) = qemu(Arch::X86_64) else { return };
        let folder = tempfile::tempdir().unwrap();
        let mut running = start(&machine(folder.path()), &qemu).unwrap();
        let mut first = [0];
        running.take_console().unwrap().read_exact(&mut first).unwrap();
        assert_eq!(first, *b"!");
        assert_eq!(
            fs::metadata(folder.path().join("d,1.img")).unwrap().len(),
            1 << 20
        );
        running.ctrl_alt_del().unwrap();
        running.power_button().unwrap();
        assert_eq!(running.wait(Duration::ZERO).unwrap(), None);
        running.quit().unwrap();
        assert!(
            running
                .wait(Duration::from_secs(20))
                .unwrap()
                .is_some_and(|status| status.success())
        );
    }

    #[test]
    fn dropping_it_ends_it() {
        let Some(qemu) = qemu(Arch::X86_64) else { return };
        let folder = tempfile::tempdir().unwrap();
        let running = start(&machine(folder.path()), &qemu).unwrap();
        let process = PathBuf::from(format!("/proc/{}", running.id()));
        assert!(process.exists());
        drop(running);
        assert!(!process.exists());
        assert!(!folder.path().join("qmp").exists());
    }

    #[test]
    fn a_port_in_use_is_named() {
        let Some(qemu) = qemu(Arch::X86_64) else { return };
        let folder = tempfile::tempdir().unwrap();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let publish: Vec<Publish> = vec![format!("127.0.0.1:{port}:80").parse().unwrap()];
        let machine = Machine {
            networks: user(publish),
            ..machine(folder.path())
        };
        let error = start(&machine, &qemu).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot publish port {port}"));
        assert!(error.hint().is_some());
    }

    #[test]
    fn refusals_before_anything_starts() {
        let folder = tempfile::tempdir().unwrap();
        let good = machine(folder.path());
        let path = |name: &str| folder.path().join(name);
        let boot = |kernel, initrd| Boot::Kernel {
            kernel,
            initrd,
            cmdline: String::new(),
        };
        let disk = |size_mib| {
            vec![Disk {
                path: path("none"),
                size_mib,
                format: Some(DiskFormat::Raw),
                bus: Bus::Board,
            }]
        };
        for (machine, expect) in [
            (
                Machine {
                    boot: boot(path("none"), None),
                    ..good.clone()
                },
                "cannot use the kernel ",
            ),
            (
                Machine {
                    boot: boot(path("kernel"), Some(path("none"))),
                    ..good.clone()
                },
                "cannot use the initrd ",
            ),
            (
                Machine {
                    boot: Boot::Network {
                        folder: folder.path().to_owned(),
                        script: "none.ipxe".to_owned(),
                    },
                    ..good.clone()
                },
                "cannot use the iPXE script ",
            ),
            (
                Machine {
                    firmware: Firmware::Uefi {
                        code: path("kernel"),
                        vars: Some(Vars {
                            template: path("none"),
                            path: path("vars"),
                        }),
                    },
                    ..good.clone()
                },
                "cannot use the firmware's variables ",
            ),
            (
                Machine {
                    cds: vec![path("none.iso")],
                    ..good.clone()
                },
                "cannot use the CD ",
            ),
            (
                Machine {
                    disks: disk(None),
                    ..good.clone()
                },
                "the disk ",
            ),
            (
                Machine {
                    disks: disk(Some(u64::MAX)),
                    ..good.clone()
                },
                "cannot use the disk ",
            ),
            (
                Machine {
                    qmp: Some(path(&"x".repeat(108))),
                    ..good.clone()
                },
                "the path of the control socket is ",
            ),
            (good, "cannot run /nonexistent/qemu"),
        ] {
            let error = start(&machine, Path::new("/nonexistent/qemu"))
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(expect), "{error}");
        }
        assert!(matches!(
            find_qemu(Arch::X86_64, folder.path().as_os_str()),
            Err(Error::NoQemu { .. })
        ));
    }

    #[test]
    fn only_the_end_of_a_long_complaint_is_kept() {
        let text = "complaint\n".repeat(5000);
        let mut all = Vec::new();
        let kept = tail(text.as_bytes(), &mut all);
        assert_eq!(all, text.as_bytes());
        assert!(
            kept.len() <= 8192 && kept.ends_with("complaint"),
            "{}",
            kept.len()
        );
    }
}
