//! The lists of packages in an image, as validators that are not ours see them.

use std::fs;
use std::process::Command;

use ironkit_tests::layout::{FILE, Layout, digest, entry, tar};
use ironkit_tests::{Sandbox, initrd, judge, python, succeed};
use serde_json::{Value, json};

const STATUS: &str = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nSource: glibc\nVersion: 2.41-12+b1\n\
    Maintainer: GNU Libc Maintainers <libc@example.org>\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n";
const INSTALLED: &str =
    "P:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\n\nP:busybox\nV:1.37.0-r1\nA:x86_64\nL:not SPDX\n";
const MANIFEST: &str = "\
services:
  - {name: deb, image: \"test/deb:v1\"}
  - {name: apk, image: \"test/apk:v1\"}
  - {name: said, image: \"test/said:v1\"}
";

/// A store with an image that has dpkg's database, one with apk's, and one with apk's and an attestation that counts more.
fn prepared(statement: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let mut layout = Layout::new(&sandbox.path("layout"));
    let deb = [
        entry(FILE, "var/lib/dpkg/status", STATUS),
        entry(FILE, "etc/os-release", "ID=debian\nVERSION_ID=\"13\"\n"),
    ];
    let apk = [entry(FILE, "lib/apk/db/installed", INSTALLED)];
    for (name, entries) in [("deb", &deb[..]), ("apk", &apk)] {
        let image = layout.image("amd64", &[tar(entries)]);
        layout.name(image, &format!("docker.io/test/{name}:v1"));
    }
    let image = layout.image("amd64", &[tar(&apk), tar(&[entry(FILE, "other", "")])]);
    let mut blob = layout.blob("x", statement.as_bytes());
    blob["mediaType"] = json!("application/vnd.in-toto+json");
    blob["annotations"] = json!({"in-toto.io/predicate-type": "https://spdx.dev/Document"});
    let config = json!({"architecture": "unknown", "os": "unknown", "rootfs": {"diff_ids": [digest(b"")]}});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": layout.blob("config.v1+json", config.to_string().as_bytes()),
        "layers": [blob],
    });
    let mut attestation = layout.blob("manifest.v1+json", manifest.to_string().as_bytes());
    attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    attestation["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": image["digest"],
    });
    let index = layout.index(&[image, attestation]);
    layout.name(index, "docker.io/test/said:v1");
    let archive = sandbox.write("images.tar", layout.archive());
    let mut command = sandbox.ironkit(["cache", "import"]);
    succeed(command.arg(archive));
    sandbox.write("m.yml", MANIFEST);
    sandbox
}

fn attested() -> String {
    let document = json!({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "said",
        "documentNamespace": "https://example.org/said",
        "creationInfo": {"created": "2020-01-01T00:00:00Z", "creators": ["Tool: x"]},
        "packages": [{"SPDXID": "SPDXRef-said", "name": "said", "downloadLocation": "NOASSERTION"}],
        "relationships": [{
            "spdxElementId": "SPDXRef-DOCUMENT", "relatedSpdxElement": "SPDXRef-said", "relationshipType": "DESCRIBES",
        }],
    });
    json!({"predicateType": "https://spdx.dev/Document", "predicate": document}).to_string()
}

/// Builds with `arguments` and reads the file `name` of the image.
fn document(sandbox: &Sandbox, arguments: &[&str], name: &str) -> Value {
    let mut command = sandbox.ironkit(["build", "--arch", "amd64", "--name", "m", "m.yml"]);
    succeed(command.args(arguments));
    let members = initrd::members(&sandbox.path("m-initrd.img"));
    let mut entries = members.iter().flat_map(|member| initrd::entries(member));
    let entry = entries.find(|entry| entry.name == name);
    let entry = entry.unwrap_or_else(|| panic!("{name} is not in the image"));
    assert_eq!((entry.mode & 0o7777, entry.mtime), (0o644, 1_492_533_000));
    fs::write(sandbox.path("document.json"), &entry.content).unwrap();
    serde_json::from_slice(&entry.content).unwrap()
}

fn names(list: &Value, key: &str) -> Vec<String> {
    let elements = list.as_array().unwrap().iter();
    let mut names: Vec<String> = elements
        .filter_map(|element| Some(element[key].as_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

#[test]
fn packages_come_from_attestations_and_else_from_databases() {
    let sandbox = prepared(&attested());
    let spdx = document(&sandbox, &[], "sbom.spdx.json");
    assert_eq!(
        names(&spdx["packages"], "name"),
        [
            "busybox",
            "docker.io/test/apk",
            "docker.io/test/deb",
            "libc6",
            "musl",
            "said"
        ]
    );
    let libc = spdx["packages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|package| package["name"] == "libc6");
    let libc = libc.unwrap();
    assert_eq!(libc["packageFileName"], "containers/services/deb/lower");
    let purl = "pkg:deb/debian/libc6@2.41-12%2Bb1?arch=amd64&distro=debian-13";
    assert_eq!(libc["externalRefs"][0]["referenceLocator"], purl);
    if let Some(validator) = judge("pyspdxtools") {
        succeed(
            Command::new(validator)
                .arg("-i")
                .arg(sandbox.path("document.json")),
        );
    }
    // Everything derived is made again the same.
    let first = fs::read(sandbox.path("m-initrd.img")).unwrap();
    fs::remove_dir_all(sandbox.cache().join("derived")).unwrap();
    assert_eq!(document(&sandbox, &[], "sbom.spdx.json"), spdx);
    assert_eq!(fs::read(sandbox.path("m-initrd.img")).unwrap(), first);
}

#[test]
fn cyclonedx_says_the_same() {
    let sandbox = prepared(&attested());
    let bom = document(
        &sandbox,
        &["--sbom-format", "cyclonedx", "--sbom-output", "usr/lib/sbom.json"],
        "usr/lib/sbom.json",
    );
    assert_eq!(
        names(&bom["components"], "name"),
        [
            "busybox",
            "docker.io/test/apk",
            "docker.io/test/deb",
            "libc6",
            "musl",
            "said"
        ]
    );
    if let (Some(_), Some(python)) = (judge("pyspdxtools"), python()) {
        let script = "import sys; from cyclonedx.validation.json import JsonStrictValidator as V; \
            from cyclonedx.schema import SchemaVersion as S; e = V(S.V1_6).validate_str(open(sys.argv[1]).read()); \
            sys.exit(str(e) if e else 0)";
        succeed(
            Command::new(python)
                .args(["-c", script])
                .arg(sandbox.path("document.json")),
        );
    }
}

#[test]
fn the_time_is_fixed_unless_somebody_says_otherwise() {
    let sandbox = prepared(&attested());
    let created =
        |sandbox: &Sandbox| document(sandbox, &[], "sbom.spdx.json")["creationInfo"]["created"].clone();
    assert_eq!(created(&sandbox), "2017-04-18T16:30:00Z");
    let now = document(&sandbox, &["--sbom-current-time"], "sbom.spdx.json");
    assert!(now["creationInfo"]["created"].as_str().unwrap() > "2026");
    for (epoch, works) in [("86400", true), ("yesterday", false), ("-1", false)] {
        let mut command = sandbox.ironkit(["build", "--arch", "amd64", "--name", "m", "m.yml"]);
        let done = ironkit_tests::run(command.env("SOURCE_DATE_EPOCH", epoch));
        assert_eq!(done.code == Some(0), works, "{epoch}: {done:?}");
    }
}

#[test]
fn what_is_broken_is_named_and_can_be_left_out() {
    let deep = format!(
        "{{\"predicateType\":\"https://spdx.dev/Document\",\"predicate\":{}",
        "[".repeat(100_000)
    );
    for statement in ["{", "{}", "null", deep.as_str()] {
        let sandbox = prepared(statement);
        let build = ["build", "--arch", "amd64", "--name", "m", "m.yml"];
        let done = ironkit_tests::run(&mut sandbox.ironkit(build));
        let said = format!("{done:?}");
        assert_ne!(done.code, Some(0), "{said}");
        for part in [
            "docker.io/test/said:v1",
            &digest(statement.as_bytes()),
            "--no-sbom",
        ] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        succeed(sandbox.ironkit(build).arg("--no-sbom"));
    }
}

#[test]
fn provenance_names_outputs_and_what_they_are_made_from() {
    let sandbox = prepared(&attested());
    let mut command = sandbox.ironkit([
        "build",
        "--arch",
        "amd64",
        "--name",
        "m",
        "--provenance",
        "p.json",
        "m.yml",
    ]);
    succeed(&mut command);
    let statement: Value = serde_json::from_slice(&fs::read(sandbox.path("p.json")).unwrap()).unwrap();
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let output = fs::read(sandbox.path("m-initrd.img")).unwrap();
    let hex = digest(&output).replace("sha256:", "");
    assert_eq!(
        statement["subject"],
        json!([{"name": "m-initrd.img", "digest": {"sha256": hex}}])
    );
    let used = &statement["predicate"]["buildDefinition"]["resolvedDependencies"];
    let expect = [
        "docker.io/test/apk:v1",
        "docker.io/test/deb:v1",
        "docker.io/test/said:v1",
        "m.yml",
    ];
    assert_eq!(names(used, "name"), expect);
}
