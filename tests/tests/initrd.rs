//! The initrd of the example, as GNU cpio and a reader of our own see it.

use std::collections::{BTreeMap, BTreeSet};

use ironkit_tests::initrd::{self, Entry};
use ironkit_tests::layout::{FILE, HARD_LINK, Layout, header, pax};
use ironkit_tests::{Sandbox, succeed};

const FORMAT: usize = 0o170_000;
const DIRECTORY: usize = 0o040_000;
const SYMLINK: usize = 0o120_000;

/// The time that LinuxKit gives to what it makes itself: 2017-04-18 16:30 UTC.
const LINUXKIT_TIME: usize = 1_492_533_000;

/// The members of the example's initrd, and what its manifest adds to it.
fn example() -> (Sandbox, Vec<Vec<u8>>) {
    let sandbox = Sandbox::with_components();
    sandbox.stock("examples/minimal.yml");
    sandbox.write(
        "more.yml",
        "files:\n  - {path: etc/issue.d/given, contents: \"text\\n\", mode: \"0640\", uid: 7, gid: 8}\n  \
         - {path: srv/folder, directory: true, mode: \"0711\"}\n  \
         - {path: srv/link, symlink: ../etc/issue.d/given}\n",
    );
    succeed(&mut sandbox.ironkit(["build", "--name", "m", "examples/minimal.yml", "more.yml"]));
    let members = initrd::members(&sandbox.path("m-initrd.img"));
    (sandbox, members)
}

fn all(members: &[Vec<u8>]) -> Vec<Entry> {
    members
        .iter()
        .flat_map(|member| initrd::entries(member))
        .collect()
}

#[test]
fn every_part_is_in_members_of_its_own() {
    let (_, members) = example();
    let member = |name: &str| {
        let has = |member: &Vec<u8>| {
            initrd::entries(member)
                .iter()
                .any(|entry| entry.name.starts_with(name))
        };
        let found: Vec<_> = (0..members.len()).filter(|index| has(&members[*index])).collect();
        assert_eq!(found.len(), 1, "{name} is in the members {found:?}");
        found[0]
    };
    // In the manifest's order: later ones win in the kernel, too.
    let order = [
        "lib/modules/",
        "sbin/init",
        "containers/onboot/000-dhcpcd/lower/sbin/dhcpcd",
        "containers/services/nginx/rootfs/usr/sbin/nginx",
        "srv/folder",
    ];
    let places = order.map(member);
    assert!(places.is_sorted_by(|one, other| one < other), "{places:?}");
}

#[test]
fn gnu_cpio_lists_what_we_read() {
    let (sandbox, members) = example();
    for member in &members {
        let Some(listing) = initrd::cpio(&["-i", "-t", "-v", "-n", "--quiet"], &sandbox.path(""), member)
        else {
            return;
        };
        let entries = initrd::entries(member);
        assert_eq!(listing.lines().count(), entries.len(), "{listing}");
        for (line, entry) in listing.lines().zip(&entries) {
            // drwxr-xr-x   2 0        0               0 Jan  1  1970 etc
            let words: Vec<_> = line.split_whitespace().collect();
            let numbers = [1, 2, 3].map(|index| words[index].parse().ok());
            assert_eq!(
                numbers,
                [Some(entry.nlink), Some(entry.uid), Some(entry.gid)],
                "{line}"
            );
            assert_eq!(words[8], entry.name, "{line}");
            let kind = match entry.mode & FORMAT {
                DIRECTORY => 'd',
                SYMLINK => 'l',
                _ => '-',
            };
            assert_eq!(words[0].chars().next(), Some(kind), "{line}");
        }
    }
}

#[test]
fn the_tree_is_in_order() {
    let (_, members) = example();
    let mut seen = BTreeMap::new();
    let mut inodes = BTreeMap::<_, Vec<Entry>>::new();
    for (index, member) in members.iter().enumerate() {
        for entry in initrd::entries(member) {
            let name = entry.name.clone();
            assert!(!name.starts_with('/') && !name.contains("//"), "{name}");
            let strange = ["", ".", ".."];
            assert!(name.split('/').all(|part| !strange.contains(&part)), "{name}");
            if let Some((parent, _)) = name.rsplit_once('/') {
                assert_eq!(
                    seen.get(parent),
                    Some(&DIRECTORY),
                    "{name} comes before its folder"
                );
            }
            // A folder may be told again, with the same mode, so that every member can be unpacked alone; nothing else.
            let kind = entry.mode & FORMAT;
            if let Some(earlier) = seen.insert(name.clone(), kind) {
                assert_eq!((earlier, kind), (DIRECTORY, DIRECTORY), "{name} is there twice");
            }
            if kind != DIRECTORY && entry.nlink > 1 {
                inodes.entry((index, entry.ino)).or_default().push(entry);
            }
        }
    }
    for ((member, ino), links) in inodes {
        assert!(
            links.iter().all(|link| link.nlink == links.len()),
            "inode {ino} of member {member}: {links:?}"
        );
        let (last, others) = links.split_last().unwrap();
        // The kernel takes the content from the first entry that has any.
        assert!(
            others
                .iter()
                .all(|link| link.filesize == 0 || link.content == last.content)
        );
        assert!(links.iter().any(|link| link.filesize > 0) || links.iter().all(|link| link.filesize == 0));
    }
}

#[test]
fn what_must_be_there_is_as_it_must_be() {
    let (_, members) = example();
    let entries = all(&members);
    let find = |name: &str| {
        let mut found = entries.iter().filter(|entry| entry.name == name);
        found.next().unwrap_or_else(|| panic!("{name} is not there"))
    };
    for (name, mode, uid, gid, content) in [
        ("init", 0o100_755, 0, 0, None),
        ("sbin/init", 0, 0, 0, Some("/init")),
        ("tmp", 0o041_777, 0, 0, Some("")),
        ("root", 0o040_700, 0, 0, Some("")),
        ("etc/issue.d/given", 0o100_640, 7, 8, Some("text\n")),
        ("srv/folder", 0o040_711, 0, 0, Some("")),
        ("srv/link", 0, 0, 0, Some("../etc/issue.d/given")),
        (
            "containers/onboot/000-dhcpcd/lower/sbin/dhcpcd",
            0o100_755,
            0,
            0,
            None,
        ),
        (
            "containers/services/nginx/rootfs/usr/sbin/nginx",
            0o100_755,
            0,
            0,
            None,
        ),
    ] {
        let entry = find(name);
        // Linux knows no permissions of a symbolic link.
        let is_link = entry.mode & FORMAT == SYMLINK;
        assert_eq!(
            (if is_link { 0 } else { entry.mode }, entry.uid, entry.gid),
            (mode, uid, gid),
            "{name}: {:o} is not {mode:o}",
            entry.mode
        );
        if let Some(content) = content {
            assert_eq!(String::from_utf8_lossy(&entry.content), content, "{name}");
        }
    }
    for container in ["onboot/000-dhcpcd", "services/nginx"] {
        for file in ["config.json", "runtime.json"] {
            let entry = find(&format!("containers/{container}/{file}"));
            let parsed = serde_json::from_slice::<serde_json::Value>(&entry.content);
            assert!(parsed.is_ok_and(|json| json.is_object()), "{container}/{file}");
        }
    }
    // Nothing tells when, or in which order of inodes, it was built.
    let times: BTreeSet<_> = entries.iter().map(|entry| entry.mtime).collect();
    assert!(times.is_subset(&[0, LINUXKIT_TIME].into()), "{times:?}");
}

#[test]
fn extended_attributes_are_listed_behind_their_files() {
    let sandbox = Sandbox::new();
    let mut layout = Layout::new(&sandbox.cache());
    let mut layer = pax(&[
        ("SCHILY.xattr.security.capability", "\u{1}\0\0\u{2}\0 \0\0"),
        ("SCHILY.xattr.user.a b", "é"),
    ]);
    layer.extend(header(FILE, "bin/ping", "", 0));
    layer.extend(header(HARD_LINK, "bin/ping6", "bin/ping", 0));
    layer.extend([0; 1024]);
    layout.name(layout.image("amd64", &[layer]), "docker.io/tests/ping:1");
    sandbox.write("m.yml", "onboot: [{name: ping, image: \"tests/ping:1\"}]\n");
    succeed(&mut sandbox.ironkit(["build", "--arch", "amd64", "--name", "m", "m.yml"]));
    let members = initrd::members(&sandbox.path("m-initrd.img"));
    let lists: String = members.iter().map(|member| initrd::attributes(member)).collect();
    let path = "containers/onboot/000-ping/lower/bin/ping";
    assert_eq!(
        lists,
        format!("{path} security.capability=0100000200200000\n{path} user.a\\x20b=c3a9\n")
    );
    assert!(all(&members).iter().any(|entry| entry.name == path));
}
