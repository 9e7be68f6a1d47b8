//! What LinuxKit changes in every image that it puts into a root file system (`reference`: "Fix-ups applied to every
//! flattened image").
//!
//! Files that only make sense on the machine that made the image go away, `/etc/hosts` and `/etc/resolv.conf` get a
//! neutral content, and the mount points that a container needs exist. Unlike LinuxKit, directories that the image has
//! keep their mode and owner.

use ironkit_tree::{FileSet, Kind, Node, Path};

const DROPPED: [&str; 6] = [
    ".dockerenv",
    "Dockerfile",
    "dev/console",
    "dev/pts",
    "dev/shm",
    "etc/hostname",
];
const DIRECTORIES: [&str; 6] = ["dev", "dev/pts", "dev/shm", "etc", "proc", "sys"];
const HOSTS: &str = "\
127.0.0.1       localhost
::1     localhost ip6-localhost ip6-loopback
fe00::0 ip6-localnet
ff00::0 ip6-mcastprefix
ff02::1 ip6-allnodes
ff02::2 ip6-allrouters
";
const RESOLV_CONF: &str = "\n# no resolv.conf configured\n";

/// What an image is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The kernel image: read from, never unpacked.
    Kernel,
    /// An init image or a volume: its `/etc/resolv.conf` is the system's.
    System,
    /// A container.
    Container,
}

impl Place {
    /// Name in keys.
    pub fn name(self) -> &'static str {
        match self {
            Place::Kernel => "kernel",
            Place::System => "system",
            Place::Container => "container",
        }
    }
}

/// Applies the fix-ups of a place; what they make is of `time`.
pub(crate) fn apply(files: &mut FileSet, place: Place, time: i64) {
    let resolv_conf = match place {
        Place::Kernel => return,
        Place::System => Kind::Symlink(ironkit_contract::paths::RESOLV_CONF.into()),
        Place::Container => file(RESOLV_CONF),
    };
    for name in DROPPED {
        files.remove(&path(name));
    }
    for name in DIRECTORIES {
        let path = path(name);
        if !files.get(&path).is_some_and(Node::is_directory) {
            files.insert(path, Node::implied_directory().at(time));
        }
    }
    replace(files, "etc/hosts", file(HOSTS), time);
    replace(files, "etc/resolv.conf", resolv_conf, time);
    match files.get_mut(&path("etc/mtab")) {
        Some(mtab) => mtab.mtime = time,
        None => files.insert(
            path("etc/mtab"),
            Node::new(Kind::Symlink("/proc/mounts".into()), 0o755).at(time),
        ),
    }
}

/// Gives a path new content. A file keeps mode and owner; whatever else was there goes.
fn replace(files: &mut FileSet, name: &str, kind: Kind, time: i64) {
    let path = path(name);
    let fresh = Node::new(kind.clone(), 0o644).at(time);
    let node = match files.get(&path) {
        Some(old) if matches!(old.kind, Kind::File(_)) => Node {
            kind,
            mtime: time,
            ..old.clone()
        },
        _ => fresh,
    };
    files.insert(path, node);
}

fn file(text: &str) -> Kind {
    Kind::File(text.as_bytes().to_vec().into())
}

fn path(name: &str) -> Path {
    Path::parse(name).expect("a constant name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_image_gets_what_every_container_needs() {
        let mut files = FileSet::new();
        apply(&mut files, Place::Container, 0);
        let names: Vec<String> = files.iter().map(|(path, ..)| path.to_string()).collect();
        let expect = [
            "dev",
            "dev/pts",
            "dev/shm",
            "etc",
            "etc/hosts",
            "etc/mtab",
            "etc/resolv.conf",
            "proc",
            "sys",
        ];
        assert_eq!(names, expect);
        assert_eq!((HOSTS.len(), RESOLV_CONF.len()), (160, 29));
    }

    #[test]
    fn an_image_keeps_its_own_modes_and_loses_links_in_the_way() {
        let mut files = FileSet::new();
        files.insert(path("etc"), Node::new(Kind::Directory, 0o711));
        files.insert(
            path("etc/hosts"),
            Node {
                uid: 7,
                ..Node::new(file("old"), 0o600)
            },
        );
        files.insert(
            path("etc/resolv.conf"),
            Node::new(Kind::Symlink("../run/x".into()), 0o777),
        );
        files.insert(path("etc/hostname"), Node::new(file("builder"), 0o644));
        apply(&mut files, Place::System, 0);
        assert_eq!(files.get(&path("etc")).map(|node| node.mode), Some(0o711));
        assert_eq!(
            files.get(&path("etc/hosts")).map(|node| (node.mode, node.uid)),
            Some((0o600, 7))
        );
        assert!(files.get(&path("etc/hostname")).is_none());
        let link = files.get(&path("etc/resolv.conf")).map(|node| &node.kind);
        assert_eq!(link, Some(&Kind::Symlink("/run/resolvconf/resolv.conf".into())));
    }
}
