//! Damage in the store: it is made or fetched again, or an error that names it.

use std::fs;

use ironkit_tests::layout::{FILE, Layout, digest, entry, tar};
use ironkit_tests::{Sandbox, run, succeed};

use super::{BUILD, build_offline, cold, cool, expected, names, outputs, with_image};

#[test]
fn damaged_derived_data_is_made_again() {
    let sandbox = cold();
    let expected = expected(&sandbox);
    let derived = sandbox.cache().join("derived");
    assert_eq!(names(&derived), ["files", "layers", "pieces", "sbom"]);
    let good = sandbox.path("good");
    ironkit_tests::copy(&derived, &good);
    for kinds in [
        &["files"][..],
        &["pieces"],
        &["files", "layers"],
        &["layers", "pieces"],
        &["sbom"],
        &["files", "layers", "pieces", "sbom"],
    ] {
        for damage in ["a flipped bit", "an early end", "nothing in it"] {
            ironkit_tests::copy(&good, &derived);
            for folder in kinds.iter().map(|kind| derived.join(kind)) {
                for path in names(&folder).iter().map(|name| folder.join(name)) {
                    let mut bytes = fs::read(&path).unwrap();
                    let middle = bytes.len() / 2;
                    match damage {
                        "a flipped bit" => bytes[middle] ^= 0x10,
                        "an early end" => bytes.truncate(middle),
                        _ => bytes.clear(),
                    }
                    fs::write(&path, bytes).unwrap();
                }
            }
            let finished = run(&mut sandbox.ironkit(BUILD));
            assert_eq!(finished.code, Some(0), "{damage} in {kinds:?}: {finished}");
            assert!(
                !finished.stderr.contains("damaged"),
                "{damage} in {kinds:?}: {finished}"
            );
            assert_eq!(outputs(&sandbox.path("out")), expected, "{damage} in {kinds:?}");
            fs::remove_dir_all(sandbox.path("out")).unwrap();
            fs::create_dir(sandbox.path("out")).unwrap();
        }
    }
}

/// The format `tar` copies contents out of uncompressed layers, which are verified once and as a whole.
#[test]
fn damage_in_uncompressed_layers_reaches_no_archive() {
    let sandbox = cold();
    let archive = || {
        succeed(&mut sandbox.ironkit(["build", "--format", "tar", "-o", "small.tar", "small.yml"]));
        let bytes = fs::read(sandbox.path("small.tar")).unwrap();
        fs::remove_file(sandbox.path("small.tar")).unwrap();
        digest(&bytes)
    };
    let expected = archive();
    let layers = sandbox.cache().join("derived/layers");
    assert!(!names(&layers).is_empty());
    for name in names(&layers) {
        let path = layers.join(name);
        let good = fs::read(&path).unwrap();
        // In a header, in a content, in what follows the last entry.
        for at in [100, good.len() / 3, good.len() / 2, good.len() - 60] {
            let mut bytes = good.clone();
            bytes[at] ^= 0x10;
            fs::write(&path, bytes).unwrap();
            assert_eq!(archive(), expected, "byte {at} of {}", path.display());
        }
        fs::write(&path, &good).unwrap();
    }
}

#[test]
fn a_damaged_layer_is_an_error_that_names_it() {
    let sandbox = Sandbox::new();
    let layer = tar(&[entry(
        FILE,
        "file",
        &"text
"
        .repeat(1000),
    )]);
    let mut layout = Layout::new(&sandbox.path("layout"));
    layout.name(
        layout.image("amd64", std::slice::from_ref(&layer)),
        "docker.io/tests/a:1",
    );
    sandbox.write("image.tar", layout.archive());
    succeed(&mut sandbox.ironkit(["cache", "import", "image.tar"]));
    sandbox.write(
        "small.yml",
        "init: [\"tests/a:1\"]
",
    );
    fs::create_dir(sandbox.path("out")).unwrap();
    let name = digest(&layer);
    let blob = sandbox.cache().join("blobs").join(name.replace(':', "/"));
    let mut arguments = vec!["--mirror", "http://127.0.0.1:9"];
    arguments.extend(BUILD);
    arguments.extend(["--arch", "amd64"]);
    for damage in ["a flipped bit", "an early end", "nothing there"] {
        let mut bytes = layer.clone();
        match damage {
            "a flipped bit" => bytes[1000] ^= 1,
            _ => bytes.truncate(1000),
        }
        fs::write(&blob, bytes).unwrap();
        if damage == "nothing there" {
            fs::remove_file(&blob).unwrap();
        }
        let finished = run(&mut sandbox.ironkit(arguments.iter().copied()));
        assert_eq!(finished.code, Some(2), "{damage}: {finished}");
        // A blob that is plainly not whole is asked for; nobody has it.
        let asked = damage != "a flipped bit" && finished.stderr.contains("tests/a:1");
        assert!(asked || finished.stderr.contains(&name), "{damage}: {finished}");
        assert_eq!(names(&sandbox.path("out")), [] as [&str; 0], "{damage}");
    }
    fs::write(&blob, &layer).unwrap();
    succeed(&mut sandbox.ironkit(arguments));
    assert_eq!(names(&sandbox.path("out")), ["small-initrd.img"]);
}

#[test]
fn a_damaged_index_is_an_error_with_a_way_out() {
    let sandbox = with_image();
    fs::write(sandbox.path("out/small-initrd.img"), "old").unwrap();
    let index = sandbox.cache().join("index.json");
    let good = fs::read(&index).unwrap();
    let cut = good[..good.len() / 2].to_vec();
    for bytes in [cut, Vec::new(), b"[]".to_vec(), b"\0\xff".to_vec()] {
        fs::write(&index, &bytes).unwrap();
        let finished = build_offline(&sandbox);
        assert_eq!(finished.code, Some(2), "{bytes:?}: {finished}");
        for text in ["index.json", "hint: nothing is lost: move that file away"] {
            assert!(finished.stderr.contains(text), "{text}: {finished}");
        }
        assert_eq!(
            fs::read(&index).unwrap(),
            bytes,
            "it is left for a person to look at"
        );
        assert_eq!(fs::read(sandbox.path("out/small-initrd.img")).unwrap(), b"old");
    }
    // The hint's way out.
    fs::remove_file(&index).unwrap();
    succeed(&mut sandbox.ironkit(["cache", "import", "image.tar"]));
    let finished = build_offline(&sandbox);
    assert_eq!(finished.code, Some(0), "{finished}");
    assert_eq!(names(&sandbox.path("out")), ["small-initrd.img"]);
}

#[test]
fn a_damaged_component_is_built_again() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "part/build.yml",
        "image: part\norg: tests\ncontents:\n  - {file: text, path: /text}\n",
    );
    sandbox.write("part/text", "text\n".repeat(1000));
    let files = "init: [\"@pkg:part\"]\n";
    fs::create_dir(sandbox.path("out")).unwrap();
    // Without an SBOM: nothing of the image but what is built of it counts.
    let build = || {
        let mut command = sandbox.ironkit(["--mirror", "http://127.0.0.1:9"]);
        run(command.args(BUILD).args(["--arch", "amd64", "--no-sbom"]))
    };
    let text = files;
    {
        sandbox.write("small.yml", text);
        cool(&sandbox);
        let first = build();
        assert_eq!(first.code, Some(0), "{first}");
        let good = fs::read(sandbox.path("out/small-initrd.img")).unwrap();
        let folder = sandbox.cache().join("blobs/sha256");
        let mut mended = 0;
        for name in names(&folder) {
            let path = folder.join(&name);
            let whole = fs::read(&path).unwrap();
            let mut flipped = whole.clone();
            flipped[whole.len() / 2] ^= 1;
            for bytes in [&flipped, &whole[..whole.len() - 1]] {
                fs::write(&path, bytes).unwrap();
                cool(&sandbox);
                let finished = build();
                assert_eq!(finished.code, Some(0), "{text}: {name}: {finished}");
                let now = fs::read(sandbox.path("out/small-initrd.img")).unwrap();
                assert!(now == good, "{text}: {name}");
                mended += usize::from(fs::read(&path).unwrap() == whole);
                fs::write(&path, &whole).unwrap();
            }
        }
        // Layer, configuration, manifest, each in both ways.
        assert!(mended >= 6, "{text}: only {mended} were mended");
    }
}
