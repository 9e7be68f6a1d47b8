//! What does not fit, and what is damaged.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use ironkit_tree::{FileSet, Kind, Node};

use super::super::*;
use super::{Pattern, everything, file, gzip, listing, path, write};

#[test]
fn what_does_not_fit_is_an_error() {
    let with = |name: &str, change: &dyn Fn(&mut Node)| {
        let mut node = file(Vec::new());
        change(&mut node);
        let mut files = FileSet::new();
        files.insert(path(name), node);
        write(&files, &gzip()).map(drop).unwrap_err().to_string()
    };
    let long = "x".repeat(256);
    let xattr = |name: &'static [u8], length| {
        move |node: &mut Node| drop(node.xattrs.insert(name.to_vec(), vec![0; length]))
    };
    for (found, expect) in [
        (
            with(&long, &|_| {}),
            "length of the name 256 is more than squashfs can hold (255)",
        ),
        (
            with("a", &xattr(b"system.posix_acl_access", 1)),
            "`a`: squashfs cannot hold the attribute `system.posix_acl_access`",
        ),
        (
            with("a", &xattr(b"user.", 1)),
            "`a`: squashfs cannot hold the attribute `user.`",
        ),
        (
            with("a", &xattr(b"user.a", 65_537)),
            "length of an attribute 65537 is more than",
        ),
        (
            with("a", &|node| node.kind = Kind::CharDevice(4096, 0)),
            "`a`: major number 4096 is more than squashfs can hold (4095)",
        ),
        (
            with("a", &|node| node.kind = Kind::BlockDevice(0, 1 << 20)),
            "`a`: minor number 1048576 is more than",
        ),
        (
            with("a", &|node| node.kind = Kind::Symlink(vec![b'a'; 4096])),
            "`a`: length of the target 4096 is more than",
        ),
    ] {
        assert!(found.contains(expect), "{found}");
    }
    let mut files = FileSet::new();
    for id in 0..65_535 {
        let mut node = file(Vec::new());
        node.uid = id;
        files.insert(path(id.to_string()), node);
    }
    let options = Options::new(Compression::Zstd(1));
    assert!(write(&files, &options).is_ok());
    files.get_mut(&path("0")).unwrap().gid = 1 << 31;
    let error = write(&files, &options).unwrap_err().to_string();
    assert_eq!(error, "squashfs cannot hold more than 65535 owners and groups");
    for block_size in [0, 2048, 5000, 1 << 21] {
        let options = Options { block_size, ..gzip() };
        assert!(write(&FileSet::new(), &options).is_err(), "{block_size}");
    }
    let nowhere = link(&everything(), &[], &gzip()).unwrap_err();
    assert!(
        nowhere.to_string().starts_with("cannot read the content of"),
        "{nowhere}"
    );
}

#[test]
fn damage_is_an_error_and_no_panic() {
    let image = write(&everything(), &gzip()).unwrap();
    let whole = listing(&image).unwrap().len();
    let mut differs = 0;
    for at in (0..image.len()).step_by(23).chain(0..96) {
        let mut damaged = image.clone();
        damaged[at] ^= 0x41;
        differs += usize::from(listing(&damaged).map_or(0, |found| found.len()) != whole);
    }
    assert!(differs > 100, "{differs}");
    for length in [0, 95, 96, 4096, image.len() - 4096] {
        assert!(listing(&image[..length].to_vec()).is_err(), "{length}");
    }
}

#[test]
fn a_table_that_is_cut_or_points_outside_is_none() {
    let mut piece = Vec::new();
    let contents = Contents::of(&everything(), &mut BTreeSet::new());
    let threads = NonZeroUsize::MIN;
    let table = blocks(&contents, &Pattern, &gzip(), threads, &mut piece).unwrap();
    let bytes = table.to_bytes();
    for length in (0..bytes.len()).step_by(7) {
        assert_eq!(Table::parse(&bytes[..length]), None);
    }
    let mut outside = table.clone();
    outside.size -= 1;
    assert_eq!(Table::parse(&outside.to_bytes()), None);
}
