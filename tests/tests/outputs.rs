//! Output formats and where they go: names, streams, what is left alone when something fails.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use ironkit_tests::layout::{DIRECTORY, FILE, HARD_LINK, Layout, SYMLINK, entry, tar};
use ironkit_tests::{Sandbox, initrd, judge, run, succeed};

const MANIFEST: &str = "\
kernel:
  image: tests/kernel:1
  cmdline: console=ttyS0
  tar: none
  ucode: ucode.cpio
init:
  - tests/init:1
services:
  - {name: s, image: \"tests/init:1\", readonly: true}
files:
  - {path: etc/motd, contents: \"hello\"}
  - {path: boot/more, contents: \"only in a tar\"}
";

/// A sandbox with a kernel that is nothing but bytes, an init image, and a manifest `m.yml`.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::new();
    let mut layout = Layout::new(&sandbox.path("layout"));
    // A cpio archive with nothing but its trailer.
    let microcode = format!("070701{}{}TRAILER!!!\0\0\0\0", "0".repeat(88), "0000000B00000000");
    let kernel = tar(&[
        entry(FILE, "kernel", "the kernel"),
        entry(FILE, "ucode.cpio", &microcode),
    ]);
    let init = tar(&[
        entry(DIRECTORY, "bin", ""),
        entry(FILE, "bin/busybox", "a program"),
        entry(HARD_LINK, "bin/ls", "bin/busybox"),
        entry(SYMLINK, "sbin", "bin"),
    ]);
    for (name, layer) in [("kernel", kernel), ("init", init)] {
        layout.name(
            layout.image("amd64", &[layer]),
            &format!("docker.io/tests/{name}:1"),
        );
    }
    sandbox.write("images.tar", layout.archive());
    succeed(&mut sandbox.ironkit(["cache", "import", "images.tar"]));
    sandbox.write("m.yml", MANIFEST);
    fs::create_dir(sandbox.path("out")).unwrap();
    sandbox
}

/// The files in `out/`.
fn outputs(sandbox: &Sandbox) -> Vec<String> {
    let names = fs::read_dir(sandbox.path("out")).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What GNU tar lists.
fn listing(archive: &Path) -> Option<Vec<String>> {
    let mut command = Command::new(judge("tar")?);
    let text = succeed(
        command
            .arg("--warning=no-unknown-keyword")
            .arg("-tf")
            .arg(archive),
    );
    Some(text.lines().map(str::to_owned).collect())
}

const BUILD: [&str; 6] = ["build", "--arch", "amd64", "--dir", "out", "m.yml"];

#[test]
fn each_format_has_linuxkits_names() {
    let sandbox = prepared();
    for (format, expect) in [
        ("kernel+initrd", &["m-cmdline", "m-initrd.img", "m-kernel"][..]),
        ("tar-kernel-initrd", &["m-initrd.tar"]),
        ("tar", &["m.tar"]),
        ("docker", &["m.docker"]),
        ("kernel+erofs", &["m-cmdline", "m-erofs.img", "m-kernel"]),
        (
            "kernel+initrd,tar-kernel-initrd",
            &["m-cmdline", "m-initrd.img", "m-initrd.tar", "m-kernel"],
        ),
    ] {
        succeed(sandbox.ironkit(BUILD).args(["--format", format]));
        assert_eq!(outputs(&sandbox), expect, "{format}");
        for name in expect {
            fs::remove_file(sandbox.path("out").join(name)).unwrap();
        }
    }
}

#[test]
fn a_tar_has_every_path_once_and_after_its_directory() {
    let sandbox = prepared();
    succeed(sandbox.ironkit(BUILD).args(["-f", "docker"]));
    let Some(names) = listing(&sandbox.path("out/m.docker")) else {
        return;
    };
    for name in [
        "boot/kernel",
        "boot/cmdline",
        "boot/ucode.cpio",
        "boot/more",
        "bin/ls",
        "sbin",
        "Dockerfile",
    ] {
        assert!(
            names.iter().any(|found| found == name),
            "{name} is not in {names:?}"
        );
    }
    for (index, name) in names.iter().enumerate() {
        let name = name.trim_end_matches('/');
        let before: Vec<&str> = names[..index]
            .iter()
            .map(|name| name.trim_end_matches('/'))
            .collect();
        assert!(!before.contains(&name), "{name} is there twice");
        if let Some((parent, _)) = name.rsplit_once('/') {
            assert!(before.contains(&parent), "{name} comes before its directory");
        }
    }
}

#[test]
fn an_initrd_has_what_is_not_for_the_boot_loader() {
    let sandbox = prepared();
    succeed(
        sandbox
            .ironkit(BUILD)
            .args(["-f", "kernel+initrd,tar-kernel-initrd"]),
    );
    let whole = fs::read(sandbox.path("out/m-initrd.img")).unwrap();
    let microcode = 124;
    assert_eq!(&whole[..6], b"070701", "the microcode comes first");
    sandbox.write("root.img", &whole[microcode..]);
    let members = initrd::members(&sandbox.path("root.img"));
    assert_eq!(members.len(), 1, "what is small is one archive");
    let entries = initrd::entries(&members[0]);
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert!(
        names.contains(&"boot") && names.contains(&"etc/motd"),
        "{names:?}"
    );
    assert!(!names.iter().any(|name| name.starts_with("boot/")), "{names:?}");
    let inode = |name: &str| entries.iter().find(|entry| entry.name == name).unwrap().ino;
    assert_eq!(
        inode("bin/busybox"),
        inode("bin/ls"),
        "hard links stay hard links"
    );

    let Some(names) = listing(&sandbox.path("out/m-initrd.tar")) else {
        return;
    };
    assert_eq!(names, ["kernel", "initrd.img", "cmdline", "ucode.cpio"]);
    succeed(
        Command::new("tar")
            .arg("-xf")
            .arg(sandbox.path("out/m-initrd.tar"))
            .current_dir(sandbox.path("tmp")),
    );
    assert_eq!(
        fs::read(sandbox.path("tmp/initrd.img")).unwrap(),
        whole[microcode..]
    );
}

#[test]
fn one_output_goes_where_it_is_told() {
    let sandbox = prepared();
    succeed(&mut sandbox.ironkit(["build", "--arch", "amd64", "-f", "tar", "--dir", "out", "m.yml"]));
    let expect = fs::read(sandbox.path("out/m.tar")).unwrap();

    let mut command = sandbox.ironkit(["build", "--arch", "amd64", "-o", "-", "m.yml"]);
    let streamed = command.stderr(Stdio::null()).output().unwrap();
    assert!(streamed.status.success());
    assert!(streamed.stdout == expect, "a stream has the same bytes");

    for option in ["-o", "--o", "--output"] {
        succeed(&mut sandbox.ironkit(["build", "--arch", "amd64", option, "out/named", "m.yml"]));
        assert!(fs::read(sandbox.path("out/named")).unwrap() == expect, "{option}");
        fs::remove_file(sandbox.path("out/named")).unwrap();
    }

    succeed(&mut sandbox.ironkit(["build", "--arch", "amd64", "-o", "/dev/null", "m.yml"]));
    use std::os::unix::fs::FileTypeExt;
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}

#[test]
fn outputs_that_do_not_go_together_are_refused() {
    let sandbox = prepared();
    for (arguments, expect) in [
        (&["-f", "tar,kernel+initrd"][..], "can only be the one format"),
        (&["-f", "nothing"], "is not an output format"),
        (&["-f", "rpi3"], "a Raspberry Pi 3 is an arm64 machine"),
        (&["--size", "4X"], "expected a number of MiB"),
        (&["-o", "x", "--name", "y"], "cannot be used with"),
        (&["-o", "x", "-f", "kernel+initrd"], "takes one file"),
        (&["-o", "-", "--check"], "`--check` is about files"),
        (&["-o", "-", "--provenance", "p"], "`--provenance` is about files"),
    ] {
        let mut command = sandbox.ironkit(["build", "--arch", "amd64", "m.yml"]);
        let finished = run(command.args(arguments));
        assert_eq!(finished.code, Some(1), "{finished}");
        assert!(finished.stderr.contains(expect), "{finished}");
    }
    assert!(!sandbox.path("x").exists() && !sandbox.path("m-kernel").exists());
}

#[test]
fn an_earlier_tar_changes_nothing() {
    let sandbox = prepared();
    let tar = ["build", "--arch", "amd64", "--dir", "out", "-f", "tar"];
    succeed(sandbox.ironkit(tar).arg("m.yml"));
    let expect = fs::read(sandbox.path("out/m.tar")).unwrap();
    sandbox.write("text", "no archive");
    for (arguments, code) in [
        (&["--input-tar", "out/m.tar", "--name", "again"][..], 0),
        (&["--input-tar", "out/m.tar"], 1),
        (&["--input-tar", "text", "--name", "again"], 1),
        (&["--input-tar", "absent", "--name", "again"], 1),
        (&["--input-tar", "out/m.tar", "--name", "again", "--pull"], 1),
    ] {
        let mut command = sandbox.ironkit(tar);
        let finished = run(command.arg("m.yml").args(arguments));
        assert_eq!(finished.code, Some(code), "{finished}");
    }
    assert!(fs::read(sandbox.path("out/again.tar")).unwrap() == expect);
    assert!(fs::read(sandbox.path("out/m.tar")).unwrap() == expect);
}

#[test]
fn an_output_that_is_not_made_leaves_no_old_one() {
    let sandbox = prepared();
    sandbox.write("out/m-cmdline", "old");
    sandbox.write("quiet.yml", MANIFEST.replace("  cmdline: console=ttyS0\n", ""));
    succeed(&mut sandbox.ironkit([
        "build",
        "--arch",
        "amd64",
        "--dir",
        "out",
        "--name",
        "m",
        "quiet.yml",
    ]));
    assert_eq!(outputs(&sandbox), ["m-initrd.img", "m-kernel"]);

    sandbox.write("out/m-cmdline", "old");
    sandbox.write("broken.yml", "init: [tests/absent:1]\n");
    let mut command = sandbox.ironkit([
        "--mirror",
        "http://127.0.0.1:1",
        "build",
        "--name",
        "m",
        "--dir",
        "out",
    ]);
    assert_ne!(run(command.arg("broken.yml")).code, Some(0));
    assert_eq!(
        fs::read(sandbox.path("out/m-cmdline")).unwrap(),
        b"old",
        "a failed build removes nothing"
    );
}

#[test]
fn a_kernel_that_unpacks_itself_is_unpacked_when_asked() {
    let sandbox = prepared();
    let Some(gzip) = judge("gzip") else { return };
    sandbox.write("kernel", "a kernel proper");
    succeed(Command::new(gzip).arg("-n").arg(sandbox.path("kernel")));
    let mut layer = Vec::new();
    let packed = fs::read(sandbox.path("kernel.gz")).unwrap();
    layer.extend(ironkit_tests::layout::header(
        FILE,
        "kernel",
        "",
        packed.len() as u64,
    ));
    layer.extend(&packed);
    layer.resize(layer.len().next_multiple_of(512) + 1024, 0);
    let mut layout = Layout::new(&sandbox.path("packed"));
    layout.name(layout.image("amd64", &[layer]), "docker.io/tests/packed:1");
    // Its bytes are not text, which is all that the harness puts into archives.
    let mut archive = Command::new("tar");
    archive.arg("-C").arg(sandbox.path("packed")).arg("-cf");
    succeed(archive.arg(sandbox.path("packed.tar")).arg("."));
    succeed(&mut sandbox.ironkit(["cache", "import", "packed.tar"]));
    sandbox.write("p.yml", "kernel: {image: \"tests/packed:1\", tar: none}\n");
    let build = ["build", "--arch", "amd64", "--dir", "out", "p.yml"];
    succeed(&mut sandbox.ironkit(build));
    assert_eq!(fs::read(sandbox.path("out/p-kernel")).unwrap(), packed);
    // Once from the image, once from what the first time left in the cache, once from half of that.
    for derived in ["", "", "derived/layers"] {
        if !derived.is_empty() {
            fs::remove_dir_all(sandbox.cache().join(derived)).unwrap();
        }
        succeed(sandbox.ironkit(build).arg("--decompress-kernel"));
        assert_eq!(
            fs::read(sandbox.path("out/p-kernel")).unwrap(),
            b"a kernel proper"
        );
    }
    let finished = run(sandbox.ironkit(BUILD).arg("--decompress-kernel"));
    assert_ne!(finished.code, Some(0));
    assert!(
        finished.stderr.contains("cannot decompress the kernel `kernel`"),
        "{finished}"
    );
}

#[test]
fn a_dry_run_prints_the_merged_manifest() {
    let sandbox = prepared();
    sandbox.write(
        "more.yml",
        "kernel: {cmdline: quiet}\nservices: [{name: t, image: tests/init:1}]\n",
    );
    let text = succeed(&mut sandbox.ironkit(["build", "--dry-run", "m.yml", "more.yml"]));
    assert!(
        text.contains("cmdline: quiet") && text.contains("name: t") && text.contains("name: s"),
        "{text}"
    );
    assert!(!sandbox.path("more-initrd.img").exists());
    // What is printed builds the same.
    sandbox.write("again.yml", &text);
    let digest = |manifests: &[&str]| {
        let mut command = sandbox.ironkit(["build", "--arch", "amd64", "-o", "out/x"]);
        succeed(command.args(manifests));
        ironkit_tests::layout::digest(&fs::read(sandbox.path("out/x")).unwrap())
    };
    assert_eq!(digest(&["m.yml", "more.yml"]), digest(&["again.yml"]));
}

#[test]
fn a_build_is_checked_by_making_it_again() {
    let sandbox = prepared();
    for formats in ["kernel+initrd,tar-kernel-initrd", "tar"] {
        succeed(sandbox.ironkit(BUILD).args(["--check", "-f", formats]));
    }
    assert_eq!(fs::read_dir(sandbox.cache().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_given_time_is_that_of_what_no_image_has() {
    let sandbox = prepared();
    let time = |epoch: Option<&str>| {
        let mut command = sandbox.ironkit(["build", "--arch", "amd64", "-o", "out/t.tar", "m.yml"]);
        if let Some(epoch) = epoch {
            command.env("SOURCE_DATE_EPOCH", epoch);
        }
        succeed(&mut command);
        let mut tar = Command::new(judge("tar")?);
        tar.env("TZ", "UTC")
            .args(["--full-time", "-tvf"])
            .arg(sandbox.path("out/t.tar"));
        let text = succeed(&mut tar);
        let line = |name: &str| {
            text.lines()
                .find(|line| line.ends_with(name))
                .unwrap_or_default()
                .to_owned()
        };
        Some((line(" etc/motd"), line(" etc/hosts"), line(" bin/busybox")))
    };
    let (Some(usual), Some(given)) = (time(None), time(Some("1000000000"))) else {
        return;
    };
    assert!(usual.0.contains("2017-04-18 16:30:00"), "{usual:?}");
    assert!(
        given.0.contains("2001-09-09 01:46:40") && given.1.contains("2001-09-09"),
        "{given:?}"
    );
    assert_eq!(usual.2, given.2, "what is in an image keeps its time");
    let mut command = sandbox.ironkit(BUILD);
    let finished = run(command.env("SOURCE_DATE_EPOCH", "yesterday"));
    assert_eq!(finished.code, Some(1), "{finished}");
}
