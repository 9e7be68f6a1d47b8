//! What holds for every output format: the same bytes whoever builds, wherever and whenever; and the build itself runs
//! nothing and needs no rights.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use ironkit_tests::layout::{DIRECTORY, FILE, HARD_LINK, Layout, SYMLINK, digest, entry, tar};
use ironkit_tests::{Sandbox, copy, ironkit, judge, run, succeed, workspace};

/// A library that, loaded into a program, has the kernel kill it when it runs another one, mounts, or leaves a namespace.
const FILTER: &str = r"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#define KILL(number) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

__attribute__((constructor)) static void nothing_is_run(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		KILL(SYS_execve), KILL(SYS_execveat), KILL(SYS_fork), KILL(SYS_vfork), KILL(SYS_mount), KILL(SYS_unshare),
		KILL(SYS_setns), KILL(SYS_pivot_root), KILL(SYS_chroot),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		abort();
}
";

/// Nobody, who owns nothing.
const NOBODY: &str = "65534";

/// The formats that this version writes, as it says itself.
fn formats() -> Vec<String> {
    let sandbox = Sandbox::new();
    let said = run(&mut sandbox.ironkit(["build", "--format", "none-such", "m.yml"])).stderr;
    let (_, names) = said
        .split_once("this version writes ")
        .unwrap_or_else(|| panic!("no formats: {said}"));
    names.trim().split(", ").map(str::to_owned).collect()
}

/// The processor that a format is built for, and a manifest for it.
fn target(format: &str) -> (&'static str, &'static str) {
    match format {
        "rpi3" => ("arm64", "board.yml"),
        _ => ("amd64", "m.yml"),
    }
}

/// As much of an arm64 kernel as anybody looks at: its size in memory and its magic number.
fn board_kernel() -> String {
    let mut bytes = vec![0; 4096];
    bytes[16..24].copy_from_slice(&0x20_0000_u64.to_le_bytes());
    bytes[56..60].copy_from_slice(b"ARM\x64");
    String::from_utf8(bytes).unwrap()
}

/// As much of an x86 kernel as anybody looks at: its magic number and its version.
fn kernel() -> String {
    let mut bytes = vec![0; 4096];
    bytes[0x202..0x206].copy_from_slice(b"HdrS");
    bytes[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
    bytes[0x300..0x30e].copy_from_slice(b"6.1.2-test (x)");
    String::from_utf8(bytes).unwrap()
}

/// A sandbox with small images, whatever the tests of other files build.
fn small() -> Sandbox {
    let sandbox = Sandbox::with_components();
    sandbox.stock_loaders();
    let mut layout = Layout::new(&sandbox.path("layout"));
    let kernel = tar(&[entry(FILE, "kernel", &kernel())]);
    let text: String = (0..20_000).map(|number| format!("{number}\n")).collect();
    let init = tar(&[
        entry(FILE, "init", "the first program"),
        entry(DIRECTORY, "bin", ""),
        entry(FILE, "bin/busybox", &text),
        entry(HARD_LINK, "bin/ls", "bin/busybox"),
        entry(SYMLINK, "sbin", "bin"),
    ]);
    let trees = ["2837-rpi-3-b", "2837-rpi-3-b-plus", "2711-rpi-4-b"];
    let trees = trees.map(|name| format!("boot/dtb/broadcom/bcm{name}.dtb"));
    let trees = String::from_utf8(tar(&trees.each_ref().map(|name| entry(FILE, name, name)))).unwrap();
    let board = tar(&[
        entry(FILE, "kernel", &board_kernel()),
        entry(FILE, "kernel.tar", &trees),
    ]);
    for (name, arch, layer) in [
        ("kernel", "amd64", kernel),
        ("init", "amd64", init.clone()),
        ("board", "arm64", board),
        ("board-init", "arm64", init),
    ] {
        layout.name(layout.image(arch, &[layer]), &format!("docker.io/tests/{name}:1"));
    }
    sandbox.write("images.tar", layout.archive());
    succeed(&mut sandbox.ironkit(["cache", "import", "images.tar"]));
    for (name, kernel, init) in [
        ("m.yml", "\"tests/kernel:1\", tar: none", "tests/init:1"),
        ("board.yml", "\"tests/board:1\"", "tests/board-init:1"),
    ] {
        let text = format!(
            "kernel: {{image: {kernel}, cmdline: console=ttyS0}}\n\
             init: [\"{init}\"]\n\
             services: [{{name: s, image: \"{init}\", readonly: true}}]\n\
             files: [{{path: etc/motd, contents: hello}}]\n"
        );
        sandbox.write(name, text);
    }
    sandbox
}

/// The files below a folder with digest and mode.
fn files(folder: &Path) -> BTreeMap<PathBuf, (String, u32)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let look = |entry: fs::DirEntry| {
        let mode = entry.metadata().unwrap().permissions().mode();
        (
            entry.file_name().into(),
            (digest(&fs::read(entry.path()).unwrap()), mode),
        )
    };
    entries.map(|entry| look(entry.unwrap())).collect()
}

/// Arguments of a build of one format into a folder of its own.
fn build(format: &str) -> [String; 8] {
    let (arch, manifest) = target(format);
    [
        "build",
        "--arch",
        arch,
        "--format",
        format,
        "--dir",
        &format!("out/{format}"),
        manifest,
    ]
    .map(str::to_owned)
}

#[test]
fn every_format_is_the_same_for_everybody_and_nothing_is_run() {
    let (Some(cc), Some(setpriv), Some(taskset), Some(faketime)) =
        (judge("cc"), judge("setpriv"), judge("taskset"), judge("faketime"))
    else {
        return;
    };
    let one = small();
    let other = Sandbox::new();
    for name in ["cache", "m.yml", "board.yml"] {
        copy(&one.path(name), &other.path(name));
    }
    let _ = fs::remove_dir_all(other.cache().join("derived"));
    other.write("filter.c", FILTER);
    succeed(
        other
            .command(cc)
            .args(["-shared", "-fPIC", "-o", "filter.so", "filter.c"]),
    );
    let filter = format!("LD_PRELOAD={}", other.path("filter.so").display());
    let killed = run(other
        .command("env")
        .args([&filter, "sh", "-c", "/bin/true; exit 0"]));
    assert_eq!(killed.code, None, "the filter kills: {killed:?}");

    let program = other.path("ironkit");
    fs::copy(ironkit(), &program).unwrap();
    let formats = formats();
    for format in &formats {
        for sandbox in [&one, &other] {
            fs::create_dir_all(sandbox.path("out").join(format)).unwrap();
        }
    }
    // The others' folder need not be private, so that nobody gets into it.
    fs::set_permissions(other.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    succeed(Command::new("chown").args(["-R", NOBODY]).arg(other.path("")));
    for format in &formats {
        succeed(one.command(ironkit()).args(build(format)));
        let mut command = other.command(&setpriv);
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
        command
            .arg(&faketime)
            .arg("2031-02-03 04:05:06")
            .arg(&taskset)
            .args(["-c", "0"]);
        command.args(["sh", "-c", "umask 077; LD_PRELOAD=\"$LD_PRELOAD $0\" exec \"$@\""]);
        command
            .arg(other.path("filter.so"))
            .arg(&program)
            .args(build(format));
        command
            .env("TZ", "Pacific/Kiritimati")
            .env("LANG", "tr_TR.UTF-8")
            .env("USER", "nobody");
        succeed(&mut command);
        let folder = format!("out/{format}");
        let (ours, theirs) = (files(&one.path(&folder)), files(&other.path(&folder)));
        assert!(!ours.is_empty(), "{format} writes something");
        assert_eq!(ours, theirs, "{format}");
    }
}

/// What each format makes of the same small image, a line each: format, file, digest. A change of bytes is seen here; it is
/// accepted by `IRONKIT_BLESS=1`, and belongs into the changelog.
#[test]
fn every_format_has_the_bytes_that_it_had() {
    let sandbox = small();
    let mut lines = String::new();
    for format in &formats() {
        let folder = format!("out/{format}");
        fs::create_dir_all(sandbox.path(&folder)).unwrap();
        succeed(sandbox.command(ironkit()).args(build(format)));
        for (name, (digest, _)) in files(&sandbox.path(&folder)) {
            lines.push_str(&format!("{format} {} {digest}\n", name.display()));
        }
    }
    let known = workspace().join("tests/tests/formats.digests");
    if std::env::var_os("IRONKIT_BLESS").is_some() {
        fs::write(&known, &lines).unwrap();
    }
    assert_eq!(lines, fs::read_to_string(&known).unwrap_or_default());
}

/// All of an inspected file: itself and what is inside, however deep.
fn objects(object: &Value) -> Vec<&Value> {
    let inside = object["inside"].as_array().unwrap();
    std::iter::once(object)
        .chain(inside.iter().flat_map(objects))
        .collect()
}

fn is_board_kernel(object: &Value) -> bool {
    object["format"] == "kernel" && object["facts"]["architecture"] == "aarch64"
}

#[test]
fn every_format_is_read_again() {
    let sandbox = small();
    for format in &formats() {
        let folder = format!("out/{format}");
        fs::create_dir_all(sandbox.path(&folder)).unwrap();
        succeed(sandbox.command(ironkit()).args(build(format)));
        let (mut kernels, mut components) = (0, 0);
        for name in files(&sandbox.path(&folder)).into_keys() {
            let name = format!("{folder}/{}", name.display());
            if name.ends_with("-cmdline") || name.ends_with(".ipxe") {
                continue;
            }
            let text = succeed(&mut sandbox.ironkit(["inspect", "--json", &name]));
            let found: Value = serde_json::from_str(&text).unwrap();
            let found_kernels = objects(&found)
                .into_iter()
                .filter(|it| it["facts"]["version"] == "6.1.2-test" || is_board_kernel(it));
            kernels += found_kernels.count();
            let listed = found["components"].as_array().unwrap();
            components += listed.iter().filter(|it| it["name"] == "service s").count();
            // The same for people.
            let shown = succeed(&mut sandbox.ironkit(["inspect", &name]));
            assert!(shown.starts_with(&name), "{shown}");
        }
        // In archives of the root file system the kernel is a file among others.
        let is_root = matches!(format.as_str(), "tar" | "docker");
        assert_eq!((kernels, components), (usize::from(!is_root), 1), "{format}");
    }
    // A disk with nothing on it is a disk, and is not read from its beginning to its end.
    let Some(qemu_img) = judge("qemu-img") else {
        return;
    };
    let mut create = Command::new(qemu_img);
    create
        .args(["create", "-q", "-f", "qcow2"])
        .arg(sandbox.path("empty.qcow2"));
    succeed(create.arg("1T"));
    let shown = succeed(&mut sandbox.ironkit(["inspect", "empty.qcow2"]));
    assert!(shown.starts_with("empty.qcow2: qcow2, 1099.5 GB"), "{shown}");
}
