//! What the tests share: images made on the spot, judges, a server that misbehaves.
#![expect(dead_code, reason = "every test file uses another part of it")]

pub mod server;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use ironkit_oci::document::{Descriptor, media};
use ironkit_oci::{Digest, Platform, Reference, Store};
use serde_json::json;

/// How a layer is compressed.
#[derive(Debug, Clone, Copy)]
pub enum Codec {
    Plain,
    Gzip,
    GzipMembers,
    Zstd,
}

/// An image as blobs.
#[derive(Debug, Clone, Default)]
pub struct Made {
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    pub root: Option<Descriptor>,
    pub manifest: Option<Digest>,
    pub layers: Vec<Digest>,
}

impl Made {
    pub fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Descriptor {
        let descriptor = Descriptor::new(media_type, Digest::of(&bytes), bytes.len() as u64);
        self.blobs.insert(descriptor.digest, bytes);
        descriptor
    }

    pub fn root(&self) -> Descriptor {
        self.root.clone().expect("an image")
    }

    /// Writes the image into a store under a name.
    pub fn put(&self, store: &Store, name: &Reference) {
        for (digest, bytes) in &self.blobs {
            store
                .write_blob(Some((digest, bytes.len() as u64)), &mut bytes.as_slice())
                .expect("a blob");
        }
        store.add_image(name, self.root()).expect("a name");
    }
}

/// An image for one platform: a file `name` with `content` per layer.
pub fn image(architecture: &str, layers: &[(&str, &[u8], Codec)]) -> Made {
    let mut made = Made::default();
    let mut diff_ids = Vec::new();
    let mut descriptors = Vec::new();
    for (name, content, codec) in layers {
        let tar = tar(name, content);
        diff_ids.push(Digest::of(&tar));
        let (media_type, bytes) = compress(&tar, *codec);
        let layer = made.blob(media_type, bytes);
        made.layers.push(layer.digest);
        descriptors.push(layer);
    }
    let config = json!({
        "architecture": architecture, "os": "linux",
        "config": {"Env": ["A=b"], "Cmd": ["/run"], "Labels": {"x": "y"}, "Entrypoint": null},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = made.blob(media::CONFIG, config.to_string().into_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": descriptors,
    });
    let root = made.blob(media::MANIFEST, manifest.to_string().into_bytes());
    made.manifest = Some(root.digest);
    made.root = Some(root);
    made
}

/// An index over images for several platforms, and one entry that has no platform and leads nowhere useful.
pub fn index(parts: &[(&str, &Made)]) -> Made {
    let mut made = Made::default();
    let mut entries = Vec::new();
    for (architecture, part) in parts {
        made.blobs.extend(part.blobs.clone());
        let mut entry = part.root();
        entry.platform = Some(Platform::linux(architecture));
        entries.push(json!(entry));
        made.layers.extend(&part.layers);
    }
    entries.push(json!({
        "mediaType": media::MANIFEST, "digest": Digest::of(b"elsewhere"), "size": 9,
        "platform": {"os": "unknown", "architecture": "unknown"},
    }));
    let bytes = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": entries}).to_string();
    made.root = Some(made.blob(media::INDEX, bytes.into_bytes()));
    made
}

pub fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).expect("an entry");
    builder.into_inner().expect("an archive")
}

pub fn compress(bytes: &[u8], codec: Codec) -> (&'static str, Vec<u8>) {
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    };
    let half = bytes.len() / 2;
    match codec {
        Codec::Plain => (media::LAYER, bytes.to_vec()),
        Codec::Gzip => (media::LAYER_GZIP, gzip(bytes)),
        Codec::GzipMembers => (
            media::LAYER_GZIP,
            [gzip(&bytes[..half]), gzip(&bytes[half..])].concat(),
        ),
        Codec::Zstd => (media::LAYER_ZSTD, zstd::encode_all(bytes, 3).expect("memory")),
    }
}

/// Bytes that do not compress, the same each time.
pub fn noise(size: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..size).map(|_| next()).collect()
}

pub fn reference(text: &str) -> Reference {
    text.parse().expect("a reference")
}

pub fn amd64() -> Platform {
    Platform::linux("amd64")
}

/// Whether a judge is installed. In CI it has to be.
pub fn have(tool: &str) -> bool {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .chain(["/usr/bin".into(), "/usr/sbin".into()])
        .any(|directory| directory.join(tool).is_file());
    if !found {
        assert!(
            std::env::var_os("CI").is_none(),
            "{tool} is needed to judge this test"
        );
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: {tool} is not installed, so nothing was judged"
        );
    }
    found
}

/// Runs a judge and returns what it says; it has to succeed.
pub fn run(tool: &str, arguments: &[&str]) -> String {
    let output = Command::new(tool).args(arguments).output().expect(tool);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// The files below `tmp/`, which has to be empty when nobody is at work.
pub fn leftovers(store: &Store) -> usize {
    std::fs::read_dir(store.root().join("tmp")).expect("tmp").count()
}

pub fn open(path: &Path) -> Store {
    Store::open(path).expect("a store")
}

/// The whole chain of an error, as a person reads it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}
