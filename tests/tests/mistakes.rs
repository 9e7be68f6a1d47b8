//! What a person gets who made a mistake: its place, what is wrong with it, advice, and an exit code. Never an output.

use std::fs;

use ironkit_tests::layout::{DIRECTORY, Entry, FILE, HARD_LINK, Layout, SYMLINK, entry, tar};
use ironkit_tests::{Finished, Sandbox, initrd, run, succeed};

/// A sandbox whose store has the images `tests/a:1`, with one file in a folder.
fn with_image() -> Sandbox {
    let sandbox = Sandbox::new();
    add_image(
        &sandbox,
        "a",
        &[
            entry(DIRECTORY, "folder/", ""),
            entry(FILE, "folder/file", "text\n"),
        ],
    );
    sandbox
}

/// Adds `docker.io/tests/NAME:1` with one layer to the store.
fn add_image(sandbox: &Sandbox, name: &str, entries: &[Entry]) {
    let mut layout = Layout::new(&sandbox.path(&format!("layout-{name}")));
    layout.name(
        layout.image("amd64", &[tar(entries)]),
        &format!("docker.io/tests/{name}:1"),
    );
    sandbox.write("image.tar", layout.archive());
    succeed(&mut sandbox.ironkit(["cache", "import", "image.tar"]));
}

/// Builds `text` into an empty folder, for this machine. A registry is not asked: there is a mirror that nobody listens at.
fn build(sandbox: &Sandbox, text: &str) -> Finished {
    sandbox.write("m.yml", text);
    let _ = fs::remove_dir_all(sandbox.path("out"));
    fs::create_dir(sandbox.path("out")).unwrap();
    run(&mut sandbox.ironkit([
        "--mirror",
        "http://127.0.0.1:9",
        "build",
        "--arch",
        "amd64",
        "--dir",
        "out",
        "m.yml",
    ]))
}

#[track_caller]
fn check(finished: &Finished, code: i32, expected: &[&str]) {
    assert_eq!(finished.code, Some(code), "{finished}");
    for text in expected {
        assert!(finished.stderr.contains(text), "{text:?} is missing: {finished}");
    }
    assert_eq!(finished.stdout, "", "{finished}");
}

#[track_caller]
fn check_no_output(sandbox: &Sandbox, finished: &Finished) {
    let files: Vec<_> = fs::read_dir(sandbox.path("out")).unwrap().flatten().collect();
    assert!(files.is_empty(), "{files:?} was written: {finished}");
}

#[test]
fn manifests() {
    let sandbox = with_image();
    // What is written; where it is, and what is said about it. Nothing was said without a place.
    let cases: &[(&str, &[&str])] = &[
        (
            "kernel:\n  imgae: a\n",
            &[
                "m.yml:2:3",
                "unknown key `imgae`",
                "^^^^^",
                "did you mean `image`?",
            ],
        ),
        ("init: 3\n", &["m.yml:1:7", "`init` must be a list", "hint: "]),
        (
            "init:\n\t- x\n",
            &["m.yml:2:2", "invalid YAML", "replace the tab"],
        ),
        ("", &["m.yml:1:1", "empty", "`{}`"]),
        (
            "init: []\ninit: []\n",
            &["m.yml:2:1", "given twice", "first given"],
        ),
        (
            "init: [\"Tests/a:1\"]\n",
            &["m.yml:1:8", "not an image reference", "write `tests/a:1`"],
        ),
        (
            "services:\n  - {name: s, image: tests/a:1}\n  - {name: s, image: tests/a:1}\n",
            &["m.yml:3:12", "declared twice", "first declared"],
        ),
        (
            "services:\n  - {name: .., image: tests/a:1}\n",
            &["m.yml:2:12", "cannot be a name"],
        ),
        (
            "services: [{name: s, image: tests/a:1, capabilities: [CAP_SYS_ADMN]}]\n",
            &[
                "m.yml:1:55",
                "unknown capability",
                "did you mean `CAP_SYS_ADMIN`?",
            ],
        ),
        (
            "services: [{name: s, image: tests/a:1, binds: [x]}]\n",
            &["m.yml:1:48", "is not a bind", "hint: "],
        ),
        (
            "services: [{name: s, image: tests/a:1, binds: [\"w:/w\"]}]\n",
            &["m.yml:1:48", "there is no volume `w`", "hint: "],
        ),
        (
            "services: [{name: s, image: tests/a:1, command: [/folder/file], readonly: perhaps}]\n",
            &["m.yml:1:75", "`readonly` must be"],
        ),
        (
            "onboot: [{name: s, image: tests/a:1, runtime: {onFailure: explode}}]\n",
            &["m.yml:1:59", "cannot be `explode`", "`poweroff`"],
        ),
        (
            "kernel: {image: tests/a:1}\n",
            &["m.yml:1:17", "did not find `kernel`", "it has `folder`"],
        ),
        (
            "files: [{path: x, source: none}]\n",
            &["m.yml:1:27", "cannot read", "No such file"],
        ),
        (
            "files: [{path: ../x, contents: a}]\n",
            &["m.yml:1:16", "cannot be placed"],
        ),
        (
            "files: [{path: x, contents: a, mode: \"0999\"}]\n",
            &["m.yml:1:38", "not a mode", "octal"],
        ),
        (
            "files: [{path: x, contents: a, directory: true}]\n",
            &["m.yml:1:", "exclude each other"],
        ),
        (
            "init: [\"@pkg:none\"]\n",
            &["m.yml:1:8", "cannot resolve `@pkg:none`", "none/build.yml"],
        ),
    ];
    for (text, expected) in cases {
        let finished = build(&sandbox, text);
        check(&finished, 1, &[&["error: "], *expected].concat());
        check_no_output(&sandbox, &finished);
    }
}

#[test]
fn all_mistakes_at_once() {
    let sandbox = with_image();
    let finished = build(
        &sandbox,
        "kernle: {}\ninit: 3\nfiles: [{path: x, contents: a, mod: \"0600\"}]\n",
    );
    check(&finished, 1, &["m.yml:1:1", "m.yml:2:7", "m.yml:3:32"]);
    // A mistake in a file that is merged is told by that file's name.
    sandbox.write("good.yml", "init: [\"tests/a:1\"]\n");
    sandbox.write("bad.yml", "services: {}\n");
    let finished = run(&mut sandbox.ironkit(["build", "good.yml", "bad.yml"]));
    check(&finished, 1, &["bad.yml:1:11"]);
    let mut command = sandbox.ironkit(["build", "-"]);
    command.stdin(fs::File::open(sandbox.path("bad.yml")).unwrap());
    check(&run(&mut command), 1, &["<stdin>:1:11"]);
}

#[test]
fn arguments() {
    let sandbox = with_image();
    sandbox.write("m.yml", "init: [\"tests/a:1\"]\n");
    // Arguments; exit code; what is said. Everything that can be wrong before work starts is the person's mistake.
    let cases: &[(&str, &[&str])] = &[
        ("build", &["<MANIFEST>", "Usage: ironkit build"]),
        ("build none.yml", &["cannot read none.yml", "No such file"]),
        (
            "build --arch amd64 --format rpi3 m.yml",
            &[
                "`rpi3`: a Raspberry Pi 3 is an arm64 machine",
                "hint: build it with --arch arm64",
            ],
        ),
        (
            "build --format tarball m.yml",
            &["`tarball` is not an output format", "hint: "],
        ),
        (
            "build --arch pdp11 m.yml",
            &["`pdp11` is not an architecture", "amd64"],
        ),
        ("build --nonsense m.yml", &["--nonsense"]),
        ("run qemu", &["<NAME>"]),
        ("run qemu none", &["none-kernel", "ironkit build none.yml"]),
        ("run qemu m.yml", &["takes the name of a built image"]),
        ("run qemu --publish x none", &["expected two ports"]),
        ("run qemu --accel warp none", &["warp"]),
        ("run qemu --networking bridge none", &["a name is missing"]),
        (
            "cache export tests/a:1 --outfile x --format zip",
            &["not an archive format", "oci, docker and filesystem"],
        ),
        ("cache import none.tar", &["cannot read none.tar"]),
        ("cache pull", &["<REFERENCE>"]),
        ("--mirror localhost build m.yml", &["has no scheme", "hint: "]),
        ("frobnicate", &["unrecognized subcommand", "Usage: "]),
    ];
    for (line, expected) in cases {
        let finished = run(&mut sandbox.ironkit(line.split(' ')));
        check(&finished, 1, expected);
    }
    assert!(!sandbox.path("m-initrd.img").exists() && !sandbox.path("x").exists());
    // Help is no mistake.
    for line in [
        "--help",
        "build --help",
        "run qemu --help",
        "cache export --help",
        "--version",
        "version",
    ] {
        assert_ne!(succeed(&mut sandbox.ironkit(line.split(' '))), "", "{line}");
    }
}

#[test]
fn recipes() {
    let sandbox = Sandbox::with_components();
    // Its packages and their index are then at hand.
    sandbox.stock("examples/minimal.yml");
    sandbox.stock_packages();
    let cases: &[(&str, &[&str])] = &[
        (
            "image: c\n",
            &["c/build.yml:1:1", "there is no `Dockerfile`", "`contents`"],
        ),
        (
            "imaeg: c\ncontents: []\n",
            &["c/build.yml:1:1", "unknown key `imaeg`", "did you mean `image`?"],
        ),
        (
            "image: c\ncontents:\n  - {directory: /x, mode: 0755}\n",
            &["c/build.yml:3:27", "must be a string", "\"0755\""],
        ),
        (
            "image: c\ncontents:\n  - binary: nothing\n    path: /x\n",
            &["c/build.yml:3:5", "no static binary `nothing`", "`tools`"],
        ),
        (
            "image: c\ncontents:\n  - file: nothing\n    path: /x\n",
            &["c/build.yml:3:5", "file `nothing` is not in"],
        ),
        (
            "image: c\ncontents:\n  - file: ../examples/minimal.yml\n    path: /x\n",
            &["c/build.yml:3:5", "outside of the recipe's folder"],
        ),
        (
            "image: c\ncontents:\n  - directory: /x\n  - {symlink: /x, target: y}\n",
            &["c/build.yml:4:5", "already there"],
        ),
        (
            "image: c\ncontents:\n  - {package: nginx, paths: [/usr/sbin/nginx]}\n",
            &["c/build.yml:3:5", "release", "`debian: {suite: trixie}`"],
        ),
        (
            "image: c\ndebian: {suite: trixie}\ncontents:\n  - package: no-such-package\n    paths: [/x]\n",
            &[
                "c/build.yml:4:5",
                "no package `no-such-package` for amd64 in trixie",
                "hint: ",
            ],
        ),
        (
            "image: c\ndebian: {suite: trixie}\ncontents:\n  - package: nginx\n    paths: [/usr/sbin/ngnix]\n",
            &[
                "c/build.yml:5:13",
                "package `nginx`",
                "no path matches `/usr/sbin/ngnix`",
                "hint: ",
            ],
        ),
        (
            "image: c\ndebian: {suite: trixie}\ncontents:\n  - kernel: linux-image-cloud-amd64\n    modules: [overlay, ovrelay]\n",
            &["c/build.yml:5:24", "no kernel module `ovrelay`", "linux-image-"],
        ),
    ];
    for (text, expected) in cases {
        sandbox.write("c/build.yml", text);
        let mut command = sandbox.ironkit(["pkg", "build", "--arch", "amd64", "c"]);
        let finished = run(Sandbox::with_network(&mut command));
        assert!(matches!(finished.code, Some(1 | 2)), "{finished}");
        check(&finished, finished.code.unwrap(), expected);
        assert!(!sandbox.path("c/build.lock").exists(), "{finished}");
    }
}

#[test]
fn hostile_layers() {
    let sandbox = with_image();
    let cases: &[(&[Entry], &str)] = &[
        (&[entry(FILE, "../../etc/evil", "x")], "../../etc/evil"),
        (
            &[entry(DIRECTORY, "a/", ""), entry(FILE, "a/../../evil", "x")],
            "a/../../evil",
        ),
        (&[entry(HARD_LINK, "link", "../../../etc/passwd")], "link"),
        (&[entry(HARD_LINK, "link", "not/there")], "link"),
        (&[entry(b'Z', "odd", "x")], "odd"),
    ];
    for (index, (entries, name)) in cases.iter().enumerate() {
        let image = format!("bad{index}");
        add_image(&sandbox, &image, entries);
        let finished = build(
            &sandbox,
            &format!("services: [{{name: s, image: \"tests/{image}:1\"}}]\n"),
        );
        assert_eq!(finished.code, Some(1), "{name}: {finished}");
        let quoted = format!("`{name}`");
        for text in [&format!("tests/{image}:1"), "sha256:", quoted.as_str()] {
            assert!(finished.stderr.contains(text), "{text:?} is missing: {finished}");
        }
        check_no_output(&sandbox, &finished);
    }
    assert!(!sandbox.path("evil").exists() && !sandbox.path("etc").exists());
}

#[test]
fn a_link_in_a_layer_leads_nowhere_outside() {
    let sandbox = with_image();
    let entries = [
        entry(SYMLINK, "folder", "/etc"),
        entry(FILE, "folder/evil", "x"),
        entry(FILE, "/top", "y"),
    ];
    add_image(&sandbox, "links", &entries);
    let finished = build(&sandbox, "services: [{name: s, image: \"tests/links:1\"}]\n");
    if finished.code != Some(0) {
        // To refuse such a layer is as good.
        assert!(finished.stderr.contains("folder/evil"), "{finished}");
        return;
    }
    for member in initrd::members(&sandbox.path("out/m-initrd.img")) {
        for entry in initrd::entries(&member) {
            let inside = [
                "containers",
                "containers/services",
                "containers/services/s",
                "sbom.spdx.json",
            ]
            .contains(&entry.name.as_str());
            assert!(
                inside || entry.name.starts_with("containers/services/s/"),
                "{}",
                entry.name
            );
        }
    }
}

#[test]
fn a_layer_that_is_no_archive() {
    let sandbox = Sandbox::new();
    let mut good = tar(&[entry(FILE, "file", "text\n")]);
    good.truncate(514);
    for (name, layer) in [
        ("cut", good),
        ("text", b"this is no tar archive, but a text\n".repeat(40)),
    ] {
        let mut layout = Layout::new(&sandbox.path(name));
        layout.name(
            layout.image("amd64", &[layer]),
            &format!("docker.io/tests/{name}:1"),
        );
        sandbox.write("image.tar", layout.archive());
        succeed(&mut sandbox.ironkit(["cache", "import", "image.tar"]));
        let finished = build(&sandbox, &format!("init: [\"tests/{name}:1\"]\n"));
        assert_eq!(finished.code, Some(1), "{finished}");
        assert!(finished.stderr.contains(&format!("tests/{name}:1")), "{finished}");
        assert!(finished.stderr.contains("sha256:"), "{finished}");
        check_no_output(&sandbox, &finished);
    }
}

#[test]
fn a_kernels_tar_that_is_none() {
    let sandbox = with_image();
    let text = "no archive\n".repeat(60);
    let files = [entry(FILE, "kernel", "k"), entry(FILE, "text", &text)];
    add_image(&sandbox, "kernel", &files);
    let finished = build(&sandbox, "kernel: {image: \"tests/kernel:1\", tar: text}\n");
    check(
        &finished,
        1,
        &["cannot unpack `text` of docker.io/tests/kernel:1", "offset 0"],
    );
}

/// Files that a later part replaces are named, but not the packages' database, which is joined.
#[test]
fn files_that_are_replaced() {
    let sandbox = with_image();
    for name in ["one", "two"] {
        let files = [
            entry(FILE, "etc/same", name),
            entry(FILE, "lib/apk/db/installed", name),
        ];
        add_image(&sandbox, name, &files);
    }
    let finished = build(&sandbox, "init: [\"tests/one:1\", \"tests/two:1\"]\n");
    assert_eq!(finished.code, Some(0), "{finished}");
    assert!(
        finished.stderr.contains("note: etc/same: from init[1]"),
        "{finished}"
    );
    assert!(!finished.stderr.contains("lib/apk"), "{finished}");
}

/// `validate` needs no image, says everything at once, and can be read by programs.
#[test]
fn validate() {
    let sandbox = Sandbox::new();
    let good = "services: [{name: s, image: nobody/has:this, binds: [\"v:/v\"]}]\nvolumes: [{name: v}]\n";
    sandbox.write("good.yml", good);
    let finished = run(&mut sandbox.ironkit(["validate", "good.yml"]));
    check(&finished, 0, &["good.yml: no mistakes"]);
    sandbox.write("bad.yml", "servces: []\nvolumes: [{name: v}, {name: V}]\nfiles:\n  - {path: var/é, contents: \"ä\", mode: 0644}\n");
    let finished = run(&mut sandbox.ironkit(["validate", "good.yml", "bad.yml"]));
    check(
        &finished,
        1,
        &[
            "bad.yml:1:1",
            "bad.yml:2:29",
            "bad.yml:4:40",
            "warning",
            "will be hidden",
            "write `v`",
        ],
    );
    let finished = run(&mut sandbox.ironkit(["validate", "--json", "bad.yml"]));
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(1), ""),
        "{finished}"
    );
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{finished}");
    assert!(
        lines[0].starts_with(
            r#"{"file":"bad.yml","line":1,"column":1,"endLine":1,"endColumn":8,"severity":"error","message":"unknown key `servces` in the manifest""#
        ),
        "{finished}"
    );
    assert!(
        lines[3].contains(r#""line":4,"column":40,"endLine":4,"endColumn":44"#),
        "{finished}"
    );

    sandbox.write("c/build.yml", "image: c\ncontens: []\n");
    let finished = run(&mut sandbox.ironkit(["validate", "good.yml", "c/build.yml"]));
    check(&finished, 1, &["c/build.yml:2:1", "did you mean `contents`?"]);
    let finished = run(sandbox
        .ironkit(["validate", "-"])
        .stdin(std::process::Stdio::null()));
    check(&finished, 1, &["<stdin>:1:1", "the text is empty"]);
    let finished = run(&mut sandbox.ironkit(["validate", "nosuch.yml"]));
    check(&finished, 1, &["cannot read nosuch.yml"]);
}
