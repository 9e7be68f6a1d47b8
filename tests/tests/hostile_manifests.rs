//! Manifests whose author means harm: each is refused, or taken, within a bound of time and memory, and what is wrong with
//! it is said in a few lines.

use std::fmt::Write as _;

use ironkit_tests::{Sandbox, bounded};

/// The limits of manifests: bytes of text, diagnostics.
const TEXT: usize = 4 << 20;
const SHOWN: usize = 200;
/// Most bytes of messages: so many diagnostics with their excerpts.
const SAID: usize = SHOWN * 8000;

/// Validates a manifest, and finds `expect` in what is said. It is a mistake unless it is expected to have none.
#[track_caller]
fn check(name: &str, text: impl AsRef<[u8]>, expect: &str) {
    let sandbox = Sandbox::new();
    sandbox.write("m.yml", text);
    for arguments in [["validate", "m.yml"].as_slice(), &["validate", "--json", "m.yml"]] {
        let finished = bounded(&mut sandbox.ironkit(arguments.iter().copied()));
        let said = finished.stdout + &finished.stderr;
        let begin: String = said.chars().take(2000).collect();
        let is_fine = expect.is_empty();
        assert_eq!(
            finished.code,
            Some(if is_fine { 0 } else { 1 }),
            "{name}: {begin}"
        );
        assert!(is_fine || said.contains("m.yml"), "{name}: no place in {begin}");
        assert!(said.contains(expect), "{name}: {expect} is missing in {begin}");
        assert!(
            said.len() <= SAID,
            "{name}: {} bytes are said: {begin}",
            said.len()
        );
        assert!(!said.contains("panicked"), "{name}: {begin}");
    }
}

#[test]
fn bombs_of_aliases_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let below = format!("*a{}, ", level - 1).repeat(9);
        writeln!(bomb, "a{level}: &a{level} [{below}]").unwrap();
    }
    check("nine to the thirtieth", bomb, "the aliases expand to too much");
    let word = "x".repeat(1 << 20);
    check(
        "one word often",
        format!("a: &a {word}\nb: [{}]\n", "*a, ".repeat(100_000)),
        "the aliases expand to too much",
    );
    check("itself", "a: &a [*a]\n", "stands inside of what it stands for");
    let mut merged = "a0: &a0 {x: 1}\n".to_owned();
    for level in 1..2000 {
        let below = level - 1;
        writeln!(merged, "a{level}: &a{level} {{<<: *a{below}, k{level}: 1}}").unwrap();
    }
    check("merged keys", merged, "the aliases expand to too much");
}

#[test]
fn levels_are_bounded() {
    let deep = "m.yml";
    for open in ["[", "{a: ", "- ", "? "] {
        check(open, open.repeat(5000), deep);
    }
    let closed = format!("a: {}{}\n", "[".repeat(5000), "]".repeat(5000));
    check("lists in lists", closed, deep);
    let block: String = (0..2800)
        .map(|level| format!("{}a:\n", " ".repeat(level)))
        .collect();
    check("mappings in mappings", block, "nested deeper than 128 levels");
}

#[test]
fn megabytes_of_anything_are_refused() {
    for size in [TEXT, 2 * TEXT, 4 * TEXT] {
        for (name, piece) in [
            ("one line", "x"),
            ("lines", "\n"),
            ("items", "- \n"),
            ("keys", "a: \n"),
            ("braces", "{"),
            ("tabs", "\t"),
            ("quotes", "\"a\" "),
            ("comments", "#\n"),
            ("letters of two bytes", "é"),
        ] {
            let text = piece.repeat(size / piece.len());
            check(&format!("{size} bytes of {name}"), text, "m.yml");
        }
    }
    check("a longer one", "x".repeat(5 * TEXT), "longer than 16 MiB");
    let noise: Vec<u8> = (0..TEXT as u64)
        .map(|at| at.wrapping_mul(0x9E37_79B9).to_be_bytes()[5])
        .collect();
    check("noise", noise, "UTF-8");
    let word = "x".repeat(TEXT - 100);
    check("one name", format!("init: [{word}]\n"), "");
    check("one type", format!("init: {word}\n"), "must be a list");
    let key = format!("{}: 1\n", "x".repeat(1000));
    check("one key", key, "unknown key");
}

#[test]
fn many_of_anything_are_bounded() {
    let lines = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let (more, values) = ("more diagnostics are not shown", "more than 100000 values");
    let many = 100_000;
    check("unknown keys", lines(many, &|at| format!("k{at}: 1\n")), values);
    check(
        "fewer unknown keys",
        lines(40_000, &|at| format!("k{at}: 1\n")),
        more,
    );
    check("the same key", lines(40_000, &|_| "init: []\n".to_owned()), more);
    let services = |count, line: &dyn Fn(usize) -> String| format!("services:\n{}", lines(count, line));
    let named = |at| format!(" - {{name: s{at}, image: a}}\n");
    check("services", services(many, &named), values);
    check("fewer services", services(15_000, &named), "");
    check("the same service", services(15_000, &|_| named(1)), more);
    check(
        "services that are none",
        services(90_000, &|_| " - a\n".to_owned()),
        more,
    );
    check(
        "images",
        format!("init:\n{}", lines(90_000, &|at| format!(" - a{at}\n"))),
        "",
    );
}
