//! The commands that a document tells a person to type, so that a test can type them.

/// The commands in `text`'s fenced blocks marked `sh` (every line) or `console` (the lines after `$ `), one per
/// item. A line that ends in `\` continues on the next one. Comments and empty lines are left out.
pub fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.trim_start().strip_prefix(FENCE) else {
            continue;
        };
        let block: Vec<&str> = lines
            .by_ref()
            .take_while(|line| !line.trim_start().starts_with(FENCE))
            .collect();
        // Anything after the language is for the renderer: ```sh title="…"
        match kind.split_whitespace().next() {
            Some("sh") => collect(&block, "", &mut found),
            Some("console") => collect(&block, "$ ", &mut found),
            _ => {}
        }
    }
    found
}

const FENCE: &str = "```";

fn collect(block: &[&str], prompt: &str, found: &mut Vec<String>) {
    let mut lines = block.iter();
    while let Some(line) = lines.next() {
        let Some(first) = line.trim().strip_prefix(prompt) else {
            continue;
        };
        let mut command = first.to_owned();
        while let Some(before) = command.strip_suffix('\\') {
            let next = lines.next().map_or("", |line| line.trim());
            command = format!("{} {next}", before.trim_end());
        }
        if !command.is_empty() && !command.starts_with('#') {
            found.push(command);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_a_document() {
        for (text, expect) in [
            ("make demo\n", &[] as &[&str]),
            (
                "```sh\nmake demo\n\n# a remark\n  make test   # everything\n```\nmake no\n",
                &["make demo", "make test   # everything"],
            ),
            (
                "```console\n$ ironkit build \\\n    --name x \\\n    a.yml\noutput\n$ ls\n```\n",
                &["ironkit build --name x a.yml", "ls"],
            ),
            ("```yaml\nkernel: x\n```\n```\nplain\n```\n", &[]),
            ("1. so:\n   ```sh title=\"x\"\n   make\n   ```\n", &["make"]),
            ("```sh\nunclosed\n", &["unclosed"]),
            ("```sh\nends with \\\n```\n", &["ends with "]),
        ] {
            assert_eq!(commands(text), expect, "{text}");
        }
    }
}
