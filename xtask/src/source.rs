//! Rules about the text of one file: its header, its size, its functions' sizes, and words that stand for unfinished
//! or misplaced things.
//!
//! The forbidden words are written in pieces here, so that this file passes its own check.

use std::path::Path;

use crate::tidy::Finding;

/// Lines of a file, and of a function: past the first number think, past the second split. A table test is data and
/// may be as long as it likes within its file.
const FILE_LINES: (usize, usize) = (500, 800);
const FUNCTION_LINES: (usize, usize) = (70, 120);

/// Words that promise to come back. They count only as whole words.
const PROMISES: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("HA", "CK"),
];

/// Rust that does not belong in a finished program, and what does.
const UNFINISHED: &[(&str, &str)] = &[
    (concat!("to", "do!("), "finish it, or refuse with an error"),
    (
        concat!("unimpl", "emented!("),
        "finish it, or refuse with an error",
    ),
    (concat!("db", "g!("), "remove it"),
    (concat!("#[al", "low("), "use #[expect(…, reason = \"…\")]"),
    (concat!("#![al", "low("), "use #![expect(…, reason = \"…\")]"),
];

/// Hosts that serve packages. Which one to use is the machine's own configuration, never a constant.
const HOSTS: &[&str] = &[
    concat!("deb.", "debian.org"),
    concat!("security.", "debian.org"),
    concat!("snapshot.", "debian.org"),
    concat!("ftp.", "debian.org"),
    concat!("archive.", "ubuntu.com"),
    concat!("dl-cdn.", "alpinelinux.org"),
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("registry.", "npmjs.org"),
    concat!("files.", "pythonhosted.org"),
    concat!("proxy.", "golang.org"),
];

/// Beginnings of paths that exist on one person's machine only.
const PLACES: &[&str] = &[
    concat!("/wo", "rk/main"),
    concat!("/wo", "rk/shared"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

/// What is wrong with the file at `path`.
pub fn check(path: &Path, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |line, fails, message| {
        findings.push(Finding {
            path: path.to_owned(),
            line,
            fails,
            message,
        })
    };
    for (index, line) in text.lines().enumerate() {
        if let Some(message) = misplaced(line) {
            add(index + 1, true, message);
        }
    }
    if path.extension().is_some_and(|end| end == "rs") {
        if !text.starts_with("//!") {
            add(
                1,
                true,
                "a file opens with `//!`: what it owns, and what it does not do".to_owned(),
            );
        }
        for (index, line) in text.lines().enumerate() {
            for (word, instead) in UNFINISHED.iter().filter(|(word, _)| line.contains(word)) {
                add(index + 1, true, format!("`{word}`: {instead}"));
            }
        }
        let lines = text.lines().count();
        if let Some(fails) = past(lines, FILE_LINES) {
            add(
                1,
                fails,
                format!(
                    "the file has {lines} lines: past {} think, past {} split",
                    FILE_LINES.0, FILE_LINES.1
                ),
            );
        }
        for function in functions(text) {
            if let Some(fails) = past(function.lines, FUNCTION_LINES) {
                add(
                    function.start,
                    fails,
                    format!(
                        "`{}` has {} lines: a function fits a screen",
                        function.name, function.lines
                    ),
                );
            }
        }
    }
    findings
}

/// `None` within the limits, then whether it fails.
fn past(count: usize, (think, split): (usize, usize)) -> Option<bool> {
    (count > think).then_some(count > split)
}

/// What one line of any file must not say.
fn misplaced(line: &str) -> Option<String> {
    let words = || line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    if let Some(word) = PROMISES
        .iter()
        .find(|promise| words().any(|word| word == **promise))
    {
        return Some(format!("`{word}`: finish it, or write an issue"));
    }
    if let Some(host) = HOSTS.iter().find(|host| line.contains(**host)) {
        return Some(format!(
            "`{host}`: the mirror comes from the machine's configuration"
        ));
    }
    let place = PLACES.iter().find(|place| starts_a_path(line, place))?;
    Some(format!("`{place}`: a path of one machine"))
}

/// Whether an absolute path in `line` begins with `place`.
fn starts_a_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(index, _)| {
        let before = line[..index].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || "._-/*}$".contains(letter))
    })
}

#[derive(Debug, PartialEq, Eq)]
struct Function<'a> {
    name: &'a str,
    /// Its first line, from 1.
    start: usize,
    lines: usize,
}

/// The functions of a file as rustfmt lays them out: the body ends with a brace in the column where the function
/// began. Those marked as tests are left out.
fn functions(text: &str) -> Vec<Function<'_>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let is_test = index > 0 && lines[index - 1].trim() == "#[test]";
        if is_test || line.ends_with(['}', ';']) {
            continue;
        }
        // Where the body ends, or a declaration without one: `fn f(` … `);`
        let ends = |line: &str| {
            let rest = line.strip_prefix(indent).unwrap_or_default();
            rest.starts_with('}') || rest.starts_with(')') && rest.ends_with(';')
        };
        let rest = &lines[index + 1..];
        let Some(length) = rest.iter().position(|line| ends(line)) else {
            continue;
        };
        if rest[length].trim() == "}" {
            found.push(Function {
                name,
                start: index + 1,
                lines: length + 2,
            });
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix("fn ") {
            return after.split(['(', '<']).next();
        }
        let (word, after) = rest.split_once(' ')?;
        let qualifier =
            word.starts_with("pub") || ["const", "unsafe", "async", "extern", "\"C\""].contains(&word);
        rest = qualifier.then_some(after)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<(usize, bool)> {
        check(Path::new(path), text)
            .into_iter()
            .map(|finding| (finding.line, finding.fails))
            .collect()
    }

    #[test]
    fn words() {
        let promise = PROMISES[0];
        let allow = UNFINISHED[3].0;
        for (path, text, expect) in [
            ("a.rs", "//! ok\n".to_owned(), &[] as &[usize]),
            ("a.rs", "// not the right header\n".to_owned(), &[1]),
            ("a.rs", String::new(), &[1]),
            ("a.rs", format!("//! x\n// {promise}: later\n"), &[2]),
            ("a.rs", format!("//! x\nlet {promise}LIST = 1;\n"), &[]),
            ("a.rs", format!("//! x\n{}dead_code)]\n", allow), &[2]),
            (
                "a.rs",
                "//! x\n#[expect(dead_code, reason = \"x\")]\n".to_owned(),
                &[],
            ),
            ("a.rs", format!("//! x\n    {});\n", UNFINISHED[0].0), &[2]),
            ("a.md", format!("{allow}\n"), &[]),
            ("a.sh", format!("curl http://{}/x\n", HOSTS[0]), &[1]),
            ("a.yml", "mktemp XXXXXX\n".to_owned(), &[]),
            ("a.sh", format!("cd {}\n", PLACES[0]), &[1]),
            ("a.sh", format!("cd {}me\n", PLACES[2]), &[1]),
            ("a.sh", format!("cd $ROOT{}me\n", PLACES[2]), &[]),
            ("a.sh", format!("cd \"{}me\"\n", PLACES[2]), &[1]),
        ] {
            let found: Vec<usize> = lines(path, &text).into_iter().map(|(line, _)| line).collect();
            assert_eq!(found, expect, "{path}: {text}");
        }
    }

    #[test]
    fn sizes_of_files() {
        let text = |lines: usize| format!("//! x\n{}", "\n".repeat(lines - 1));
        assert_eq!(lines("a.rs", &text(500)), []);
        assert_eq!(lines("a.rs", &text(501)), [(1, false)]);
        assert_eq!(lines("a.rs", &text(800)), [(1, false)]);
        assert_eq!(lines("a.rs", &text(801)), [(1, true)]);
        assert_eq!(lines("a.md", &text(801)), []);
    }

    #[test]
    fn sizes_of_functions() {
        let body = |lines: usize| "        x;\n".repeat(lines);
        for (head, lines_inside, expect) in [
            ("    fn f() {\n", 68, &[] as &[(usize, bool)]),
            ("    fn f() {\n", 69, &[(2, false)]),
            ("    pub(crate) const fn f() {\n", 119, &[(2, true)]),
            ("    #[test]\n    fn f() {\n", 119, &[]),
            ("    fn f(\n        a: u8,\n    ) -> u8 {\n", 69, &[(2, false)]),
        ] {
            let text = format!("//! x\n{head}{}    }}\n", body(lines_inside));
            assert_eq!(lines("a.rs", &text), expect, "{head}");
        }
    }

    #[test]
    fn what_is_a_function() {
        for (text, expect) in [
            ("fn f() {\n}\n", &[("f", 2_usize)] as &[_]),
            ("fn f() {}\nfn g<T>(t: T) {\n    if x {\n    }\n}\n", &[("g", 4)]),
            (
                "trait T {\n    fn f(&self);\n    fn g(\n        &self,\n    );\n    fn h(&self) {\n        x\n    }\n}\n",
                &[("h", 3)],
            ),
            ("    let fn_name = 1;\n// fn f() {\n", &[]),
            ("fn unclosed() {\n", &[]),
            (
                "fn f<T>(\n    t: T,\n) -> T\nwhere\n    T: Copy,\n{\n    t\n}\n",
                &[("f", 8)],
            ),
        ] {
            let found: Vec<_> = functions(text)
                .iter()
                .map(|function| (function.name, function.lines))
                .collect();
            assert_eq!(found, expect, "{text}");
        }
    }
}
