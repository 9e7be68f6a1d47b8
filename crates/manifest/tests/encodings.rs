//! Texts as other editors save them, and labels as other tools write them.

use ironkit_manifest::{Manifest, SourceFile, parse, parse_label};

fn read(text: &str) -> Manifest {
    let source = SourceFile {
        name: "m.yml".to_owned(),
        text: text.to_owned(),
        directory: None,
    };
    match parse(&[source], &|_, _| Err(String::new())) {
        Ok((manifest, _)) => manifest,
        Err(mistakes) => panic!("{text:?}: {mistakes:?}"),
    }
}

#[test]
fn manifests() {
    let expected = "kernel:\n  image: k\n  cmdline: |\n    a\n    b\ninit:\n  - x\n";
    for text in [
        format!("\u{feff}{expected}"),
        expected.replace('\n', "\r\n"),
        format!("\u{feff}# comment\r\n---\r\n{}", expected.replace('\n', "\r\n")),
        format!("{expected}..."),
        expected.trim_end().to_owned(),
        "{\"kernel\":\t{\"image\": \"k\",\n\t\"cmdline\": \"a\\nb\\n\"},\n\t\"init\": [\"x\"]}".to_owned(),
    ] {
        let manifest = read(&text);
        let kernel = manifest.kernel.unwrap();
        assert_eq!(
            (kernel.cmdline(), kernel.image.as_ref().unwrap().as_str()),
            ("a\nb\n", "k"),
            "{text:?}"
        );
        assert_eq!(manifest.init[0].as_str(), "x", "{text:?}");
    }
}

#[test]
fn labels() {
    for text in [
        "{\n\t\"net\": \"new\",\n\t\"binds\": [\n\t\t\"/a:/b\"\n\t]\n}\n",
        "{\"net\":\"new\",\"binds\":[\"\\/a:\\/b\"]}",
        "net: new\nbinds:\n- /a:/b\n",
    ] {
        let label = parse_label(text, "image").unwrap_or_else(|mistakes| panic!("{text:?}: {mistakes:?}"));
        assert_eq!(label.binds.unwrap()[0].to_string(), "/a:/b");
    }
    for text in [
        "[]",
        "null",
        "{\"net\": 5}",
        "{\"name\": \"x\"}",
        "{\"a\": 1, \"a\": 2}",
        "{",
    ] {
        assert!(parse_label(text, "image").is_err(), "{text}");
    }
}
