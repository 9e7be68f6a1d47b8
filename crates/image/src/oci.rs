//! The bootable image as an artefact for registries: an OCI image layout in a tar archive.
//!
//! ```text
//! NAME-oci.tar ─ oci-layout
//!              ─ index.json ──▶ the manifest, with the platform
//!              ─ blobs/sha256/…   {}, the manifest,
//!                                 its layers: kernel, initrd, command line
//! ```
//!
//! Layers have media types of their own, and carry the names of the files of kernel+initrd as titles, so that tools like
//! oras put these files where `ironkit run` looks for them. Source: OCI image specification 1.1 (manifest.md, "Guidelines
//! for Artifact Usage"; image-layout.md). The judges are skopeo and a registry.

use std::io::{self, Write};
use std::sync::Arc;

use ironkit_formats::archive::tar;
use ironkit_formats::extents::{Data, Extents, Sink, Stored};
use ironkit_tree::{Digest, Hasher};

use crate::{Arch, Error, Format, Image, Outputs, Parts, Result, uki};

const ARTIFACT: &str = "application/vnd.ironkit.image.v1";
const KERNEL: &str = "application/vnd.ironkit.image.kernel.v1";
const INITRD: &str = "application/vnd.ironkit.image.initrd.v1";
const CMDLINE: &str = "application/vnd.ironkit.image.cmdline.v1";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of [`NOTHING`].
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The specification's configuration for artefacts that need none.
const NOTHING: &str = "{}";
const LAYOUT: &str = "{\"imageLayoutVersion\":\"1.0.0\"}";
const TITLE: &str = "org.opencontainers.image.title";

/// Permissions of the files.
const MODE: u32 = 0o644;

/// A blob, and what points to it.
struct Blob<'a> {
    media_type: &'static str,
    title: String,
    bytes: Extents<'a>,
    digest: Digest,
}

/// `NAME-oci.tar`.
pub(crate) fn write(parts: &Parts, outputs: &mut dyn Outputs) -> Result<()> {
    let image = parts.image;
    let layers = layers(parts, &outputs.name())?;
    let empty = plain(EMPTY, NOTHING);
    let manifest = plain(MANIFEST, &manifest(&empty, &layers));
    let index = index(&manifest, image.arch);
    let mut blobs: Vec<&Blob> = layers.iter().chain([&empty, &manifest]).collect();
    blobs.sort_by_key(|blob| blob.digest);
    // A kernel that is its own initrd is no use, but the archive is right.
    blobs.dedup_by_key(|blob| blob.digest);
    outputs.create("-oci.tar", &mut |out| {
        let mut archive = tar::Writer::new(out);
        for (name, text) in [("oci-layout", LAYOUT), ("index.json", &index)] {
            archive.append_stream(&entry(name, text.len() as u64, image), |out| {
                Ok::<_, Error>(out.write_all(text.as_bytes())?)
            })?;
        }
        for blob in &blobs {
            let name = format!("blobs/sha256/{}", blob.digest.hex());
            archive.append_stream(&entry(&name, blob.bytes.size(), image), |out| {
                blob.bytes.write_to(out).map_err(Error::Contents)
            })?;
        }
        Ok(archive.finish()?)
    })
}

fn entry<'n>(name: &'n str, size: u64, image: &Image) -> tar::Stream<'n> {
    tar::Stream {
        name,
        size,
        mode: MODE,
        mtime: image.time,
    }
}

fn layers<'p>(parts: &'p Parts, name: &str) -> Result<Vec<Blob<'p>>> {
    let kernel = uki::kernel(parts, Format::Oci)?.clone();
    let mut bytes = Extents::new();
    bytes.data(Arc::new(Stored::new(kernel, parts.image.source)));
    let mut layers = vec![hashed(KERNEL, format!("{name}-kernel"), bytes)?];
    layers.push(hashed(INITRD, format!("{name}-initrd.img"), uki::initrd(parts)?)?);
    let cmdline = &parts.boot.cmdline;
    if !cmdline.is_empty() {
        layers.push(hashed(CMDLINE, format!("{name}-cmdline"), of(cmdline))?);
    }
    Ok(layers)
}

fn of(bytes: &[u8]) -> Extents<'static> {
    let mut extents = Extents::new();
    extents.bytes(bytes);
    extents
}

fn plain(media_type: &'static str, text: &str) -> Blob<'static> {
    Blob {
        media_type,
        title: String::new(),
        bytes: of(text.as_bytes()),
        digest: Digest::of(text.as_bytes()),
    }
}

/// Reads all bytes once: a blob's name is needed before they are written.
fn hashed<'a>(media_type: &'static str, title: String, bytes: Extents<'a>) -> Result<Blob<'a>> {
    let mut sink = Hashed(Hasher::new());
    bytes.write_to(&mut sink).map_err(Error::Contents)?;
    Ok(Blob {
        media_type,
        title,
        bytes,
        digest: sink.0.finish(),
    })
}

struct Hashed(Hasher);

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Hashed {}

/// The members of a descriptor.
fn descriptor(blob: &Blob) -> String {
    format!(
        "\"mediaType\":{},\"digest\":\"{}\",\"size\":{}",
        json(blob.media_type),
        blob.digest,
        blob.bytes.size()
    )
}

fn manifest(config: &Blob, layers: &[Blob]) -> String {
    let layers: Vec<String> = layers
        .iter()
        .map(|layer| {
            let title = json(&layer.title);
            format!(
                "{{{},\"annotations\":{{\"{TITLE}\":{title}}}}}",
                descriptor(layer)
            )
        })
        .collect();
    format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{MANIFEST}\",\"artifactType\":\"{ARTIFACT}\",\
         \"config\":{{{}}},\"layers\":[{}]}}",
        descriptor(config),
        layers.join(",")
    )
}

fn index(manifest: &Blob, arch: Arch) -> String {
    let platform = match arch {
        Arch::Amd64 => ",\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"}",
        Arch::Arm64 => ",\"platform\":{\"architecture\":\"arm64\",\"os\":\"linux\"}",
        Arch::Other => "",
    };
    format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{INDEX}\",\"manifests\":[{{{},\"artifactType\":\"{ARTIFACT}\"{platform}}}]}}",
        descriptor(manifest)
    )
}

/// A text in JSON (RFC 8259, section 7).
fn json(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control < ' ' => quoted += &format!("\\u{:04x}", u32::from(control)),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents() {
        let empty = plain(EMPTY, NOTHING);
        let mut layer = plain(KERNEL, "kernel");
        layer.title = "a \"b\"\\\n".to_owned();
        // The specification gives the digest of `{}`.
        let expect = "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
             \"artifactType\":\"application/vnd.ironkit.image.v1\",\
             \"config\":{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\
             \"digest\":\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2},\
             \"layers\":[{\"mediaType\":\"application/vnd.ironkit.image.kernel.v1\",\
             \"digest\":\"KERNEL\",\"size\":6,\
             \"annotations\":{\"org.opencontainers.image.title\":\"a \\\"b\\\"\\\\\\u000a\"}}]}";
        let expect = expect.replace("KERNEL", &Digest::of(b"kernel").to_string());
        let text = manifest(&empty, &[layer]);
        assert_eq!(text, expect);
        let index = index(&plain(MANIFEST, &text), Arch::Arm64);
        assert!(
            index.contains("\"platform\":{\"architecture\":\"arm64\",\"os\":\"linux\"}"),
            "{index}"
        );
    }

    #[test]
    fn what_is_hashed_is_what_is_written() {
        let mut bytes = Extents::new();
        bytes.bytes(*b"ab");
        bytes.zeros(100_000);
        let blob = hashed(INITRD, String::new(), bytes).unwrap();
        let mut written = Vec::new();
        blob.bytes.write_to(&mut written).unwrap();
        assert_eq!(blob.digest, Digest::of(&written));
    }
}
