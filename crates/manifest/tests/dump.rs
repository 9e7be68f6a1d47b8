//! A dumped manifest says what the manifest said: it is read again, and compared.

mod support;

use std::fs;
use std::path::PathBuf;

use ironkit_manifest::dump::{as_written, json, yaml};
use ironkit_manifest::{Manifest, SourceFile, parse};
use support::{manifest_arguments, manifests_below, shared};

const EVERY_FIELD: &str = include_str!("every-field.yml");

fn read(texts: &[String]) -> Option<Manifest> {
    let source = |text: &String| SourceFile {
        name: "m.yml".to_owned(),
        text: text.clone(),
        directory: Some(PathBuf::new()),
    };
    let sources: Vec<SourceFile> = texts.iter().map(source).collect();
    Some(
        parse(&sources, &|path, _| Ok(format!("resolved/{}", path.len())))
            .ok()?
            .0,
    )
}

/// All of a manifest but the places in its text.
fn meaning(manifest: &Manifest) -> String {
    let manifest = Manifest {
        sources: Vec::new(),
        ..manifest.clone()
    };
    let text = format!("{manifest:#?}");
    let mut kept = String::new();
    let mut inside = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        match inside {
            None if line.trim_start() == "span: Span {" => inside = Some(indent),
            None => {
                kept.push_str(line);
                kept.push('\n');
            }
            Some(depth) if indent == depth => inside = None,
            Some(_) => {}
        }
    }
    kept
}

#[track_caller]
fn check(name: &str, texts: &[String]) {
    let Some(manifest) = read(texts) else {
        panic!("{name} is not valid")
    };
    for dump in [yaml(&manifest, &as_written), json(&manifest, &as_written)] {
        let again = read(std::slice::from_ref(&dump));
        let again = again.unwrap_or_else(|| panic!("{name}: the dump is not valid:\n{dump}"));
        let (was, is) = (meaning(&manifest), meaning(&again));
        let first = was.lines().zip(is.lines()).find(|(was, is)| was != is);
        assert!(
            was == is,
            "{name}: the dump says something else: {first:?}\n{dump}"
        );
        assert_eq!(yaml(&again, &as_written), yaml(&manifest, &as_written), "{name}");
    }
}

#[test]
fn every_field_comes_back() {
    check("every-field.yml", &[EVERY_FIELD.to_owned()]);
    check("empty", &["{}".to_owned()]);
    check(
        "kernel without image",
        &["kernel: {cmdline: x, tar: \"\"}".to_owned()],
    );
}

#[test]
fn odd_texts_come_back() {
    let texts = [
        "",
        " ",
        "\n",
        "\n\n",
        "a\n",
        "\na",
        " a\nb\n",
        "a\n\n\n",
        "a\n ",
        "a\n \nb",
        "\ta\nb",
        "a\tb\n",
        "a\r\nb",
        "a\rb",
        "~",
        "null",
        "Yes",
        "0x1f",
        "1e3",
        "1:2:3",
        "2001-01-01",
        "- a",
        "? a",
        ": a",
        "a: b",
        "a #b",
        "#a",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "'a'",
        "\"a\"",
        "{a}",
        "[a]",
        "a,b",
        "<<",
        "=",
        "---",
        "...",
        "--- a\nb",
        "a\n---\nb\n",
        "a\n...\n",
        "\u{0}\u{1}\u{7f}",
        "\u{85}",
        "\u{2028}\u{2029}",
        "\u{feff}a",
        "é😀\n\u{a0}",
        "\\n",
        "a \nb ",
        "a\n# b\n",
    ];
    for text in texts {
        let mut quoted = String::new();
        for c in text.chars() {
            quoted.push_str(&format!("\\U{:08x}", u32::from(c)));
        }
        let manifest = format!(
            "files: [{{path: p, contents: \"{quoted}\"}}]\nonboot: [{{name: a, image: b, annotations: {{\"k{quoted}\": \"{quoted}\"}}}}]"
        );
        check(&format!("{text:?}"), &[manifest]);
    }
    check(
        "a long line",
        &[format!(
            "files: [{{path: p, contents: \"{}\"}}]",
            "word ".repeat(20_000)
        )],
    );
}

#[test]
fn manifests_of_others_come_back() {
    let mut cases: Vec<Vec<PathBuf>> = Vec::new();
    if let Some(corpus) = shared("corpus") {
        let mut found = Vec::new();
        manifests_below(&corpus, &mut found);
        cases.extend(found.into_iter().map(|path| vec![path]));
    }
    if let Some(golden) = shared("golden/cases") {
        for case in fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path()) {
            let call = fs::read_to_string(case.join("case.json")).unwrap();
            cases.push(manifest_arguments(&case, &call));
        }
    }
    let mut checked = 0;
    for paths in &cases {
        let texts: Vec<String> = paths
            .iter()
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        if !texts.is_empty() && read(&texts).is_some() {
            check(&format!("{}", paths[0].display()), &texts);
            checked += 1;
        }
    }
    assert!(cases.is_empty() || checked > 80, "only {checked} could be read");
}

#[test]
fn what_it_looks_like() {
    let manifest = read(&["
kernel: {image: linuxkit/kernel:6.12, cmdline: console=ttyS0}
services: [{name: web, image: nginx, command: [/bin/sh, -c, \"a: b\"], readonly: false, uid: 4}]
files: [{path: etc/a, contents: \"x\\ny\\n\", mode: \"0644\"}]
trust: {org: [linuxkit]}
"
    .to_owned()]);
    let expand = |reference: &str| format!("docker.io/{reference}");
    insta::assert_snapshot!(yaml(&manifest.unwrap(), &expand), @r#"
    kernel:
      image: docker.io/linuxkit/kernel:6.12
      cmdline: console=ttyS0
    init: []
    onboot: []
    onshutdown: []
    services:
      - name: web
        image: docker.io/nginx
        command:
          - /bin/sh
          - "-c"
          - "a: b"
        readonly: false
        uid: 4
    files:
      - path: etc/a
        directory: false
        contents: |
          x
          y
        optional: false
        mode: "0644"
    volumes: []
    "#);
    insta::assert_snapshot!(json(&read(&["{}".to_owned()]).unwrap(), &as_written), @r#"
    {
        "kernel": {
            "image": ""
        },
        "init": [],
        "onboot": [],
        "onshutdown": [],
        "services": [],
        "files": [],
        "volumes": []
    }
    "#);
}
