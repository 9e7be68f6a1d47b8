//! What is pushed, as others see it.

use ironkit_tests::layout::{Layout, digest};
use ironkit_tests::{DockerRegistry, PASSWORD, RegistryOptions, Sandbox, USER, judge, run, succeed};
use serde_json::{Value, json};

use super::layer;

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
