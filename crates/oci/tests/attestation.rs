//! Attestations come with the image that they are about, and do not keep it from coming.

mod support;

use ironkit_oci::document::media;
use ironkit_oci::{
    ArchiveFormat, Digest, ExportOptions, Image, ImportOptions, Platform, Registry, RegistryOptions, Store,
    export, import,
};
use serde_json::json;
use support::server::{Server, serve};
use support::{Codec, Made, amd64, image, open, reference};

const STATEMENT: &[u8] = b"{\"a\":\"statement\"}";

/// An index with an image and its attestation; also the blobs of the attestation's manifest and statement.
fn attested() -> (Made, Digest, Digest) {
    let mut made = image("amd64", &[("a", b"content", Codec::Gzip)]);
    let mut entry = made.root();
    entry.platform = Some(amd64());
    let mut statement = made.blob("application/vnd.in-toto+json", STATEMENT.to_vec());
    statement.annotations = Some([("in-toto.io/predicate-type".to_owned(), "type".to_owned())].into());
    let config = made.blob(media::CONFIG, b"{\"os\":\"unknown\"}".to_vec());
    let manifest =
        json!({"schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": [statement]});
    let mut attestation = made.blob(media::MANIFEST, manifest.to_string().into_bytes());
    attestation.platform = Some("unknown/unknown".parse::<Platform>().expect("a platform"));
    let about = [
        (
            "vnd.docker.reference.type".to_owned(),
            "attestation-manifest".to_owned(),
        ),
        ("vnd.docker.reference.digest".to_owned(), entry.digest.to_string()),
    ];
    attestation.annotations = Some(about.into());
    let other = json!({
        "mediaType": media::MANIFEST, "digest": Digest::of(b"elsewhere"), "size": 9,
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": Digest::of(b"other")},
    });
    let digests = (attestation.digest, statement.digest);
    let index =
        json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": [entry, attestation, other]});
    made.root = Some(made.blob(media::INDEX, index.to_string().into_bytes()));
    (made, digests.0, digests.1)
}

fn pull(store: &Store, server: &Server) -> Image {
    let registry = Registry::new(RegistryOptions::default()).expect("a client");
    let name = reference(&format!("{}/a/repo:tag", server.host));
    registry.pull(store, &name, &amd64(), &()).expect("an image")
}

#[test]
fn they_are_pulled_exported_and_imported_with_their_image() {
    let (made, _, statement) = attested();
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory.path().join("one"));
    let image = pull(&store, &serve(&made, &[]));
    let found = store.statements(&image).expect("statements");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].predicate_type.as_str(), found[0].digest),
        ("type", statement)
    );
    assert_eq!(store.read_statement(&found[0]).expect("bytes"), STATEMENT);

    let options = ExportOptions {
        format: ArchiveFormat::Oci,
        name: None,
    };
    let mut archive = Vec::new();
    export(&store, &image.name, &amd64(), &options, &mut archive).expect("an archive");
    let other = open(&directory.path().join("two"));
    import(&other, archive.as_slice(), &ImportOptions::default()).expect("a name");
    let again = other
        .find(&image.name, &amd64())
        .expect("readable")
        .expect("the image");
    assert_eq!(other.statements(&again).expect("statements"), found);
}

#[test]
fn an_image_comes_without_an_attestation_that_is_not_there() {
    let (made, manifest, statement) = attested();
    for absent in [manifest, statement] {
        let mut made = made.clone();
        made.blobs.remove(&absent);
        let directory = tempfile::tempdir().expect("a directory");
        let store = open(directory.path());
        let image = pull(&store, &serve(&made, &[]));
        assert_eq!(image.layers.len(), 1);
        assert_eq!(store.statements(&image).expect("statements"), [], "{absent}");
    }
}
