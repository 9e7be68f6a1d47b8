//! The same input gives the same bytes, whoever builds it, where, and when.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use ironkit_tests::layout::digest;
use ironkit_tests::{Sandbox, copy, ironkit, judge, succeed};

/// The outputs of the example.
const OUTPUTS: [&str; 3] = ["m-kernel", "m-initrd.img", "m-cmdline"];

/// Digests and modes of the outputs in a folder.
fn outputs(folder: &Path) -> BTreeMap<&'static str, (String, u32)> {
    let look = |name| {
        let path = folder.join(name);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        (name, (digest(&fs::read(&path).unwrap()), mode))
    };
    OUTPUTS.into_iter().map(look).collect()
}

/// A sandbox with the example's images, and a file that the manifest takes from the sandbox.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::with_components();
    sandbox.stock("examples/minimal.yml");
    sandbox.write("given/file", "text\n");
    sandbox.write(
        "more.yml",
        "files: [{path: etc/file, source: given/file}]
",
    );
    sandbox
}

const BUILD: [&str; 5] = ["build", "--name", "m", "examples/minimal.yml", "more.yml"];

#[test]
fn the_same_bytes_elsewhere() {
    let one = prepared();
    succeed(&mut one.ironkit(BUILD));
    let expected = outputs(&one.path(""));

    // Another folder and store, without anything derived; other settings; another time, for what was written.
    let other = prepared();
    fs::remove_dir_all(other.cache().join("derived")).unwrap();
    succeed(
        Command::new("find")
            .arg(other.path(""))
            .args(["-exec", "touch", "-d", "2001-02-03", "{}", "+"]),
    );
    fs::set_permissions(other.path("given/file"), fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = other.command("sh");
    command
        .args(["-c", "umask 077; exec \"$0\" \"$@\""])
        .arg(ironkit())
        .args(BUILD);
    command
        .env("TZ", "Pacific/Kiritimati")
        .env("LANG", "tr_TR.UTF-8")
        .env("LC_ALL", "C");
    command.env("HOME", other.path("tmp")).env("USER", "somebody");
    succeed(&mut command);
    assert_eq!(outputs(&other.path("")), expected);

    // Again, with everything derived.
    succeed(&mut other.ironkit(BUILD));
    assert_eq!(outputs(&other.path("")), expected);

    // By way of other names for the same things: absolute paths, another working directory, a link.
    std::os::unix::fs::symlink(other.path("examples"), other.path("tmp/link")).unwrap();
    let manifest = other.path("examples/minimal.yml");
    let mut command = other.ironkit(["build", "--name", "m", "--dir", "tmp"]);
    succeed(command.arg(manifest).arg("more.yml"));
    assert_eq!(outputs(&other.path("tmp")), expected);
}

#[test]
fn another_user_gets_the_same_bytes() {
    let one = prepared();
    succeed(&mut one.ironkit(BUILD));
    let Some(mut command) = as_nobody(&one) else {
        return;
    };
    let theirs = one.path("");
    let script = "cp -R examples components given more.yml theirs && cp -R cache theirs && cd theirs && \
                  LINUXKIT_CACHE=$PWD/cache HOME=$PWD exec \"$0\" \"$@\"";
    let folder = one.path("theirs");
    fs::create_dir(&folder).unwrap();
    for path in [&theirs, &folder] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    // The program may be where only its owner can look.
    copy(ironkit(), &one.path("ironkit"));
    let program = one.path("ironkit");
    succeed(command.args(["sh", "-c", script]).arg(program).args(BUILD));
    assert_eq!(outputs(&folder), outputs(&one.path("")));
}

/// A command that runs others as the user `nobody`; `None`, loudly, for those who may not become somebody else.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn as_nobody(sandbox: &Sandbox) -> Option<Command> {
    let setpriv = judge("setpriv")?;
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can build as another user");
        return None;
    }
    let mut command = sandbox.command(setpriv);
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    Some(command)
}

#[test]
fn components_are_the_same_when_made_again() {
    let sandbox = Sandbox::with_components();
    sandbox.stock("examples/minimal.yml");
    sandbox.stock_packages();
    // The images under names that the example needs.
    let components = ["kernel", "init", "dhcpcd", "nginx"].map(|name| format!("components/{name}"));
    let folders: Vec<_> = components.iter().map(String::as_str).collect();
    let names = succeed(
        &mut sandbox.ironkit(
            ["pkg", "show-tag", "--canonical"]
                .into_iter()
                .chain(folders.clone()),
        ),
    );
    let digests = |cache: &Path| {
        let text = succeed(sandbox.ironkit(["cache", "ls"]).env("LINUXKIT_CACHE", cache));
        let lines = text
            .lines()
            .filter(|line| names.lines().any(|name| line.starts_with(name)));
        // How wide the columns are depends on what else is there.
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        lines.map(words).collect::<Vec<_>>()
    };
    let before = digests(&sandbox.cache());
    assert_eq!(before.len(), components.len(), "{before:?}");

    // Only the packages are there.
    let again = sandbox.path("again");
    copy(&sandbox.cache().join("debian"), &again.join("debian"));
    let arguments = ["pkg", "build", "--locked"].into_iter().chain(folders);
    let mut command = sandbox.ironkit(arguments);
    command.env("LINUXKIT_CACHE", &again).env("TZ", "Asia/Tokyo");
    let built = succeed(Sandbox::with_network(&mut command));
    assert_eq!(built, names);
    assert_eq!(digests(&again), before);
}
