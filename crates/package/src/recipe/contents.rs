//! The entries of `contents`.

use ironkit_manifest::decode::{self as d, Mapping, Spelling};
use ironkit_manifest::yaml::{Node, Value};
use ironkit_manifest::{Diagnostic, Diagnostics, Span};
use ironkit_tree::Path;

use super::decode::suite;
use super::{Access, Entry, Item};
use crate::debian::multiarch;
use crate::glob;

/// The key that every entry can have.
const ARCH: &str = "arch";

/// Decodes the list. `suite` is the release of packages that do not name one.
pub fn entries(node: &Node, suite: Option<&str>, out: &mut Diagnostics) -> Option<Vec<Entry>> {
    d::list(|node, out| {
        Some(Entry {
            span: node.span,
            arch: arch(node, out),
            item: item(node, suite, out)?,
        })
    })(node, out)
}

fn item(node: &Node, suite: Option<&str>, out: &mut Diagnostics) -> Option<Item> {
    type Decode = fn(&Node, Option<&str>, &mut Diagnostics) -> Option<Item>;
    const KINDS: [(&str, Decode); 6] = [
        ("package", package),
        ("binary", binary),
        ("file", file),
        ("directory", directory),
        ("symlink", symlink),
        ("kernel", kernel),
    ];
    let has = |name: &str| match &node.value {
        Value::Mapping(pairs) => pairs.iter().any(|(key, _)| key.text() == Some(name)),
        _ => false,
    };
    let kinds: Vec<Decode> = KINDS
        .iter()
        .filter(|(name, _)| has(name))
        .map(|(_, decode)| *decode)
        .collect();
    match kinds[..] {
        [decode] => decode(node, suite, out),
        _ => {
            let kinds = KINDS.map(|(name, _)| format!("`{name}`")).join(", ");
            out.push(Diagnostic::error(
                node.span,
                format!("an entry is one of {kinds}"),
            ));
            None
        }
    }
}

/// The architecture that the entry is for; `None` for all. A mistake is one only here.
fn arch(node: &Node, out: &mut Diagnostics) -> Option<String> {
    let Value::Mapping(pairs) = &node.value else {
        return None;
    };
    let (_, value) = pairs.iter().find(|(key, _)| key.text() == Some(ARCH))?;
    let name = d::string(value, out)?;
    if multiarch(&name.value).is_none() {
        let message = format!(
            "`{}` is not an architecture of Debian's that is known here",
            name.value
        );
        out.push(Diagnostic::error(name.span, message).hint("amd64 and arm64 are"));
    }
    Some(name.value)
}

fn package(node: &Node, default: Option<&str>, out: &mut Diagnostics) -> Option<Item> {
    let keys = ["package", "suite", "paths", "except", "as", ARCH];
    let mapping = Mapping::read(node, "a package", &keys, Spelling::Exact, out)?;
    let suite = release(&mapping, default, out);
    let package = mapping.get("package", out, package_name);
    let paths = mapping.required("paths", out, d::list(pattern));
    let except = mapping.get("except", out, d::list(pattern)).unwrap_or_default();
    let to = mapping.get("as", out, path);
    let paths = paths?;
    let single = matches!(&paths[..], [(path, _)] if !glob::is_pattern(path));
    if let (Some(_), Some(node), false) = (&to, mapping.node("as"), single) {
        out.push(Diagnostic::error(
            node.span,
            "`as` needs exactly one path, without patterns",
        ));
    }
    let except = except.into_iter().map(|(pattern, _)| pattern).collect();
    Some(Item::Package {
        suite: suite?,
        package: package?,
        paths,
        except,
        to,
    })
}

fn kernel(node: &Node, default: Option<&str>, out: &mut Diagnostics) -> Option<Item> {
    let mapping = Mapping::read(
        node,
        "a kernel",
        &["kernel", "suite", "modules", "device-trees", ARCH],
        Spelling::Exact,
        out,
    )?;
    let suite = release(&mapping, default, out);
    let package = mapping.get("kernel", out, package_name);
    let module =
        |node: &Node, out: &mut Diagnostics| d::string(node, out).map(|name| (name.value, name.span));
    let modules = mapping.get("modules", out, d::list(module)).unwrap_or_default();
    let device_trees = mapping.get("device-trees", out, d::list(pattern));
    Some(Item::Kernel {
        suite: suite?,
        package: package?,
        modules,
        device_trees: device_trees.unwrap_or_default(),
    })
}

fn binary(node: &Node, _: Option<&str>, out: &mut Diagnostics) -> Option<Item> {
    let mapping = Mapping::read(
        node,
        "a binary",
        &["binary", "path", "mode", ARCH],
        Spelling::Exact,
        out,
    )?;
    let binary = mapping.get("binary", out, d::text);
    let path = mapping.required("path", out, path);
    let mode = mapping.get("mode", out, mode).unwrap_or(0o755);
    Some(Item::Binary {
        binary: binary?,
        path: path?,
        mode,
    })
}

fn file(node: &Node, _: Option<&str>, out: &mut Diagnostics) -> Option<Item> {
    let keys = ["file", "path", "mode", "uid", "gid", ARCH];
    let mapping = Mapping::read(node, "a file", &keys, Spelling::Exact, out)?;
    let file = mapping.get("file", out, d::text);
    let path = mapping.required("path", out, path);
    let access = access(&mapping, 0o644, out);
    Some(Item::File {
        file: file?,
        path: path?,
        access,
    })
}

fn directory(node: &Node, _: Option<&str>, out: &mut Diagnostics) -> Option<Item> {
    let keys = ["directory", "mode", "uid", "gid", ARCH];
    let mapping = Mapping::read(node, "a directory", &keys, Spelling::Exact, out)?;
    let path = mapping.get("directory", out, path);
    let access = access(&mapping, 0o755, out);
    Some(Item::Directory { path: path?, access })
}

fn symlink(node: &Node, _: Option<&str>, out: &mut Diagnostics) -> Option<Item> {
    let mapping = Mapping::read(
        node,
        "a symlink",
        &["symlink", "target", ARCH],
        Spelling::Exact,
        out,
    )?;
    let path = mapping.get("symlink", out, path);
    let target = mapping.required("target", out, d::text);
    Some(Item::Symlink {
        path: path?,
        target: target?,
    })
}

fn access(mapping: &Mapping<'_>, default: u32, out: &mut Diagnostics) -> Access {
    Access {
        mode: mapping.get("mode", out, mode).unwrap_or(default),
        uid: mapping.get("uid", out, d::integer).unwrap_or(0),
        gid: mapping.get("gid", out, d::integer).unwrap_or(0),
    }
}

/// Permission bits: a string of octal digits, since YAML's numbers would mean something else.
fn mode(node: &Node, out: &mut Diagnostics) -> Option<u32> {
    let text = d::string(node, out)?;
    let octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let bits = u32::from_str_radix(&text, 8)
        .ok()
        .filter(|&bits| octal && bits <= 0o7777);
    if bits.is_none() {
        let message = format!(
            "`{}` is not a mode: expected octal digits, at most `7777`",
            text.value
        );
        out.push(Diagnostic::error(text.span, message));
    }
    bits
}

/// The release that an entry takes packages from.
fn release(mapping: &Mapping<'_>, default: Option<&str>, out: &mut Diagnostics) -> Option<String> {
    match (mapping.node("suite"), default) {
        (Some(_), _) => mapping.get("suite", out, suite),
        (None, Some(default)) => Some(default.to_owned()),
        (None, None) => {
            let mistake = Diagnostic::error(
                mapping.span,
                "the release is not said from which this package comes",
            );
            out.push(mistake.hint("write `debian: {suite: trixie}` at the top, or `suite: trixie` here"));
            None
        }
    }
}

fn package_name(node: &Node, out: &mut Diagnostics) -> Option<String> {
    let name = d::string(node, out)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    if name.is_empty() || !name.bytes().all(plain) {
        out.push(Diagnostic::error(
            name.span,
            format!("`{}` is not the name of a package", name.value),
        ));
    }
    Some(name.value)
}

/// A path in the image.
fn path(node: &Node, out: &mut Diagnostics) -> Option<Path> {
    let (text, span) = pattern(node, out)?;
    match Path::parse(&text) {
        Ok(path) if !path.is_root() => Some(path),
        _ => {
            out.push(Diagnostic::error(
                span,
                format!("`{text}` is not a path in the image"),
            ));
            None
        }
    }
}

/// A path or pattern in a package.
fn pattern(node: &Node, out: &mut Diagnostics) -> Option<(String, Span)> {
    let text = d::string(node, out)?;
    if let Err(error) = Path::parse(&text.value) {
        out.push(Diagnostic::error(text.span, error.to_string()));
        return None;
    }
    Some((text.value, text.span))
}
