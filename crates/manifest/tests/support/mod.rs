//! Where the manifests are that tests read: LinuxKit's own, and the golden cases. Both live beside the project; without
//! them the tests say so and pass.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder beside the project.
#[expect(clippy::print_stderr, reason = "a skipped test must be heard")]
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared")
        .join(name);
    if !path.is_dir() {
        eprintln!("SKIPPED: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// Adds every `.yml` below a folder, in order.
pub fn manifests_below(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            manifests_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yml") {
            found.push(path);
        }
    }
}

/// The files that `case.json` names under `manifests`, read with our own parser: JSON is YAML. `-` is the file
/// under `stdin`.
pub fn manifest_arguments(case: &Path, call: &str) -> Vec<PathBuf> {
    use ironkit_manifest::yaml::{self, Node, Value};
    let mut out = ironkit_manifest::Diagnostics::new(["case.json".to_owned()]);
    let node = yaml::parse(0, call, &mut out).expect("case.json is valid");
    let Value::Mapping(entries) = node.value else {
        panic!("case.json holds an object")
    };
    let value = |key: &str| {
        entries
            .iter()
            .find(|(name, _)| name.text() == Some(key))
            .map(|(_, value)| value)
    };
    let Some(Node {
        value: Value::Sequence(names),
        ..
    }) = value("manifests")
    else {
        panic!("no manifests")
    };
    let names = names.iter().filter_map(Node::text);
    let names = names.map(|name| {
        if name == "-" {
            value("stdin").and_then(Node::text).unwrap_or("main.yml")
        } else {
            name
        }
    });
    names
        .map(|name| case.join(name))
        .filter(|path| path.is_file())
        .collect()
}
