//! Images from registries: a real one, and one that lies.

mod logins;
mod push;
mod rude;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ironkit_tests::layout::{FILE, Layout, digest, entry, tar};
use ironkit_tests::{
    DockerRegistry, Finished, PASSWORD, RegistryOptions, Sandbox, USER, initrd, judge, run, succeed,
};
use serde_json::json;

/// A layer that says for which architecture it is.
fn layer(architecture: &str) -> Vec<u8> {
    tar(&[entry(FILE, "architecture", architecture)])
}

/// An image for two architectures.
fn layout(sandbox: &Sandbox) -> Layout {
    let mut layout = Layout::new(&sandbox.path("layout"));
    let images = ["amd64", "arm64"].map(|name| layout.image(name, &[layer(name)]));
    layout.name(layout.index(&images), "both");
    layout
}

/// Pushes that image as `name`; `None` where there is no skopeo.
fn push(sandbox: &Sandbox, registry: &DockerRegistry, name: &str) -> Option<()> {
    let skopeo = judge("skopeo")?;
    let mut command = sandbox.command(skopeo);
    command.args(["copy", "--all", "--quiet", "--preserve-digests"]);
    match registry.authority() {
        Some(authority) => command.arg("--dest-cert-dir").arg(authority.parent().unwrap()),
        None => command.arg("--dest-tls-verify=false"),
    };
    command.args(["--dest-creds", &format!("{USER}:{PASSWORD}")]);
    let from = format!("oci:{}:both", sandbox.path("layout").display());
    succeed(command.args([&from, &format!("docker://{}/{name}", registry.address())]));
    Some(())
}

/// The digests in the store. Each is that of its blob, and nothing half-done is left.
fn blobs(sandbox: &Sandbox) -> BTreeSet<String> {
    let names = |folder: &str| {
        let entries = fs::read_dir(sandbox.cache().join(folder));
        entries.map_or(Vec::new(), |entries| entries.flatten().collect())
    };
    assert_eq!(names("tmp").len(), 0, "{:?}", names("tmp"));
    let check = |entry: &fs::DirEntry| {
        let name = format!("sha256:{}", entry.file_name().display());
        assert_eq!(digest(&fs::read(entry.path()).unwrap()), name);
        name
    };
    names("blobs/sha256").iter().map(check).collect()
}

/// What the image's one file says in an initrd.
fn architecture(initrd: &Path) -> String {
    let members = initrd::members(initrd);
    let mut entries = members.iter().flat_map(|member| initrd::entries(member));
    let found = entries.find(|entry| entry.name == "architecture");
    String::from_utf8(found.unwrap().content).unwrap()
}

#[test]
fn only_the_wanted_platform_is_downloaded() {
    let sandbox = Sandbox::new();
    let Some(registry) = DockerRegistry::start(&sandbox.path("registry"), RegistryOptions::default()) else {
        return;
    };
    layout(&sandbox);
    let Some(()) = push(&sandbox, &registry, "org/multi:1") else {
        return;
    };
    sandbox.write(
        "m.yml",
        format!("init: [\"{}/org/multi:1\"]\n", registry.address()),
    );
    succeed(&mut sandbox.ironkit(["build", "--arch", "arm64", "m.yml"]));
    assert_eq!(architecture(&sandbox.path("m-initrd.img")), "arm64");
    // Index, manifest, configuration, layer.
    let stored = blobs(&sandbox);
    assert_eq!(stored.len(), 4, "{stored:?}");
    assert!(stored.contains(&digest(&layer("arm64"))) && !stored.contains(&digest(&layer("amd64"))));
    let log = registry.log();
    let of_amd64 = digest(&layer("amd64"));
    assert!(
        !log.contains(&format!("GET /v2/org/multi/blobs/{of_amd64}")),
        "{log}"
    );

    // The registry is not asked for what is there.
    let requests = registry.log().len();
    succeed(&mut sandbox.ironkit(["build", "--arch", "arm64", "m.yml"]));
    assert_eq!(registry.log().len(), requests);

    // The other platform adds what it needs.
    succeed(&mut sandbox.ironkit(["build", "--arch", "amd64", "m.yml"]));
    assert_eq!(architecture(&sandbox.path("m-initrd.img")), "amd64");
    assert_eq!(blobs(&sandbox).len(), 7);

    // A pull says by digest what it fetched.
    let reference = format!("{}/org/multi:1", registry.address());
    let pulled = succeed(&mut sandbox.ironkit(["cache", "pull", "--platform", "linux/amd64", &reference]));
    let (name, found) = pulled.trim().split_once('@').unwrap();
    assert!(name == reference && blobs(&sandbox).contains(found), "{pulled}");

    // A platform that the image is not for.
    let finished = run(&mut sandbox.ironkit(["build", "--arch", "riscv64", "m.yml"]));
    let lacking = |finished: Finished| {
        assert_eq!(finished.code, Some(1), "{finished}");
        for text in ["m.yml:1:8", "linux/riscv64", "linux/amd64", "linux/arm64"] {
            assert!(finished.stderr.contains(text), "{text}: {finished}");
        }
    };
    lacking(finished);
    // The same when nobody can be asked: that would not help.
    drop(registry);
    lacking(run(&mut sandbox.ironkit(["build", "--arch", "riscv64", "m.yml"])));
}

#[test]
fn an_image_that_is_not_there() {
    let sandbox = Sandbox::new();
    let Some(registry) = DockerRegistry::start(&sandbox.path("registry"), RegistryOptions::default()) else {
        return;
    };
    layout(&sandbox);
    let Some(()) = push(&sandbox, &registry, "org/multi:1") else {
        return;
    };
    let address = registry.address();
    for name in [
        "org/none:1",
        "org/multi:2",
        &format!("org/multi@{}", digest(b"none")),
    ] {
        let reference = format!("{address}/{name}");
        sandbox.write(
            "m.yml",
            format!("services:\n  - name: s\n    image: {reference}\n"),
        );
        let finished = run(&mut sandbox.ironkit(["build", "m.yml"]));
        assert_eq!(finished.code, Some(1), "{finished}");
        // The reference, its place, what was tried.
        for text in [
            reference.as_str(),
            "m.yml:3:12",
            "^^^",
            "tried ",
            &format!("http://{address}"),
        ] {
            assert!(finished.stderr.contains(text), "{text} is missing: {finished}");
        }
        assert!(!sandbox.path("m-initrd.img").exists());
    }
    assert_eq!(blobs(&sandbox).len(), 0);
    // Nobody there at all: that is no mistake of the person's.
    drop(registry);
    let finished = run(&mut sandbox.ironkit(["build", "m.yml"]));
    assert_eq!(finished.code, Some(2), "{finished}");
    assert!(
        finished.stderr.contains("m.yml:3:12") && finished.stderr.contains(&address),
        "{finished}"
    );
}

#[test]
fn https_and_a_login() {
    let sandbox = Sandbox::new();
    let options = RegistryOptions {
        tls: true,
        login: true,
    };
    let Some(registry) = DockerRegistry::start(&sandbox.path("registry"), options) else {
        return;
    };
    layout(&sandbox);
    let Some(()) = push(&sandbox, &registry, "org/multi:1") else {
        return;
    };
    let reference = format!("{}/org/multi:1", registry.address());
    let authority = registry.authority().unwrap();
    let trusted = [
        "--cert-file",
        authority.to_str().unwrap(),
        "cache",
        "pull",
        &reference,
    ];

    let stranger = run(&mut sandbox.ironkit(["cache", "pull", &reference]));
    assert_eq!(stranger.code, Some(2), "{stranger}");
    assert!(stranger.stderr.contains("certificate"), "{stranger}");
    let nobody = run(&mut sandbox.ironkit(trusted));
    assert_eq!(nobody.code, Some(2), "{nobody}");
    assert!(nobody.stderr.contains("refuses access to org/multi"), "{nobody}");
    assert!(
        nobody.stderr.contains("hint: ") && nobody.stderr.contains("credentials"),
        "{nobody}"
    );

    let login = |auth: &str| json!({ "auths": { registry.address(): { "auth": auth } } }).to_string();
    // tester:wrong, tester:sesame
    sandbox.write("home/.docker/config.json", login("dGVzdGVyOndyb25n"));
    assert_eq!(run(&mut sandbox.ironkit(trusted)).code, Some(2));
    assert_eq!(blobs(&sandbox).len(), 0);
    sandbox.write("home/.docker/config.json", login("dGVzdGVyOnNlc2FtZQ=="));
    succeed(&mut sandbox.ironkit(trusted));
    assert_eq!(blobs(&sandbox).len(), 4);

    sandbox.write("m.yml", format!("init: [\"{reference}\"]\n"));
    succeed(&mut sandbox.ironkit(["build", "m.yml"]));
    let secret = "dGVzdGVyOnNlc2FtZQ==";
    for outcome in [stranger, nobody] {
        assert!(!outcome.stderr.contains(secret) && !outcome.stderr.contains(PASSWORD));
    }
}

#[test]
fn what_is_damaged_is_fetched_again() {
    let sandbox = Sandbox::new();
    let Some(registry) = DockerRegistry::start(&sandbox.path("registry"), RegistryOptions::default()) else {
        return;
    };
    layout(&sandbox);
    let Some(()) = push(&sandbox, &registry, "org/multi:1") else {
        return;
    };
    let reference = format!("{}/org/multi:1", registry.address());
    let pull = || succeed(&mut sandbox.ironkit(["cache", "pull", "--platform", "linux/amd64", &reference]));
    let root = pull().trim().split_once('@').unwrap().1.to_owned();
    let build = || {
        let _ = fs::remove_dir_all(sandbox.cache().join("derived"));
        run(&mut sandbox.ironkit(["build", "--arch", "amd64", "m.yml"]))
    };
    let layer = digest(&layer("amd64"));
    let other = digest(&stray());
    let blob = |digest: &str| sandbox.cache().join("blobs").join(digest.replace(':', "/"));
    let flip = |digest: &str| {
        let mut bytes = fs::read(blob(digest)).unwrap();
        bytes[20] ^= 1;
        fs::write(blob(digest), bytes).unwrap();
    };
    let cut = |digest: &str| {
        let bytes = fs::read(blob(digest)).unwrap();
        fs::write(blob(digest), &bytes[..bytes.len() - 1]).unwrap();
    };
    // The name in the index leads to something else.
    let tamper = |_: &str| {
        let path = sandbox.cache().join("index.json");
        fs::write(&path, fs::read_to_string(&path).unwrap().replace(&root, &other)).unwrap();
    };
    let pinned = format!("{}@{root}", reference);
    type Damage<'a> = (&'a str, &'a str, &'a str, &'a dyn Fn(&str));
    let damages: [Damage; 6] = [
        ("a flipped layer", &reference, &layer, &flip),
        ("a short layer", &reference, &layer, &cut),
        ("no layer", &reference, &layer, &|digest| {
            fs::remove_file(blob(digest)).unwrap()
        }),
        ("a flipped index", &reference, &root, &flip),
        ("a short index", &reference, &root, &cut),
        ("another digest than the pinned one", &pinned, &root, &tamper),
    ];
    for (name, reference, culprit, damage) in damages {
        sandbox.write("m.yml", format!("init: [\"{reference}\"]\n"));
        let before = build();
        assert_eq!(before.code, Some(0), "{name}: {before}");
        damage(culprit);
        let mended = build();
        assert_eq!(mended.code, Some(0), "{name}: {mended}");
        assert_eq!(architecture(&sandbox.path("m-initrd.img")), "amd64", "{name}");
        blobs(&sandbox);
    }
    // Without a registry the error names the blob.
    flip(&layer);
    let _ = fs::remove_dir_all(sandbox.cache().join("derived"));
    let lost = run(&mut sandbox.ironkit([
        "--mirror",
        "http://127.0.0.1:9",
        "build",
        "--arch",
        "amd64",
        "m.yml",
    ]));
    assert_eq!(lost.code, Some(2), "{lost}");
    for text in [
        layer.as_str(),
        "is damaged",
        "cannot be fetched again",
        "127.0.0.1:9",
    ] {
        assert!(lost.stderr.contains(text), "{text}: {lost}");
    }
}

/// A blob that no image has.
fn stray() -> Vec<u8> {
    layer("none")
}
