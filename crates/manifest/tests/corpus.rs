//! LinuxKit's own manifests and the golden cases: what it accepts we accept, what it refuses we refuse.
//!
//! Both live beside the project; without them the tests say so and pass.

use std::fs;
use std::path::{Path, PathBuf};

use ironkit_manifest::{Diagnostic, Manifest, SourceFile, parse};

/// Files of the corpus that are no valid manifests: a registry's configuration, a build.yml, and LinuxKit's own case of
/// an unknown field; and an example that is no YAML, since a comment in the first column ends its block of text (PyYAML
/// refuses it too).
const NOT_MANIFESTS: [&str; 4] = [
    "080_mirrors/config.yml",
    "010_build_arg_special_multiple_yaml/build-file.yml",
    "091_validate_linuxkit_yaml/linuxkit.yml",
    "examples/static-ip.yml",
];

/// Golden cases whose mistake shows only when images or source files are looked at, or lies in the flags.
const LATER: [&str; 10] = [
    "err-arch",
    "err-decompress-plain",
    "err-file-source-missing",
    "err-image-resolv-link",
    "err-kernel-missing",
    "err-kernel-tar-missing",
    "err-label-array",
    "err-label-key",
    "err-label-name",
    "err-two-formats",
];

#[expect(clippy::print_stderr, reason = "a skipped test must be heard")]
fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared")
        .join(name);
    if !path.is_dir() {
        eprintln!("SKIPPED: {} is not there", path.display());
        return None;
    }
    Some(path)
}

fn manifests_below(directory: &Path, found: &mut Vec<PathBuf>) {
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

fn parse_files(paths: &[PathBuf]) -> Result<(Manifest, Vec<Diagnostic>), Vec<Diagnostic>> {
    let sources: Vec<SourceFile> = paths
        .iter()
        .map(|path| SourceFile {
            name: path.display().to_string(),
            text: fs::read_to_string(path).unwrap(),
            directory: path.parent().map(Path::to_path_buf),
        })
        .collect();
    parse(&sources, &|path, _| {
        Ok(format!(
            "linuxkit/{}:resolved",
            path.rsplit('/').next().unwrap_or(path)
        ))
    })
}

fn lines(diagnostics: &[Diagnostic]) -> String {
    diagnostics
        .iter()
        .map(|diagnostic| format!("{diagnostic}\n"))
        .collect()
}

#[test]
fn every_manifest_of_the_corpus_is_accepted() {
    let Some(corpus) = shared("corpus") else { return };
    let mut found = Vec::new();
    manifests_below(&corpus, &mut found);
    assert!(found.len() > 30, "the corpus is incomplete");
    let mut wrong = String::new();
    for path in found {
        let is_manifest = !NOT_MANIFESTS.iter().any(|name| path.ends_with(name));
        match parse_files(std::slice::from_ref(&path)) {
            Ok((_, warnings)) if is_manifest => wrong.push_str(&lines(&warnings)),
            Ok(_) => wrong.push_str(&format!("{}: accepted\n", path.display())),
            Err(mistakes) if is_manifest => wrong.push_str(&lines(&mistakes)),
            Err(_) => {}
        }
    }
    assert_eq!(wrong, "");
}

#[test]
fn golden_cases_are_accepted_or_refused_as_the_reference_does() {
    let Some(cases) = shared("golden/cases") else {
        return;
    };
    let mut wrong = String::new();
    for case in fs::read_dir(&cases).unwrap().map(|entry| entry.unwrap()) {
        let name = case.file_name().to_string_lossy().into_owned();
        let call = fs::read_to_string(case.path().join("case.json")).unwrap();
        let refused = name.starts_with("err-") && !LATER.contains(&name.as_str());
        match (parse_files(&manifest_arguments(&case.path(), &call)), refused) {
            (Ok(_), true) => wrong.push_str(&format!("{name}: accepted\n")),
            (Err(mistakes), false) => wrong.push_str(&format!("{name}: {}", lines(&mistakes))),
            (Err(mistakes), true) => assert!(!mistakes.is_empty(), "{name}"),
            (Ok(_), false) => {}
        }
    }
    assert_eq!(wrong, "");
}

/// The files that `case.json` names under `manifests`, read with our own parser: JSON is YAML. `-` is the file
/// under `stdin`.
fn manifest_arguments(case: &Path, call: &str) -> Vec<PathBuf> {
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
