//! What people read when a manifest is wrong: all mistakes of a text in one run, one line each.

use insta::assert_snapshot;
use ironkit_manifest::{Diagnostic, SourceFile, parse};

/// Parses texts named `a.yml`, `b.yml` … and returns the lines of all diagnostics.
fn diagnose(texts: &[&str]) -> String {
    let file = |(number, text): (u8, &&str)| SourceFile {
        name: format!("{}.yml", char::from(b'a' + number)),
        text: (*text).to_owned(),
        directory: None,
    };
    let files: Vec<SourceFile> = (0..).zip(texts).map(file).collect();
    let diagnostics: Vec<Diagnostic> = match parse(&files, &|_, _| Err("not in this test".to_owned())) {
        Ok((_, warnings)) => warnings,
        Err(mistakes) => mistakes,
    };
    diagnostics
        .iter()
        .map(|diagnostic| format!("{diagnostic}\n"))
        .collect()
}

/// Unknown keys, near misses, keys of other tools.
#[test]
fn keys() {
    let texts = ["kernel:
  image: linuxkit/kernel:6.12
  cmdlien: console=ttyS0
  initrd: x
servces: []
services:
  - name: a
    image: nginx
    entrypoint: [/bin/sh]
    Net: host
    maskedpaths: []
    privileged: true
    runtime: {bindns: {net: /run/netns/a}, restrat: always}
    resources: {memory: {limitt: 1, kerneltcp: 1, kernelTCP: 2}}
"];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:3:3: error: unknown key `cmdlien` in `kernel` (hint: did you mean `cmdline`?)
    a.yml:4:3: error: unknown key `initrd` in `kernel` (hint: known here: `image`, `cmdline`, `binary`, `tar` or `ucode`)
    a.yml:5:1: error: unknown key `servces` in the manifest (hint: did you mean `services`?)
    a.yml:9:5: error: unknown key `entrypoint` in an entry of `services` (hint: did you mean `command`?)
    a.yml:10:5: error: unknown key `Net` in an entry of `services` (hint: did you mean `net`?)
    a.yml:11:5: error: unknown key `maskedpaths` in an entry of `services` (hint: did you mean `maskedPaths`?)
    a.yml:12:5: error: unknown key `privileged` in an entry of `services` (hint: known here: `name`, `image`, `capabilities`, `capabilities.add`, `ambient`, `mounts`, `binds`, `binds.add`, `devices`, `tmpfs`, `command`, `env`, `cwd`, `net`, `ipc`, `uts`, `pid`, `userns`, `hostname`, `readonly`, `maskedPaths`, `readonlyPaths`, `uid`, `gid`, `additionalGids`, `noNewPrivileges`, `oomScoreAdj`, `rootfsPropagation`, `cgroupsPath`, `resources`, `sysctl`, `annotations`, `rlimits`, `uidMappings`, `gidMappings` or `runtime`)
    a.yml:13:15: error: unknown key `bindns` in `runtime` (hint: did you mean `bindNS`?)
    a.yml:13:44: error: unknown key `restrat` in `runtime` (hint: did you mean `restart`?)
    a.yml:14:26: error: unknown key `limitt` in `memory` (hint: did you mean `limit`?)
    a.yml:14:51: error: `kernelTCP` is given twice, in two spellings
    "#);
}

/// Values of the wrong type.
#[test]
fn types() {
    let texts = [r#"kernel:
  image: 7
  cmdline: 1
init: linuxkit/init
onboot:
services:
  - name: true
    image: nginx
    command: /bin/sh -c true
    env: {A: 1}
    readonly: yes
    noNewPrivileges: "true"
    hostname: yes
    oomScoreAdj: "5"
    sysctl: {net.ipv4.ip_forward: 1}
    uid: 1.5
    gid: -1
    cwd: [a]
    resources: {memory: {limit: 1e9}, blockio: {weight: 70000}, cpu: 5}
  - just text
volumes: {}
files:
  - path: etc/x
    contents:
"#];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:2:10: error: `image` must be a string, not an integer (hint: put it in quotes: "7")
    a.yml:3:12: error: `cmdline` must be a string, not an integer (hint: put it in quotes: "1")
    a.yml:4:7: error: `init` must be a list, not a string (hint: write a list: `["linuxkit/init"]`)
    a.yml:5:1: error: `onboot` must be a list, but has no value (hint: write `[]` for an empty list, or leave the key out)
    a.yml:7:11: error: `name` must be a string, not a boolean (hint: put it in quotes: "true")
    a.yml:9:14: error: `command` must be a list, not a string (hint: write a list: `["/bin/sh -c true"]`)
    a.yml:10:10: error: `env` must be a list, not a mapping
    a.yml:11:15: error: `readonly` must be `true` or `false`, not a string (hint: write `true`, without quotes)
    a.yml:12:22: error: `noNewPrivileges` must be `true` or `false`, not a string (hint: write `true`, without quotes)
    a.yml:14:18: error: `oomScoreAdj` must be an integer, not a string (hint: leave out the quotes)
    a.yml:15:35: error: `net.ipv4.ip_forward` must be a string, not an integer (hint: put it in quotes: "1")
    a.yml:16:10: error: `uid` must be a whole number or the name of a container, not a number
    a.yml:17:10: error: `gid` must be a number from 0 to 4294967295, not -1
    a.yml:18:10: error: `cwd` must be a string, not a list
    a.yml:19:57: error: `weight` must be a number from 0 to 65535, not 70000
    a.yml:19:70: error: `cpu` must be a mapping, not an integer
    a.yml:20:5: error: an entry of `services` must be a mapping, not a string
    a.yml:21:10: error: `volumes` must be a list, not a mapping
    a.yml:24:5: error: `contents` must be a string, but has no value (hint: write `""` for an empty string, or leave the key out)
    "#);
}

/// What must be there and is not.
#[test]
fn missing() {
    let texts = ["services:
  - image: nginx
  - name: a
  - {}
volumes:
  - image: alpine
files:
  - contents: a
  - path: etc/x
  - path: etc/y
    directory: false
"];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:2:5: error: an entry of `services` has no `name`
    a.yml:3:5: error: an entry of `services` has no `image`
    a.yml:4:5: error: an entry of `services` has no `name`
    a.yml:4:5: error: an entry of `services` has no `image`
    a.yml:6:5: error: this volume has no `name`
    a.yml:8:5: error: this file has no `path`
    a.yml:9:5: error: nothing says what the file contains (hint: add `contents`, `source`, `metadata`, `symlink` or `directory: true`)
    a.yml:10:5: error: nothing says what the file contains (hint: add `contents`, `source`, `metadata`, `symlink` or `directory: true`)
    "#);
}

/// Names that cannot be paths.
#[test]
fn names() {
    let texts = [r#"services:
  - {name: "", image: nginx}
  - {name: ../a, image: nginx}
  - {name: "a\0b", image: nginx}
  - {name: "A b/c", image: nginx}
volumes:
  - name: ""
  - name: Data
  - name: a b
"#];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:2:12: error: the name is empty
    a.yml:3:12: error: "../a" cannot be a name: it becomes part of a path
    a.yml:4:12: error: "a\0b" cannot be a name: it becomes part of a path
    a.yml:5:12: warning: `A b/c` makes a directory in a directory, where init does not look (hint: leave out the slash)
    a.yml:7:11: error: the name of the volume is empty
    a.yml:8:11: error: `Data` cannot be the name of a volume (hint: write `data`)
    a.yml:9:11: error: `a b` cannot be the name of a volume (hint: only a-z, 0-9, `_` and `-` are allowed)
    "#);
}

/// Things declared twice.
#[test]
fn duplicates() {
    let texts = ["services:
  - {name: a, image: nginx}
  - {name: a, image: nginx}
onboot:
  - {name: x, image: alpine}
  - {name: x, image: alpine, image: busybox}
volumes:
  - {name: v}
  - {name: v}
services: []
"];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:3:12: error: the service `a` is declared twice (first declared at a.yml:2:12)
    a.yml:6:30: error: the key `image` is given twice (first given at a.yml:6:15)
    a.yml:9:12: error: the volume `v` is declared twice (first declared at a.yml:8:12)
    a.yml:10:1: error: the key `services` is given twice (first given at a.yml:1:1)
    "#);
}

/// Bad image references.
#[test]
fn references() {
    let texts = [r#"kernel: {image: "http://example.org/kernel"}
init:
  - Golden/Image:v1
  - "golden/bad image:v1 "
  - alpine@sha256:12
  - "@pkg:init"
services:
  - {name: a, image: ""}
volumes:
  - {name: v, image: "a::b"}
"#];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:1:17: error: `http://example.org/kernel` is not an image reference: it has a scheme (hint: leave out the scheme: `example.org/kernel`)
    a.yml:3:5: error: `Golden/Image:v1` is not an image reference: `G` is not allowed in a repository (hint: write `golden/image:v1`)
    a.yml:4:5: error: `golden/bad image:v1 ` is not an image reference: a space is not allowed in a repository
    a.yml:5:5: error: `alpine@sha256:12` is not an image reference: a sha256 digest has 64 digits from 0-9 and a-f, this one has 2
    a.yml:6:5: error: `@pkg:init` is not an image reference: it has no name (hint: `@pkg:` works in manifests that are local files)
    a.yml:8:22: error: the image reference is empty
    a.yml:10:22: error: `a::b` is not an image reference: `:` is not allowed in a repository
    "#);
}

/// Capabilities.
#[test]
fn capabilities() {
    let texts = ["services:
  - name: a
    image: nginx
    capabilities: [CAP_FLY, cap_kill, NET_ADMIN, CAP_NET_ADMN]
    capabilities.add: [all, CAP_KILL]
    ambient: [none]
"];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:4:20: error: unknown capability `CAP_FLY` (hint: names are those of capabilities(7), in capitals: `CAP_NET_ADMIN`; or `all` or `none` alone)
    a.yml:4:29: error: unknown capability `cap_kill` (hint: did you mean `CAP_KILL`?)
    a.yml:4:39: error: unknown capability `NET_ADMIN` (hint: did you mean `CAP_NET_ADMIN`?)
    a.yml:4:50: error: unknown capability `CAP_NET_ADMN` (hint: did you mean `CAP_NET_ADMIN`?)
    a.yml:5:24: error: `all` must be the only entry of the list (hint: leave out the others, or `all`)
    "#);
}

/// Resource limits.
#[test]
fn limits() {
    let texts = [r#"services:
  - name: a
    image: nginx
    rlimits: ["files,1,2", "nofiles,1,2", "nofile,1", "nofile,1,many", "nofile, 1 , unlimited", "nofile,-1,2"]
"#];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:4:15: error: unknown resource limit `files` (hint: expected `cpu`, `fsize`, `data`, `stack`, `core`, `rss`, `nproc`, `nofile`, `memlock`, `as`, `locks`, `sigpending`, `msgqueue`, `nice`, `rtprio` or `rttime`)
    a.yml:4:28: error: unknown resource limit `nofiles` (hint: did you mean `nofile`?)
    a.yml:4:43: error: `nofile,1` is not a resource limit (hint: expected `name,soft,hard`: `nofile,1024,4096`)
    a.yml:4:55: error: the limit `many` is not a number (hint: expected a number or `unlimited`)
    a.yml:4:97: error: the limit `-1` is not a number (hint: expected a number or `unlimited`)
    "#);
}

/// Mounts, binds, tmpfs and devices.
#[test]
fn mounts() {
    let texts = [r#"services:
  - name: a
    image: nginx
    mounts:
      - {destination: /x, source: /y}
      - {type: tmpfs}
      - {type: proc}
    binds: [/etc, "a:b:c:d", ":/x", "/x:"]
    tmpfs: ["/a:b:c", /run]
    devices:
      - {path: /dev/a, type: c, major: 1, minor: 2}
      - {path: /dev/a, type: char, major: 1, minor: 2, mode: "0666"}
      - {path: /dev/a, type: c, major: 1, minor: 2, mode: 0666}
      - {path: /dev/a, mode: "rw"}
      - {path: all}
    rootfsPropagation: shard
    net: hots
    ipc: none
    uts: somewhere
"#];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:5:9: error: the mount has no `type` (hint: for a directory of the host write `type: bind` and `options: [rw, rbind]`, or use `binds`)
    a.yml:6:9: error: the tmpfs mount has no `destination`
    a.yml:8:13: error: `/etc` is not a bind (hint: expected `source:destination` or `source:destination:options`)
    a.yml:8:19: error: `a:b:c:d` is not a bind (hint: expected `source:destination` or `source:destination:options`)
    a.yml:8:30: error: the bind `:/x` has no source
    a.yml:8:37: error: the bind `/x:` has no destination
    a.yml:9:13: error: `/a:b:c` is not a tmpfs (hint: expected `destination` or `destination:options`)
    a.yml:11:9: error: the device `/dev/a` has no `mode` (hint: write it in quotes: `mode: "0660"`)
    a.yml:12:30: error: `char` is not a type of device (hint: expected `b` for block devices or `c` for character devices)
    a.yml:13:59: error: `mode` must be a string, not an integer (hint: put it in quotes: "0666")
    a.yml:14:9: error: a device has no `type`
    a.yml:14:30: error: `rw` is not a mode: expected octal digits, at most `7777` (hint: as in `"0644"` for a file or `"0755"` for a directory)
    a.yml:16:24: error: `rootfsPropagation` cannot be `shard` (hint: did you mean `shared`?)
    a.yml:17:10: warning: `hots` is taken as the path of an existing namespace (hint: did you mean `host`?)
    a.yml:19:10: warning: `somewhere` is taken as the path of an existing namespace (hint: the words are `host`, `new` and `none`; a path begins with `/`)
    "#);
}

/// Volumes and their use.
#[test]
fn volumes() {
    let texts = [r#"volumes:
  - {name: data}
  - {name: config, readonly: true}
  - {name: oci, image: alpine, format: OCI, platforms: [linux, linux/arm64]}
  - {name: fs, platforms: [linux/amd64]}
services:
  - name: a
    image: nginx
    binds: ["dta:/x", "config:/c", "config:/c:rw", "config:/c:ro,nosuid", "data:/d", "nosuch:/n"]
    mounts:
      - {type: bind, source: config, destination: /c, options: [rw, ro]}
      - {type: bind, source: config, destination: /c, options: [rbind, ro]}
      - {type: bind, source: other, destination: /c}
      - {type: overlay, source: overlay, destination: /o}
"#];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:4:40: error: `format` cannot be `OCI` (hint: did you mean `oci`?)
    a.yml:4:57: error: `linux` is not a platform (hint: expected `os/architecture` or `os/architecture/variant`: `linux/arm64`)
    a.yml:5:16: warning: `platforms` has no effect without `format: oci` (hint: a file system always has the platform that is built for)
    a.yml:9:13: error: there is no volume `dta` (hint: did you mean `data`?)
    a.yml:9:23: error: the volume `config` is read-only, but bound read-write (declared at a.yml:3:12) (hint: write `config:/c:ro`)
    a.yml:9:36: error: the volume `config` is read-only, but bound read-write (declared at a.yml:3:12) (hint: write `config:/c:ro`)
    a.yml:9:52: error: the volume `config` is read-only: LinuxKit wants no option beside `ro` here (declared at a.yml:3:12) (hint: write `config:/c:ro`)
    a.yml:9:86: error: there is no volume `nosuch` (hint: declare it in `volumes`; a path begins with `/`)
    a.yml:11:30: error: the volume `config` is read-only, but bound read-write (declared at a.yml:3:12) (hint: write `options: [ro, rbind]`)
    a.yml:13:30: error: there is no volume `other` (hint: declare it in `volumes`; a path begins with `/`)
    "#);
}

/// Files.
#[test]
fn files() {
    let texts = [r#"files:
  - {path: "", contents: a}
  - {path: a/../../b, contents: a}
  - {path: etc/a, contents: a, source: b}
  - {path: etc/b, source: b, metadata: yaml}
  - {path: etc/c, directory: true, contents: a}
  - {path: etc/d, directory: true, symlink: a}
  - {path: etc/e, symlink: a, contents: b}
  - {path: etc/f, contents: a, mode: "0999"}
  - {path: etc/g, contents: a, mode: 0644}
  - {path: etc/h, contents: a, mode: "17777"}
  - {path: etc/i, metadata: toml}
  - {path: etc/j, contents: a, optional: true}
  - {path: etc/k, contents: a, uid: nobody, gid: "7"}
  - {path: /./, directory: true}
  - {path: etc/l, contents: a, mode: "0o644"}
"#];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:2:12: error: the path is empty
    a.yml:3:12: error: the path "a/../../b" cannot be placed: it has `..` or a NUL character
    a.yml:4:32: error: `contents` and `source` exclude each other (`contents` is given at a.yml:4:19)
    a.yml:5:30: error: `source` and `metadata` exclude each other (`source` is given at a.yml:5:19)
    a.yml:6:36: error: `directory` and `contents` exclude each other (`directory` is given at a.yml:6:19)
    a.yml:7:36: warning: `symlink` has no effect beside `directory`
    a.yml:8:31: warning: `contents` has no effect beside `symlink`
    a.yml:9:38: error: `0999` is not a mode: expected octal digits, at most `7777` (hint: as in `"0644"` for a file or `"0755"` for a directory)
    a.yml:10:38: error: `mode` must be a string, not an integer (hint: put it in quotes: "0644")
    a.yml:11:38: error: `17777` is not a mode: expected octal digits, at most `7777` (hint: as in `"0644"` for a file or `"0755"` for a directory)
    a.yml:12:29: error: `metadata` cannot be `toml` (hint: expected `yaml` or `json`)
    a.yml:13:32: warning: `optional` has no effect without `source`
    a.yml:14:37: error: no container is named `nobody`, so it has no id (hint: expected a number, or the name of an onboot, onshutdown or services entry)
    a.yml:14:50: error: no container is named `7`, so it has no id (hint: leave out the quotes: a string is a name)
    a.yml:15:12: error: the path is the root itself
    a.yml:16:38: error: `0o644` is not a mode: expected octal digits, at most `7777` (hint: write `"0644"`)
    "#);
}

/// Users by the name of a container.
#[test]
fn ids() {
    let texts = [r#"onboot:
  - {name: first, image: alpine, uid: nginx, gid: root, additionalGids: [frist, 5, ""]}
services:
  - {name: nginx, image: nginx, uid: nginx, gid: "100"}
"#];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:2:74: error: no container is named `frist`, so it has no id (hint: did you mean `first`?)
    a.yml:4:50: error: no container is named `100`, so it has no id (hint: leave out the quotes: a string is a name)
    "#);
}

/// The `runtime` section.
#[test]
fn runtime() {
    let texts = [r#"onboot:
  - name: a
    image: alpine
    runtime: {restart: always, onFailure: halt, timeout: 30s, stopSignal: SIGFOO}
services:
  - name: b
    image: alpine
    runtime: {restart: onfailure, onFailure: stop, timeout: 3, stopSignal: quit, stopTimeout: -1, seccomp: "off", interfaces: [{add: veth}]}
"#];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:4:24: warning: `restart` has no effect in `onboot`, only in services
    a.yml:4:43: error: `onFailure` cannot be `halt` (hint: expected `continue`, `stop`, `poweroff` or `reboot`)
    a.yml:4:58: error: `timeout` must be a whole number of seconds, not a string
    a.yml:4:75: error: `SIGFOO` is not the name of a stop signal (hint: expected a name like `SIGTERM` or `SIGQUIT`)
    a.yml:8:24: error: `restart` cannot be `onfailure` (hint: did you mean `on-failure`?)
    a.yml:8:46: warning: `onFailure` has no effect in `services`, only in onboot
    a.yml:8:61: warning: `timeout` has no effect in `services`, only in onboot and onshutdown
    a.yml:8:95: error: `stopTimeout` must be a number from 0 to 4294967295, not -1
    a.yml:8:108: error: `seccomp` cannot be `off` (hint: expected `default` or `unconfined`)
    a.yml:8:128: error: an interface has no `name`
    "#);
}

/// Old sections are accepted with a warning.
#[test]
fn trust() {
    let texts = ["trust:
  org: [linuxkit]
kernel: {image: linuxkit/kernel:6.12}
"];
    assert_snapshot!(diagnose(&texts), @r#"a.yml:1:1: warning: `trust` has no effect: content trust no longer exists (hint: pin images by digest: `name@sha256:…`)"#);
}

/// Syntax: a tab.
#[test]
fn syntax_tab() {
    let texts = ["services:\n\t- name: a\n"];
    assert_snapshot!(diagnose(&texts), @r#"a.yml:2:2: error: invalid YAML: tabs disallowed within this context (block indentation) (hint: YAML is indented with spaces; replace the tab)"#);
}

/// Syntax: a text that ends early.
#[test]
fn syntax_block() {
    let texts = ["files:
  - path: etc/resolv.conf
    contents: |
# a comment
      nameserver 10.0.0.1
"];
    assert_snapshot!(diagnose(&texts), @r#"a.yml:5:7: error: invalid YAML: while parsing a block mapping, did not find expected key (hint: line 4 is indented less and ends the text that line 3 begins)"#);
}

/// Syntax: a quote that is not closed.
#[test]
fn syntax_quote() {
    let texts = [r#"kernel: {image: "abc}
"#];
    assert_snapshot!(diagnose(&texts), @r#"a.yml:1:17: error: invalid YAML: while scanning a quoted scalar, found unexpected end of stream"#);
}

/// Syntax: a bracket that is not closed.
#[test]
fn syntax_flow() {
    let texts = ["init: [a, b
services: []
"];
    assert_snapshot!(diagnose(&texts), @r#"a.yml:2:9: error: invalid YAML: illegal placement of ':' indicator"#);
}

/// Syntax: a colon inside a plain value.
#[test]
fn syntax_colon() {
    let texts = ["kernel:
  cmdline: root=/dev/sda: x
"];
    assert_snapshot!(diagnose(&texts), @r#"a.yml:2:25: error: invalid YAML: mapping values are not allowed in this context (hint: put a value that contains `: ` in quotes)"#);
}

/// An empty text.
#[test]
fn empty() {
    let texts = [""];
    assert_snapshot!(diagnose(&texts), @r#"a.yml:1:1: error: the text is empty (hint: an image with nothing in it is written `{}`)"#);
}

/// Nothing but a comment.
#[test]
fn comment() {
    let texts = ["# nothing
"];
    assert_snapshot!(diagnose(&texts), @r#"a.yml:2:1: error: the text is empty (hint: an image with nothing in it is written `{}`)"#);
}

/// Nothing in a document.
#[test]
fn null() {
    let texts = ["---
"];
    assert_snapshot!(diagnose(&texts), @r#"a.yml:2:1: error: expected a mapping, found nothing (hint: write `{}` for an empty mapping)"#);
}

/// A text that is no mapping.
#[test]
fn scalar() {
    let texts = ["hello
"];
    assert_snapshot!(diagnose(&texts), @r#"a.yml:1:1: error: expected a mapping, found a string"#);
}

/// Keys that are no words.
#[test]
fn keys_odd() {
    let texts = ["? [a]
: b
7: x
"];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:1:3: error: a key must be a string, not a list
    a.yml:3:1: error: unknown key `7` in the manifest (hint: known here: `kernel`, `init`, `onboot`, `onshutdown`, `services`, `volumes`, `files` or `trust`)
    "#);
}

/// Tags.
#[test]
fn tags() {
    let texts = ["kernel: {image: !!str 7, cmdline: !foo x, tar: !!int none}
"];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:1:35: error: the value does not fit its tag `!foo`
    a.yml:1:48: error: the value does not fit its tag `!!int`
    "#);
}

/// Aliases and merge keys.
#[test]
fn aliases() {
    let texts = ["services:
  - &a {name: a, image: alpine}
  - <<: *a
    name: b
    nett: host
  - <<: [*a, 5]
    name: c
  - <<: &b {x: *b}
    name: d
"];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:6:14: error: `<<` takes a mapping or a list of mappings, not an integer
    a.yml:8:16: error: the alias stands inside of what it stands for
    "#);
}

/// Columns count characters, lines end with CR LF.
#[test]
fn unicode() {
    let texts = ["kernel: {image: k, cmdline: \"ü€𝄞\", foo: 1}\r\n# é\r\nservices: 5\r\n"];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:1:36: error: unknown key `foo` in `kernel` (hint: known here: `image`, `cmdline`, `binary`, `tar` or `ucode`)
    a.yml:3:11: error: `services` must be a list, not an integer (hint: write a list: `["5"]`)
    "#);
}

/// Two files: each mistake in its own.
#[test]
fn merged() {
    let texts = [
        r#"services:
  - {name: a, image: nginx, binds: ["later:/l"], uid: b}
volumes:
  - {name: v}
"#,
        r#"services:
  - {name: a, image: nginx}
  - {name: b, image: nginx, binds: ["v:/v", "w:/w"]}
volumes:
  - {name: later}
  - {name: v}
"#,
    ];
    assert_snapshot!(diagnose(&texts), @"
    b.yml:2:12: error: the service `a` is declared twice (first declared at a.yml:2:12)
    b.yml:3:45: error: there is no volume `w` (hint: declare it in `volumes`; a path begins with `/`)
    ");
}

/// A volume is declared anew in a later file: once the same, once not.
#[test]
fn volumes_of_several_files() {
    let texts = [
        "volumes:
  - {name: same, image: alpine}
  - {name: other, image: alpine}
",
        "volumes:
  - {name: same, image: alpine}
  - {name: other, image: alpine, readonly: true}
services:
  - {name: a, image: nginx, binds: [\"same:/s\", \"other:/o\"]}
",
    ];
    assert_snapshot!(diagnose(&texts), @"
    b.yml:3:12: warning: the volume `other` is declared again, and differently (first declared at a.yml:3:12)
    b.yml:5:48: error: the volume `other` is read-only, but bound read-write (declared at b.yml:3:12) (hint: write `other:/o:ro`)
    ");
}

/// Files below directories on which init mounts something.
#[test]
fn hidden_files() {
    let texts = [r#"files:
  - {path: /var/lib/data, directory: true}
  - {path: ./run//x, contents: a}
  - {path: tmp, directory: true, mode: "1777"}
  - {path: etc/var/x, contents: a}
  - {path: proc/x, symlink: y}
"#];
    assert_snapshot!(diagnose(&texts), @"
    a.yml:2:12: warning: `/var/lib/data` will be hidden: init mounts a file system on /var (hint: containers make directories when they start: `runtime: {mkdir: [/var/x]}` of an onboot container or service)
    a.yml:3:12: warning: `./run//x` will be hidden: init mounts a file system on /run (hint: put it elsewhere, as below /etc; an onboot container can copy it)
    a.yml:6:12: warning: `proc/x` will be hidden: init mounts a file system on /proc (hint: put it elsewhere, as below /etc; an onboot container can copy it)
    ");
}

/// Only the first document counts.
#[test]
fn documents() {
    let texts = [
        "init: [a]\n---\nservices: 5\n",
        "%YAML 1.2\n---\ninit: [b]\n...\n",
    ];
    assert_snapshot!(diagnose(&texts), @"a.yml:2:1: warning: a second document begins here; only the first one counts (hint: several manifests are given as several arguments)");
}

/// Command lines that kernels or boot loaders cannot take.
#[test]
fn command_lines() {
    let long = format!("kernel: {{image: k, cmdline: {}}}\n", "x".repeat(2048));
    let texts = [
        "kernel:\n  image: k\n  cmdline: |\n    console=ttyS0\n    quiet\n",
        &long,
    ];
    assert_snapshot!(diagnose(&texts), @"
    a.yml:4:5: warning: the command line is not one line (hint: `>-` instead of `|` joins the lines of a text)
    b.yml:1:29: warning: the command line has 2048 bytes; kernels keep the first 2047
    ");
}

/// Numbers and modes in the forms that YAML 1.2 has for them.
#[test]
fn forms_of_numbers() {
    let texts = [r#"services:
  - name: a
    image: nginx
    resources: {memory: {limit: 1e9, swap: 0x7fff_ffff, reservation: 1.5, kernel: 1e99}, pids: {limit: 0o17}}
    oomScoreAdj: 1_0
files:
  - {path: etc/a, contents: a, mode: "0o644"}
  - {path: etc/b, contents: a, mode: ""}
  - {path: etc/c, contents: a, mode: "u+x"}
"#];
    assert_snapshot!(diagnose(&texts), @r#"
    a.yml:4:70: error: `reservation` must be an integer, not a number
    a.yml:4:83: error: `kernel` must be an integer, not a number
    a.yml:7:38: error: `0o644` is not a mode: expected octal digits, at most `7777` (hint: write `"0644"`)
    a.yml:9:38: error: `u+x` is not a mode: expected octal digits, at most `7777` (hint: as in `"0644"` for a file or `"0755"` for a directory)
    "#);
}

/// Keys that belong elsewhere.
#[test]
fn keys_of_other_levels() {
    let texts = ["cmdline: quiet
command: [/bin/sh]
kernel:
  image: k
  init: [a]
services:
  - name: a
    image: nginx
    mkdir: [/var/a]
    volumes: [\"v:/v\"]
    memory: {limit: 5}
    services: []
    runtime: {rlimits: [], restart: never}
files:
  - {path: a, content: x}
"];
    assert_snapshot!(diagnose(&texts), @"
    a.yml:1:1: error: unknown key `cmdline` in the manifest (hint: `cmdline` belongs to `kernel`)
    a.yml:2:1: error: unknown key `command` in the manifest (hint: `command` belongs to an entry of `onboot`, `onshutdown` or `services`)
    a.yml:5:3: error: unknown key `init` in `kernel` (hint: `init` belongs to the top of the manifest)
    a.yml:9:5: error: unknown key `mkdir` in an entry of `services` (hint: `mkdir` belongs to `runtime`)
    a.yml:10:5: error: unknown key `volumes` in an entry of `services` (hint: did you mean `binds`?)
    a.yml:11:5: error: unknown key `memory` in an entry of `services` (hint: `memory` belongs to `resources`)
    a.yml:12:5: error: unknown key `services` in an entry of `services` (hint: `services` belongs to the top of the manifest)
    a.yml:13:15: error: unknown key `rlimits` in `runtime` (hint: `rlimits` belongs to an entry of `onboot`, `onshutdown` or `services`)
    a.yml:15:15: error: unknown key `content` in this file (hint: did you mean `contents`?)
    ");
}
