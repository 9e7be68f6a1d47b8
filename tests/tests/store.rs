//! The content store as other tools see it, and what `ironkit cache` does to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ironkit_tests::layout::{FILE, Layout, entry, tar};
use ironkit_tests::{Sandbox, judge, run, succeed};
use serde_json::Value;

/// The example, whose components are in the store.
const EXAMPLE: &str = "examples/minimal.yml";

/// The names, platforms, sizes and digests of `ironkit cache ls`.
fn listed(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let text = succeed(&mut sandbox.ironkit(["cache", "ls"]));
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.last()?.to_owned()))
    };
    text.lines().skip(1).filter_map(row).collect()
}

/// The full name of a component of the example.
fn component(sandbox: &Sandbox, name: &str) -> String {
    let folder = format!("components/{name}");
    let tag = succeed(&mut sandbox.ironkit(["pkg", "show-tag", "--canonical", &folder]));
    tag.trim().to_owned()
}

/// Blobs and derived data.
fn counts(sandbox: &Sandbox) -> (usize, usize) {
    let count = |folder: &str| {
        let folder = sandbox.cache().join(folder);
        fs::read_dir(folder).map_or(0, |entries| entries.count())
    };
    let derived = ["files", "layers", "pieces"].map(|kind| count(&format!("derived/{kind}")));
    (count("blobs/sha256"), derived.iter().sum())
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn skopeo_reads_and_copies_an_image() {
    let Some(skopeo) = judge("skopeo") else { return };
    let sandbox = Sandbox::with_components();
    sandbox.stock(EXAMPLE);
    let name = component(&sandbox, "nginx");
    let source = format!("oci:{}:{name}", sandbox.cache().display());
    let seen = parse(&succeed(sandbox.command(&skopeo).args(["inspect", &source])));
    assert_eq!(
        (seen["Os"].as_str(), seen["Architecture"].as_str()),
        (Some("linux"), Some("amd64"))
    );
    let config = parse(&succeed(
        sandbox.command(&skopeo).args(["inspect", "--config", &source]),
    ));
    let command = &config["config"]["Entrypoint"];
    assert_eq!(
        command,
        &serde_json::json!(["/usr/sbin/nginx", "-g", "daemon off;"])
    );
    let label = parse(
        config["config"]["Labels"]["org.mobyproject.config"]
            .as_str()
            .unwrap_or_default(),
    );
    assert_eq!(label["readonly"], true, "{label}");
    // A copy verifies every digest and size.
    let copy = format!("oci:{}:copy", sandbox.path("copy").display());
    succeed(
        sandbox
            .command(&skopeo)
            .args(["copy", "--all", "--quiet", &source, &copy]),
    );
}

#[test]
fn umoci_unpacks_the_files_that_are_in_the_initrd() {
    let Some(umoci) = judge("umoci") else { return };
    let sandbox = Sandbox::with_components();
    sandbox.stock(EXAMPLE);
    // umoci keeps to tags as the specification has them, without slashes: give it a layout with a short one.
    let Some(skopeo) = judge("skopeo") else { return };
    let source = format!(
        "oci:{}:{}",
        sandbox.cache().display(),
        component(&sandbox, "nginx")
    );
    let copy = format!("oci:{}:nginx", sandbox.path("layout").display());
    succeed(sandbox.command(skopeo).args(["copy", "--quiet", &source, &copy]));
    let image = format!("{}:nginx", sandbox.path("layout").display());
    succeed(
        sandbox
            .command(umoci)
            .args(["unpack", "--rootless", "--image", &image, "bundle"]),
    );

    succeed(&mut sandbox.ironkit(["build", EXAMPLE]));
    let ours = sandbox.path("ours");
    fs::create_dir(&ours).unwrap();
    ironkit_tests::initrd::unpack(&sandbox.path("minimal-initrd.img"), &ours);
    let ours = files(&ours.join("containers/services/nginx/rootfs"));
    let theirs = files(&sandbox.path("bundle/rootfs"));
    assert!(theirs.len() > 20, "{theirs:?}");
    // A container's root has more: the mount points and files that every container gets.
    for (path, expected) in &theirs {
        assert_eq!(ours.get(path), Some(expected), "{path}");
    }
    let added: Vec<_> = ours.keys().filter(|path| !theirs.contains_key(*path)).collect();
    let known = [
        "etc",
        "dev/",
        "etc/hosts",
        "etc/hostname",
        "etc/resolv.conf",
        "etc/mtab",
    ];
    assert!(
        added
            .iter()
            .all(|path| known.iter().any(|name| path.starts_with(name))),
        "{added:?}"
    );
}

/// Mode and content of everything below a folder.
fn files(root: &Path) -> BTreeMap<String, String> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let data = fs::symlink_metadata(&path).unwrap();
            let content = if data.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if data.is_dir() {
                folders.push(path.clone());
                format!("{:o} directory", data.permissions().mode())
            } else {
                let content = fs::read(&path).unwrap();
                format!(
                    "{:o} {}",
                    data.permissions().mode(),
                    ironkit_tests::layout::digest(&content)
                )
            };
            let name = path.strip_prefix(root).unwrap().display().to_string();
            found.insert(name, content);
        }
    }
    found
}

#[test]
fn archives_carry_an_image_to_another_store() {
    let sandbox = Sandbox::with_components();
    sandbox.stock(EXAMPLE);
    let name = component(&sandbox, "dhcpcd");
    for format in ["oci", "docker"] {
        let file = format!("{format}.tar");
        succeed(&mut sandbox.ironkit(["cache", "export", &name, "--format", format, "--outfile", &file]));
        // Other tools read it, and there is the same in it every time.
        if let Some(skopeo) = judge("skopeo") {
            let source = format!("{format}-archive:{file}");
            let seen = parse(&succeed(sandbox.command(skopeo).args(["inspect", &source])));
            assert_eq!(seen["Architecture"], "amd64");
        }
        let again = succeed(&mut sandbox.ironkit([
            "cache",
            "export",
            &name,
            "--format",
            format,
            "--outfile",
            "again.tar",
        ]));
        assert_eq!(again, "");
        assert_eq!(
            fs::read(sandbox.path(&file)).unwrap(),
            fs::read(sandbox.path("again.tar")).unwrap()
        );

        let fresh = sandbox.path(&format!("fresh-{format}"));
        let cache = fresh.to_str().unwrap();
        let imported = succeed(&mut sandbox.ironkit(["--cache", cache, "cache", "import", &file]));
        assert_eq!(imported.trim(), name);
        let text = succeed(&mut sandbox.ironkit(["--cache", cache, "cache", "ls"]));
        assert!(text.contains("linux/amd64"), "{text}");
        let config = |cache: &str| {
            let skopeo = judge("skopeo")?;
            let mut command = sandbox.command(skopeo);
            let config = succeed(command.args(["inspect", "--config", &format!("oci:{cache}:{name}")]));
            Some(parse(&config)["rootfs"]["diff_ids"].clone())
        };
        assert_eq!(config(cache), config(sandbox.cache().to_str().unwrap()));
    }
    // The OCI archive carries the manifest as it is; docker's own format has none.
    let manifest = |cache: &Path| {
        let skopeo = judge("skopeo")?;
        let mut command = sandbox.command(skopeo);
        let source = format!("oci:{}:{name}", cache.display());
        Some(parse(&succeed(command.args(["inspect", &source])))["Layers"].clone())
    };
    assert_eq!(manifest(&sandbox.path("fresh-oci")), manifest(&sandbox.cache()));

    // An image that came in an archive is one that a manifest can name.
    sandbox.write("named.yml", format!("init:\n  - {name}\n"));
    succeed(&mut sandbox.ironkit(["--cache", "fresh-oci", "build", "named.yml"]));
    assert!(sandbox.path("named-initrd.img").exists());
}

#[test]
fn archives_go_through_pipes() {
    let sandbox = Sandbox::with_components();
    sandbox.stock(EXAMPLE);
    let name = component(&sandbox, "init");
    let script = r#""$0" cache export "$1" --outfile - | "$0" --cache other cache import --name kept:1 -"#;
    let mut command = sandbox.command("sh");
    let imported = succeed(
        command
            .args(["-c", script])
            .arg(ironkit_tests::ironkit())
            .arg(&name),
    );
    assert_eq!(imported, "docker.io/library/kept:1\n");
}

#[test]
fn removing_an_image_keeps_what_another_one_needs() {
    let sandbox = Sandbox::new();
    let mut layout = Layout::new(&sandbox.path("layout"));
    let shared = tar(&[entry(FILE, "shared", "in both\n")]);
    let own = |text: &str| tar(&[entry(FILE, "own", text)]);
    layout.name(
        layout.image("amd64", &[shared.clone(), own("a")]),
        "docker.io/tests/a:1",
    );
    layout.name(layout.image("amd64", &[shared, own("b")]), "docker.io/tests/b:1");
    sandbox.write("both.tar", layout.archive());
    succeed(&mut sandbox.ironkit(["cache", "import", "both.tar"]));
    assert_eq!(listed(&sandbox).len(), 2);
    // Two manifests, two configurations, two layers of their own and one of both.
    assert_eq!(counts(&sandbox).0, 7);
    sandbox.write("m.yml", "init: [\"tests/b:1\"]\n");
    succeed(&mut sandbox.ironkit(["build", "m.yml"]));
    let before = fs::read(sandbox.path("m-initrd.img")).unwrap();

    let removed = run(&mut sandbox.ironkit(["cache", "rm", "tests/a:1"]));
    assert_eq!(removed.code, Some(0), "{removed}");
    assert!(removed.stderr.contains("removed 1 image, 3 blobs"), "{removed}");
    assert_eq!(
        listed(&sandbox).keys().collect::<Vec<_>>(),
        ["docker.io/tests/b:1"]
    );
    assert_eq!(counts(&sandbox).0, 4);
    fs::remove_dir_all(sandbox.cache().join("derived")).unwrap();
    succeed(&mut sandbox.ironkit(["build", "m.yml"]));
    assert_eq!(fs::read(sandbox.path("m-initrd.img")).unwrap(), before);

    let unknown = run(&mut sandbox.ironkit(["cache", "rm", "tests/a:1"]));
    assert_eq!(unknown.code, Some(1), "{unknown}");
    assert!(
        unknown.stderr.contains("docker.io/tests/a:1 was not found"),
        "{unknown}"
    );

    // What can be made again goes first, then everything.
    succeed(&mut sandbox.ironkit(["cache", "clean", "--unneeded"]));
    assert_eq!(counts(&sandbox), (4, 0));
    succeed(&mut sandbox.ironkit(["build", "m.yml"]));
    succeed(&mut sandbox.ironkit(["cache", "clean"]));
    assert_eq!(counts(&sandbox), (0, 0));
    assert_eq!(listed(&sandbox), BTreeMap::new());
    let lost = run(&mut sandbox.ironkit(["--mirror", "http://127.0.0.1:9", "build", "m.yml"]));
    assert_ne!(lost.code, Some(0), "{lost}");
}

#[test]
fn a_folder_that_is_no_store_is_left_alone() {
    let sandbox = Sandbox::new();
    for (name, content) in [
        ("other/oci-layout", r#"{"imageLayoutVersion":"9.0.0"}"#),
        ("broken/index.json", "{"),
    ] {
        let file = sandbox.write(name, content);
        let folder = file.parent().unwrap().to_str().unwrap();
        if name.starts_with("broken") {
            sandbox.write("broken/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
        }
        let refused = run(&mut sandbox.ironkit(["--cache", folder, "cache", "ls"]));
        assert_eq!(refused.code, Some(2), "{refused}");
        assert!(refused.stderr.contains(folder), "{refused}");
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
    }
}
