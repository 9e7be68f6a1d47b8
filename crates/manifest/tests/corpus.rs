//! LinuxKit's own manifests and the golden cases: what it accepts we accept, what it refuses we refuse.
//!
//! Both live beside the project; without them the tests say so and pass.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use ironkit_manifest::{Diagnostic, Manifest, SourceFile, parse};
use support::{manifest_arguments, manifests_below, shared};

/// Files of the corpus that are no valid manifests: a registry's configuration, a build.yml, and LinuxKit's own case of
/// an unknown field; and an example that is no YAML, since a comment in the first column ends its block of text (PyYAML
/// refuses it too).
const NOT_MANIFESTS: [&str; 4] = [
    "080_mirrors/config.yml",
    "010_build_arg_special_multiple_yaml/build-file.yml",
    "091_validate_linuxkit_yaml/linuxkit.yml",
    "examples/static-ip.yml",
];

/// Examples that are warned of: they make a directory below /var, which init then hides.
const HIDDEN: [&str; 2] = ["examples/cadvisor.yml", "examples/docker.yml"];

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
            Ok((_, warnings)) if HIDDEN.iter().any(|name| path.ends_with(name)) => {
                let lines = lines(&warnings);
                assert!(warnings.len() == 1 && lines.contains("will be hidden"), "{lines}");
            }
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
