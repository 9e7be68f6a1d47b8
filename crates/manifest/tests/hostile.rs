//! Texts made to break the parser: whatever comes in, an answer comes out, and soon.

use std::time::{Duration, Instant};

use ironkit_manifest::{SourceFile, parse, parse_label};

/// What any single text may take here, unoptimised and on a busy machine.
const LIMIT: Duration = Duration::from_secs(5);

const MANIFEST: &str = r#"# every kind of value
kernel:
  image: &k linuxkit/kernel:6.12.59
  cmdline: >-
    console=ttyS0
    root=/dev/ram
init: [linuxkit/init:b5506cc, "linuxkit/runc:9442aa2"]
onboot:
  - &base
    name: a
    image: 'golden/bare:v1'
    capabilities: [CAP_KILL]
    rlimits: ["nofile,1,2"]
    devices: [{path: all, type: b}, {path: /dev/x, type: c, major: 1, minor: 2, mode: "0666"}]
    binds: ["/etc:/etc:ro", "v:/v"]
    runtime: {mkdir: [/var/a], bindNS: {net: /run/n}, interfaces: [{name: eth0}]}
  - <<: *base
    name: b
    resources: {memory: {limit: 1000}, blockIO: {weight: 10}}
volumes:
  - {name: v, readonly: false}
files:
  - path: etc/x
    contents: |
      one
        two: é
    mode: "0644"
  - {path: etc/y, metadata: yaml}
"#;

/// Parses it both ways; returns the lines of the diagnostics of the first.
fn survive(text: &str) -> Vec<String> {
    let start = Instant::now();
    let file = SourceFile {
        name: "m.yml".to_owned(),
        text: text.to_owned(),
        directory: Some("/".into()),
    };
    let result = parse(&[file], &|path, _| Ok(path.to_owned()));
    let taken = start.elapsed();
    assert!(taken < LIMIT, "{taken:?} for {} bytes: {:.80}", text.len(), text);
    result.map_or_else(
        |mistakes| mistakes.iter().map(ToString::to_string).collect(),
        |_| Vec::new(),
    )
}

/// A small deterministic generator (xorshift), so that a failure can be repeated.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

#[test]
fn the_text_that_is_mutated_is_valid() {
    assert_eq!(survive(MANIFEST), Vec::<String>::new());
}

#[test]
fn truncated_texts() {
    for end in (0..MANIFEST.len()).filter(|end| MANIFEST.is_char_boundary(*end)) {
        survive(&MANIFEST[..end]);
        survive(&MANIFEST[end..]);
    }
}

#[test]
fn mutated_texts() {
    const PIECES: [&str; 34] = [
        "{", "}", "[", "]", ":", ": ", "- ", "-", "\n", "\n  ", " ", "\t", "\"", "'", "|", ">", "&a ", "*a",
        "*k", "<<: ", "? ", "!!int ", "!x ", "#", "%", "@pkg:", "\0", "\r", "é", "\u{feff}", "---\n",
        "...\n", "~", ",",
    ];
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    for _ in 0..4000 {
        let mut text: Vec<char> = MANIFEST.chars().collect();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(text.len());
            let end = (at + numbers.below(12)).min(text.len());
            match numbers.below(3) {
                0 => drop(text.drain(at..end)),
                1 => drop(text.splice(at..at, PIECES[numbers.below(PIECES.len())].chars())),
                _ => {
                    let copy = text[at..end].to_vec();
                    let to = numbers.below(text.len());
                    text.splice(to..to, copy);
                }
            }
            if text.is_empty() {
                text.push('a');
            }
        }
        let text: String = text.into_iter().collect();
        survive(&text);
        let _ = parse_label(&text, "image");
    }
}

#[test]
fn deep_nesting_is_refused() {
    let levels = 5000;
    let block: String = (0..levels)
        .map(|level| format!("{}a:\n", " ".repeat(level)))
        .collect();
    let aliases: String = (0..levels)
        .map(|at| format!("k{at}: &n{at} [*n{}]\n", at.max(1) - 1))
        .collect();
    let table = [
        "[".repeat(levels),
        "{a: ".repeat(levels),
        "- ".repeat(levels),
        "? ".repeat(levels),
        "[".repeat(levels) + &"]".repeat(levels),
        "!!seq [&x ".repeat(levels),
        block,
        format!("k: &n0 [x]\n{aliases}"),
    ];
    for text in table {
        let lines = survive(&text);
        assert!(
            lines.iter().any(|line| line.contains("error")),
            "{text:.40}: {lines:?}"
        );
    }
}

#[test]
fn bombs_are_refused() {
    let laughs: String = (1..30)
        .map(|at| {
            format!(
                "a{at}: &a{at} [{}]\n",
                vec![format!("*a{}", at - 1); 10].join(", ")
            )
        })
        .collect();
    let merges: String = (1..30)
        .map(|at| {
            format!(
                "a{at}: &a{at} {{<<: [{}]}}\n",
                vec![format!("*a{}", at - 1); 10].join(", ")
            )
        })
        .collect();
    let table = [
        format!("a0: &a0 [lol, lol]\n{laughs}"),
        format!("a0: &a0 {{x: lol}}\n{merges}"),
        format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(1000)),
        format!("init: [{}]\n", "a, ".repeat(400_000)),
        "&a ".repeat(100_000),
        format!("init: [{}]", "*a, ".repeat(100_000)),
    ];
    for text in table {
        let lines = survive(&text);
        assert!(!lines.is_empty(), "{text:.40}");
    }
}

#[test]
fn large_texts_are_read_in_time() {
    let keys: String = (0..40_000).map(|at| format!("k{at}: 1\n")).collect();
    let lines = survive(&keys);
    assert_eq!(lines.len(), 200, "the rest is only counted");
    assert!(
        lines
            .last()
            .is_some_and(|line| line.ends_with("(hint: 39800 more diagnostics are not shown)"))
    );

    let services: String = (0..10_000)
        .map(|at| format!("  - {{name: s{at}, image: alpine}}\n"))
        .collect();
    assert_eq!(survive(&format!("services:\n{services}")), Vec::<String>::new());
    let files: String = (0..10_000)
        .map(|at| format!("  - {{path: f{at}, contents: é, uid: s}}\n"))
        .collect();
    survive(&format!("files:\n{files}"));
    survive(&format!(
        "files: [{{path: a, contents: \"{}\"}}]",
        "é".repeat(1 << 20)
    ));
    survive(&format!("kernel: {{cmdline: {}}}", "\n".repeat(1 << 20)));
    survive(&"#".repeat(1 << 20));
    survive(&" ".repeat(1 << 20));
    survive(&"a: b: ".repeat(100_000));
    survive(&"a\n".repeat(500_000));
    survive(&"x".repeat(9 << 20));
}
