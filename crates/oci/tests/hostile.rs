//! Images that lie, or that nobody should make: pulled from a registry and imported from an archive, they are refused with
//! an error that names the culprit, in bounded time.

mod support;

use std::time::{Duration, Instant};

use ironkit_oci::document::{Descriptor, media};
use ironkit_oci::{Digest, Error, Image, ImportOptions, Platform, Registry, RegistryOptions, Store, import};
use serde_json::{Value, json};
use support::server::serve;
use support::{Codec, Made, amd64, chain, image, open, reference};

/// An image whose documents were changed: `config` and `manifest` get the good ones.
fn changed(config: impl FnOnce(&mut Value), manifest: impl FnOnce(&mut Value)) -> Made {
    let layers: [(&str, &[u8], Codec); 2] = [("a", b"one", Codec::Gzip), ("b", b"two", Codec::Plain)];
    let mut made = image("amd64", &layers);
    let parse =
        |made: &Made, digest: &Digest| serde_json::from_slice::<Value>(&made.blobs[digest]).expect("json");
    let mut document = parse(&made, &made.root().digest);
    let digest = document["config"]["digest"]
        .as_str()
        .and_then(|digest| digest.parse().ok());
    let mut inner = parse(&made, &digest.expect("a digest"));
    config(&mut inner);
    document["config"] = json!(made.blob(media::CONFIG, inner.to_string().into_bytes()));
    manifest(&mut document);
    made.root = Some(made.blob(media::MANIFEST, document.to_string().into_bytes()));
    made
}

/// An index with these entries.
fn listing(parts: &[&Made], entries: Vec<Value>) -> Made {
    let mut made = Made::default();
    for part in parts {
        made.blobs.extend(part.blobs.clone());
    }
    let text = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": entries}).to_string();
    made.root = Some(made.blob(media::INDEX, text.into_bytes()));
    made
}

fn entry(made: &Made, platform: Value) -> Value {
    let mut entry = json!(made.root());
    entry["platform"] = platform;
    entry
}

fn pull(store: &Store, made: &Made, platform: &Platform) -> Result<Image, Error> {
    let server = serve(made, &[]);
    let mut options = RegistryOptions::default();
    options.http.stall = Duration::from_millis(800);
    options.http.give_up = Duration::from_millis(1500);
    let name = reference(&format!("{}/a/repo:tag", server.host));
    Registry::new(options)
        .expect("a client")
        .pull(store, &name, platform, &())
}

/// The image as an archive.
fn archive(made: &Made, name: &str) -> Vec<u8> {
    let mut root: Descriptor = made.root();
    root.annotations
        .get_or_insert_default()
        .insert("io.containerd.image.name".to_owned(), name.to_owned());
    let index = json!({"schemaVersion": 2, "manifests": [root]}).to_string();
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |path: String, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, bytes).expect("an entry");
    };
    add("index.json".to_owned(), index.as_bytes());
    for (digest, bytes) in &made.blobs {
        add(format!("blobs/sha256/{}", digest.hex()), bytes);
    }
    builder.into_inner().expect("an archive")
}

/// A change of the first layer's descriptor.
fn layer(change: impl FnOnce(&mut Value)) -> Made {
    changed(|_| {}, |manifest| change(&mut manifest["layers"][0]))
}

fn typed(media_type: &'static str) -> Made {
    layer(move |layer| layer["mediaType"] = json!(media_type))
}

#[test]
fn images_that_lie_are_refused() {
    let many = json!({"mediaType": media::LAYER, "digest": Digest::of(b"x"), "size": 1});
    let ids = json!(Digest::of(b"x"));
    for (name, made, expect) in [
        (
            "a layer's size is too small",
            layer(|layer| layer["size"] = json!(3)),
            "too large",
        ),
        (
            "a layer's size is too large",
            layer(|layer| layer["size"] = json!(1u64 << 40)),
            "damaged",
        ),
        (
            "a layer's size is negative",
            layer(|layer| layer["size"] = json!(-1)),
            "cannot be used",
        ),
        (
            "a layer has another digest",
            layer(|layer| layer["digest"] = json!(Digest::of(b"none"))),
            "404",
        ),
        (
            "a layer's digest is none",
            layer(|layer| layer["digest"] = json!("sha256:x")),
            "cannot be used",
        ),
        (
            "a layer's digest leads away",
            layer(|layer| layer["digest"] = json!("../../etc/passwd")),
            "cannot be used",
        ),
        (
            "sha512",
            layer(|layer| layer["digest"] = json!(format!("sha512:{}", "0".repeat(128)))),
            "sha512",
        ),
        ("no media type", typed(""), "not supported"),
        (
            "an unknown media type",
            typed("application/x-layer"),
            "application/x-layer",
        ),
        (
            "encrypted",
            typed("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
            "encrypted",
        ),
        (
            "not to be distributed",
            typed("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
            "not distributed",
        ),
        (
            "foreign",
            typed("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
            "not distributed",
        ),
        (
            "20 000 layers",
            changed(
                |config| config["rootfs"]["diff_ids"] = json!(vec![ids.clone(); 20_000]),
                |manifest| manifest["layers"] = json!(vec![many.clone(); 20_000]),
            ),
            "20000 layers",
        ),
        (
            "more layers than contents",
            changed(|config| config["rootfs"]["diff_ids"] = json!([]), |_| {}),
            "its configuration names 0",
        ),
        (
            "a configuration that is none",
            changed(|config| *config = json!([1, 2]), |_| {}),
            "configuration sha256:",
        ),
        (
            "a configuration of the wrong shape",
            changed(|config| config["config"] = json!({"Env": 7}), |_| {}),
            "configuration sha256:",
        ),
        (
            "a configuration of a terabyte",
            changed(|_| {}, |manifest| manifest["config"]["size"] = json!(1u64 << 40)),
            "too large",
        ),
        (
            "an index that says it is a manifest",
            changed(|_| {}, |manifest| manifest["mediaType"] = json!(media::INDEX)),
            "but says that it is",
        ),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let store = open(directory.path());
        let start = Instant::now();
        let error = pull(&store, &made, &amd64()).expect_err(name);
        assert!(chain(&error).contains(expect), "{name}: {}", chain(&error));
        assert!(
            start.elapsed() < Duration::from_secs(4),
            "{name}: {:?}",
            start.elapsed()
        );
        assert!(store.images().expect("a list").is_empty(), "{name}");

        let imported = import(
            &store,
            archive(&made, "a:1").as_slice(),
            &ImportOptions::default(),
        );
        assert!(imported.is_err(), "{name}: {imported:?}");
        assert!(store.images().expect("a list").is_empty(), "{name}");
    }
}

#[test]
fn contents_that_lie_are_refused_when_they_are_read() {
    for (name, made) in [
        ("plain, said to be zstd", typed(media::LAYER_ZSTD)),
        ("gzip, said to be plain", typed(media::LAYER)),
        (
            "another content",
            changed(
                |config| config["rootfs"]["diff_ids"][0] = json!(Digest::of(b"other")),
                |_| {},
            ),
        ),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let store = open(directory.path());
        let image = pull(&store, &made, &amd64()).expect(name);
        let read = image.layers[0]
            .open(&store)
            .map_err(|error| error.to_string())
            .and_then(|mut layer| {
                std::io::copy(&mut layer, &mut std::io::sink()).map_err(|error| error.to_string())
            });
        let error = read.expect_err(name);
        assert!(
            error.contains(&image.layers[0].digest.to_string()),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_platform_is_found_where_it_is() {
    let layers = |text: &'static [u8]| image("arm", &[("a", text, Codec::Gzip)]);
    let (v6, v7, arm64) = (
        layers(b"6"),
        layers(b"7"),
        image("arm64", &[("a", b"8", Codec::Zstd)]),
    );
    let arm = |variant: &str| json!({"os": "linux", "architecture": "arm", "variant": variant});
    let variants = || {
        let entries = vec![
            entry(&v6, arm("v6")),
            entry(&v7, arm("v7")),
            entry(
                &arm64,
                json!({"os": "linux", "architecture": "arm64", "variant": "v8"}),
            ),
        ];
        listing(&[&v6, &v7, &arm64], entries)
    };
    let bare = |made: &Made| {
        let mut entry = json!(made.root());
        entry["platform"] = Value::Null;
        listing(&[made], vec![entry])
    };
    for (name, made, platform, expect) in [
        ("v6", variants(), "linux/arm/v6", Ok(&v6)),
        ("v7", variants(), "linux/arm/v7", Ok(&v7)),
        ("any variant", variants(), "linux/arm", Ok(&v6)),
        ("arm64", variants(), "linux/arm64", Ok(&arm64)),
        ("arm64/v8", variants(), "linux/arm64/v8", Ok(&arm64)),
        (
            "v5",
            variants(),
            "linux/arm/v5",
            Err("it has linux/arm/v6, linux/arm/v7"),
        ),
        (
            "an entry without platform",
            bare(&arm64),
            "linux/arm64",
            Ok(&arm64),
        ),
        (
            "an entry without platform for others",
            bare(&arm64),
            "linux/amd64",
            Err("it has linux/arm64"),
        ),
        ("a single manifest", arm64.clone(), "linux/arm64", Ok(&arm64)),
        (
            "a single manifest for others",
            arm64.clone(),
            "linux/amd64",
            Err("it has linux/arm64"),
        ),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let store = open(directory.path());
        let platform = platform.parse().expect("a platform");
        match (pull(&store, &made, &platform), expect) {
            (Ok(image), Ok(expect)) => assert_eq!(image.digest, expect.root().digest, "{name}"),
            (Err(error), Err(expect)) => assert!(chain(&error).contains(expect), "{name}: {}", chain(&error)),
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn an_index_in_an_index_and_one_in_itself() {
    let inner = image("amd64", &[("a", b"1", Codec::Gzip)]);
    let middle = listing(
        &[&inner],
        vec![entry(&inner, json!({"os": "linux", "architecture": "amd64"}))],
    );
    let outer = listing(&[&middle], vec![json!(middle.root())]);
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let found = pull(&store, &outer, &amd64()).expect("nested once");
    assert_eq!(found.digest, inner.root().digest);

    // A digest cannot be made to contain itself, but a server may answer with anything.
    let mut made = Made::default();
    let fake = Digest::of(b"itself");
    let text = json!({"schemaVersion": 2, "manifests": [
        {"mediaType": media::INDEX, "digest": fake, "size": 100},
    ]});
    made.root = Some(made.blob(media::INDEX, text.to_string().into_bytes()));
    made.blobs.insert(fake, text.to_string().into_bytes());
    let error = pull(&store, &made, &amd64()).expect_err("itself");
    assert!(chain(&error).contains(&fake.to_string()), "{}", chain(&error));

    // Many small indexes do not make many requests.
    let entries: Vec<_> = (0..3000)
        .map(|number: u32| json!({"mediaType": media::INDEX, "digest": Digest::of(&number.to_le_bytes()), "size": 31}))
        .collect();
    let mut made = listing(&[], entries);
    for number in 0..3000u32 {
        let bytes = format!("{{\"schemaVersion\":2,\"x\":{number:06}}}").into_bytes();
        made.blobs.insert(Digest::of(&number.to_le_bytes()), bytes);
    }
    let error = pull(&store, &made, &amd64()).expect_err("many");
    assert!(chain(&error).contains("sha256:"), "{}", chain(&error));
}
