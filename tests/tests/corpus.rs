//! LinuxKit's own manifests through `validate`, and through the JSON Schema as Python's `jsonschema` reads it.

use std::path::{Path, PathBuf};
use std::process::Command;

use ironkit_tests::{Sandbox, python, run, shared, succeed, workspace};

/// What is no manifest, and why.
const EXCEPTIONS: [(&str, &str); 4] = [
    ("080_mirrors/config.yml", "a registry's configuration"),
    (
        "010_build_arg_special_multiple_yaml/build-file.yml",
        "a build.yml",
    ),
    (
        "091_validate_linuxkit_yaml/linuxkit.yml",
        "has an unknown field on purpose",
    ),
    (
        "examples/static-ip.yml",
        "no YAML: a comment in the first column ends its block of text",
    ),
];

/// Golden cases that a schema must refuse: wrong types, keys and forms of single values. The mistakes of the others lie
/// between several entries, in images, or in flags.
const REFUSED: [&str; 13] = [
    "err-bind",
    "err-capability-case",
    "err-file-mode",
    "err-file-no-content",
    "err-file-no-path",
    "err-no-name",
    "err-null-section",
    "err-rlimit-parts",
    "err-type",
    "err-unknown-key",
    "err-unknown-top",
    "err-volume-name",
    "err-capability",
];

/// Reads manifests with YAML 1.2's types and prints those that the schema refuses.
const JUDGE: &str = r#"
import json, re, sys
import jsonschema, yaml

class Loader(yaml.SafeLoader):
    pass

Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(0x[0-9a-fA-F]+|[0-9]+)", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("merge", r"<<", "<"),
]:
    Loader.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile("^(?:" + pattern + ")$"), list(first))

with open(sys.argv[1]) as file:
    schema = json.load(file)
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
for path in sys.argv[2:]:
    with open(path) as file:
        document = next(yaml.load_all(file, Loader))
    for error in validator.iter_errors(document):
        print("%s: %s: %s" % (path, "/".join(str(p) for p in error.absolute_path), error.message[:200]))
        break
"#;

fn below(directory: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(directory).expect("the corpus can be read");
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yml") {
            found.push(path);
        }
    }
}

/// The corpus: manifests, and what is none.
fn corpus() -> Option<(Vec<PathBuf>, Vec<PathBuf>)> {
    let mut found = Vec::new();
    below(&shared("corpus")?, &mut found);
    assert!(found.len() > 30, "the corpus is incomplete");
    Some(
        found
            .into_iter()
            .partition(|path| !EXCEPTIONS.iter().any(|(name, _)| path.ends_with(name))),
    )
}

#[test]
fn every_manifest_of_the_corpus_is_valid() {
    let Some((manifests, others)) = corpus() else {
        return;
    };
    let sandbox = Sandbox::new();
    assert_eq!(others.len(), EXCEPTIONS.len());
    let mut refused = String::new();
    // One at a time: they are not to be merged.
    for path in manifests {
        let finished = run(sandbox.ironkit(["validate", "--json"]).arg(&path));
        if finished.code != Some(0) {
            refused.push_str(&format!("{finished}\n"));
        }
    }
    assert_eq!(refused, "");
    for path in others {
        let finished = run(sandbox.ironkit(["validate"]).arg(&path));
        assert_eq!(finished.code, Some(1), "{finished}");
    }
}

#[test]
fn the_schema_accepts_and_refuses_the_same() {
    let Some((manifests, _)) = corpus() else { return };
    let (Some(python), Some(golden)) = (python(), shared("golden")) else {
        return;
    };
    let modules = run(Command::new(&python).args(["-c", "import jsonschema, yaml"]));
    if modules.code != Some(0) {
        let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
        assert!(!ci, "scripts/setup.sh installs jsonschema and PyYAML: {modules}");
        skipped();
        return;
    }
    let sandbox = Sandbox::new();
    let schema = succeed(&mut sandbox.ironkit(["schema"]));
    sandbox.write("schema.json", &schema);
    sandbox.write("judge.py", JUDGE);
    let refused = |paths: &[PathBuf]| {
        let mut call = Command::new(&python);
        call.arg(sandbox.path("judge.py"))
            .arg(sandbox.path("schema.json"))
            .args(paths);
        succeed(&mut call)
    };
    let every_field = workspace().join("crates/manifest/tests/every-field.yml");
    let examples =
        ["minimal.yml", "debug.yml", "rpi3.yml"].map(|name| workspace().join("examples").join(name));
    let valid: Vec<PathBuf> = manifests
        .into_iter()
        .chain([every_field])
        .chain(examples)
        .collect();
    assert_eq!(refused(&valid), "");
    for case in REFUSED {
        let manifest = golden.join("cases").join(case).join("main.yml");
        assert_ne!(refused(&[manifest]), "", "{case} is not refused");
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn skipped() {
    eprintln!("SKIPPED: jsonschema and PyYAML are needed to run this test, and they are not there");
}
