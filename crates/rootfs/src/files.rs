//! The manifest's `files`.

use std::fs;
use std::io::{Read, Seek};
use std::os::unix::fs::MetadataExt;

use ironkit_manifest::{Diagnostic, File, FileContent, Id, Manifest, MetadataFormat, Span, Spanned, dump};
use ironkit_oci::Reference;
use ironkit_tree::{Content, FileSet, Files, Kind, Node, Part};

use crate::contents::Contents;
use crate::{Error, Host, Result, parse};

/// Source files up to this size, in bytes, are kept in memory; larger ones go through the store.
const SMALL: u64 = 256 * 1024;

/// One part for each entry, in order.
///
/// # Errors
/// [`Error::Manifest`] with all entries that cannot be made.
pub(crate) fn parts(manifest: &Manifest, host: &Host, contents: &Contents) -> Result<Vec<Part>> {
    let mut mistakes = Vec::new();
    let mut parts = Vec::new();
    for (index, file) in manifest.files.iter().enumerate() {
        match entry(manifest, file, host, contents) {
            Ok(Some(files)) => parts.push(Part {
                location: format!("files[{index}]"),
                name: "files".to_owned(),
                source: "linuxkit.files".to_owned(),
                files: Files::Listed(files),
            }),
            Ok(None) => {}
            Err(Error::Manifest(list)) => mistakes.extend(list),
            Err(error) => return Err(error),
        }
    }
    if mistakes.is_empty() {
        Ok(parts)
    } else {
        Err(Error::Manifest(mistakes))
    }
}

fn entry(manifest: &Manifest, file: &File, host: &Host, contents: &Contents) -> Result<Option<FileSet>> {
    let mistake = |span: Span, message: String| {
        Error::Manifest(vec![crate::place(manifest, Diagnostic::error(span, message))])
    };
    let kind = match &file.content {
        FileContent::Directory => Kind::Directory,
        FileContent::Symlink(target) => Kind::Symlink(target.value.clone().into_bytes()),
        FileContent::Contents(text) => Kind::File(text.value.clone().into_bytes().into()),
        FileContent::Source(path) => match source(path, host, contents) {
            Ok(content) => Kind::File(content),
            Err(SourceError::Absent(_)) if file.optional => return Ok(None),
            Err(SourceError::Absent(reason) | SourceError::Refused(reason)) => {
                return Err(mistake(
                    path.span,
                    format!("cannot read `{}`: {reason}", path.value),
                ));
            }
            Err(SourceError::Store(error)) => return Err(error),
        },
        FileContent::Metadata(format) => {
            let text = match format {
                MetadataFormat::Yaml => dump::yaml(manifest, &canonical),
                MetadataFormat::Json => dump::json(manifest, &canonical),
            };
            Kind::File(text.into_bytes().into())
        }
    };
    let ids = manifest.ids();
    let id = |id: &Option<Spanned<Id>>| match id.as_ref().map(|id| &id.value) {
        None => Ok(0),
        Some(Id::Number(number)) => Ok(*number),
        Some(Id::Name(name)) => ids.get(name).copied().ok_or_else(|| Error::UnknownId {
            container: file.path.value.clone(),
            name: name.clone(),
        }),
    };
    // Linux gives every symbolic link the same mode; the parents still go by what the entry says.
    let mode = if matches!(kind, Kind::Symlink(_)) {
        0o777
    } else {
        file.mode_bits()
    };
    let node = Node {
        uid: id(&file.uid)?,
        gid: id(&file.gid)?,
        ..Node::new(kind, mode).at(contents.time())
    };
    let path = parse(&file.path, &file.path).map_err(|error| mistake(file.path.span, error.to_string()))?;
    let mut files = FileSet::new();
    for parent in path.ancestors() {
        let directory = Node::new(Kind::Directory, searchable(file.mode_bits())).at(contents.time());
        files.insert(
            parent,
            Node {
                uid: node.uid,
                gid: node.gid,
                implied: true,
                ..directory
            },
        );
    }
    files.insert(path, node);
    Ok(Some(files))
}

/// An image reference with its registry.
fn canonical(reference: &str) -> String {
    reference
        .parse()
        .map_or_else(|_| reference.to_owned(), |parsed: Reference| parsed.to_string())
}

/// The mode of a directory for a file: who may do anything with the file may search the directory.
fn searchable(mode: u32) -> u32 {
    let bits = [(0o700, 0o100), (0o070, 0o010), (0o007, 0o001)];
    bits.iter().fold(
        mode,
        |mode, (any, search)| if mode & any != 0 { mode | search } else { mode },
    )
}

enum SourceError {
    /// It is not there, or may not be read: an optional file is left out.
    Absent(String),
    /// It is there, and is nothing that has a content.
    Refused(String),
    Store(Error),
}

fn source(path: &str, host: &Host, contents: &Contents) -> std::result::Result<Content, SourceError> {
    let path = match path.strip_prefix("~/") {
        Some(rest) => host.home.join(rest),
        None => host.working_directory.join(path),
    };
    let absent = |error: std::io::Error| SourceError::Absent(error.to_string());
    // Looked at before it is opened: opening a pipe would wait for its writer.
    let metadata = fs::metadata(&path).map_err(absent)?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() {
            "a directory"
        } else {
            "a device, pipe or socket"
        };
        return Err(SourceError::Refused(format!("it is {what}, not a regular file")));
    }
    if is_of_the_kernel(&metadata) {
        let reason = "the kernel makes it up when it is read, and it may never end".to_owned();
        return Err(SourceError::Refused(reason));
    }
    let mut file = fs::File::open(&path).map_err(absent)?;
    if metadata.len() > SMALL {
        return contents.keep(&mut file).map_err(SourceError::Store);
    }
    let mut bytes = Vec::new();
    (&mut file)
        .take(SMALL + 1)
        .read_to_end(&mut bytes)
        .map_err(absent)?;
    if bytes.len() as u64 > SMALL {
        file.rewind().map_err(absent)?;
        return contents.keep(&mut file).map_err(SourceError::Store);
    }
    Ok(bytes.into())
}

/// Whether a file is one of the kernel's own, which look regular: reading `/proc/kmsg` waits for the next message.
fn is_of_the_kernel(metadata: &fs::Metadata) -> bool {
    const MOUNTS: [&str; 4] = ["/proc", "/sys", "/sys/kernel/debug", "/sys/kernel/tracing"];
    let device = |path: &str| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let root = device("/");
    MOUNTS
        .iter()
        .filter_map(|mount| device(mount))
        .any(|mount| mount == metadata.dev() && Some(mount) != root)
}

#[cfg(test)]
mod tests {
    use super::{is_of_the_kernel, searchable};

    #[test]
    fn files_of_the_kernel_are_told_from_others() {
        let of_the_kernel = |path: &str| is_of_the_kernel(&std::fs::metadata(path).unwrap());
        assert!(of_the_kernel("/proc/version"));
        assert!(!of_the_kernel(
            &std::env::current_exe().unwrap().to_string_lossy()
        ));
    }

    #[test]
    fn whoever_reads_a_file_may_search_its_directory() {
        for (mode, expect) in [
            (0o600, 0o700),
            (0o644, 0o755),
            (0o640, 0o750),
            (0o4755, 0o4755),
            (0o1666, 0o1777),
            (0, 0),
        ] {
            assert_eq!(searchable(mode), expect, "{mode:o}");
        }
    }
}
