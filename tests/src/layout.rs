//! Images made by hand, so that they can be what no tool would make: an OCI layout, its layers plain tar files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Bytes of a tar header, and what everything in an archive is a multiple of.
const BLOCK: usize = 512;

/// A type of tar entry.
pub const FILE: u8 = b'0';
/// A type of tar entry: another name of a file.
pub const HARD_LINK: u8 = b'1';
/// A type of tar entry.
pub const SYMLINK: u8 = b'2';
/// A type of tar entry.
pub const DIRECTORY: u8 = b'5';

/// An entry of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// [`FILE`] or another type.
    pub kind: u8,
    /// Its name, as it will stand in the archive.
    pub name: &'a str,
    /// A link's target or a file's content.
    pub content: &'a str,
}

/// An entry in short.
pub fn entry<'a>(kind: u8, name: &'a str, content: &'a str) -> Entry<'a> {
    Entry { kind, name, content }
}

/// A tar archive (POSIX ustar), every file with mode 0755 and owner 0.
pub fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let is_link = matches!(entry.kind, HARD_LINK | SYMLINK);
        let (link, content) = if is_link {
            (entry.content, "")
        } else {
            ("", entry.content)
        };
        bytes.extend(header(entry.kind, entry.name, link, content.len() as u64));
        bytes.extend(content.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    bytes
}

/// The header of an entry, which may claim any size.
pub fn header(kind: u8, name: &str, link: &str, size: u64) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut field = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    field(0, name);
    field(100, "0000755\0");
    field(108, "0000000\0");
    field(116, "0000000\0");
    field(124, &format!("{size:011o}\0"));
    field(136, "00000000000\0");
    // The checksum is made as if it were spaces.
    field(148, "        ");
    field(157, link);
    field(257, "ustar\x0000");
    header[156] = kind;
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// A PAX header (IEEE 1003.1) with these records, for the entry that follows.
pub fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut body = String::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        // The length counts its own digits.
        let digits = (rest + rest.to_string().len()).to_string().len();
        body += &format!("{} {key}={value}\n", rest + digits);
    }
    let mut bytes = header(b'x', "pax", "", body.len() as u64).to_vec();
    bytes.extend(body.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

/// `sha256:…` of bytes.
pub fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// An OCI image layout in a folder.
#[derive(Debug)]
pub struct Layout {
    folder: PathBuf,
    named: Vec<Value>,
}

impl Layout {
    /// An empty one.
    ///
    /// # Panics
    /// If it cannot be written, as all of its functions.
    pub fn new(folder: &Path) -> Layout {
        fs::create_dir_all(folder.join("blobs/sha256")).expect("a folder can be made");
        write(&folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#);
        Layout {
            folder: folder.to_owned(),
            named: Vec::new(),
        }
    }

    /// Adds a blob: its descriptor.
    pub fn blob(&self, kind: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        let name = digest.replace(':', "/");
        write(&self.folder.join("blobs").join(name), bytes);
        json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": bytes.len() })
    }

    /// Adds an image for Linux: its manifest's descriptor.
    pub fn image(&self, architecture: &str, layers: &[Vec<u8>]) -> Value {
        let diff_ids: Vec<_> = layers.iter().map(|layer| digest(layer)).collect();
        let layers: Vec<_> = layers
            .iter()
            .map(|layer| self.blob("layer.v1.tar", layer))
            .collect();
        self.image_of(architecture, &layers, &diff_ids)
    }

    /// The same with descriptors of layers, and the digests that the uncompressed layers are said to have.
    pub fn image_of(&self, architecture: &str, layers: &[Value], diff_ids: &[String]) -> Value {
        let platform = json!({ "os": "linux", "architecture": architecture });
        let mut config = platform.clone();
        config["config"] = json!({ "Cmd": ["/program"] });
        config["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": self.blob("config.v1+json", config.to_string().as_bytes()),
            "layers": layers,
        });
        let mut descriptor = self.blob("manifest.v1+json", manifest.to_string().as_bytes());
        descriptor["platform"] = platform;
        descriptor
    }

    /// Adds an index of several images: its descriptor.
    pub fn index(&self, images: &[Value]) -> Value {
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": images,
        });
        self.blob("index.v1+json", index.to_string().as_bytes())
    }

    /// Gives an image or index a name in the layout.
    pub fn name(&mut self, mut descriptor: Value, name: &str) {
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        self.named.push(descriptor);
        let index = json!({ "schemaVersion": 2, "manifests": self.named });
        write(&self.folder.join("index.json"), index.to_string().as_bytes());
    }

    /// All of it as one archive, which `ironkit cache import` reads.
    pub fn archive(&self) -> Vec<u8> {
        let read = |path: &Path| fs::read_to_string(path).expect("a blob made by hand is text");
        let mut files = vec!["oci-layout".to_owned(), "index.json".to_owned()];
        for blob in fs::read_dir(self.folder.join("blobs/sha256")).expect("the folder is there") {
            let name = blob.expect("the folder can be read").file_name();
            files.push(format!("blobs/sha256/{}", name.to_string_lossy()));
        }
        let contents: Vec<_> = files.iter().map(|name| read(&self.folder.join(name))).collect();
        let entries: Vec<_> = files
            .iter()
            .zip(&contents)
            .map(|(name, content)| entry(FILE, name, content))
            .collect();
        tar(&entries)
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::{judge, succeed};

    #[test]
    fn archives_and_digests_are_what_others_read() {
        let sandbox = crate::Sandbox::new();
        let bytes = tar(&[entry(FILE, "a/b", "text\n"), entry(SYMLINK, "c", "a/b")]);
        let file = sandbox.write("x.tar", &bytes);
        let listed = succeed(Command::new("tar").arg("-tvf").arg(&file).env("TZ", "UTC"));
        assert!(
            listed.starts_with("-rwxr-xr-x 0/0 ") && listed.contains("c -> a/b"),
            "{listed}"
        );
        let sum = succeed(Command::new("sha256sum").arg(&file));
        assert_eq!(digest(&bytes).strip_prefix("sha256:"), sum.split(' ').next());

        let mut layout = Layout::new(&sandbox.path("layout"));
        let images = ["amd64", "arm64"].map(|arch| layout.image(arch, std::slice::from_ref(&bytes)));
        layout.name(layout.index(&images), "both");
        let Some(skopeo) = judge("skopeo") else { return };
        let mut command = Command::new(skopeo);
        command.args(["inspect", "--override-arch", "arm64"]);
        let seen = succeed(command.arg(format!("oci:{}:both", sandbox.path("layout").display())));
        assert!(seen.contains("arm64") && seen.contains(&digest(&bytes)), "{seen}");
    }
}
