//! Which namespaces a container has to itself, and which it shares with others. Pure.

use std::path::PathBuf;

use ironkit_contract::oci::{IdMapping, Linux};
use ironkit_sys::process::namespaces as new;

use crate::error::{Error, Result};

/// A container's namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// Those made with its process, as flags of clone3(2).
    pub new: u64,
    /// Those that exist: name below `/proc/self/ns`, and where they are bound.
    pub joined: Vec<(&'static str, PathBuf)>,
}

impl Namespaces {
    /// Whether `flag` is among the new ones.
    pub fn has_new(&self, flag: u64) -> bool {
        self.new & flag != 0
    }
}

/// Reads the list. A kind that is not named is shared with the machine.
///
/// # Errors
/// [`Error::NotSupported`] for sharing mounts with the machine, for joining mounts or users of others, and for time.
pub fn read(linux: &Linux) -> Result<Namespaces> {
    let mut namespaces = Namespaces::default();
    for entry in &linux.namespaces {
        let (name, flag) = match entry.kind.as_str() {
            "pid" => ("pid", new::PID),
            "network" => ("net", new::NET),
            "mount" => ("mnt", new::MOUNT),
            "ipc" => ("ipc", new::IPC),
            "uts" => ("uts", new::UTS),
            "user" => ("user", new::USER),
            "cgroup" => ("cgroup", new::CGROUP),
            "time" => return Err(Error::NotSupported("a time namespace".to_owned())),
            other => return Err(Error::Invalid(format!("unknown kind of namespace {other:?}"))),
        };
        match (name, entry.path.as_str()) {
            (_, "") => namespaces.new |= flag,
            ("mnt" | "user", _) => {
                return Err(Error::NotSupported(format!("joining a {} namespace", entry.kind)));
            }
            (_, path) => namespaces.joined.push((name, PathBuf::from(path))),
        }
    }
    if !namespaces.has_new(new::MOUNT) {
        return Err(Error::NotSupported(
            "a container without a mount namespace of its own".to_owned(),
        ));
    }
    if namespaces.has_new(new::USER) && (linux.uid_mappings.is_empty() || linux.gid_mappings.is_empty()) {
        return Err(Error::Invalid(
            "a user namespace needs uidMappings and gidMappings".to_owned(),
        ));
    }
    Ok(namespaces)
}

/// The text of `/proc/PID/uid_map` or `gid_map`.
pub fn id_map(mappings: &[IdMapping]) -> String {
    mappings
        .iter()
        .map(|range| format!("{} {} {}\n", range.container_id, range.host_id, range.size))
        .collect()
}

/// What an id inside a user namespace is outside of it.
pub fn host_id(id: u32, mappings: &[IdMapping]) -> Option<u32> {
    let range = mappings.iter().find(|range| {
        id.checked_sub(range.container_id)
            .is_some_and(|at| at < range.size)
    })?;
    range.host_id.checked_add(id - range.container_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironkit_contract::oci::Namespace;

    #[test]
    fn ids_are_mapped() {
        let range = |container_id, host_id, size| IdMapping {
            container_id,
            host_id,
            size,
        };
        let mappings = [range(0, 100_000, 10), range(20, 5, 1), range(30, u32::MAX, 2)];
        for (id, expect) in [
            (0, Some(100_000)),
            (9, Some(100_009)),
            (10, None),
            (20, Some(5)),
            (30, Some(u32::MAX)),
            (31, None),
        ] {
            assert_eq!(host_id(id, &mappings), expect, "{id}");
        }
    }

    #[test]
    fn namespaces_are_new_or_joined() {
        let cases: &[(&str, Option<(u64, usize)>)] = &[
            ("mount", Some((new::MOUNT, 0))),
            ("mount pid ipc", Some((new::MOUNT | new::PID | new::IPC, 0))),
            ("mount network=/run/netns/a", Some((new::MOUNT, 1))),
            ("pid", None),
            ("mount user", None),
            ("mount=/x", None),
            ("mount time", None),
            ("mount moon", None),
        ];
        for (words, expect) in cases {
            let namespaces = words.split(' ').map(|word| {
                let (kind, path) = word.split_once('=').unwrap_or((word, ""));
                Namespace {
                    kind: kind.to_owned(),
                    path: path.to_owned(),
                }
            });
            let linux = Linux {
                namespaces: namespaces.collect(),
                ..Linux::default()
            };
            let got = read(&linux).ok().map(|found| (found.new, found.joined.len()));
            assert_eq!(got, *expect, "{words}");
        }
    }
}
