//! Pulling from a registry that misbehaves: what is retried, what is given up, and that the store stays clean.

mod support;

use std::time::{Duration, Instant};

use ironkit_oci::{Error, Image, Platform, Registry, RegistryOptions, Result, Store};
use support::server::{Fault, Server, serve};
use support::{Codec, Made, amd64, chain, image, index, leftovers, noise, open, reference};

/// Time limits as in earnest, but forty times shorter.
fn registry() -> Registry {
    let mut options = RegistryOptions::default();
    options.http.stall = Duration::from_millis(800);
    options.http.connect = Duration::from_millis(800);
    options.http.give_up = Duration::from_millis(3500);
    Registry::new(options).expect("a client")
}

fn pull(store: &Store, server: &Server, platform: &Platform) -> Result<Image> {
    registry().pull(
        store,
        &reference(&format!("{}/a/repo:tag", server.host)),
        platform,
        &(),
    )
}

fn sample() -> Made {
    let noise = noise(300_000, 7);
    let wanted = image(
        "amd64",
        &[
            ("a", &noise, Codec::Gzip),
            ("b", b"small", Codec::Plain),
            ("c", b"x", Codec::Zstd),
        ],
    );
    let other = image("arm64", &[("a", b"other", Codec::Gzip)]);
    index(&[("arm64", &other), ("amd64", &wanted)])
}

#[test]
fn only_the_wanted_platform_is_fetched() {
    let made = sample();
    let server = serve(&made, &[]);
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let image = pull(&store, &server, &amd64()).expect("an image");
    assert_eq!(image.layers.len(), 3);
    assert_eq!(image.config.cmd, ["/run"]);
    assert_eq!(image.platform, amd64());
    for layer in &image.layers {
        std::io::copy(&mut layer.open(&store).expect("a layer"), &mut std::io::sink())
            .expect("a whole layer");
    }
    // The ping, the index, the manifest, the configuration, three layers.
    let asked = server.log.lock().expect("log").len();
    assert_eq!(asked, 7);
    let listed = &store.images().expect("a list")[0];
    assert_eq!(listed.digest, made.root().digest);
    assert_eq!(listed.platforms, [amd64()]);
    assert_eq!(listed.absent, [Platform::linux("arm64")]);
    assert_eq!(
        store.find(&image.name, &amd64()).expect("readable"),
        Some(image.clone())
    );
    assert_eq!(
        store
            .find(&image.name, &Platform::linux("arm64"))
            .expect("readable"),
        None
    );
    // The second time, only the root is asked for; then the other platform comes beside the first.
    pull(&store, &server, &amd64()).expect("the image again");
    assert_eq!(server.log.lock().expect("log").len(), asked + 2);
    pull(&store, &server, &Platform::linux("arm64")).expect("the other");
    assert_eq!(store.images().expect("a list")[0].platforms.len(), 2);
}

#[test]
fn passing_faults_are_retried() {
    let made = sample();
    let layer = made.layers[1].to_string();
    let layer = layer.as_str();
    let twice = |fault: Fault| vec![fault.clone(), fault];
    for (name, path, faults) in [
        ("500 then well", "manifests/tag", vec![Fault::Status(500, "")]),
        (
            "429 with a wait",
            "manifests/tag",
            vec![Fault::Status(429, "Retry-After: 1\r\n")],
        ),
        (
            "503 until a date",
            "manifests/tag",
            vec![Fault::Status(
                503,
                "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:38 GMT\r\n",
            )],
        ),
        ("the connection breaks", "manifests/tag", vec![Fault::HangUp]),
        ("a cut manifest", "manifests/tag", vec![Fault::Cut(20)]),
        ("a redirect", layer, vec![Fault::Redirect]),
        ("a cut layer", layer, twice(Fault::Cut(100_000))),
        (
            "a cut layer and no ranges",
            layer,
            vec![Fault::Cut(100_000), Fault::NoRange],
        ),
        ("a damaged layer, once", layer, vec![Fault::Flip]),
        ("a layer that stalls, once", layer, vec![Fault::Stall(50_000)]),
        ("502 on a layer", layer, vec![Fault::Status(502, "")]),
        (
            "a manifest of another digest, once",
            "manifests/sha256",
            vec![Fault::Flip],
        ),
    ] {
        let server = serve(&made, &[(path, faults)]);
        let directory = tempfile::tempdir().expect("a directory");
        let store = open(directory.path());
        let image =
            pull(&store, &server, &amd64()).unwrap_or_else(|error| panic!("{name}: {}", chain(&error)));
        assert_eq!(image.layers.len(), 3, "{name}");
        assert_eq!(leftovers(&store), 0, "{name}");
    }
}

#[test]
fn a_cut_layer_is_resumed_where_it_broke() {
    let made = sample();
    let layer = made.layers[1].to_string();
    let server = serve(
        &made,
        &[(layer.as_str(), vec![Fault::Cut(100_000), Fault::Cut(50_000)])],
    );
    let directory = tempfile::tempdir().expect("a directory");
    pull(&open(directory.path()), &server, &amd64()).expect("an image");
    let log = server.log.lock().expect("log");
    let ranges: Vec<_> = log
        .iter()
        .filter(|request| request.path.contains(&layer))
        .map(|request| request.range.clone())
        .collect();
    assert_eq!(
        ranges,
        [
            None,
            Some("bytes=100000-".to_owned()),
            Some("bytes=150000-".to_owned())
        ]
    );
}

#[test]
fn lasting_faults_are_given_up_and_the_store_stays_clean() {
    let made = sample();
    let layer = made.layers[1].to_string();
    let layer = layer.as_str();
    let always = |fault: Fault| vec![fault; 40];
    for (name, path, faults, expect) in [
        (
            "not there",
            "manifests/tag",
            always(Fault::Status(404, "")),
            "was not found",
        ),
        (
            "500",
            "manifests/tag",
            always(Fault::Status(500, "")),
            "answered 500",
        ),
        (
            "429 for an hour",
            "manifests/tag",
            always(Fault::Status(429, "Retry-After: 3600\r\n")),
            "answered 429",
        ),
        (
            "429 until the end of time",
            "manifests/tag",
            always(Fault::Status(
                429,
                "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n",
            )),
            "answered 429",
        ),
        (
            "forbidden",
            "manifests/tag",
            always(Fault::Status(403, "")),
            "refuses access",
        ),
        (
            "unauthorized",
            "manifests/tag",
            always(Fault::Status(401, "")),
            "refuses access",
        ),
        (
            "endless manifest",
            "manifests/tag",
            always(Fault::Endless),
            "too large",
        ),
        (
            "a manifest of another digest",
            "manifests/sha256",
            always(Fault::Flip),
            "is damaged",
        ),
        (
            "silence",
            "manifests/tag",
            always(Fault::Silence),
            "no answer in time",
        ),
        (
            "a layer of another digest",
            layer,
            always(Fault::Flip),
            "is damaged",
        ),
        (
            "a layer that is longer",
            layer,
            always(Fault::Endless),
            "too large",
        ),
        (
            "a layer that stalls",
            layer,
            always(Fault::Stall(1000)),
            "nothing came",
        ),
        ("a layer that drips", layer, always(Fault::Drip), "sent only"),
        (
            "a layer that is not there",
            layer,
            always(Fault::Status(404, "")),
            "answered 404",
        ),
        (
            "redirects in a circle",
            layer,
            always(Fault::Redirect),
            "redirects",
        ),
    ] {
        let server = serve(&made, &[(path, faults)]);
        let directory = tempfile::tempdir().expect("a directory");
        let store = open(directory.path());
        let start = Instant::now();
        let error = pull(&store, &server, &amd64()).expect_err(name);
        assert!(
            start.elapsed() < Duration::from_secs(8),
            "{name}: {:?}",
            start.elapsed()
        );
        let text = chain(&error);
        assert!(text.contains(expect), "{name}: {text}");
        assert!(text.contains("a/repo"), "{name}: {text}");
        assert_eq!(leftovers(&store), 0, "{name}");
        assert!(store.images().expect("a list").is_empty(), "{name}");
        let clean = serve(&made, &[]);
        pull(&store, &clean, &amd64()).unwrap_or_else(|error| panic!("after {name}: {}", chain(&error)));
    }
}

#[test]
fn what_a_registry_may_not_say() {
    let mut nested = sample();
    for _ in 0..8 {
        let inner = nested.root();
        let text = serde_json::json!({"schemaVersion": 2, "manifests": [inner]}).to_string();
        nested.root = Some(nested.blob(ironkit_oci::document::media::INDEX, text.into_bytes()));
    }
    let text = |text: &str| {
        let mut made = Made::default();
        made.root = Some(made.blob("text/plain", text.as_bytes().to_vec()));
        made
    };
    let deep = format!("{{\"schemaVersion\":2,\"x\":{}", "[".repeat(100_000));
    for (name, made, expect) in [
        ("nests too deep", nested, "too many indexes"),
        ("not json", text("hello"), "cannot be used"),
        (
            "schema 1",
            text(r#"{"schemaVersion":1,"fsLayers":[]}"#),
            "schema version 1",
        ),
        ("neither", text(r#"{"schemaVersion":2}"#), "neither"),
        (
            "both",
            text(r#"{"schemaVersion":2,"manifests":[],"config":{}}"#),
            "at once",
        ),
        (
            "no entries",
            text(r#"{"schemaVersion":2,"manifests":[]}"#),
            "it has none",
        ),
        ("deep json", text(&deep), "cannot be used"),
    ] {
        let server = serve(&made, &[]);
        let directory = tempfile::tempdir().expect("a directory");
        let error = pull(&open(directory.path()), &server, &amd64()).expect_err(name);
        assert!(chain(&error).contains(expect), "{name}: {}", chain(&error));
    }
}

#[test]
fn a_pinned_digest_is_what_counts() {
    let made = sample();
    let server = serve(&made, &[]);
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let right = reference(&format!("{}/a/repo:tag@{}", server.host, made.root().digest));
    registry()
        .pull(&store, &right, &amd64(), &())
        .expect("the pinned image");
    let bare = right.with_digest(made.root().digest);
    assert!(
        store.find(&bare, &amd64()).expect("readable").is_some(),
        "found by repository and digest"
    );
    let wrong = right.with_digest(ironkit_oci::Digest::of(b"else"));
    let error = registry()
        .pull(&store, &wrong, &amd64(), &())
        .expect_err("another digest");
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
}

#[test]
fn a_pull_mends_a_damaged_layer() {
    let made = sample();
    let server = serve(&made, &[]);
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let image = pull(&store, &server, &amd64()).expect("an image");
    let path = store.blob_path(&image.layers[0].digest);
    let mut bytes = std::fs::read(&path).expect("a blob");
    bytes[1000] ^= 1;
    std::fs::write(&path, bytes).expect("a flipped blob");
    let read = std::io::copy(
        &mut image.layers[0].open(&store).expect("a layer"),
        &mut std::io::sink(),
    );
    assert!(read.is_err());
    pull(&store, &server, &amd64()).expect("the image again");
    std::io::copy(
        &mut image.layers[0].open(&store).expect("a layer"),
        &mut std::io::sink(),
    )
    .expect("mended");
}

#[test]
fn tokens_are_fetched_and_kept() {
    let made = sample();
    let challenge = "WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"me\"\r\n";
    let server = serve(&made, &[("manifests/tag", vec![Fault::Status(401, challenge)])]);
    let directory = tempfile::tempdir().expect("a directory");
    let mut options = RegistryOptions::default();
    options.credentials.add(&server.host, "user", "pass");
    let name = reference(&format!("{}/a/repo:tag", server.host));
    let client = Registry::new(options).expect("a client");
    client
        .pull(&open(directory.path()), &name, &amd64(), &())
        .expect("an image");
    let log = server.log.lock().expect("log");
    let token = log
        .iter()
        .find(|request| request.path.starts_with("/token"))
        .expect("a token");
    assert_eq!(token.path, "/token?scope=repository:a/repo:pull&service=me");
    assert_eq!(token.authorization.as_deref(), Some("Basic dXNlcjpwYXNz"));
    let blobs: Vec<_> = log
        .iter()
        .filter(|request| request.path.contains("blobs/"))
        .collect();
    assert!(
        blobs
            .iter()
            .all(|request| request.authorization.as_deref() == Some("Bearer secret")),
        "{blobs:?}"
    );
    assert_eq!(blobs.len(), 4);
}

#[test]
fn mirrors_are_asked_instead() {
    let made = sample();
    let server = serve(&made, &[]);
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    for (registry, name, path) in [
        (
            None,
            "docker.io/library/some:tag",
            "/v2/cache/library/some/manifests/tag",
        ),
        (
            Some("docker.io"),
            "index.docker.io/some:tag",
            "/v2/cache/library/some/manifests/tag",
        ),
        (
            Some("a.example"),
            "a.example/x/y:tag",
            "/v2/cache/x/y/manifests/tag",
        ),
    ] {
        let mut options = RegistryOptions::default();
        let url = format!("http://{}/cache/", server.host);
        options.mirrors.push(ironkit_oci::Mirror {
            registry: registry.map(str::to_owned),
            url,
        });
        let client = Registry::new(options).expect("a client");
        client.pull(&store, &reference(name), &amd64(), &()).expect(name);
        let asked = server
            .log
            .lock()
            .expect("log")
            .iter()
            .any(|request| request.path == path);
        assert!(asked, "{name}");
        assert!(
            store
                .find(&reference(name), &amd64())
                .expect("readable")
                .is_some(),
            "{name}"
        );
    }
}

#[test]
fn plain_downloads_are_resumed_too() {
    let made = sample();
    let layer = made.layers[1];
    let server = serve(
        &made,
        &[("blobs/", vec![Fault::Cut(100_000), Fault::Status(503, "")])],
    );
    let client = ironkit_oci::http::Client::new(Default::default()).expect("a client");
    let url = format!("http://{}/v2/a/blobs/{layer}", server.host);
    let mut bytes = Vec::new();
    let size = client
        .download(&url, &[], 1 << 20, &mut bytes)
        .expect("the bytes");
    assert_eq!(
        (size, ironkit_oci::Digest::of(&bytes)),
        (bytes.len() as u64, layer)
    );
    let error = client
        .download(&url, &[], 1000, &mut bytes)
        .expect_err("too much");
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
    let mut response = client
        .get(&format!("http://{}/none", server.host), &[])
        .expect("an answer");
    assert_eq!(response.status, 404);
    assert_eq!(response.bytes(10).expect("a body"), b"");
}
