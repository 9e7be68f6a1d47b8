//! What a person can find out about an image: lock files, differences, where a file is from.

use std::fs;
use std::path::Path;

use ironkit_tests::layout::{DIRECTORY, FILE, HARD_LINK, Layout, SYMLINK, entry, tar};
use ironkit_tests::{DockerRegistry, Finished, RegistryOptions, Sandbox, judge, run, shared, succeed};
use serde_json::Value;

/// An image whose one layer has a file with that text, and some links.
fn layout(sandbox: &Sandbox, text: &str) -> Layout {
    let layer = tar(&[
        entry(DIRECTORY, "etc/", ""),
        entry(FILE, "etc/motd", text),
        entry(HARD_LINK, "etc/issue", "etc/motd"),
        entry(SYMLINK, "conf", "etc"),
        entry(SYMLINK, "lost", "../run/lost"),
    ]);
    let mut layout = Layout::new(&sandbox.path("layout"));
    let image = layout.image("amd64", &[layer]);
    layout.name(layout.index(&[image]), "docker.io/tests/a:1");
    layout
}

/// Puts such an image into the store, as `docker.io/tests/a:1`.
fn import(sandbox: &Sandbox, text: &str) {
    sandbox.write("image.tar", layout(sandbox, text).archive());
    succeed(&mut sandbox.ironkit(["cache", "import", "image.tar"]));
}

/// Pushes it to a registry as `org/a:1`; `None` where there is no skopeo.
fn push(sandbox: &Sandbox, registry: &DockerRegistry, text: &str) -> Option<()> {
    let skopeo = judge("skopeo")?;
    layout(sandbox, text);
    let from = format!("oci:{}:docker.io/tests/a:1", sandbox.path("layout").display());
    let to = format!("docker://{}/org/a:1", registry.address());
    let mut command = sandbox.command(skopeo);
    command.args([
        "copy",
        "--all",
        "--quiet",
        "--preserve-digests",
        "--dest-tls-verify=false",
    ]);
    succeed(command.args([from, to]));
    Some(())
}

/// `ironkit` without a registry to ask: there is a mirror that nobody listens at.
fn offline(sandbox: &Sandbox, arguments: &[&str]) -> Finished {
    let mirror = ["--mirror", "http://127.0.0.1:9"];
    run(&mut sandbox.ironkit(mirror.into_iter().chain(arguments.iter().copied())))
}

#[track_caller]
fn check(finished: &Finished, code: i32, expected: &[&str]) {
    assert_eq!(finished.code, Some(code), "{finished}");
    for text in expected {
        let found = finished.stdout.contains(text) || finished.stderr.contains(text);
        assert!(found, "{text:?} is missing: {finished}");
    }
}

#[test]
fn a_lock_file_pins_what_a_registry_moves() {
    let sandbox = Sandbox::new();
    let Some(registry) = DockerRegistry::start(&sandbox.path("registry"), RegistryOptions::default()) else {
        return;
    };
    let Some(()) = push(&sandbox, &registry, "one") else {
        return;
    };
    let image = format!("{}/org/a:1", registry.address());
    sandbox.write("m.yml", format!("init: [\"{image}\"]\n"));
    let lock = || fs::read_to_string(sandbox.path("m.lock")).unwrap();
    let initrd = || fs::read(sandbox.path("m-initrd.img")).unwrap();
    let ironkit = |arguments: &[&str]| run(&mut sandbox.ironkit(arguments.iter().copied()));
    let arch = ["--arch", "amd64"];

    check(
        &offline(&sandbox, &["build", "--locked", "m.yml"]),
        1,
        &["there is no lock file m.lock", "ironkit lock m.yml"],
    );
    // Only documents are fetched to learn the digest.
    check(
        &ironkit(&["lock", "m.yml"]),
        0,
        &["+ ", &image, "m.lock: 1 image pinned"],
    );
    let log = registry.log();
    assert!(!log.contains("GET /v2/org/a/blobs/"), "{log}");
    let first = lock();
    assert!(first.contains(&format!("{image} sha256:")), "{first}");
    check(&offline(&sandbox, &["lock", "--check", "m.yml"]), 0, &[]);

    // The store has nothing yet, and nobody is asked.
    let requests = registry.log().len();
    let locked = ["build", arch[0], arch[1], "--locked", "m.yml"];
    check(
        &ironkit(&locked),
        1,
        &["m.yml:1:8", "is not in", "ironkit lock --fetch"],
    );
    assert_eq!(registry.log().len(), requests);
    check(&ironkit(&["lock", arch[0], arch[1], "--fetch", "m.yml"]), 0, &[]);
    check(&offline(&sandbox, &locked), 0, &[]);
    let one = initrd();

    // The name moves on: the pin does not, until it is asked to.
    push(&sandbox, &registry, "two").unwrap();
    succeed(&mut sandbox.ironkit(["cache", "pull", "--platform", "linux/amd64", &image]));
    check(&offline(&sandbox, &locked), 0, &[]);
    assert_eq!(initrd(), one);
    check(&ironkit(&["lock", "m.yml"]), 0, &[]);
    assert_eq!(lock(), first);
    check(
        &ironkit(&["lock", "--check", "--update", "m.yml"]),
        1,
        &["m.lock is out of date", "~ "],
    );
    assert_eq!(lock(), first);
    check(&ironkit(&["lock", "--update", "m.yml"]), 0, &["~ "]);
    assert_ne!(lock(), first);
    check(&offline(&sandbox, &locked), 0, &[]);
    assert_ne!(initrd(), one);
    // A build without --locked does not look at the lock file, and has what the name is now.
    let now = initrd();
    sandbox.write("m.lock", first);
    check(&offline(&sandbox, &["build", arch[0], arch[1], "m.yml"]), 0, &[]);
    assert_eq!(initrd(), now);
}

#[test]
fn a_lock_file_follows_its_manifest() {
    let sandbox = Sandbox::new();
    import(&sandbox, "one");
    sandbox.write("m.yml", "init: [tests/a:1]\n");
    sandbox.write(
        "n.yml",
        "init: [tests/a:1]\nservices: [{name: s, image: \"tests/b:1\"}]\n",
    );
    check(
        &offline(&sandbox, &["lock", "m.yml"]),
        0,
        &["m.lock: 1 image pinned"],
    );
    let text = fs::read_to_string(sandbox.path("m.lock")).unwrap();
    // An image that nobody pinned, and one that nobody uses.
    let on_n = ["lock", "--check", "--lock-file", "m.lock", "n.yml"];
    check(
        &offline(&sandbox, &on_n),
        1,
        &["out of date", "+ docker.io/tests/b:1"],
    );
    let locked = [
        "build",
        "--arch",
        "amd64",
        "--locked",
        "--lock-file",
        "m.lock",
        "n.yml",
    ];
    check(
        &offline(&sandbox, &locked),
        1,
        &["n.yml:2:29", "the lock file does not have it"],
    );
    sandbox.write(
        "m.lock",
        format!(
            "{text}docker.io/tests/z:1 {}\n",
            ironkit_tests::layout::digest(b"")
        ),
    );
    check(
        &offline(&sandbox, &["lock", "--check", "m.yml"]),
        1,
        &["- docker.io/tests/z:1"],
    );
    check(
        &offline(&sandbox, &["lock", "m.yml"]),
        0,
        &["- docker.io/tests/z:1"],
    );
    assert_eq!(fs::read_to_string(sandbox.path("m.lock")).unwrap(), text);
    // Malformed, it is shown where.
    sandbox.write("m.lock", text.replace("sha256:", "sha256:x"));
    check(
        &offline(&sandbox, &["build", "--locked", "m.yml"]),
        1,
        &["m.lock:4:21", "^^^"],
    );
    check(&offline(&sandbox, &["lock", "-"]), 1, &["--lock-file"]);
    check(
        &offline(&sandbox, &["build", "--locked", "http://localhost/m.yml"]),
        1,
        &["--locked uses no network"],
    );
}

#[test]
fn differences_are_told_by_component() {
    let sandbox = Sandbox::new();
    import(&sandbox, "one");
    let manifest = |text: &str, command: &str| {
        format!(
            "init: [tests/a:1]\nservices: [{{name: web, image: \"tests/a:1\", command: [{command}]}}]\n\
             files: [{{path: etc/x, contents: {text}}}]\n"
        )
    };
    sandbox.write("a.yml", manifest("one", "/a"));
    sandbox.write("b.yml", manifest("two", "/b, -v"));
    let diff = |arguments: &[&str]| {
        let arguments = ["diff", "--arch", "amd64"].iter().chain(arguments);
        offline(&sandbox, &arguments.copied().collect::<Vec<_>>())
    };
    check(&diff(&["a.yml", "a.yml"]), 0, &[]);
    let found = diff(&["a.yml", "b.yml"]);
    check(
        &found,
        1,
        &[
            "~ etc/x  sha256:",
            "/process/args/0 \"/a\" → \"/b\"",
            "/process/args/1 absent → \"-v\"",
        ],
    );
    let lines: Vec<&str> = found
        .stdout
        .lines()
        .filter(|line| !line.starts_with(' '))
        .collect();
    assert_eq!(lines, ["files", "service web"]);
    check(&diff(&["--quiet", "a.yml", "b.yml"]), 1, &[]);
    let json: Value = serde_json::from_str(&diff(&["--json", "a.yml", "b.yml"]).stdout).unwrap();
    assert_eq!(
        json["components"][1]["entries"][0]["json"][0]["pointer"],
        "/process/args/0"
    );
    assert_eq!(json["equal"], false);

    // What was built from a manifest is like it, and like itself in another compression.
    check(
        &offline(&sandbox, &["build", "--no-sbom", "--arch", "amd64", "a.yml"]),
        0,
        &[],
    );
    check(&diff(&["a-initrd.img", "a.yml"]), 0, &[]);
    check(&diff(&["b.yml", "a-initrd.img"]), 1, &["~ etc/x"]);
    let initrd = fs::read(sandbox.path("a-initrd.img")).unwrap();
    sandbox.write("broken", &initrd[..initrd.len() / 2]);
    check(&diff(&["a.yml", "broken"]), 2, &["broken cannot be read"]);

    // Images of the store, trees in their text form, and nothing.
    let tree = "d 0755 0:0 0 etc\nf 0644 0:0 0 etc/a =one\n";
    sandbox.write("a.tree", tree);
    sandbox.write("b.tree", tree.replace("0644", "0600"));
    check(&diff(&["a.tree", "b.tree"]), 1, &["~ etc/a  0644 0:0 → 0600 0:0"]);
    check(
        &diff(&["tests/a:1", "a.tree"]),
        1,
        &["- etc/motd  file 0755 0:0 3 B"],
    );
    check(&diff(&["tests/a:1", "tests/a:1"]), 0, &[]);
    check(
        &diff(&["a.tree", "tests/none"]),
        2,
        &["no image docker.io/tests/none for linux/amd64", "cache pull"],
    );
    check(
        &diff(&["a.tree", "image.tar"]),
        2,
        &["is an image archive", "cache import"],
    );
    check(&diff(&["a.tree", "."]), 2, &["it is no regular file"]);
}

#[test]
fn every_path_has_a_reason() {
    let sandbox = Sandbox::new();
    import(&sandbox, "one");
    let files = "files: [{path: etc/motd, contents: mine, mode: \"0600\"}]\n";
    sandbox.write("m.yml", format!("init: [tests/a:1]\n{files}"));
    let why = |path: &str| offline(&sandbox, &["build", "--arch", "amd64", "--why", path, "m.yml"]);
    let found = why("/etc/motd");
    let lines = [
        "etc/motd: file, 4 bytes, mode 0600",
        "  from files[0]",
        "  not from init[0] tests/a, docker.io/tests/a:1@sha256:",
    ];
    check(&found, 0, &lines);
    assert!(found.stdout.contains(", layer sha256:"), "{found}");
    check(
        &why("etc/issue"),
        0,
        &["the same file as etc/motd (hard links)", "file, 3 bytes"],
    );
    check(
        &why("conf/motd"),
        0,
        &[
            "conf: symbolic link to etc",
            "leads to etc",
            "etc/motd: file, 4 bytes",
        ],
    );
    check(&why("lost"), 0, &["leads to run/lost"]);
    check(
        &why("etc"),
        0,
        &[
            "etc: directory",
            "at or below it from init[0]",
            "at or below it from files[0]",
        ],
    );
    check(&why("etc/hosts"), 0, &["made by ironkit"]);
    check(
        &why("etc/mott"),
        1,
        &["the image has no `etc/mott`", "did you mean `etc/motd`?"],
    );
    check(&why("motd"), 1, &["did you mean `etc/motd`?"]);
    check(&why("../x"), 1, &["leaves its root"]);
    let written = fs::read_dir(sandbox.path("")).unwrap().flatten();
    let written: Vec<_> = written
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("m-"))
        .collect();
    assert!(written.is_empty(), "{written:?}");
}

#[test]
fn a_package_with_a_dockerfile_is_found_by_linuxkits_tag() {
    let Some(shared) = shared("golden") else {
        return;
    };
    let sandbox = Sandbox::new();
    ironkit_tests::copy(&shared.join("cases/template-pkg"), &sandbox.path("case"));
    fs::remove_file(sandbox.path("case/expected.json")).unwrap();
    let git = "git init -q . && git add . && git -c user.name=T -c user.email=t@t.example commit -qm x";
    let shell = |script: &str| {
        succeed(
            sandbox
                .command("sh")
                .args(["-ec", script])
                .current_dir(sandbox.path("case")),
        )
    };
    shell(git);
    let missing = offline(&sandbox, &["build", "--arch", "amd64", "case/main.yml"]);
    check(
        &missing,
        2,
        &[
            "case/main.yml:3:12",
            "case/pkgs/frompkg: building from a Dockerfile is not supported yet",
            "cache import",
        ],
    );
    let archive = shared.join("images/frompkg.tar");
    succeed(&mut sandbox.ironkit(["cache", "import", path(&archive)]));
    check(
        &offline(&sandbox, &["build", "--arch", "amd64", "case/main.yml"]),
        0,
        &[],
    );
    let image = "docker.io/golden/frompkg:c89d266075103a8804d44f93b1b90d8ff0cacb96";
    check(
        &offline(&sandbox, &["pkg", "show-tag", "--canonical", "case/pkgs/frompkg"]),
        0,
        &[image],
    );
    let why = offline(
        &sandbox,
        &[
            "build",
            "--arch",
            "amd64",
            "--why",
            "containers/onboot/000-p/lower/hello",
            "case/main.yml",
        ],
    );
    check(&why, 0, &["from onboot[0] p, ", image]);
    // Changed, it is another package, which nobody has.
    sandbox.write("case/pkgs/frompkg/hello", "changed");
    check(
        &offline(&sandbox, &["build", "--arch", "amd64", "case/main.yml"]),
        2,
        &["-dirty-"],
    );
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of the repository is text")
}

#[test]
fn help_has_examples() {
    let sandbox = Sandbox::new();
    for command in ["lock", "diff", "build", "pkg"] {
        assert!(
            succeed(&mut sandbox.ironkit([command, "--help"])).contains("Examples:"),
            "{command}"
        );
    }
}
