//! Layers as others apply them: random stacks, unpacked by umoci and linked by us, hold the same files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use ironkit_tests::layout::{DIRECTORY, FILE, HARD_LINK, Layout, SYMLINK, entry, header, pax, tar};
use ironkit_tests::{Sandbox, initrd, judge, succeed};

/// Stacks that are compared. Their seeds are 0, 1, 2 …
const STACKS: u64 = 40;
/// Stacks whose tree is built again out of its own archive.
const AGAIN: u64 = 5;
/// Names are made of these; the fix-ups of images touch none of them.
const LETTERS: [&str; 4] = ["a", "b", "c", "d"];

/// Where volumes with images are.
const LOWER: &str = "containers/volumes/v/lower/";

/// A path in words: `dir`, `-> target`, or a number that all names of one file share, and its content.
type Tree = BTreeMap<String, String>;

/// SplitMix64: the same numbers for the same seed everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }

    fn path(&mut self) -> String {
        let depth = 1 + self.below(3);
        let parts: Vec<&str> = (0..depth).map(|_| LETTERS[self.below(LETTERS.len())]).collect();
        parts.join("/")
    }
}

/// What a stack has so far: kinds of entries by path, so that the next layer can hide, replace and link them.
type State = BTreeMap<String, u8>;

/// One layer on top of `state`: first what it hides, then what it adds, parents first.
fn layer(random: &mut Random, state: &mut State) -> Vec<(u8, String, String)> {
    let mut entries = Vec::new();
    let remove = |state: &mut State, path: &str, all: bool| {
        let below = format!("{path}/");
        state.retain(|name, _| !name.starts_with(&below) && (!all || name != path));
    };
    for _ in 0..random.below(3) {
        let Some(path) = state.keys().nth(random.below(state.len().max(1))).cloned() else {
            break;
        };
        let (above, name) = path
            .rsplit_once('/')
            .map_or(("", path.as_str()), |(above, name)| (above, name));
        let slash = if above.is_empty() { "" } else { "/" };
        if state[&path] == DIRECTORY && random.below(2) == 0 {
            entries.push((DIRECTORY, path.clone(), String::new()));
            entries.push((FILE, format!("{path}/.wh..wh..opq"), String::new()));
            remove(state, &path, false);
        } else {
            entries.push((FILE, format!("{above}{slash}.wh.{name}"), String::new()));
            remove(state, &path, true);
        }
    }
    for _ in 0..1 + random.below(8) {
        let path = random.path();
        let above: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        for parent in above.into_iter().map(|at| path[..at].to_owned()) {
            if state.get(&parent) != Some(&DIRECTORY) {
                remove(state, &parent, true);
                entries.push((DIRECTORY, parent.clone(), String::new()));
                state.insert(parent, DIRECTORY);
            }
        }
        let files: Vec<String> = state
            .iter()
            .filter(|(name, kind)| {
                **kind == FILE && !path.starts_with(name.as_str()) && !name.starts_with(&path)
            })
            .map(|(name, _)| name.clone())
            .collect();
        let (kind, content) = match random.below(8) {
            0 | 1 => (DIRECTORY, String::new()),
            2 => (SYMLINK, random.path()),
            3 | 4 if !files.is_empty() => (HARD_LINK, files[random.below(files.len())].clone()),
            _ => (FILE, format!("{path} {}\n", random.below(1000))),
        };
        if !(kind == DIRECTORY && state.get(&path) == Some(&DIRECTORY)) {
            remove(state, &path, true);
        }
        state.insert(path.clone(), if kind == HARD_LINK { FILE } else { kind });
        entries.push((kind, path, content));
    }
    entries
}

/// A layer's archive.
fn archive(layer: &[(u8, String, String)]) -> Vec<u8> {
    let entries: Vec<_> = layer
        .iter()
        .map(|(kind, name, content)| entry(*kind, name, content))
        .collect();
    tar(&entries)
}

#[test]
fn random_stacks_are_applied_as_umoci_applies_them() {
    let Some(umoci) = judge("umoci") else { return };
    let sandbox = Sandbox::new();
    let mut layout = Layout::new(&sandbox.cache());
    let mut stacks = Vec::new();
    for seed in 0..STACKS {
        let mut random = Random(seed);
        let mut state = State::new();
        let layers: Vec<_> = (0..2 + random.below(4))
            .map(|_| layer(&mut random, &mut state))
            .collect();
        let archives: Vec<Vec<u8>> = layers.iter().map(|layer| archive(layer)).collect();
        layout.name(
            layout.image("amd64", &archives),
            &format!("docker.io/tests/s{seed}:1"),
        );
        stacks.push(layers);
    }
    for (seed, layers) in stacks.iter().enumerate() {
        let manifest = format!("volumes: [{{name: v, image: \"tests/s{seed}:1\"}}]\n");
        sandbox.write("m.yml", manifest);
        succeed(&mut sandbox.ironkit(["build", "--arch", "amd64", "--name", "m", "m.yml"]));
        let ours = linked(&sandbox.path("m-initrd.img"));

        // umoci takes no slash in a name: the layout is named anew, beside the same blobs.
        let bundle = sandbox.path(&format!("bundle{seed}"));
        let named = sandbox.path("named");
        fs::create_dir_all(&named).unwrap();
        let _ = std::os::unix::fs::symlink(sandbox.cache().join("blobs"), named.join("blobs"));
        fs::copy(sandbox.cache().join("oci-layout"), named.join("oci-layout")).unwrap();
        let index = fs::read_to_string(sandbox.cache().join("index.json")).unwrap();
        fs::write(
            named.join("index.json"),
            index.replace("docker.io/tests/", "").replace(":1\"", "\""),
        )
        .unwrap();
        let mut command = Command::new(&umoci);
        command.args([
            "unpack",
            "--rootless",
            "--image",
            &format!("{}:s{seed}", named.display()),
        ]);
        succeed(command.arg(&bundle));
        let theirs = unpacked(&bundle.join("rootfs"));
        assert_eq!(ours, theirs, "stack {seed}: {layers:#?}");
    }
}

/// Lists an archive: everything about each entry but its records of where it came from.
const LIST: &str = r#"
import hashlib, sys, tarfile
for entry in tarfile.open(sys.argv[1]):
    content = hashlib.sha256(tarfile.open(sys.argv[1]).extractfile(entry).read()).hexdigest() if entry.isreg() else ""
    attributes = sorted(pair for pair in entry.pax_headers.items() if pair[0].startswith("SCHILY."))
    print(entry.name, entry.type, oct(entry.mode), entry.uid, entry.gid, entry.mtime, entry.linkname, entry.size,
          entry.devmajor, entry.devminor, attributes, content)
"#;

#[test]
fn a_built_tree_as_an_image_builds_the_same_tree() {
    let Some(python) = judge("python3") else { return };
    let sandbox = Sandbox::new();
    let mut layout = Layout::new(&sandbox.cache());
    let build = |layout: &mut Layout, name: &str, layers: &[Vec<u8>]| {
        layout.name(
            layout.image("amd64", layers),
            &format!("docker.io/tests/{name}:1"),
        );
        sandbox.write("m.yml", format!("init: [\"tests/{name}:1\"]\n"));
        let output = ["--format", "tar", "--no-sbom", "--arch", "amd64", "--name", name];
        succeed(sandbox.ironkit(["build"]).args(output).arg("m.yml"));
        let archive = sandbox.path(&format!("{name}.tar"));
        let listed = succeed(Command::new(&python).args(["-c", LIST]).arg(&archive));
        (fs::read(&archive).unwrap(), listed)
    };
    let mut special = pax(&[
        ("SCHILY.xattr.user.note", "é"),
        ("mtime", "12.5"),
        ("uid", "3000000"),
    ]);
    special.extend(header(FILE, "d/attributes", "", 0));
    special.extend(header(b'3', "d/device", "", 0));
    special.extend(header(b'6', "d/pipe", "", 0));
    special.extend([0; 1024]);
    for seed in 0..AGAIN {
        let mut random = Random(seed);
        let mut state = State::new();
        let mut layers: Vec<_> = (0..3).map(|_| archive(&layer(&mut random, &mut state))).collect();
        layers.push(special.clone());
        let (once, listed) = build(&mut layout, &format!("one{seed}"), &layers);
        let (_, again) = build(&mut layout, &format!("two{seed}"), &[once]);
        assert!(
            listed.contains("d/attributes") && listed.lines().count() > 10,
            "{listed}"
        );
        assert_eq!(listed, again, "stack {seed}");
    }
}

/// What an initrd has of the volume, below the first letters.
fn linked(path: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut files: BTreeMap<(usize, usize), (Vec<String>, String)> = BTreeMap::new();
    for (member, bytes) in initrd::members(path).iter().enumerate() {
        for entry in initrd::entries(bytes) {
            let Some(name) = entry.name.strip_prefix(LOWER).filter(|name| is_ours(name)) else {
                continue;
            };
            let content = String::from_utf8_lossy(&entry.content).into_owned();
            match entry.mode & 0o170_000 {
                0o040_000 => drop(tree.insert(name.into(), "dir".into())),
                0o120_000 => drop(tree.insert(name.into(), format!("-> {content}"))),
                _ => {
                    let file = files.entry((member, entry.ino)).or_default();
                    file.0.push(name.into());
                    file.1 += &content;
                }
            }
        }
    }
    for (names, content) in files.into_values() {
        add_file(&mut tree, names.into_iter().collect(), &content);
    }
    tree
}

/// What a folder has below the first letters.
fn unpacked(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut files: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for found in fs::read_dir(root.join(&folder)).unwrap() {
            let found = found.unwrap();
            let name = format!("{folder}{}", found.file_name().to_string_lossy());
            let kind = found.file_type().unwrap();
            if !is_ours(&name) {
                continue;
            }
            if kind.is_dir() {
                tree.insert(name.clone(), "dir".into());
                folders.push(format!("{name}/"));
            } else if kind.is_symlink() {
                let target = fs::read_link(found.path()).unwrap();
                tree.insert(name, format!("-> {}", target.display()));
            } else {
                files
                    .entry(found.metadata().unwrap().ino())
                    .or_default()
                    .insert(name);
            }
        }
    }
    for names in files.into_values() {
        let first = names.first().unwrap();
        let content = fs::read_to_string(root.join(first)).unwrap();
        add_file(&mut tree, names, &content);
    }
    tree
}

fn is_ours(name: &str) -> bool {
    LETTERS.contains(&name.split('/').next().unwrap_or_default())
}

/// Every name of a file says which names it has.
fn add_file(tree: &mut Tree, names: BTreeSet<String>, content: &str) {
    let all = names.iter().cloned().collect::<Vec<_>>().join(" = ");
    for name in names {
        tree.insert(name, format!("{all}: {content}"));
    }
}
