//! Images of the benchmarks' own making: the same bytes every time and everywhere, without a network.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Files in one directory of a layer.
const FILES_PER_DIRECTORY: u64 = 100;

/// A layer of an image: files of one size, which compress to half of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Layer {
    /// What the content follows from, and the name of the layer's directory.
    pub seed: u64,
    /// Number of files.
    pub files: u64,
    /// Bytes in each of them.
    pub bytes: u64,
}

/// Makes the folder an OCI image layout with these images, each with its full name. Equal layers are there once. What the
/// folder had is gone.
///
/// # Errors
/// The folder cannot be written.
pub fn make_layout(folder: &Path, images: &[(String, Vec<Layer>)]) -> Result<()> {
    write_layout(folder, images).with_context(|| format!("cannot make images in {}", folder.display()))
}

fn write_layout(folder: &Path, images: &[(String, Vec<Layer>)]) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder.join("blobs/sha256"))?;
    let mut made: BTreeMap<Layer, (Value, String)> = BTreeMap::new();
    let mut roots = Vec::new();
    for (name, layers) in images {
        let (mut descriptors, mut diff_ids) = (Vec::new(), Vec::new());
        for layer in layers {
            if !made.contains_key(layer) {
                made.insert(*layer, write_layer(folder, *layer)?);
            }
            let (descriptor, diff_id) = &made[layer];
            descriptors.push(descriptor.clone());
            diff_ids.push(diff_id.clone());
        }
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": { "Cmd": ["/bin/true"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": write_json(folder, "application/vnd.oci.image.config.v1+json", &config)?,
            "layers": descriptors,
        });
        let mut root = write_json(folder, "application/vnd.oci.image.manifest.v1+json", &manifest)?;
        root["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        roots.push(root);
    }
    let index = json!({ "schemaVersion": 2, "manifests": roots });
    fs::write(folder.join("index.json"), index.to_string())?;
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(())
}

/// Writes a layer, compressed by gzip: its descriptor, and the digest of the archive.
fn write_layer(folder: &Path, layer: Layer) -> Result<(Value, String)> {
    let file = folder.join("layer");
    let compressed = Hashed::new(BufWriter::new(File::create(&file)?));
    let mut archive = tar::Builder::new(Hashed::new(GzEncoder::new(compressed, Compression::fast())));
    for number in 0..layer.files {
        let directory = format!("data/{}/{}", layer.seed, number / FILES_PER_DIRECTORY);
        let mut header = tar::Header::new_gnu();
        if number % FILES_PER_DIRECTORY == 0 {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o755);
            header.set_size(0);
            archive.append_data(&mut header, format!("{directory}/"), io::empty())?;
        }
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(layer.bytes);
        let noise = Noise::new(layer.seed << 32 | number);
        archive.append_data(
            &mut header,
            format!("{directory}/{number}"),
            noise.take(layer.bytes),
        )?;
    }
    let (diff_id, encoder) = archive.into_inner()?.finish();
    let (digest, mut out) = encoder.finish()?.finish();
    out.flush()?;
    let size = fs::metadata(&file)?.len();
    fs::rename(file, folder.join("blobs/sha256").join(&digest))?;
    let media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    Ok((
        json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size }),
        format!("sha256:{diff_id}"),
    ))
}

/// Writes a document and returns its descriptor.
fn write_json(folder: &Path, media_type: &str, value: &Value) -> Result<Value> {
    let text = value.to_string();
    let digest = hex(&Sha256::digest(&text));
    fs::write(folder.join("blobs/sha256").join(&digest), &text)?;
    Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": text.len() }))
}

/// This machine's, in the notation of images.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Passes on what is written and hashes it.
struct Hashed<W> {
    inner: W,
    hasher: Sha256,
}

impl<W> Hashed<W> {
    fn new(inner: W) -> Hashed<W> {
        Hashed {
            inner,
            hasher: Sha256::new(),
        }
    }

    /// The digest in hexadecimal digits.
    fn finish(self) -> (String, W) {
        (hex(&self.hasher.finalize()), self.inner)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Bytes without end, half of them zeros: 8 bytes of Marsaglia's xorshift (64 bits, shifts 13, 7, 17) alternate with 8 zeros.
pub struct Noise {
    state: u64,
}

impl Noise {
    /// The stream that follows from `seed`.
    pub fn new(seed: u64) -> Noise {
        // A state of zero would stay zero; neighbours should not look alike.
        let state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Noise { state }
    }
}

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for word in buffer.chunks_mut(16) {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            let mut block = [0; 16];
            block[..8].copy_from_slice(&self.state.to_le_bytes());
            word.copy_from_slice(&block[..word.len()]);
        }
        Ok(buffer.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_layers_are_there_once_and_every_time_the_same() {
        let folder = std::env::temp_dir().join(format!("ironkit-bench-images-{}", std::process::id()));
        let layer = |seed| Layer {
            seed,
            files: 3,
            bytes: 100,
        };
        let images = [("a", vec![layer(1), layer(2)]), ("b", vec![layer(1)])];
        let images = images.map(|(name, layers)| (format!("bench.example/{name}:1"), layers));
        let mut seen = Vec::new();
        for _ in 0..2 {
            make_layout(&folder, &images).unwrap();
            let blobs = fs::read_dir(folder.join("blobs/sha256")).unwrap().count();
            assert_eq!(blobs, 2 + 2 + 2, "two layers, configurations and manifests");
            seen.push(fs::read_to_string(folder.join("index.json")).unwrap());
        }
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(seen[0], seen[1]);
        assert!(seen[0].contains("bench.example/b:1"), "{}", seen[0]);
    }
}
