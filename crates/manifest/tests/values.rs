//! What a correct manifest means: every field, defaults, merging, templates, labels.

use std::cell::RefCell;

use ironkit_manifest::*;

fn source(name: &str, text: &str) -> SourceFile {
    SourceFile {
        name: name.to_owned(),
        text: text.to_owned(),
        directory: None,
    }
}

fn parsed(texts: &[&str]) -> Manifest {
    let files: Vec<SourceFile> = texts.iter().map(|text| source("m.yml", text)).collect();
    match parse(&files, &|_, _| Err("no packages".to_owned())) {
        Ok((manifest, _)) => manifest,
        Err(mistakes) => panic!(
            "{}",
            mistakes
                .iter()
                .map(|mistake| format!("{mistake}\n"))
                .collect::<String>()
        ),
    }
}

fn values<T: Clone>(list: &Option<Vec<Spanned<T>>>) -> Vec<T> {
    list.iter().flatten().map(|item| item.value.clone()).collect()
}

#[test]
fn nothing_is_a_manifest_too() {
    assert_eq!(
        parsed(&["{}"]),
        Manifest {
            sources: vec![source("m.yml", "{}")],
            ..Manifest::default()
        }
    );
    assert_eq!(parsed(&["{}\n---\nsecond: document\n"]).services, []);
}

#[test]
fn kernel_fields_merge_one_by_one() {
    let kernel = |texts: &[&str]| {
        let kernel = parsed(texts).kernel.unwrap_or_default();
        let image = kernel
            .image
            .as_ref()
            .map_or("-".to_owned(), |image| image.value.clone());
        let (tar, ucode) = (kernel.tar().unwrap_or("-"), kernel.ucode().unwrap_or("-"));
        format!("{image} '{}' {} {tar} {ucode}", kernel.cmdline(), kernel.binary())
    };
    let full = "kernel: {image: k, cmdline: c, binary: b, tar: t, ucode: u}";
    let table: [(&[&str], &str); 8] = [
        (&["kernel: {}"], "- '' kernel kernel.tar -"),
        (&["kernel: {image: \"\", tar: none}"], "- '' kernel - -"),
        (&[full], "k 'c' b t u"),
        (&[full, "kernel: {}"], "k 'c' b t u"),
        (&[full, "{}"], "k 'c' b t u"),
        (&["{}", full], "k 'c' b t u"),
        (
            &[
                full,
                "kernel: {image: \"\", cmdline: \"\", binary: \"\", tar: \"\", ucode: \"\"}",
            ],
            "k 'c' b - -",
        ),
        (
            &[full, "kernel: {cmdline: d}", "kernel: {image: l, tar: s}"],
            "l 'd' b s u",
        ),
    ];
    for (texts, expected) in table {
        assert_eq!(kernel(texts), expected, "{texts:?}");
    }
}

#[test]
fn lists_of_several_files_are_joined_and_volumes_seen_everywhere() {
    let first = "init: [a]\nservices: [{name: s, image: i, binds: [\"v:/v\"], uid: t}]\nvolumes: [{name: u}]";
    let second = "init: [b]\nservices: [{name: t, image: i, binds: [\"u:/u\"]}]\nvolumes: [{name: v}]";
    let manifest = parsed(&[first, second]);
    let names: Vec<&str> = manifest
        .services
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    assert_eq!(names, ["s", "t"]);
    let init: Vec<(&str, usize)> = manifest
        .init
        .iter()
        .map(|image| (image.as_str(), image.span.file))
        .collect();
    assert_eq!(init, [("a", 0), ("b", 1)]);
}

#[test]
fn ids_count_from_100_through_the_sections() {
    let manifest = parsed(&["
services: [{name: c, image: i}, {name: x, image: i}]
onboot: [{name: a, image: i}, {name: x, image: i}]
onshutdown: [{name: b, image: i}]
"]);
    let ids: Vec<(String, u32)> = manifest.ids().into_iter().collect();
    let expected = [("a", 100), ("b", 102), ("c", 103), ("x", 104)];
    assert_eq!(ids, expected.map(|(name, id)| (name.to_owned(), id)));
}

#[test]
fn every_field_of_a_container() {
    let manifest = parsed(&[r#"
services:
  - name: a
    image: i
    capabilities: [all]
    capabilities.add: [CAP_KILL]
    ambient: []
    mounts: [{source: mqueue}, {destination: /dev, options: [size=1k], uidmappings: [{size: 1}]}, {type: proc}]
    binds: ["/a:/b", "/c:/d:ro,nosuid"]
    binds.add: []
    devices: [{path: all, type: b}, {path: /dev/x, type: c, major: 5, minor: 1, mode: "0666"}]
    tmpfs: ["/tmp", "/run:rw,size=10m"]
    command: []
    env: ["A=1"]
    cwd: /x
    net: none
    userns: /run/user
    readonly: false
    uid: root
    gid: a
    additionalGids: [4294967295, ""]
    noNewPrivileges: true
    oomScoreAdj: -900
    rootfsPropagation: ""
    sysctl: {net.ipv4.ip_forward: "1"}
    rlimits: ["RLIMIT_CORE, 0 , unlimited", "nofile,1,2"]
    uidMappings: [{hostID: 1000, containerid: 2, size: 10}]
    resources:
      memory: {limit: -1, kernelTCP: 2, disableoomkiller: true}
      hugepagelimits: [{pageSize: 2097152, limit: 5}, {pageSize: 1GB}]
      blockio: {leafWeight: 11, throttleWriteIOPSDevice: [{major: 8, minor: 16, rate: 15}]}
      network: {classID: 6}
    runtime:
      mounts: [{destination: /t}]
      restart: never
      stopSignal: quit
      stopTimeout: 3
      seccomp: unconfined
      interfaces: [{name: wg0, createInRoot: true, add: wireguard}]
      bindNS: {net: /run/netns/a}
"#]);
    let config = &manifest.services[0].config;
    assert_eq!(values(&config.capabilities), ["all"]);
    assert_eq!(
        config.ambient.as_deref(),
        Some([].as_slice()),
        "empty is not absent"
    );
    assert_eq!(config.command.as_deref(), Some([].as_slice()));
    assert_eq!(config.masked_paths, None);
    let completed = |mount: &Mount| shown(&mount.completed());
    let mounts: Vec<String> = config.mounts.iter().flatten().map(completed).collect();
    assert_eq!(
        mounts,
        [
            "/dev/mqueue mqueue mqueue []",
            "/dev tmpfs tmpfs [size=1k]",
            "/proc proc proc []"
        ]
    );
    let binds: Vec<String> = values(&config.binds).iter().map(ToString::to_string).collect();
    assert_eq!(binds, ["/a:/b", "/c:/d:ro,nosuid"]);
    assert_eq!(config.binds.as_ref().unwrap()[0].options, None);
    let devices = config.devices.as_ref().unwrap();
    assert!(devices[0].is_all() && devices[0].mode.is_none());
    assert_eq!(
        (devices[1].major, devices[1].mode.as_ref().unwrap().bits),
        (5, 0o666)
    );
    let tmpfs: Vec<String> = values(&config.tmpfs).iter().map(ToString::to_string).collect();
    assert_eq!(tmpfs, ["/tmp", "/run:rw,size=10m"]);
    assert_eq!(
        (config.readonly, config.no_new_privileges, config.oom_score_adj),
        (Some(false), Some(true), Some(-900))
    );
    assert_eq!(config.uid.as_ref().unwrap().value, Id::Number(0));
    assert_eq!(config.gid.as_ref().unwrap().value, Id::Name("a".to_owned()));
    assert_eq!(
        values(&config.additional_gids),
        [Id::Number(u32::MAX), Id::Number(0)]
    );
    let rlimits: Vec<String> = values(&config.rlimits).iter().map(ToString::to_string).collect();
    assert_eq!(rlimits, ["RLIMIT_CORE,0,unlimited", "RLIMIT_NOFILE,1,2"]);
    let mapping = &config.uid_mappings.as_ref().unwrap()[0];
    assert_eq!(
        (mapping.host_id, mapping.container_id, mapping.size),
        (Some(1000), Some(2), Some(10))
    );
    let resources = config.resources.as_ref().unwrap();
    let memory = resources.memory.as_ref().unwrap();
    assert_eq!(
        (memory.limit, memory.kernel_tcp, memory.disable_oom_killer),
        (Some(-1), Some(2), Some(true))
    );
    let pages: Vec<_> = resources
        .hugepage_limits
        .iter()
        .flatten()
        .map(|limit| limit.page_size.as_ref().map(|size| size.0.as_str()))
        .collect();
    assert_eq!(pages, [Some("2MB"), Some("1GB")]);
    assert_eq!(resources.block_io.as_ref().unwrap().leaf_weight, Some(11));
    let runtime = config.runtime.as_ref().unwrap();
    assert_eq!(runtime.restart.unwrap().value, Restart::Never);
    assert_eq!(runtime.stop_signal.as_ref().unwrap().value, "SIGQUIT");
    assert_eq!(runtime.seccomp.unwrap().value, SeccompPolicy::Unconfined);
    assert_eq!(
        shown(&runtime.mounts.as_ref().unwrap()[0]),
        "/t   []",
        "not inferred here"
    );
    assert_eq!(runtime.bind_ns.net.as_ref().unwrap().value, "/run/netns/a");
}

fn shown(mount: &Mount) -> String {
    format!(
        "{} {} {} [{}]",
        mount.destination.value,
        mount.kind,
        mount.source.value,
        mount.options.join(",")
    )
}

#[test]
fn files_and_their_modes() {
    let manifest = parsed(&[r#"
files:
  - {path: a, contents: ""}
  - {path: /b, directory: true}
  - {path: c, symlink: a, mode: "0777"}
  - {path: d, source: ~/x, optional: true, mode: "600"}
  - {path: e, metadata: json, mode: "1777"}
"#]);
    let files: Vec<String> = manifest
        .files
        .iter()
        .map(|file| {
            let content = match &file.content {
                FileContent::Directory => "directory".to_owned(),
                FileContent::Symlink(target) => format!("-> {}", target.value),
                FileContent::Contents(text) => format!("{:?}", text.value),
                FileContent::Source(path) => format!("from {}", path.value),
                FileContent::Metadata(format) => format!("{format:?}"),
            };
            format!("{} {content} {:04o}", file.path.value, file.mode_bits())
        })
        .collect();
    assert_eq!(
        files,
        [
            "a \"\" 0600",
            "/b directory 0700",
            "c -> a 0777",
            "d from ~/x 0600",
            "e Json 1777"
        ]
    );
}

#[test]
fn templates_are_resolved_in_local_files() {
    let text = "init: [\"@pkg:pkg/init\"]\nfiles: [{path: a, contents: \"@pkg:./b\"}, {path: b, contents: \"@x\"}, {path: c, contents: \"a @pkg:b\"}]";
    let asked = RefCell::new(Vec::new());
    let local = SourceFile {
        directory: Some("/work dir".into()),
        ..source("m.yml", text)
    };
    let (manifest, warnings) = parse(&[local], &|path, file| {
        asked.borrow_mut().push(format!(
            "{} in {}",
            path,
            file.directory.as_ref().unwrap().display()
        ));
        Ok(format!(
            "x/{}:tag",
            path.trim_start_matches("./").replace('/', "-")
        ))
    })
    .unwrap();
    assert_eq!(*asked.borrow(), ["pkg/init in /work dir", "./b in /work dir"]);
    assert_eq!(manifest.init[0].value, "x/pkg-init:tag");
    let contents: Vec<&FileContent> = manifest.files.iter().map(|file| &file.content).collect();
    assert!(matches!(contents[0], FileContent::Contents(text) if text.value == "x/b:tag"));
    assert!(matches!(contents[1], FileContent::Contents(text) if text.value.is_empty()));
    assert!(matches!(contents[2], FileContent::Contents(text) if text.value == "a @pkg:b"));
    assert_eq!(
        warnings[0].to_string(),
        "m.yml:2:62: warning: `@x` is no template that is known, and becomes empty (hint: only `@pkg:` is one; text that begins with `@` can be in a file of its own (`source`))"
    );

    let local = SourceFile {
        directory: Some("/".into()),
        ..source("m.yml", text)
    };
    let mistakes = parse(&[local], &|path, _| Err(format!("there is no `{path}`"))).unwrap_err();
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "m.yml:1:8: error: cannot resolve `@pkg:pkg/init`: there is no `pkg/init`",
            "m.yml:2:29: error: cannot resolve `@pkg:./b`: there is no `./b`",
            "m.yml:2:62: warning: `@x` is no template that is known, and becomes empty (hint: only `@pkg:` is one; text that begins with `@` can be in a file of its own (`source`))",
        ]
    );
}

#[test]
fn labels() {
    let label = r#"{"capabilities.add": ["CAP_KILL"], "binds.add": ["vol:/run"], "uid": 7, "readonly": true,
	"resources": {"blockIO": {"weight": 5}}, "command": ["/bin/\u0061pp", "a\/b"]}"#;
    let config = parse_label(label, "x/y").unwrap();
    assert_eq!(values(&config.capabilities_add), ["CAP_KILL"]);
    assert_eq!(values(&config.command), ["/bin/app", "a/b"]);
    assert_eq!(config.binds_add.unwrap()[0].span.file, LABEL_FILE);

    let table = [
        (
            "{\"name\": \"x\"}",
            "1:2: error: `name` cannot be set in the label; it belongs to manifests",
        ),
        ("[\"a\"]", "1:1: error: expected a mapping, found a list"),
        (
            "",
            "1:1: error: the text is empty (hint: an image with nothing in it is written `{}`)",
        ),
        (
            "{\"capabilites\": []}",
            "1:2: error: unknown key `capabilites` in the label (hint: did you mean `capabilities`?)",
        ),
    ];
    for (label, expected) in table {
        let mistakes = parse_label(label, "x/y").unwrap_err();
        assert_eq!(
            mistakes[0].to_string(),
            format!("label org.mobyproject.config of x/y:{expected}")
        );
    }
}

#[test]
fn modes_of_build_files_need_no_quotes() {
    let text = "devices: [{path: /dev/x, type: c, major: 1, minor: 2, mode: 0666}]";
    let mut out = Diagnostics::new(["build.yml".to_owned()]);
    let node = yaml::parse(0, text, &mut out).unwrap();
    let config = container_config(&node, Dialect::BuildFile, &mut out).unwrap();
    assert_eq!(config.devices.unwrap()[0].mode.as_ref().unwrap().bits, 0o666);
    assert_eq!(out.finish().unwrap(), []);
}

#[test]
fn spans_cover_the_text_as_written() {
    let text = "\
init:\r
  - alpine:3.21   # é
  - \"a/b\"
kernel: {image: k, cmdline: 'ü x', tar: &t x,
  binary: *t}
services:
- name: plain
  image: >-
    folded
  binds: [ /é:/b , \"/c:/d\" ]
";
    let manifest = parsed(&[text]);
    let kernel = manifest.kernel.unwrap();
    let service = &manifest.services[0];
    let binds = service.config.binds.as_ref().unwrap();
    let table = [
        (manifest.init[0].span, "alpine:3.21", 2, 5),
        (manifest.init[1].span, "\"a/b\"", 3, 5),
        (kernel.image.unwrap().span, "k", 4, 17),
        (kernel.cmdline.unwrap().span, "'ü x'", 4, 29),
        (kernel.tar.unwrap().span, "&t x", 4, 41),
        (kernel.binary.unwrap().span, "&t x", 4, 41),
        (service.name.span, "plain", 7, 9),
        (binds[0].span, "/é:/b", 10, 12),
        (binds[1].span, "\"/c:/d\"", 10, 20),
    ];
    for (span, expected, line, column) in table {
        assert_eq!(
            (&text[span.start..span.end], span.line, span.column),
            (expected, line, column)
        );
    }
}
