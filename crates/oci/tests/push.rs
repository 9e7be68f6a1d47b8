//! Pushing to a registry that misbehaves: what is sent, resumed, retried and given up.

mod support;

use std::time::{Duration, Instant};

use ironkit_oci::document::Index;
use ironkit_oci::{Digest, Error, PushOptions, Pushed, Registry, RegistryOptions, Result, Store};
use support::server::{Fault, Server, serve};
use support::{Codec, Made, chain, image, index, noise, open, reference};

fn registry() -> Registry {
    let mut options = RegistryOptions::default();
    options.http.stall = Duration::from_millis(800);
    options.http.connect = Duration::from_millis(800);
    options.http.give_up = Duration::from_millis(3500);
    Registry::new(options).expect("a client")
}

fn push(store: &Store, server: &Server, options: &PushOptions) -> Result<Pushed> {
    let remote = reference(&format!("{}/a/repo:tag", server.host));
    let options = PushOptions {
        remote_name: Some(remote),
        ..options.clone()
    };
    registry().push(store, &reference("local:1"), &options, &())
}

fn stored(made: &Made) -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    made.put(&store, &reference("local:1"));
    (directory, store)
}

fn single(content: &[u8]) -> Made {
    image(
        "amd64",
        &[("a", content, Codec::Plain), ("b", b"small", Codec::Gzip)],
    )
}

fn nothing() -> Made {
    let mut made = Made::default();
    let root = made.blob("application/vnd.oci.image.manifest.v1+json", b"{}".to_vec());
    made.root = Some(root);
    made
}

#[test]
fn only_what_is_absent_is_sent() {
    let made = single(&noise(300_000, 3));
    let (_directory, store) = stored(&made);
    let server = serve(
        &nothing(),
        &[("GET /v2/a/repo/manifests/tag", vec![Fault::Status(404, ""); 2])],
    );
    let pushed = push(&store, &server, &PushOptions::default()).expect("pushed");
    assert_eq!(
        (pushed.blobs, pushed.changed, pushed.digest),
        (3, true, made.root().digest)
    );
    for (digest, bytes) in &made.blobs {
        let path = match *digest == made.root().digest {
            true => "a/repo/manifests/tag".to_owned(),
            false => format!("a/repo/blobs/{digest}"),
        };
        assert_eq!(server.got(&path).as_ref(), Some(bytes), "{path}");
    }
    let pushed = push(&store, &server, &PushOptions::default()).expect("pushed");
    assert_eq!((pushed.blobs, server.count("POST", "uploads")), (0, 3));
}

#[test]
fn a_name_that_is_there_stays_unless_it_is_to_be_replaced() {
    let made = single(b"new");
    let (_directory, store) = stored(&made);
    let old = single(b"old");
    let server = serve(&old, &[]);
    let pushed = push(&store, &server, &PushOptions::default()).expect("left");
    assert_eq!(
        (pushed.digest, pushed.changed, pushed.blobs),
        (old.root().digest, false, 0)
    );
    assert_eq!(server.count("PUT", ""), 0);
    let replace = PushOptions {
        replace: true,
        arch_tags: true,
        ..PushOptions::default()
    };
    let pushed = push(&store, &server, &replace).expect("pushed");
    assert_eq!((pushed.digest, pushed.changed), (made.root().digest, true));
    let names: Vec<_> = pushed.arch_names.iter().map(ToString::to_string).collect();
    assert_eq!(names, [format!("{}/a/repo:tag-amd64", server.host)]);
    assert!(server.got("a/repo/manifests/tag-amd64").is_some());
}

#[test]
fn indexes_are_merged() {
    let (amd64, arm64) = (single(b"x"), image("arm64", &[("a", b"y", Codec::Gzip)]));
    // The last entry is an attestation of nothing that is there.
    let ours = index(&[("amd64", &amd64)]);
    let theirs = index(&[("arm64", &arm64)]);
    let (_directory, store) = stored(&ours);
    let server = serve(&theirs, &[]);
    let replace = PushOptions {
        replace: true,
        arch_tags: true,
        ..PushOptions::default()
    };
    let pushed = push(&store, &server, &replace).expect("pushed");
    let sent = server.got("a/repo/manifests/tag").expect("an index");
    assert_eq!(Digest::of(&sent), pushed.digest);
    let sent: Index = serde_json::from_slice(&sent).expect("an index");
    let entries: Vec<_> = sent.manifests.iter().map(|entry| entry.digest).take(2).collect();
    assert_eq!(entries, [amd64.root().digest, arm64.root().digest]);
    assert_eq!(pushed.arch_names.len(), 1);
    assert!(
        server
            .got(&format!("a/repo/manifests/{}", amd64.root().digest))
            .is_some()
    );

    // What the registry has wholly is not pushed.
    let server = serve(&index(&[("amd64", &amd64), ("arm64", &arm64)]), &[]);
    let plain = PushOptions {
        arch_tags: false,
        ..replace
    };
    let pushed = push(&store, &server, &plain).expect("nothing to do");
    assert!(!pushed.changed);
    assert_eq!((server.count("PUT", ""), server.count("POST", "")), (0, 0));
}

#[test]
fn blobs_of_other_repositories_are_mounted() {
    let made = single(b"shared");
    let (_directory, store) = stored(&made);
    let server = serve(
        &nothing(),
        &[("GET /v2/a/repo/manifests/tag", vec![Fault::Status(404, "")])],
    );
    made.put(&store, &reference(&format!("{}/other/repo:1", server.host)));
    let pushed = push(&store, &server, &PushOptions::default()).expect("pushed");
    assert_eq!(pushed.blobs, 0);
    assert_eq!(server.pushed.lock().expect("pushed").mounted, 3);
    assert_eq!(server.count("POST", "from=other/repo"), 3);
    assert_eq!(server.count("PATCH", ""), 0);
}

#[test]
fn passing_faults_are_retried_and_uploads_resumed() {
    let made = single(&noise(400_000, 5));
    let layer = made.layers[0];
    for (name, path, fault, resumed) in [
        (
            "no answer to the question",
            "HEAD /v2/a/repo/blobs",
            Fault::HangUp,
            false,
        ),
        (
            "503 at the start",
            "POST",
            Fault::Status(503, "Retry-After: 1\r\n"),
            false,
        ),
        ("429 at the start", "POST", Fault::Status(429, ""), false),
        ("cut off", "PATCH", Fault::Cut(150_000), true),
        ("cut off at once", "PATCH", Fault::Cut(0), false),
        ("an upload that is lost", "PATCH", Fault::Status(404, ""), false),
        ("500 in the middle", "PATCH", Fault::Status(500, ""), false),
        (
            "500 at the end",
            "PUT /v2/a/repo/blobs",
            Fault::Status(500, ""),
            false,
        ),
        (
            "504 for the manifest",
            "PUT /v2/a/repo/manifests",
            Fault::Status(504, ""),
            false,
        ),
    ] {
        let (_directory, store) = stored(&made);
        let missing = ("GET /v2/a/repo/manifests/tag", vec![Fault::Status(404, "")]);
        let server = serve(&nothing(), &[missing, (path, vec![fault])]);
        push(&store, &server, &PushOptions::default())
            .unwrap_or_else(|error| panic!("{name}: {}", chain(&error)));
        let sent = server.got(&format!("a/repo/blobs/{layer}"));
        assert_eq!(sent.as_ref(), made.blobs.get(&layer), "{name}");
        assert!(server.got("a/repo/manifests/tag").is_some(), "{name}");
        if resumed {
            assert_eq!(server.count("GET", "uploads/"), 1, "{name}");
            assert_eq!(server.count("POST", "uploads/"), 3, "{name}");
        }
    }
}

#[test]
fn lasting_faults_are_given_up() {
    let made = single(&noise(9_000_000, 9));
    for (name, path, fault, expect) in [
        ("forbidden", "POST", Fault::Status(403, ""), "refuses access"),
        ("500", "POST", Fault::Status(500, ""), "answered 500"),
        ("stalls", "PATCH", Fault::Stall(0), "no answer in time"),
        (
            "silence",
            "PUT /v2/a/repo/blobs",
            Fault::Silence,
            "no answer in time",
        ),
        ("too large", "PATCH", Fault::Status(413, ""), "answered 413"),
        (
            "refused manifest",
            "PUT /v2/a/repo/manifests",
            Fault::Status(400, ""),
            "answered 400",
        ),
        ("nowhere to go", "POST", Fault::Status(202, ""), "where to upload"),
    ] {
        let (_directory, store) = stored(&made);
        let missing = ("GET /v2/a/repo/manifests/tag", vec![Fault::Status(404, ""); 40]);
        let server = serve(&nothing(), &[missing, (path, vec![fault; 40])]);
        let start = Instant::now();
        let error = push(&store, &server, &PushOptions::default()).expect_err(name);
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{name}: {:?}",
            start.elapsed()
        );
        let text = chain(&error);
        assert!(text.contains(expect) && text.contains("a/repo"), "{name}: {text}");
        assert!(server.got("a/repo/manifests/tag").is_none(), "{name}");
    }
}

#[test]
fn damaged_blobs_are_not_sent() {
    let made = single(&noise(200_000, 11));
    let layer = made.layers[0];
    let (_directory, store) = stored(&made);
    let mut bytes = made.blobs[&layer].clone();
    bytes[100_000] ^= 1;
    std::fs::write(store.blob_path(&layer), bytes).expect("written");
    let server = serve(
        &nothing(),
        &[("GET /v2/a/repo/manifests/tag", vec![Fault::Status(404, "")])],
    );
    let error = push(&store, &server, &PushOptions::default()).expect_err("damaged");
    let text = chain(&error);
    assert!(
        text.contains("is damaged") && text.contains(&layer.to_string()),
        "{text}"
    );
    assert!(server.got("a/repo/manifests/tag").is_none());
    let unknown = registry().push(&store, &reference("none:1"), &PushOptions::default(), &());
    assert!(matches!(unknown, Err(Error::NotFound { .. })), "{unknown:?}");
}
