//! Entries of `files`.

use crate::decode::{Mapping, boolean, string, word};
use crate::id::{Id, id};
use crate::mode::{Mode, quoted};
use crate::schema;
use crate::yaml::Node;
use crate::{Diagnostic, Diagnostics, Spanned};

/// A file, directory or symbolic link of the image.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// Where, as written; relative to the root with or without a leading slash.
    pub path: Spanned<String>,
    /// What is there.
    pub content: FileContent,
    /// Whether a source that is not there is passed over.
    pub optional: bool,
    /// Permission bits; see [`File::mode_bits`].
    pub mode: Option<Mode>,
    /// Owner; root by default.
    pub uid: Option<Spanned<Id>>,
    /// Group; root by default.
    pub gid: Option<Spanned<Id>>,
}

/// What a `files` entry puts at its path.
#[derive(Debug, Clone, PartialEq)]
pub enum FileContent {
    /// A directory.
    Directory,
    /// A symbolic link with this target.
    Symlink(Spanned<String>),
    /// A file with this text.
    Contents(Spanned<String>),
    /// A file with the content of a file on the builder's machine, read when the image is built. `~/` is the home
    /// directory; other paths are relative to the working directory.
    Source(Spanned<String>),
    /// A file with the merged manifest.
    Metadata(MetadataFormat),
}

/// How the merged manifest is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataFormat {
    /// `yaml`
    Yaml,
    /// `json`
    Json,
}

impl File {
    /// The permission bits: 0600 by default, 0700 of a directory.
    pub fn mode_bits(&self) -> u32 {
        let default = if self.content == FileContent::Directory {
            0o700
        } else {
            0o600
        };
        self.mode.as_ref().map_or(default, |mode| mode.bits)
    }
}

/// Decodes an entry.
pub(crate) fn file(node: &Node, out: &mut Diagnostics) -> Option<File> {
    let errors = out.errors();
    let map = Mapping::object(node, "this file", &schema::FILE, out)?;
    let path = map.required("path", out, path);
    let content = content(&map, errors, out);
    // An empty string is as good as nothing here, as in LinuxKit.
    let is_empty = |key| {
        map.node(key)
            .is_some_and(|node| node.text() == Some("") && node.describe() == "a string")
    };
    let file = File {
        path: path.unwrap_or(Spanned::new(String::new(), node.span)),
        optional: map.get("optional", out, boolean).unwrap_or_default(),
        mode: if is_empty("mode") {
            None
        } else {
            map.get("mode", out, quoted)
        },
        uid: map.get("uid", out, id),
        gid: map.get("gid", out, id),
        content: content?,
    };
    if file.optional && !matches!(file.content, FileContent::Source(_)) {
        let span = map.key_span("optional").unwrap_or(map.span);
        out.push(Diagnostic::warning(
            span,
            "`optional` has no effect without `source`",
        ));
    }
    Some(file)
}

fn path(node: &Node, out: &mut Diagnostics) -> Option<Spanned<String>> {
    let path = string(node, out)?;
    if path.is_empty() {
        out.push(Diagnostic::error(path.span, "the path is empty"));
    } else if path.split('/').all(|part| part.is_empty() || part == ".") {
        out.push(Diagnostic::error(path.span, "the path is the root itself"));
    } else if path.contains('\0') || path.split('/').any(|part| part == "..") {
        let message = format!(
            "the path {:?} cannot be placed: it has `..` or a NUL character",
            path.value
        );
        out.push(Diagnostic::error(path.span, message));
    }
    Some(path)
}

/// LinuxKit's rules: one of `contents`, `source` and `metadata`; none of the latter two beside a directory, link or
/// contents; a directory goes before a link and a link before contents, but a directory cannot have contents.
fn content(map: &Mapping<'_>, errors: usize, out: &mut Diagnostics) -> Option<FileContent> {
    let formats = [("yaml", MetadataFormat::Yaml), ("json", MetadataFormat::Json)];
    let directory = map.get("directory", out, boolean).unwrap_or_default();
    let symlink = map
        .get("symlink", out, string)
        .filter(|target| !target.is_empty());
    let contents = map.get("contents", out, string);
    let source = map.get("source", out, string).filter(|source| !source.is_empty());
    let no_metadata = map
        .node("metadata")
        .is_some_and(|node| node.text() == Some("") && node.describe() == "a string");
    let metadata = if no_metadata {
        None
    } else {
        map.get("metadata", out, word(&formats))
    };

    let given = [
        ("directory", directory),
        ("symlink", symlink.is_some()),
        ("contents", contents.is_some()),
        ("source", source.is_some()),
        ("metadata", metadata.is_some()),
    ];
    let given: Vec<&str> = given
        .into_iter()
        .filter(|(_, given)| *given)
        .map(|(key, _)| key)
        .collect();
    match given.as_slice() {
        [] => {
            // When one of them is there but wrong or misspelt, that has been said.
            if out.errors() == errors {
                let mistake = Diagnostic::error(map.span, "nothing says what the file contains");
                out.push(
                    mistake.hint("add `contents`, `source`, `metadata`, `symlink` or `directory: true`"),
                );
            }
            return None;
        }
        [first, .., second @ ("source" | "metadata")] | [first @ "directory", .., second @ "contents"] => {
            let span = map.key_span(second).unwrap_or(map.span);
            let mistake = Diagnostic::error(span, format!("`{first}` and `{second}` exclude each other"));
            out.push(mistake.note(
                map.key_span(first).unwrap_or(map.span),
                format!("`{first}` is given"),
            ));
        }
        [winner, ignored, ..] => {
            let span = map.key_span(ignored).unwrap_or(map.span);
            out.push(Diagnostic::warning(
                span,
                format!("`{ignored}` has no effect beside `{winner}`"),
            ));
        }
        _ => {}
    }
    if directory {
        return Some(FileContent::Directory);
    }
    symlink
        .map(FileContent::Symlink)
        .or(contents.map(FileContent::Contents))
        .or(source.map(FileContent::Source))
        .or(metadata.map(FileContent::Metadata))
}
