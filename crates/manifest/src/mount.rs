//! Mounts, binds and tmpfs of a container.

use std::fmt;

use crate::decode::{Mapping, list, string, text};
use crate::resources::{IdMapping, id_mapping};
use crate::schema;
use crate::yaml::Node;
use crate::{Diagnostic, Diagnostics, Spanned};

/// An entry of `mounts`, as written: absent fields are empty. See [`Mount::completed`].
#[derive(Debug, Clone, PartialEq)]
pub struct Mount {
    /// Where, inside the container.
    pub destination: Spanned<String>,
    /// File system type.
    pub kind: String,
    /// Device, path or any word; of a bind it may be the name of a volume.
    pub source: Spanned<String>,
    /// In the spelling of mount(8).
    pub options: Vec<String>,
    /// User mappings.
    pub uid_mappings: Vec<IdMapping>,
    /// Group mappings.
    pub gid_mappings: Vec<IdMapping>,
}

impl Mount {
    /// The mount with everything filled in that LinuxKit infers: the type from a well-known source, the source from the
    /// type, the destination from the type. What cannot be inferred stays empty; the decoder refuses that.
    pub fn completed(&self) -> Mount {
        let mut mount = self.clone();
        if mount.kind.is_empty() {
            match (mount.source.as_str(), mount.destination.as_str()) {
                (known @ ("mqueue" | "devpts" | "proc" | "sysfs" | "cgroup"), _) => {
                    mount.kind = known.to_owned()
                }
                (_, "/dev") => "tmpfs".clone_into(&mut mount.kind),
                _ => {}
            }
        }
        if mount.source.is_empty() {
            mount.source.value.clone_from(&mount.kind);
        }
        if mount.destination.is_empty() {
            let destination = match mount.kind.as_str() {
                "proc" => "/proc",
                "devpts" => "/dev/pts",
                "sysfs" => "/sys",
                "cgroup" => "/sys/fs/cgroup",
                "mqueue" => "/dev/mqueue",
                _ => "",
            };
            destination.clone_into(&mut mount.destination.value);
        }
        mount
    }
}

/// An entry of `binds`: `source:destination[:options]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// An absolute path, or the name of a volume.
    pub source: String,
    /// Where, inside the container.
    pub destination: String,
    /// The options, where a third part gives them.
    pub options: Option<Vec<String>>,
}

/// An entry of `tmpfs`: `destination[:options]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// Where, inside the container.
    pub destination: String,
    /// The options; empty without a second part.
    pub options: Vec<String>,
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.destination)?;
        self.options
            .as_ref()
            .map_or(Ok(()), |options| write!(f, ":{}", options.join(",")))
    }
}

impl fmt::Display for Tmpfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.options.as_slice() {
            [] => f.write_str(&self.destination),
            options => write!(f, "{}:{}", self.destination, options.join(",")),
        }
    }
}

/// Decodes a bind.
pub(crate) fn bind(node: &Node, out: &mut Diagnostics) -> Option<Spanned<Bind>> {
    let written = string(node, out)?;
    let (source, destination, options) = match *written.split(':').collect::<Vec<_>>() {
        [source, destination] => (source, destination, None),
        [source, destination, options] => (source, destination, Some(split(options))),
        _ => {
            let message = format!("`{}` is not a bind", written.value);
            out.push(
                Diagnostic::error(node.span, message)
                    .hint("expected `source:destination` or `source:destination:options`"),
            );
            return None;
        }
    };
    for (name, part) in [("source", source), ("destination", destination)] {
        if part.is_empty() {
            out.push(Diagnostic::error(
                node.span,
                format!("the bind `{}` has no {name}", written.value),
            ));
        }
    }
    let bind = Bind {
        source: source.to_owned(),
        destination: destination.to_owned(),
        options,
    };
    Some(Spanned::new(bind, node.span))
}

/// Decodes a tmpfs.
pub(crate) fn tmpfs(node: &Node, out: &mut Diagnostics) -> Option<Spanned<Tmpfs>> {
    let written = string(node, out)?;
    let (destination, options) = match *written.split(':').collect::<Vec<_>>() {
        [destination] => (destination, Vec::new()),
        [destination, options] => (destination, split(options)),
        _ => {
            let message = format!("`{}` is not a tmpfs", written.value);
            out.push(
                Diagnostic::error(node.span, message).hint("expected `destination` or `destination:options`"),
            );
            return None;
        }
    };
    Some(Spanned::new(
        Tmpfs {
            destination: destination.to_owned(),
            options,
        },
        node.span,
    ))
}

fn split(options: &str) -> Vec<String> {
    options.split(',').map(str::to_owned).collect()
}

/// Decodes an entry of `mounts`, which must say enough to infer the rest.
pub(crate) fn mount(node: &Node, out: &mut Diagnostics) -> Option<Mount> {
    let mount = plain_mount(node, out)?;
    let Mount {
        kind, destination, ..
    } = mount.completed();
    if kind.is_empty() {
        let mistake = Diagnostic::error(node.span, "the mount has no `type`");
        out.push(mistake.hint(
            "for a directory of the host write `type: bind` and `options: [rw, rbind]`, or use `binds`",
        ));
    } else if destination.is_empty() {
        out.push(Diagnostic::error(
            node.span,
            format!("the {kind} mount has no `destination`"),
        ));
    }
    Some(mount)
}

/// Decodes a mount of the `runtime` section, which is used as it stands: absent fields are empty.
pub(crate) fn plain_mount(node: &Node, out: &mut Diagnostics) -> Option<Mount> {
    let map = Mapping::object(node, "a mount", &schema::MOUNT, out)?;
    let absent = || Spanned::new(String::new(), node.span);
    Some(Mount {
        destination: map.get("destination", out, string).unwrap_or_else(absent),
        kind: map.get("type", out, text).unwrap_or_default(),
        source: map.get("source", out, string).unwrap_or_else(absent),
        options: map.get("options", out, list(text)).unwrap_or_default(),
        uid_mappings: map.get("uidMappings", out, list(id_mapping)).unwrap_or_default(),
        gid_mappings: map.get("gidMappings", out, list(id_mapping)).unwrap_or_default(),
    })
}
