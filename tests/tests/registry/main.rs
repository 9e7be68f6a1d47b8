//! Images from registries: a real one, and one that lies.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use ironkit_tests::layout::{FILE, Layout, digest, entry, tar};
use ironkit_tests::{DockerRegistry, PASSWORD, RegistryOptions, Sandbox, USER, initrd, judge, run, succeed};
use serde_json::{Value, json};

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
    assert_ne!(finished.code, Some(0), "{finished}");
    for text in ["m.yml:1:8", "linux/riscv64", "linux/amd64", "linux/arm64"] {
        assert!(finished.stderr.contains(text), "{text}: {finished}");
    }
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

/// What a registry does with requests for the image's layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manners {
    /// Answers.
    Honest,
    /// Ends after half of what it promised.
    Truncates,
    /// Sends other bytes of the same length.
    Lies,
    /// Is out of order.
    Fails,
    /// Is out of order for the first request only.
    Recovers,
}

/// A registry of the layout in a folder, with one image: its address.
fn rude_registry(folder: &Path, manners: Arc<Mutex<Manners>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away is no concern of a registry.
            let _ = answer(stream, &folder, &manners);
        }
    });
    address
}

fn answer(mut stream: TcpStream, folder: &Path, manners: &Mutex<Manners>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or(Ok(String::new()))?;
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let path = request.split(' ').nth(1).unwrap_or_default();
    let wanted = path.rsplit('/').next().unwrap_or_default();
    let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json"))?)?;
    let root = index["manifests"][0]["digest"].as_str().unwrap_or_default();
    let name = if wanted == "1" { root } else { wanted };
    let body = fs::read(folder.join("blobs").join(name.replace(':', "/"))).ok();
    let is_layer = body.as_ref().is_some_and(|body| !body.starts_with(b"{"));
    let mut manners = manners.lock().unwrap();
    let current = if is_layer { *manners } else { Manners::Honest };
    if current == Manners::Recovers {
        *manners = Manners::Honest;
    }
    let (status, body) = match (path, body, current) {
        ("/v2/", ..) => ("200 OK", b"{}".to_vec()),
        (_, None, _) => ("404 Not Found", b"{}".to_vec()),
        (_, _, Manners::Fails | Manners::Recovers) => ("503 Service Unavailable", b"{}".to_vec()),
        (_, Some(body), Manners::Lies) => ("200 OK", body.iter().map(|byte| byte ^ 1).collect()),
        (_, Some(body), _) => ("200 OK", body),
    };
    let head = request.starts_with("HEAD");
    let kind = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let kind = kind["mediaType"].as_str().unwrap_or("application/octet-stream");
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    match (head, current) {
        (true, _) => Ok(()),
        (false, Manners::Truncates) => stream.write_all(&body[..body.len() / 2]),
        (false, _) => stream.write_all(&body),
    }
}

#[test]
fn a_registry_without_manners() {
    for (manners, code) in [
        (Manners::Truncates, 2),
        (Manners::Lies, 2),
        (Manners::Fails, 2),
        (Manners::Recovers, 0),
    ] {
        let sandbox = Sandbox::new();
        layout(&sandbox);
        let state = Arc::new(Mutex::new(manners));
        let address = rude_registry(&sandbox.path("layout"), Arc::clone(&state));
        sandbox.write("m.yml", format!("init: [\"{address}/org/image:1\"]\n"));
        let build = || run(&mut sandbox.ironkit(["build", "--arch", "amd64", "m.yml"]));
        let finished = build();
        assert_eq!(finished.code, Some(code), "{manners:?}: {finished}");
        if code != 0 {
            let layer = digest(&layer("amd64"));
            for text in ["m.yml:1:8", &format!("{address}/org/image:1"), &layer] {
                assert!(
                    finished.stderr.contains(text),
                    "{manners:?}: {text} is missing: {finished}"
                );
            }
            assert!(!sandbox.path("m-initrd.img").exists(), "{manners:?}");
            let stored = blobs(&sandbox);
            assert!(!stored.contains(&layer), "{manners:?}: {stored:?}");
            let listed = succeed(&mut sandbox.ironkit(["cache", "ls"]));
            assert!(!listed.contains("org/image"), "{manners:?}: {listed}");
            // It comes to its senses, and all is well.
            *state.lock().unwrap() = Manners::Honest;
            let finished = build();
            assert_eq!(finished.code, Some(0), "{manners:?}: {finished}");
        }
        assert_eq!(architecture(&sandbox.path("m-initrd.img")), "amd64");
        assert_eq!(blobs(&sandbox).len(), 4, "{manners:?}");
    }
}

/// What skopeo finds in the registry under a name: the raw document.
fn document(sandbox: &Sandbox, registry: &DockerRegistry, name: &str) -> Option<Value> {
    let mut command = sandbox.command(judge("skopeo")?);
    command.args(["inspect", "--raw", "--creds", &format!("{USER}:{PASSWORD}")]);
    match registry.authority() {
        Some(authority) => command.arg("--cert-dir").arg(authority.parent().unwrap()),
        None => command.arg("--tls-verify=false"),
    };
    let text = succeed(command.arg(format!("docker://{}/{name}", registry.address())));
    Some(serde_json::from_str(&text).unwrap())
}

/// The architectures of an index.
fn listed(index: &Value) -> Vec<&str> {
    let entries = index["manifests"].as_array().unwrap().iter();
    entries
        .map(|entry| entry["platform"]["architecture"].as_str().unwrap())
        .collect()
}

#[test]
fn images_are_pushed() {
    for (tls, login) in [(false, false), (true, true)] {
        let sandbox = Sandbox::new();
        let options = RegistryOptions { tls, login };
        let Some(registry) = DockerRegistry::start(&sandbox.path("registry"), options) else {
            return;
        };
        // What is pushed comes from an archive, under another name.
        let mut layout = Layout::new(&sandbox.path("layout"));
        let images = ["amd64", "arm64"].map(|name| layout.image(name, &[layer(name)]));
        layout.name(layout.index(&images), "tests/both:1");
        layout.name(layout.index(&images[..1]), "tests/one:1");
        sandbox.write("images.tar", layout.archive());
        succeed(&mut sandbox.ironkit(["cache", "import", "images.tar"]));

        let authority = registry.authority();
        let trust = authority
            .as_ref()
            .map_or(vec![], |file| vec!["--cert-file", file.to_str().unwrap()]);
        let with = |arguments: &[&str]| run(&mut sandbox.ironkit([trust.as_slice(), arguments].concat()));
        let remote = format!("{}/org/pushed:1", registry.address());
        let push = ["cache", "push", "--remote-name", &remote, "tests/one:1"];
        if login {
            let refused = with(&push);
            assert_eq!(refused.code, Some(2), "{refused}");
            assert!(
                refused.stderr.contains("refuses access to org/pushed"),
                "{refused}"
            );
            let auths = json!({ "auths": { registry.address(): { "auth": "dGVzdGVyOnNlc2FtZQ==" } } });
            sandbox.write("home/.docker/config.json", auths.to_string());
        }
        let pushed = with(&push);
        assert_eq!(pushed.code, Some(0), "{pushed}");
        assert!(
            pushed.stdout.starts_with(&format!("{remote}@sha256:")),
            "{pushed}"
        );
        assert!(pushed.stderr.contains("2 blobs sent"), "{pushed}");
        let Some(index) = document(&sandbox, &registry, "org/pushed:1") else {
            return;
        };
        assert_eq!(listed(&index), ["amd64"]);

        // A second push has nothing to send, and what is there is not replaced unless that is said.
        let again = with(&push);
        assert_eq!(
            (again.code, again.stdout.as_str()),
            (Some(0), pushed.stdout.as_str())
        );
        let push = ["cache", "push", "--remote-name", &remote, "tests/both:1"];
        let left = with(&push);
        assert_eq!(left.code, Some(0), "{left}");
        assert!(left.stderr.contains("has it already"), "{left}");
        let more = [&push[..2], &["--override", "--with-arch-tags"], &push[2..]].concat();
        let merged = with(&more);
        assert_eq!(merged.code, Some(0), "{merged}");
        let index = document(&sandbox, &registry, "org/pushed:1").unwrap();
        assert_eq!(listed(&index), ["amd64", "arm64"]);
        for arch in ["amd64", "arm64"] {
            let manifest = document(&sandbox, &registry, &format!("org/pushed:1-{arch}")).unwrap();
            assert_eq!(manifest["layers"][0]["digest"], digest(&layer(arch)), "{arch}");
            assert!(
                merged.stdout.contains(&format!("org/pushed:1-{arch}")),
                "{merged}"
            );
        }
        // One platform of two: the other stays.
        let one = [
            "cache",
            "push",
            "--override",
            "--remote-name",
            &remote,
            "tests/one:1",
        ];
        assert_eq!(with(&one).code, Some(0));
        assert_eq!(document(&sandbox, &registry, "org/pushed:1").unwrap(), index);

        // Back again, into an empty store: the same digests.
        let pulled = with(&[
            "--cache",
            "other",
            "cache",
            "pull",
            "--platform",
            "linux/amd64,linux/arm64",
            &remote,
        ]);
        assert_eq!(
            pulled.stdout.trim(),
            merged.stdout.lines().next().unwrap(),
            "{pulled}"
        );

        // What the registry has can be removed without loss, what it has not stays.
        let clean = with(&["cache", "pull", &remote]);
        assert_eq!(clean.code, Some(0), "{clean}");
        let removed = with(&["cache", "rm", "--published-only", &remote]);
        assert!(removed.stderr.contains("removed 1 image"), "{removed}");
        let gone = with(&["cache", "rm", &remote]);
        assert_eq!(gone.code, Some(1), "{gone}");
        assert!(gone.stderr.contains("was not found"), "{gone}");
    }
}

/// A credential helper in a folder of its own: the folder, for `PATH`.
fn helper(sandbox: &Sandbox, name: &str, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let file = sandbox.write(
        &format!("helpers/docker-credential-{name}"),
        format!("#!/bin/sh\n{script}\n"),
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", file.parent().unwrap().display())
}

#[test]
fn logins_come_from_where_docker_and_podman_keep_them() {
    let sandbox = Sandbox::new();
    let options = RegistryOptions {
        tls: false,
        login: true,
    };
    let Some(registry) = DockerRegistry::start(&sandbox.path("registry"), options) else {
        return;
    };
    layout(&sandbox);
    let Some(()) = push(&sandbox, &registry, "org/multi:1") else {
        return;
    };
    let address = registry.address();
    let reference = format!("{address}/org/multi:1");
    let good = json!({ "auth": "dGVzdGVyOnNlc2FtZQ==" });
    let wrong = json!({ "auth": "dGVzdGVyOndyb25n" });
    let docker = "home/.docker/config.json";
    // What the helper is told is kept, to be looked at.
    let tells = format!(
        "read server; echo $server > asked; echo '{{\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'"
    );
    let unknown = "echo 'credentials not found in native keychain'; exit 1".to_owned();
    let in_helper = json!({ "credHelpers": { &address: "test" } });
    for (name, file, config, script, expect) in [
        (
            "docker",
            docker,
            json!({ "auths": { &address: good } }),
            "",
            Ok(()),
        ),
        (
            "with a scheme",
            docker,
            json!({ "auths": { format!("http://{address}/v2/"): good } }),
            "",
            Ok(()),
        ),
        (
            "podman",
            "home/.config/containers/auth.json",
            json!({ "auths": { &address: good } }),
            "",
            Ok(()),
        ),
        (
            "podman's at run time",
            "run/containers/auth.json",
            json!({ "auths": { &address: good } }),
            "",
            Ok(()),
        ),
        (
            "the longer path",
            docker,
            json!({ "auths": { &address: wrong, format!("{address}/org"): good } }),
            "",
            Ok(()),
        ),
        (
            "a wrong password",
            docker,
            json!({ "auths": { &address: wrong } }),
            "",
            Err("refuses access"),
        ),
        ("a helper", docker, in_helper.clone(), tells.as_str(), Ok(())),
        (
            "a helper for all",
            docker,
            json!({ "auths": { &address: {} }, "credsStore": "test" }),
            &tells,
            Ok(()),
        ),
        (
            "a helper that knows nothing",
            docker,
            in_helper.clone(),
            &unknown,
            Err("refuses access"),
        ),
        (
            "a helper that fails",
            docker,
            in_helper.clone(),
            "echo locked; exit 1",
            Err("failed: locked"),
        ),
        (
            "a helper that talks",
            docker,
            in_helper.clone(),
            "echo hello",
            Err("something else than JSON"),
        ),
        (
            "a helper that is not there",
            docker,
            json!({ "credsStore": "gone" }),
            "",
            Err("docker-credential-gone"),
        ),
        (
            "a helper elsewhere",
            docker,
            json!({ "credsStore": "../x" }),
            "",
            Err("not the name of a credential helper"),
        ),
        (
            "a helper that hangs",
            docker,
            in_helper.clone(),
            "sleep 60",
            Err("did not answer within"),
        ),
        (
            "no file of docker's",
            docker,
            json!([{}, 7]),
            "",
            Err("config.json"),
        ),
    ] {
        for old in [
            docker,
            "home/.config/containers/auth.json",
            "run/containers/auth.json",
        ] {
            let _ = fs::remove_file(sandbox.path(old));
        }
        sandbox.write(file, config.to_string());
        let path = helper(&sandbox, "test", script);
        let mut command = sandbox.ironkit(["--cache", "other", "cache", "pull", &reference]);
        command
            .env("PATH", path)
            .env("XDG_RUNTIME_DIR", sandbox.path("run"));
        let start = std::time::Instant::now();
        let finished = run(&mut command);
        assert!(start.elapsed().as_secs() < 30, "{name}: {:?}", start.elapsed());
        match expect {
            Ok(()) => assert_eq!(finished.code, Some(0), "{name}: {finished}"),
            Err(text) => {
                assert_eq!(finished.code, Some(2), "{name}: {finished}");
                assert!(finished.stderr.contains(text), "{name}: {finished}");
            }
        }
        assert!(!finished.stderr.contains(PASSWORD), "{name}: {finished}");
        let _ = fs::remove_dir_all(sandbox.path("other"));
    }
    assert_eq!(fs::read_to_string(sandbox.path("asked")).unwrap().trim(), address);
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
