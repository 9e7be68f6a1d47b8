//! Every command that a document tells a person to type is typed, in order, in a place that has what a checkout has.

#[path = "../../xtask/src/commands.rs"]
mod commands;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use ironkit_tests::{Sandbox, free_port, ironkit, judge, run, workspace};

/// What happens to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Typed {
    /// It runs to its end, which has to be a success.
    Run,
    /// It takes the terminal: Ctrl-A X is typed after it.
    Leave,
    /// It is not run, for a reason.
    Skip,
}

/// Commands by how they begin, longest first, and why those that are not simply run are not. One that begins with
/// nothing of these is a mistake in the document, or wants a line here.
const KNOWN: [(&str, Typed, &str); 17] = [
    ("ironkit run qemu --detached", Typed::Run, ""),
    (
        "ironkit run",
        Typed::Leave,
        "a machine that runs until somebody stops it",
    ),
    ("ironkit", Typed::Run, ""),
    (
        "make demo",
        Typed::Skip,
        "has a test of its own in CI, and builds everything",
    ),
    (
        "make",
        Typed::Skip,
        "builds everything, and this is one of its tests",
    ),
    (
        "cargo",
        Typed::Skip,
        "builds everything, and this is one of its tests",
    ),
    ("git clone", Typed::Skip, "needs the internet"),
    ("cp ", Typed::Run, ""),
    ("rm ", Typed::Run, ""),
    ("echo ", Typed::Run, ""),
    ("printf ", Typed::Run, ""),
    ("cat ", Typed::Run, ""),
    ("ls", Typed::Run, ""),
    ("mkdir ", Typed::Run, ""),
    ("tar ", Typed::Run, ""),
    ("kill ", Typed::Run, ""),
    ("curl ", Typed::Skip, "asks a machine that was left before"),
];

/// The example for another machine.
const BOARD: &str = "rpi3.yml";
/// Ctrl-A X, with which one leaves QEMU's terminal.
const LEAVE: &[u8] = b"\x01x";

fn known(command: &str) -> Option<Typed> {
    KNOWN
        .iter()
        .find(|(start, ..)| command.starts_with(start))
        .map(|(_, typed, _)| *typed)
}

/// The documents: README.md and all of `docs`.
fn documents() -> Vec<PathBuf> {
    let folder = fs::read_dir(workspace().join("docs")).unwrap();
    let mut found: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    found.extend(["README.md", "CONTRIBUTING.md"].map(|name| workspace().join(name)));
    found.sort();
    found
}

/// Ends machines that commands left in the background.
struct Background<'a>(&'a Sandbox);

impl Drop for Background<'_> {
    fn drop(&mut self) {
        for entry in fs::read_dir(self.0.path("")).into_iter().flatten().flatten() {
            if let Ok(pid) = fs::read_to_string(entry.path().join("console.pid")) {
                // It may have ended.
                let _ = Command::new("kill").arg("-9").arg(pid.trim()).output();
            }
        }
    }
}

/// Types the commands of a document in a sandbox.
fn type_all(document: &Path, commands: &[String]) {
    let sandbox = Sandbox::with_components();
    for entry in fs::read_dir(sandbox.path("examples")).unwrap() {
        let name = entry.unwrap().file_name().display().to_string();
        match name.as_str() {
            BOARD => sandbox.stock_for("examples/rpi3.yml", &["--format", "rpi3", "--arch", "arm64"]),
            // Those that have no kernel are merged over others.
            name => sandbox.stock(&format!("examples/{name}")),
        }
    }
    sandbox.stock_packages();
    fs::create_dir(sandbox.path("bin")).unwrap();
    std::os::unix::fs::symlink(ironkit(), sandbox.path("bin/ironkit")).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", sandbox.path("bin").display());
    // Something else may listen where the document says.
    let port = free_port().to_string();
    let background = Background(&sandbox);
    for text in commands {
        let typed = known(text).unwrap_or_else(|| {
            panic!(
                "{}: `{text}` is not a command that this test knows (KNOWN in {})",
                document.display(),
                file!()
            )
        });
        if typed == Typed::Skip {
            continue;
        }
        let keys = sandbox.write("tmp/keys", if typed == Typed::Leave { LEAVE } else { b"" });
        let mut command = sandbox.command("sh");
        command.args(["-c", &text.replace("8080", &port)]);
        command.env("PATH", &path).stdin(File::open(keys).unwrap());
        let finished = run(Sandbox::with_network(&mut command));
        assert_eq!(
            finished.code,
            Some(0),
            "{}: `{text}`\n{finished}",
            document.display()
        );
    }
    drop(background);
}

#[test]
fn commands_of_documents_work() {
    if judge("qemu-system-x86_64").is_none() || judge("aarch64-linux-gnu-gcc").is_none() {
        return;
    }
    let mut count = 0;
    for document in documents() {
        let commands = commands::commands(&fs::read_to_string(&document).unwrap());
        if !commands.is_empty() {
            count += commands.len();
            type_all(&document, &commands);
        }
    }
    assert!(count >= 5, "the documents have {count} commands");
}

#[test]
fn commands_are_recognised() {
    for (command, expected) in [
        ("ironkit build examples/minimal.yml", Some(Typed::Run)),
        ("ironkit run qemu --publish 8080:80 minimal", Some(Typed::Leave)),
        ("ironkit run qemu --detached minimal", Some(Typed::Run)),
        ("make demo", Some(Typed::Skip)),
        ("frobnicate", None),
    ] {
        assert_eq!(known(command), expected, "{command}");
    }
}
