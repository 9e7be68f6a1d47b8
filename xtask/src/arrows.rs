//! Which crate may use which: the arrows of the design as a table, held against every `Cargo.toml`.
//!
//! Only what ends up in a product counts, so `[dev-dependencies]` are free.

use std::path::Path;

use crate::tidy::Finding;

/// Crates by the folder that holds them, in flow order, and the crates that they may use.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "crates/cli",
        &[
            "pipeline", "manifest", "oci", "rootfs", "tree", "image", "package", "sbom", "vm", "cloud",
            "contract",
        ],
    ),
    (
        "crates/pipeline",
        &[
            "manifest", "oci", "rootfs", "tree", "image", "package", "sbom", "vm", "cloud", "contract",
        ],
    ),
    ("crates/manifest", &[]),
    ("crates/oci", &["formats", "tree"]),
    (
        "crates/rootfs",
        &["manifest", "oci", "tree", "formats", "contract"],
    ),
    ("crates/tree", &[]),
    ("crates/image", &["tree", "formats", "contract"]),
    ("crates/formats", &["tree"]),
    (
        "crates/package",
        &["manifest", "oci", "tree", "rootfs", "formats", "sbom"],
    ),
    ("crates/sbom", &["tree"]),
    ("crates/vm", &[]),
    ("crates/cloud", &[]),
    ("guest/contract", &[]),
    ("guest/sys", &[]),
    ("guest/init", &["contract", "sys"]),
    ("guest/tools", &["contract", "sys"]),
    ("tests", &[]),
    ("benches", &[]),
    (
        "fuzz",
        &[
            "manifest", "oci", "rootfs", "tree", "formats", "image", "package", "sbom", "contract",
        ],
    ),
    ("xtask", &[]),
];

/// Every crate of this workspace is called so, but for `xtask`.
const PREFIX: &str = "ironkit-";

/// What is wrong with the `Cargo.toml` at `path`.
pub fn check(path: &Path, text: &str) -> Vec<Finding> {
    let folder = path.parent().unwrap_or(Path::new(""));
    if folder == Path::new("") {
        // The workspace itself has no dependencies; it only names versions.
        return Vec::new();
    }
    let finding = |line, message| Finding {
        path: path.to_owned(),
        line,
        fails: true,
        message,
    };
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| Path::new(name) == folder) else {
        return vec![finding(
            1,
            "this crate is not in the table of arrows (xtask/src/arrows.rs)".to_owned(),
        )];
    };
    let own = folder.file_name().unwrap_or_default().to_string_lossy();
    dependencies(text)
        .filter_map(|(line, name)| Some((line, name.strip_prefix(PREFIX)?)))
        .filter(|(_, name)| !allowed.contains(name))
        .map(|(line, name)| {
            let list = if allowed.is_empty() {
                "nothing here".to_owned()
            } else {
                allowed.join(", ")
            };
            finding(line, format!("`{own}` may not use `{name}`: it uses {list}"))
        })
        .collect()
}

/// The names in the tables of dependencies, with their lines. It reads what people write in a `Cargo.toml`, not
/// all of TOML: a dependency is a line of its own, or a table of its own.
fn dependencies(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(table) = line.strip_prefix('[') {
            let (kind, name) = table_of_dependencies(table.trim_end_matches(']'));
            inside = kind && name.is_none();
            return name.map(|name| (index + 1, name));
        }
        let name = line
            .split(['.', '=', ' '])
            .next()
            .unwrap_or_default()
            .trim_matches('"');
        (inside && !name.is_empty()).then_some((index + 1, name))
    })
}

/// Whether a table holds dependencies that count, and which one if it describes only one.
fn table_of_dependencies(table: &str) -> (bool, Option<&str>) {
    for kind in ["dependencies", "build-dependencies"] {
        // `target.'cfg(unix)'.dependencies`, but not `dev-dependencies`.
        let counts =
            |before: &str| before.is_empty() || (before.starts_with("target.") && before.ends_with('.'));
        if table.strip_suffix(kind).is_some_and(counts) {
            return (true, None);
        }
        match table.split_once(&format!("{kind}.")) {
            Some((before, name)) if counts(before) => return (true, Some(name.trim_matches('"'))),
            _ => {}
        }
    }
    (false, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<(usize, String)> {
        check(Path::new(path), text)
            .into_iter()
            .map(|finding| (finding.line, finding.message))
            .collect()
    }

    #[test]
    fn arrows() {
        for (path, text, line) in [
            (
                "crates/vm/Cargo.toml",
                "[dependencies]\nserde.workspace = true\n",
                None,
            ),
            (
                "crates/vm/Cargo.toml",
                "[dependencies]\nironkit-oci.workspace = true\n",
                Some(2),
            ),
            (
                "crates/vm/Cargo.toml",
                "[dependencies]\n# ironkit-oci = \"1\"\n",
                None,
            ),
            (
                "crates/vm/Cargo.toml",
                "[dev-dependencies]\nironkit-oci.workspace = true\n",
                None,
            ),
            (
                "crates/vm/Cargo.toml",
                "[dependencies]\n\n[dev-dependencies]\nironkit-oci = { path = \"x\" }\n",
                None,
            ),
            (
                "crates/vm/Cargo.toml",
                "[build-dependencies]\nironkit-oci = { path = \"x\" }\n",
                Some(2),
            ),
            (
                "crates/vm/Cargo.toml",
                "[dependencies.ironkit-oci]\npath = \"x\"\n",
                Some(1),
            ),
            (
                "crates/vm/Cargo.toml",
                "[dev-dependencies.ironkit-oci]\npath = \"x\"\n",
                None,
            ),
            (
                "crates/vm/Cargo.toml",
                "[target.'cfg(unix)'.dependencies]\nironkit-oci = \"1\"\n",
                Some(2),
            ),
            (
                "crates/vm/Cargo.toml",
                "[target.'cfg(unix)'.dev-dependencies]\nironkit-oci = \"1\"\n",
                None,
            ),
            (
                "crates/package/Cargo.toml",
                "[dependencies]\nironkit-formats.workspace = true\n",
                None,
            ),
            (
                "crates/formats/Cargo.toml",
                "[dependencies]\nironkit-image.workspace = true\n",
                Some(2),
            ),
            (
                "guest/init/Cargo.toml",
                "[dependencies]\nironkit-sys.workspace = true\n",
                None,
            ),
            (
                "guest/init/Cargo.toml",
                "[dependencies]\nironkit-tree.workspace = true\n",
                Some(2),
            ),
            ("crates/new/Cargo.toml", "[dependencies]\n", Some(1)),
            (
                "Cargo.toml",
                "[workspace.dependencies]\nironkit-vm = { path = \"crates/vm\" }\n",
                None,
            ),
        ] {
            let found = messages(path, text);
            assert_eq!(
                found.first().map(|(line, _)| *line),
                line,
                "{path}: {text}\n{found:?}"
            );
        }
    }

    #[test]
    fn the_message_names_what_is_allowed() {
        let text = "[dependencies]\nironkit-tree.workspace = true\nironkit-oci.workspace = true\n";
        let expect = "`image` may not use `oci`: it uses tree, formats, contract".to_owned();
        assert_eq!(messages("crates/image/Cargo.toml", text), [(3, expect)]);
    }

    #[test]
    fn the_table_has_no_circles_and_no_unknown_names() {
        let reach = |name: &str| {
            let entry = ARROWS
                .iter()
                .find(|(folder, _)| folder.rsplit('/').next() == Some(name));
            entry
                .unwrap_or_else(|| panic!("{name} is used but not in the table"))
                .1
        };
        for (folder, uses) in ARROWS {
            let own = folder.rsplit('/').next().unwrap();
            let mut open: Vec<&str> = uses.to_vec();
            let mut seen = Vec::new();
            while let Some(name) = open.pop() {
                assert_ne!(name, own, "{folder} reaches itself");
                if !seen.contains(&name) {
                    seen.push(name);
                    open.extend(reach(name));
                }
            }
        }
    }
}
